package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gostack/internal/store"
)

// seeded is what a cloud needs for servers.
type seeded struct{ image, flavor, network string }

// seed makes an image of data, a flavor and a network, and lifts the quotas.
func seed(c *cloud, format string, data io.Reader) (*seeded, error) {
	s := &seeded{}
	var image struct{ ID string }
	if err := c.call(http.MethodPost, "/image/v2/images", map[string]any{"name": "x", "disk_format": format, "container_format": "bare"}, &image); err != nil {
		return nil, err
	}
	s.image = image.ID
	if err := c.call(http.MethodPut, "/image/v2/images/"+image.ID+"/file", data, nil); err != nil {
		return nil, err
	}
	var flavor struct{ Flavor struct{ ID string } }
	if err := c.call(http.MethodPost, "/compute/v2.1/flavors", map[string]any{"flavor": map[string]any{"name": "s", "ram": 128, "vcpus": 1, "disk": 1}}, &flavor); err != nil {
		return nil, err
	}
	s.flavor = flavor.Flavor.ID
	unlimited := map[string]any{"quota_class_set": map[string]any{"instances": -1, "cores": -1, "ram": -1}}
	if err := c.call(http.MethodPut, "/compute/v2.1/os-quota-class-sets/default", unlimited, nil); err != nil {
		return nil, err
	}
	var network struct {
		Network struct {
			ID      string
			Project string `json:"project_id"`
		}
	}
	if err := c.call(http.MethodPost, "/network/v2.0/networks", map[string]any{"network": map[string]any{"name": "n"}}, &network); err != nil {
		return nil, err
	}
	s.network = network.Network.ID
	subnet := map[string]any{"subnet": map[string]any{"network_id": s.network, "ip_version": 4, "cidr": "10.64.0.0/16"}}
	if err := c.call(http.MethodPost, "/network/v2.0/subnets", subnet, nil); err != nil {
		return nil, err
	}
	quota := map[string]any{"quota": map[string]any{"port": -1}}
	return s, c.call(http.MethodPut, "/network/v2.0/quotas/"+network.Network.Project, quota, nil)
}

func small() io.Reader { return bytes.NewReader(make([]byte, 1<<16)) }

// server is the body of a create.
func (s *seeded) server(port bool) map[string]any {
	body := map[string]any{"name": "s", "imageRef": s.image, "flavorRef": s.flavor, "networks": "none"}
	if port {
		body["networks"] = []any{map[string]any{"uuid": s.network}}
	}
	return body
}

func create(c *cloud, body map[string]any) (string, error) {
	var s struct{ Server struct{ ID string } }
	err := c.call(http.MethodPost, "/compute/v2.1/servers", map[string]any{"server": body}, &s)
	return s.Server.ID, err
}

// How often a server is looked at: one alone closely, many as clients do, so that looking is not most of the work.
const (
	closely  = 2 * time.Millisecond
	asOthers = 100 * time.Millisecond
)

// active waits until a server is ACTIVE.
func active(c *cloud, id string, every time.Duration) error {
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(every) {
		var s struct {
			Server struct {
				Status string
				Fault  struct{ Message string }
			}
		}
		if err := c.call(http.MethodGet, "/compute/v2.1/servers/"+id, nil, &s); err != nil {
			return err
		}
		switch s.Server.Status {
		case "ACTIVE":
			return nil
		case "ERROR":
			return fmt.Errorf("server %s: %s", id, s.Server.Fault.Message)
		}
	}
	return fmt.Errorf("server %s did not become ACTIVE", id)
}

// gone deletes a server and waits until nobody knows it.
func gone(c *cloud, id string, every time.Duration) error {
	if err := c.call(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(every) {
		err := c.call(http.MethodGet, "/compute/v2.1/servers/"+id, nil, nil)
		if errors.Is(err, errNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("server %s is still there", id)
}

// each runs f for 0 to n-1 from several clients.
func each(n, clients int, f func(i int) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for w := range clients {
		wg.Go(func() {
			for i := w; i < n; i += clients {
				if err := f(i); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// commits is how many durable writes of one row a second the disk takes, one after the other: the baseline of whatever keeps state.
func commits(dir string) (float64, error) {
	ctx := context.Background()
	file := filepath.Join(dir, "commits.db")
	db, err := store.Open(ctx, "sqlite:"+file)
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close(); _ = os.Remove(file) }()
	write := func(sql string) error {
		return db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			_, err := tx.ExecContext(ctx, sql)
			return err
		})
	}
	if err := write("CREATE TABLE t (i INTEGER)"); err != nil {
		return 0, err
	}
	return rate(1, time.Second, func() error { return write("INSERT INTO t VALUES (1)") })
}

// boots: servers to ACTIVE and away again with the simulated driver, without and with a port.
func boots(o options) (figures []figure, err error) {
	err = with(o.bin, 20, func(c *cloud) error {
		base, err := commits(c.dir)
		if err != nil {
			return err
		}
		s, err := seed(c, "raw", small())
		if err != nil {
			return err
		}
		for _, port := range []bool{false, true} {
			with, upstream, budget := "no port", 75.0/60, 100.0
			if port {
				with, upstream, budget = "a port", 23.0/60, 50.0
			}
			var ids []string
			one, err := times(15, func() error {
				id, err := create(c, s.server(port))
				if err != nil {
					return err
				}
				ids = append(ids, id)
				return active(c, id, closely)
			})
			if err != nil {
				return err
			}
			away, err := times(len(ids), func() error {
				id := ids[0]
				ids = ids[1:]
				return gone(c, id, closely)
			})
			if err != nil {
				return err
			}
			var rates, work []float64
			for range 3 {
				const many = 200
				ids := make([]string, many)
				begin, before := time.Now(), ran(c.cmd.Process.Pid)
				if err := each(many, 8, func(i int) (err error) { ids[i], err = create(c, s.server(port)); return err }); err != nil {
					return err
				}
				if err := each(many, 8, func(i int) error { return active(c, ids[i], asOthers) }); err != nil {
					return err
				}
				rates = append(rates, many/time.Since(begin).Seconds())
				work = append(work, float64((ran(c.cmd.Process.Pid)-before).Microseconds())/1000/many)
				if err := each(many, 8, func(i int) error { return gone(c, ids[i], asOthers) }); err != nil {
					return err
				}
			}
			figures = append(figures,
				figure{What: "POST /servers to ACTIVE, simulated, " + with + ", alone", Unit: "ms", Samples: one, Baseline: "a durable write of one row", Base: 1000 / base},
				figure{What: "DELETE to gone, simulated, " + with + ", alone", Unit: "ms", Samples: away, Baseline: "a durable write of one row", Base: 1000 / base},
				figure{What: "servers to ACTIVE, simulated, " + with + ", 8 clients", More: true, Unit: "/s", Samples: rates, Baseline: "durable writes of one row", Base: base, Budget: budget},
				figure{What: "servers to ACTIVE, simulated, " + with + ", 8 clients", More: true, Unit: "/s", Samples: rates, Baseline: "upstream with its fake driver", Base: upstream},
				figure{What: "  the same, processor time of gostack for each server", Unit: "ms", Samples: work, Baseline: "a durable write of one row", Base: 1000 / base},
			)
		}
		return nil
	})
	return figures, err
}

// storm: 450 creates at once; all must become ACTIVE.
func storm(o options) (figures []figure, err error) {
	err = with(o.bin, 20, func(c *cloud) error {
		s, err := seed(c, "raw", small())
		if err != nil {
			return err
		}
		const many = 450
		ids := make([]string, many)
		begin := time.Now()
		if err := each(many, many, func(i int) (err error) { ids[i], err = create(c, s.server(true)); return err }); err != nil {
			return err
		}
		accepted := time.Since(begin).Seconds()
		up := 0
		for _, id := range ids {
			if err := active(c, id, asOthers); err != nil {
				return fmt.Errorf("after %d that are ACTIVE: %w", up, err)
			}
			up++
		}
		figures = []figure{
			{What: "450 creates at once, each with a port: all accepted", Unit: "s", Samples: []float64{accepted}},
			{What: "450 creates at once, each with a port: all ACTIVE", Unit: "s", Samples: []float64{time.Since(begin).Seconds()}, Baseline: "upstream: 82 of them ACTIVE", Base: 540},
		}
		return nil
	})
	return figures, err
}
