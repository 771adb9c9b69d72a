package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// networks: ports and the network list without OVN; with OVN they are among the guests' figures.
func networks(o options) (figures []figure, err error) {
	err = with(o.bin, 1, func(c *cloud) error {
		s, err := seed(c, "raw", small())
		if err != nil {
			return err
		}
		figures, err = ports(c, s, "simulated network")
		if err != nil {
			return err
		}
		version, err := rates(3, 8, func() error { return c.call(http.MethodGet, "/v3", nil, nil) })
		if err != nil {
			return err
		}
		for n := range 20 {
			if err := c.call(http.MethodPost, "/network/v2.0/networks", map[string]any{"network": map[string]any{"name": fmt.Sprint("n", n)}}, nil); err != nil {
				return err
			}
		}
		one, err := times(50, func() error { return c.call(http.MethodGet, "/network/v2.0/networks", nil, nil) })
		if err != nil {
			return err
		}
		list, err := rates(3, 8, func() error { return c.call(http.MethodGet, "/network/v2.0/networks", nil, nil) })
		if err != nil {
			return err
		}
		figures = append(figures,
			figure{What: "list of 21 networks", Unit: "ms", Samples: one, Baseline: "upstream", Base: 43},
			figure{What: "lists of 21 networks, 8 clients", More: true, Unit: "/s", Samples: list, Baseline: "GET /v3, which does nothing", Base: median(version)})
		return nil
	})
	return figures, err
}

// ports creates ports one after the other and deletes them.
func ports(c *cloud, s *seeded, what string) ([]figure, error) {
	var ids []string
	made, err := times(40, func() error {
		var p struct{ Port struct{ ID string } }
		err := c.call(http.MethodPost, "/network/v2.0/ports", map[string]any{"port": map[string]any{"network_id": s.network}}, &p)
		ids = append(ids, p.Port.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	base, err := commits(c.dir)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := c.call(http.MethodDelete, "/network/v2.0/ports/"+id, nil, nil); err != nil {
			return nil, err
		}
	}
	return []figure{
		{What: "POST /ports, " + what, Unit: "ms", Samples: made, Baseline: "a durable write of one row", Base: 1000 / base, Budget: 15},
		{What: "POST /ports, " + what, Unit: "ms", Samples: made, Baseline: "upstream", Base: 257},
	}, nil
}

var metric = regexp.MustCompile(`(?m)^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+.*?([\d.e+]+) (\w+)/s`)

// decisions: what happens inside the process, by the Go benchmarks that lie beside the code.
func decisions(options) ([]figure, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^(BenchmarkSelect|BenchmarkAuthenticate)$", "-benchtime", "1s", "-count", "3",
		"./internal/nova/scheduler", "./internal/keystone")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	got := map[string][]float64{}
	for _, m := range metric.FindAllStringSubmatch(string(out), -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		got[strings.TrimPrefix(m[1], "Benchmark")] = append(got[strings.TrimPrefix(m[1], "Benchmark")], v)
	}
	placed, sorts, valid := got["Select/decision"], got["Select/baseline-sort"], got["Authenticate"]
	if len(placed) == 0 || len(sorts) == 0 || len(valid) == 0 {
		return nil, fmt.Errorf("figures are missing in\n%s", out)
	}
	return []figure{
		{What: "scheduling decisions, 1,000 hosts", More: true, Unit: "/s", Samples: placed, Baseline: "sorting those hosts by one number", Base: median(sorts), Budget: 1000},
		{What: "tokens validated in process", More: true, Unit: "/s", Samples: valid, Baseline: "upstream over HTTP", Base: 97, Budget: 10_000},
	}, nil
}
