// Command bench prints end-to-end figures of a running gostack, each as the median of several runs with its spread, beside a baseline:
// where one exists something measured in the same run on the same machine, else what upstream needed on a machine of this size.
// Ratios are what to compare; absolute numbers change with whatever else the machine does. It starts its own gostack on
// loopback with the simulated hypervisor and, for real guests, one in a pretend machine, and removes all it made.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// part is a group of figures that share a cloud.
type part struct {
	name string
	run  func(o options) ([]figure, error)
}

var parts = []part{
	{"start", start},
	{"tokens", tokens},
	{"images", images},
	{"boots", boots},
	{"storm", storm},
	{"lists", lists},
	{"scale", scale},
	{"clients", clients},
	{"networks", networks},
	{"hosts", hosts},
	{"decisions", decisions},
	{"guests", guests},
}

type options struct {
	bin, image string
	rows       int
	verbose    bool
	engine     string
	plans      string
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/gostack", "the binary to measure")
	flag.StringVar(&o.image, "image", "build/guest.qcow2", "the guest image of the figures with real guests")
	flag.IntVar(&o.rows, "rows", 100_000, "servers in the database for the list figure")
	only := flag.String("part", "", "only the parts that match this regular expression: start, tokens, images, boots, storm, lists, scale, clients, networks, hosts, decisions, guests")
	flag.BoolVar(&o.verbose, "v", false, "print every list of the part scale")
	flag.StringVar(&o.engine, "database", "", "only sqlite or postgres in the parts that measure both")
	flag.StringVar(&o.plans, "plans", "", "where PostgreSQL writes the plans of its statements, to find out why one is slow; costs time")
	inside := flag.Bool("inside", false, "used by bench itself: this is the pretend machine, print the guests' figures as JSON")
	flag.Parse()
	var err error
	if *inside {
		err = insideMachine(o)
	} else {
		err = run(o, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options, only string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%s, %d cores, load %s, %s\n\"upstream\" is OpenStack Zed from Debian's packages, measured on a machine of this size. Each line: median (least … most, runs).\n\n",
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:1], ""), runtime.Version())
	var failed []error
	for _, p := range parts {
		if !match.MatchString(p.name) {
			continue
		}
		figures, err := p.run(o)
		for _, f := range figures {
			f.print()
		}
		if err != nil {
			fmt.Printf("%s: %v\n", p.name, err)
			failed = append(failed, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	return errors.Join(failed...)
}

// figure is one line of the report.
type figure struct {
	What     string
	Unit     string
	Samples  []float64
	Baseline string  // what it stands beside
	Base     float64 // in the same unit
	Budget   float64 // of the architecture; 0 is none
	More     bool    // more is better
}

func (f figure) print() {
	if len(f.Samples) == 0 {
		return
	}
	slices.Sort(f.Samples)
	mid := median(f.Samples)
	line := fmt.Sprintf("%-62s %8.4g %-7s (%.4g … %.4g, n=%d)", f.What, mid, f.Unit, f.Samples[0], f.Samples[len(f.Samples)-1], len(f.Samples))
	if f.Budget > 0 {
		verdict, sign := "met", "≤"
		if f.More {
			sign = "≥"
		}
		if f.More && mid < f.Budget || !f.More && mid > f.Budget {
			verdict = "MISSED"
		}
		line += fmt.Sprintf("  budget %s %g: %s", sign, f.Budget, verdict)
	}
	if f.Baseline != "" && f.Base > 0 {
		line += fmt.Sprintf("  | %s: %.4g %s, ×%.3g", f.Baseline, f.Base, f.Unit, mid/f.Base)
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
		out = append(out, since(start))
	}
	return out, nil
}

// since is the time from start on, in milliseconds.
func since(start time.Time) float64 { return float64(time.Since(start).Microseconds()) / 1000 }

func median(samples []float64) float64 {
	s := slices.Clone(samples)
	slices.Sort(s)
	return s[len(s)/2]
}

// show writes figures for another bench to read.
func show(figures []figure) error { return json.NewEncoder(os.Stdout).Encode(figures) }
