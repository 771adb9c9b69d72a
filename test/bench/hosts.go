package main

import (
	"fmt"
	"net/http"
	"time"
)

// hosts: many simulated hosts in one process, and what each of them costs: memory, and time of boots and lists.
func hosts(o options) (figures []figure, err error) {
	const few, middle, many = 1, 1000, 5000
	var alone float64 // resident memory, MiB
	rateOfFew := 0.0
	for _, n := range []int{few, middle, many} {
		err := with(o.bin, n, func(c *cloud) error {
			known, err := allKnown(c, n)
			if err != nil {
				return err
			}
			window := 7 * time.Second
			if n > few {
				window = 31 * time.Second // a heartbeat of each
			}
			share, mib := idleFor(c.cmd.Process.Pid, window)
			s, err := seed(c, "raw", small())
			if err != nil {
				return err
			}
			boots, work, err := bootRates(c, s, 200)
			if err != nil {
				return err
			}
			if n == few {
				alone, rateOfFew = mib, median(boots)
				return nil
			}
			figures = append(figures,
				figure{What: fmt.Sprintf("%d simulated hosts in one process: all known after", n), Unit: "s", Samples: []float64{known}},
				figure{What: "  memory of each, at idle", Unit: "KiB", Samples: []float64{(mib - alone) * 1024 / float64(n-few)}},
				figure{What: "  processor of all of them, at idle, with a heartbeat of each", Unit: "% core", Samples: []float64{share}},
			)
			rate := figure{What: "  servers to ACTIVE, no port, 8 clients", More: true, Unit: "/s", Samples: boots, Baseline: "on one host", Base: rateOfFew}
			if n == middle {
				rate.Budget = 100
			}
			figures = append(figures, rate, figure{What: "  the same, processor time of gostack for each server", Unit: "ms", Samples: work})
			for what, path := range map[string]string{
				"hypervisors in detail": "/compute/v2.1/os-hypervisors/detail?limit=1000", "resource providers": "/placement/resource_providers", "compute services": "/compute/v2.1/os-services",
			} {
				ms, err := times(9, func() error { return c.call(http.MethodGet, path, nil, nil) })
				if err != nil {
					return err
				}
				figures = append(figures, figure{What: "  list of " + what, Unit: "ms", Samples: ms})
			}
			return nil
		})
		if err != nil {
			return figures, fmt.Errorf("%d hosts: %w", n, err)
		}
	}
	return figures, nil
}

// allKnown waits until n hosts can be scheduled to, and returns how long that took, in seconds.
func allKnown(c *cloud, n int) (float64, error) {
	begin := time.Now()
	var s struct {
		Statistics struct{ Count int } `json:"hypervisor_statistics"`
	}
	for end := begin.Add(5 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if err := c.call(http.MethodGet, "/compute/v2.1/os-hypervisors/statistics", nil, &s); err != nil {
			return 0, err
		}
		if s.Statistics.Count == n {
			return time.Since(begin).Seconds(), nil
		}
	}
	return 0, fmt.Errorf("%d hosts are up of %d", s.Statistics.Count, n)
}

// bootRates takes servers without a port to ACTIVE from 8 clients, many at a time, three times: how many a second, and what gostack has worked for each, in ms.
func bootRates(c *cloud, s *seeded, many int) (boots, work []float64, err error) {
	for range 3 {
		ids := make([]string, many)
		begin, before := time.Now(), ran(c.cmd.Process.Pid)
		if err := each(many, 8, func(i int) (err error) { ids[i], err = create(c, s.server(false)); return err }); err != nil {
			return nil, nil, err
		}
		if err := each(many, 8, func(i int) error { return active(c, ids[i], asOthers) }); err != nil {
			return nil, nil, err
		}
		boots = append(boots, float64(many)/time.Since(begin).Seconds())
		work = append(work, float64((ran(c.cmd.Process.Pid)-before).Microseconds())/1000/float64(many))
		if err := each(many, 8, func(i int) error { return gone(c, ids[i], asOthers) }); err != nil {
			return nil, nil, err
		}
	}
	return boots, work, nil
}
