// Command bench prints end-to-end figures of a running gostack, each as the median of several runs with its spread, beside a baseline
// measured in the same run on the same machine. It starts its own gostack on loopback with the simulated hypervisor and
// removes all it made; the figures with real guests are in test/e2e (go test -bench).
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

func main() {
	bin := flag.String("bin", "bin/gostack", "the binary to measure")
	rows := flag.Int("rows", 100_000, "servers in the database for the list figure")
	flag.Parse()
	if err := run(*bin, *rows); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// figure is one line of the report.
type figure struct {
	what, unit string
	samples    []float64
	baseline   string // what it stands beside
	base       float64
	less       bool // smaller is better
}

func (f figure) print() {
	slices.Sort(f.samples)
	mid := f.samples[len(f.samples)/2]
	line := fmt.Sprintf("%-52s %10.4g %-8s (%.4g … %.4g, n=%d)", f.what, mid, f.unit, f.samples[0], f.samples[len(f.samples)-1], len(f.samples))
	if f.baseline != "" && f.base > 0 {
		ratio := mid / f.base
		if f.less {
			ratio = f.base / mid
		}
		line += fmt.Sprintf("   %s: %.4g %s, ratio %.2f", f.baseline, f.base, f.unit, ratio)
	}
	fmt.Println(line)
}

// times runs f n times and returns how long each took, in milliseconds.
func times(n int, f func() error) ([]float64, error) {
	var out []float64
	for range n {
		start := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		out = append(out, float64(time.Since(start).Microseconds())/1000)
	}
	return out, nil
}

func median(samples []float64) float64 {
	s := slices.Clone(samples)
	slices.Sort(s)
	return s[len(s)/2]
}

func run(bin string, rows int) error {
	fmt.Printf("%s, %d cores, %s. \"upstream\" is OpenStack Zed from Debian's packages, measured on a machine of this size.\n\n", time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.Version())
	for _, part := range []func(string, int) ([]figure, error){start, tokens, images, boots, lists} {
		figures, err := part(bin, rows)
		for _, f := range figures {
			f.print()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
