package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// with gives f a fresh cloud and removes it.
func with(bin string, hosts int, f func(c *cloud) error) error {
	dir, err := os.MkdirTemp("", "gostack-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c, err := launch(bin, dir, hosts)
	if err != nil {
		return err
	}
	defer c.stop()
	if err := c.login(); err != nil {
		return err
	}
	return f(c)
}

// start: first answer, resident memory and processor time at idle.
func start(bin string, _ int) ([]figure, error) {
	first := figure{what: "first answer after start, new cloud", unit: "ms", less: true}
	again := figure{what: "first answer after restart", unit: "ms", less: true, baseline: "starting /bin/true"}
	rss := figure{what: "resident memory at idle, all roles", unit: "MiB", less: true, baseline: "upstream", base: 4.1 * 1024}
	cpu := figure{what: "processor at idle, all roles", unit: "% core", less: true, baseline: "upstream", base: 8.6}
	base, err := times(5, func() error { return exec.Command("/bin/true").Run() })
	if err != nil {
		return nil, err
	}
	again.base = median(base)
	for range 3 {
		dir, err := os.MkdirTemp("", "gostack-bench-")
		if err != nil {
			return nil, err
		}
		for i := range 2 {
			c, err := launch(bin, dir, 1)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				first.samples = append(first.samples, c.firstMS)
			} else {
				again.samples = append(again.samples, c.firstMS)
				time.Sleep(2 * time.Second) // settle
				before := ticks(c.cmd.Process.Pid)
				time.Sleep(5 * time.Second)
				cpu.samples = append(cpu.samples, float64(ticks(c.cmd.Process.Pid)-before)/5) // 100 ticks a second
				rss.samples = append(rss.samples, residentMiB(c.cmd.Process.Pid))
			}
			c.stop()
		}
		_ = os.RemoveAll(dir)
	}
	return []figure{first, again, rss, cpu}, nil
}

func ticks(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	u, _ := strconv.Atoi(f[11])
	s, _ := strconv.Atoi(f[12])
	return u + s
}

func residentMiB(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

// rate runs f from several clients for a while and returns how often a second it ended.
func rate(clients int, d time.Duration, f func() error) (float64, error) {
	var n atomic.Int64
	var failed atomic.Value
	var wg sync.WaitGroup
	begin := time.Now()
	for range clients {
		wg.Go(func() {
			for time.Since(begin) < d {
				if err := f(); err != nil {
					failed.Store(err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if err, ok := failed.Load().(error); ok {
		return 0, err
	}
	return float64(n.Load()) / time.Since(begin).Seconds(), nil
}

func rates(n, clients int, f func() error) (out []float64, err error) {
	for range n {
		r, err := rate(clients, 2*time.Second, f)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// tokens: issue and validate, over HTTP.
func tokens(bin string, _ int) (figures []figure, err error) {
	err = with(bin, 1, func(c *cloud) error {
		issue, err := rates(3, 8, c.login)
		if err != nil {
			return err
		}
		validate, err := rates(3, 8, func() error { return c.call(http.MethodGet, "/v3/auth/tokens", nil, nil) })
		if err != nil {
			return err
		}
		version, err := rates(3, 8, func() error { return c.call(http.MethodGet, "/v3", nil, nil) })
		if err != nil {
			return err
		}
		figures = []figure{
			{what: "tokens issued (repeated good login)", unit: "/s", samples: issue, baseline: "upstream (1/0.234 s)", base: 4.3},
			{what: "tokens validated over HTTP", unit: "/s", samples: validate, baseline: "upstream", base: 97},
			{what: "tokens validated over HTTP", unit: "/s", samples: validate, baseline: "GET /v3, which does nothing", base: median(version)},
		}
		return nil
	})
	return figures, err
}

// images: upload and download beside cp of the same file to the same disk.
func images(bin string, _ int) (figures []figure, err error) {
	const size = 256 << 20
	err = with(bin, 1, func(c *cloud) error {
		file := filepath.Join(c.dir, "image.raw")
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * 2654435761 >> 13)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return err
		}
		copies, err := times(5, func() error { return exec.Command("sh", "-c", `cp "$1" "$1.copy" && sync "$1.copy"`, "sh", file).Run() })
		if err != nil {
			return err
		}
		hashes, err := times(3, func() error { return exec.Command("sha512sum", file).Run() })
		if err != nil {
			return err
		}
		var last string
		up, err := times(5, func() error {
			var image struct{ ID string }
			if err := c.call(http.MethodPost, "/image/v2/images", map[string]any{"name": "x", "disk_format": "raw", "container_format": "bare"}, &image); err != nil {
				return err
			}
			last = image.ID
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			return c.call(http.MethodPut, "/image/v2/images/"+image.ID+"/file", io.Reader(f), nil)
		})
		if err != nil {
			return err
		}
		down, err := times(5, func() error { return c.call(http.MethodGet, "/image/v2/images/"+last+"/file", nil, nil) })
		if err != nil {
			return err
		}
		figures = []figure{
			{what: "upload of 256 MiB (hashed by MD5 and SHA-512)", unit: "ms", samples: up, less: true, baseline: "cp and sync", base: median(copies)},
			{what: "upload of 256 MiB (hashed by MD5 and SHA-512)", unit: "ms", samples: up, less: true, baseline: "sha512sum alone", base: median(hashes)},
			{what: "download of 256 MiB", unit: "ms", samples: down, less: true, baseline: "cp and sync", base: median(copies)},
		}
		return nil
	})
	return figures, err
}

// seed makes what a server needs and returns the body of a create.
func seed(c *cloud) (map[string]any, error) {
	var image struct{ ID string }
	if err := c.call(http.MethodPost, "/image/v2/images", map[string]any{"name": "x", "disk_format": "raw", "container_format": "bare"}, &image); err != nil {
		return nil, err
	}
	if err := c.call(http.MethodPut, "/image/v2/images/"+image.ID+"/file", io.Reader(bytes.NewReader(make([]byte, 1<<16))), nil); err != nil {
		return nil, err
	}
	var flavor struct{ Flavor struct{ ID string } }
	if err := c.call(http.MethodPost, "/compute/v2.1/flavors", map[string]any{"flavor": map[string]any{"name": "s", "ram": 16, "vcpus": 1, "disk": 1}}, &flavor); err != nil {
		return nil, err
	}
	unlimited := map[string]any{"quota_class_set": map[string]any{"instances": -1, "cores": -1, "ram": -1}}
	if err := c.call(http.MethodPut, "/compute/v2.1/os-quota-class-sets/default", unlimited, nil); err != nil {
		return nil, err
	}
	return map[string]any{"name": "s", "imageRef": image.ID, "flavorRef": flavor.Flavor.ID, "networks": "none"}, nil
}

// boots: servers to ACTIVE with the simulated driver.
func boots(bin string, _ int) (figures []figure, err error) {
	err = with(bin, 20, func(c *cloud) error {
		body, err := seed(c)
		if err != nil {
			return err
		}
		one, err := times(10, func() error {
			id, err := create(c, body)
			if err != nil {
				return err
			}
			return active(c, id)
		})
		if err != nil {
			return err
		}
		const many = 300
		begin := time.Now()
		ids := make([]string, many)
		var wg sync.WaitGroup
		var failed atomic.Value
		for w := range 8 {
			wg.Go(func() {
				for i := w; i < many; i += 8 {
					id, err := create(c, body)
					if err != nil {
						failed.Store(err)
						return
					}
					ids[i] = id
				}
			})
		}
		wg.Wait()
		if err, ok := failed.Load().(error); ok {
			return err
		}
		for _, id := range ids {
			if err := active(c, id); err != nil {
				return err
			}
		}
		figures = []figure{
			{what: "POST /servers to ACTIVE, simulated, alone", unit: "ms", samples: one, less: true, baseline: "upstream with a real guest", base: 6800},
			{what: "servers to ACTIVE, simulated, 8 clients", unit: "/s", samples: []float64{many / time.Since(begin).Seconds()}, baseline: "upstream with its fake driver", base: 75.0 / 60},
		}
		return nil
	})
	return figures, err
}

func create(c *cloud, body map[string]any) (string, error) {
	var s struct{ Server struct{ ID string } }
	err := c.call(http.MethodPost, "/compute/v2.1/servers", map[string]any{"server": body}, &s)
	return s.Server.ID, err
}

func active(c *cloud, id string) error {
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
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
