package main

import (
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
func start(o options) ([]figure, error) {
	first := figure{What: "first answer after start, new cloud", Unit: "ms", Budget: 1000}
	again := figure{What: "first answer after restart", Unit: "ms", Baseline: "starting /bin/true", Budget: 1000}
	rss := figure{What: "resident memory at idle, all roles", Unit: "MiB", Baseline: "upstream", Base: 4.1 * 1024, Budget: 80}
	cpu := figure{What: "processor at idle, all roles", Unit: "% core", Baseline: "upstream", Base: 8.6, Budget: 0.5}
	base, err := times(5, func() error { return exec.Command("/bin/true").Run() })
	if err != nil {
		return nil, err
	}
	again.Base = median(base)
	for range 3 {
		dir, err := os.MkdirTemp("", "gostack-bench-")
		if err != nil {
			return nil, err
		}
		for i := range 2 {
			c, err := launch(o.bin, dir, 1)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				first.Samples = append(first.Samples, c.firstMS)
			} else {
				again.Samples = append(again.Samples, c.firstMS)
				share, mib := idle(c.cmd.Process.Pid)
				cpu.Samples, rss.Samples = append(cpu.Samples, share), append(rss.Samples, mib)
			}
			c.stop()
		}
		_ = os.RemoveAll(dir)
	}
	return []figure{first, again, rss, cpu}, nil
}

// idle lets a process settle and returns the share of a core it then uses, in percent, and its resident memory in MiB.
func idle(pid int) (share, mib float64) { return idleFor(pid, 7*time.Second) }

// idleFor is idle with what comes round in a longer window.
func idleFor(pid int, window time.Duration) (share, mib float64) {
	time.Sleep(3 * time.Second)
	before := ran(pid)
	time.Sleep(window)
	return 100 * float64(ran(pid)-before) / float64(window), residentMiB(pid)
}

// ran is how long the threads of a process have run.
func ran(pid int) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		if fields := strings.Fields(string(b)); len(fields) > 0 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
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
func tokens(o options) (figures []figure, err error) {
	err = with(o.bin, 1, func(c *cloud) error {
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
			{What: "tokens issued (repeated good login)", More: true, Unit: "/s", Samples: issue, Baseline: "upstream (1/0.234 s)", Base: 4.3},
			{What: "tokens validated over HTTP", More: true, Unit: "/s", Samples: validate, Baseline: "upstream", Base: 97},
			{What: "tokens validated over HTTP", More: true, Unit: "/s", Samples: validate, Baseline: "GET /v3, which does nothing", Base: median(version)},
		}
		return nil
	})
	return figures, err
}

// images: upload and download beside cp of the same file to the same disk.
func images(o options) (figures []figure, err error) {
	const size = 256 << 20
	err = with(o.bin, 1, func(c *cloud) error {
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
			{What: "upload of 256 MiB (hashed by MD5 and SHA-512)", Unit: "ms", Samples: up, Baseline: "cp and sync", Base: median(copies)},
			{What: "upload of 256 MiB (hashed by MD5 and SHA-512)", Unit: "ms", Samples: up, Baseline: "sha512sum alone", Base: median(hashes)},
			{What: "download of 256 MiB", Unit: "ms", Samples: down, Baseline: "cp and sync", Base: median(copies)},
		}
		return nil
	})
	return figures, err
}
