package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// What 200 clients do at once, and for how long. Each has no pause: it asks again as soon as it has its answer.
const (
	manyClients = 200
	theirTime   = 20 * time.Second
)

// errand is one of the things that clients do, with how many of a hundred times.
type errand struct {
	share int
	do    func(w *errands) error
}

// errands are the clients' shared state and what they measured.
type errands struct {
	c       *cloud
	s       *seeded
	servers []string // of the member, to look at

	mu sync.Mutex
	ms map[string][]float64
}

// timed makes a request and remembers how long it took.
func (w *errands) timed(kind, method, path string, body, answer any) error {
	begin := time.Now()
	err := w.c.call(method, path, body, answer)
	took := since(begin)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ms[kind] = append(w.ms[kind], took)
	return err
}

func (w *errands) any() string { return w.servers[rand.IntN(len(w.servers))] }

const (
	reading = "read one"
	listing = "list"
	writing = "write"
)

var theirErrands = []errand{
	{30, func(w *errands) error {
		return w.timed(listing, http.MethodGet, "/compute/v2.1/servers/detail?limit=20", nil, nil)
	}},
	{25, func(w *errands) error {
		return w.timed(reading, http.MethodGet, "/compute/v2.1/servers/"+w.any(), nil, nil)
	}},
	{15, func(w *errands) error {
		return w.timed(listing, http.MethodGet, "/network/v2.0/ports?device_id="+w.any(), nil, nil)
	}},
	{8, func(w *errands) error {
		return w.timed(listing, http.MethodGet, "/image/v2/images?limit=20", nil, nil)
	}},
	{5, func(w *errands) error {
		return w.timed(listing, http.MethodGet, "/network/v2.0/networks?limit=20", nil, nil)
	}},
	{5, func(w *errands) error {
		return w.timed(reading, http.MethodGet, "/image/v2/images/"+w.s.image, nil, nil)
	}},
	{5, (*errands).port},
	{4, (*errands).server},
	{3, (*errands).image},
}

// port makes a port, names it and deletes it.
func (w *errands) port() error {
	var p struct{ Port struct{ ID string } }
	if err := w.timed(writing, http.MethodPost, "/network/v2.0/ports", map[string]any{"port": map[string]any{"network_id": w.s.network}}, &p); err != nil {
		return err
	}
	path := "/network/v2.0/ports/" + p.Port.ID
	if err := w.timed(writing, http.MethodPut, path, map[string]any{"port": map[string]any{"name": "named"}}, nil); err != nil {
		return err
	}
	return w.timed(writing, http.MethodDelete, path, nil, nil)
}

// image makes an image without data and deletes it.
func (w *errands) image() error {
	var made struct{ ID string }
	if err := w.timed(writing, http.MethodPost, "/image/v2/images", map[string]any{"name": "x", "disk_format": "raw", "container_format": "bare"}, &made); err != nil {
		return err
	}
	return w.timed(writing, http.MethodDelete, "/image/v2/images/"+made.ID, nil, nil)
}

// server makes a server with a port, looks at it until it is ACTIVE, and deletes it.
func (w *errands) server() error {
	var s struct{ Server struct{ ID, Status string } }
	begin := time.Now()
	if err := w.timed(writing, http.MethodPost, "/compute/v2.1/servers", map[string]any{"server": w.s.server(true)}, &s); err != nil {
		return err
	}
	path := "/compute/v2.1/servers/" + s.Server.ID
	for s.Server.Status != "ACTIVE" {
		if s.Server.Status == "ERROR" || time.Since(begin) > 3*time.Minute {
			return fmt.Errorf("server %s is %s after %v", s.Server.ID, s.Server.Status, time.Since(begin))
		}
		time.Sleep(asOthers)
		if err := w.timed(reading, http.MethodGet, path, nil, &s); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.ms["boot"] = append(w.ms["boot"], since(begin))
	w.mu.Unlock()
	return w.timed(writing, http.MethodDelete, path, nil, nil)
}

// clients: 200 at once on a cloud of many rows, reading and writing. All they ask for must be done.
func clients(o options) (figures []figure, err error) {
	err = engines(o, func(name, database string) error {
		return crowded(o, database, o.rows, func(w *crowd, admin, member *cloud) error {
			if err := share(admin, w); err != nil {
				return err
			}
			nothing, err := rate(manyClients, 3*time.Second, func() error { return member.call(http.MethodGet, "/v3", nil, nil) })
			if err != nil {
				return err
			}
			e := &errands{c: member, s: w.s, ms: map[string][]float64{}}
			var page struct{ Servers []struct{ ID string } }
			if err := member.call(http.MethodGet, "/compute/v2.1/servers?limit=1000", nil, &page); err != nil {
				return err
			}
			for _, s := range page.Servers {
				e.servers = append(e.servers, s.ID)
			}
			begin, before := time.Now(), ran(member.cmd.Process.Pid)
			if err := e.run(); err != nil {
				return err
			}
			took, work := time.Since(begin), ran(member.cmd.Process.Pid)-before
			var all []float64
			for _, kind := range []string{reading, listing, writing} {
				all = append(all, e.ms[kind]...)
			}
			figures = append(figures, figure{
				What: fmt.Sprintf("%d clients, %d rows, %s: requests", manyClients, o.rows, name), More: true, Unit: "/s",
				Samples: []float64{float64(len(all)) / took.Seconds()}, Baseline: "GET /v3, which does nothing", Base: nothing,
			}, figure{What: "  processor time of gostack for each", Unit: "ms", Samples: []float64{float64(work.Microseconds()) / 1000 / float64(len(all))}})
			for _, kind := range []string{reading, listing, writing, "boot"} {
				ms := e.ms[kind]
				if len(ms) == 0 {
					continue
				}
				slices.Sort(ms)
				fmt.Printf("  %-20s %6d times: half within %6.1f ms, 95 of 100 within %6.1f, 99 within %6.1f\n", name+": "+kind, len(ms), at(ms, 50), at(ms, 95), at(ms, 99))
			}
			return nil
		})
	})
	return figures, err
}

// at is a percentile of sorted samples.
func at(sorted []float64, percent int) float64 { return sorted[(len(sorted)-1)*percent/100] }

// share opens the seed's image and network to the member, and lifts what limits the member's project.
func share(admin *cloud, w *crowd) error {
	if err := admin.call(http.MethodPut, "/network/v2.0/networks/"+w.s.network, map[string]any{"network": map[string]any{"shared": true}}, nil); err != nil {
		return err
	}
	var image struct{ ID string }
	if err := admin.call(http.MethodPost, "/image/v2/images", map[string]any{"name": "open", "disk_format": "raw", "container_format": "bare", "visibility": "public"}, &image); err != nil {
		return err
	}
	w.s.image = image.ID
	return admin.call(http.MethodPut, "/image/v2/images/"+image.ID+"/file", small(), nil)
}

// run lets the clients work for their time and finish what they began. The first errors fail it.
func (w *errands) run() error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	begin := time.Now()
	for range manyClients {
		wg.Go(func() {
			for time.Since(begin) < theirTime {
				n, i := rand.IntN(100), 0
				for n >= theirErrands[i].share {
					n -= theirErrands[i].share
					i++
				}
				if err := theirErrands[i].do(w); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(failed) > 0 {
		return fmt.Errorf("%d errands failed: %w", len(failed), errors.Join(failed[:min(3, len(failed))]...))
	}
	return nil
}
