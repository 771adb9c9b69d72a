// Package crash is the suite that breaks things: many workers do random operations of all kinds on a cloud while its processes are killed and its
// network is cut. At the end everything must be stable, and the database, the engines, the quotas and the allocations must agree.
//
// What is done follows from a seed: each worker draws its operations from a source of its own, and so do the faults. The cloud's answers differ
// from run to run in their order, the walk does not.
//
// The suite knows the public APIs and `gostack audit` only. A World is a cloud that it can break: one of child processes with simulated hosts, where
// thousands of operations take seconds, and the lab with real engines.
package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"gostack/test/api"
)

// World is a cloud that can be broken.
type World interface {
	Endpoint() string
	AdminPassword() string
	// Hosts is how many hosts it has.
	Hosts() int
	// Faults are what can be done to it. Each returns when the damage is done, with a function that ends it.
	Faults() []Fault
	// Audit asks gostack what differs between the database and the world.
	Audit(ctx context.Context) ([]string, error)
	// Why is the story of a resource, as gostack why tells it.
	Why(ctx context.Context, id string) string
	// Image is a guest's disk that the world's hosts can run.
	Image() (io.ReadSeeker, error)
}

// Fault is a kind of damage.
type Fault struct {
	Name   string
	Weight int
	Do     func(ctx context.Context, rnd *rand.Rand) (heal func(context.Context) error, err error)
	// Lasts is how long the damage stays, at most.
	Lasts time.Duration
	// StopsGuests says that servers may be off afterwards which nobody has stopped.
	StopsGuests bool
}

// errNoDamage says that this time nothing happened.
var errNoDamage = errors.New("no damage")

// Options of a run.
type Options struct {
	Seed       uint64
	Operations int
	Workers    int           // 8
	Servers    int           // of each worker at once; 3
	Pause      time.Duration // between two faults, on average; 300 ms
	Settle     time.Duration // how long a server may take to become stable; 8 min
	Out        io.Writer
	Verbose    bool     // every operation is printed
	Without    []string // operations that this world cannot do
}

// Report is the result.
type Report struct {
	Seed       uint64
	Operations map[string]*Count
	Faults     map[string]int
	Findings   []string
	Notes      map[string]int // answers that are allowed in a storm, and worth knowing
	Took       time.Duration
}

// Count says how an operation's requests ended.
type Count struct{ Accepted, Refused, Failed int }

// Run does it all.
func Run(ctx context.Context, w World, o Options) (*Report, error) {
	o.Workers, o.Servers = or(o.Workers, 8), or(o.Servers, 3)
	o.Pause, o.Settle = or(o.Pause, 300*time.Millisecond), or(o.Settle, 8*time.Minute)
	begin := time.Now()
	r := &run{World: w, Options: o, client: api.New(w.Endpoint(), w.AdminPassword()), report: &Report{Seed: o.Seed, Operations: map[string]*Count{}, Faults: map[string]int{}, Notes: map[string]int{}}}
	r.client.Note = r.note
	if err := r.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	storm, calm := context.WithCancel(ctx)
	var faults sync.WaitGroup
	faults.Go(func() { r.storm(storm) })
	var workers sync.WaitGroup
	for i := range o.Workers {
		wk := &worker{run: r, name: fmt.Sprintf("w%d", i), rnd: rand.New(rand.NewPCG(o.Seed, uint64(i)+1)), known: map[string]bool{}}
		r.workers = append(r.workers, wk)
		workers.Go(func() { wk.work(ctx, o.Operations/o.Workers) })
	}
	workers.Wait()
	calm()
	faults.Wait()
	r.check(ctx)
	r.explain(ctx)
	r.cleanUp(ctx)
	r.report.Took = time.Since(begin)
	return r.report, ctx.Err()
}

func or[T comparable](v, absent T) T {
	var zero T
	if v == zero {
		return absent
	}
	return v
}

// run is one walk.
type run struct {
	World
	Options
	client  *api.Client
	image   string
	flavors []flavor
	network string
	public  string
	workers []*worker

	mu      sync.Mutex
	report  *Report
	stopped bool // a fault has stopped guests
}

func (r *run) count(name string, a api.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.report.Operations[name]
	if c == nil {
		c = &Count{}
		r.report.Operations[name] = c
	}
	switch {
	case a.Status < 300:
		c.Accepted++
	case a.Status < 500:
		c.Refused++
	default:
		c.Failed++
	}
}

// drop leaves an operation out from now on: this cloud does not have it.
func (r *run) drop(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.Without, name) {
		r.Without = append(r.Without, name)
		r.report.Notes["not tried: this cloud does not have the operation "+name]++
	}
}

func (r *run) without(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.Without, name)
}

// stopsGuests tells whether a fault has stopped guests that nobody has asked to stop.
func (r *run) stopsGuests() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

func (r *run) finding(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	r.report.Findings = append(r.report.Findings, text)
	fmt.Fprintf(r.Out, "%s FINDING %s\n", time.Now().UTC().Format(time.TimeOnly), text)
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// explain prints the stories of what findings are about, before everything is deleted.
func (r *run) explain(ctx context.Context) {
	told := map[string]bool{}
	for _, f := range slices.Clone(r.report.Findings) {
		for _, id := range uuids.FindAllString(f, -1) {
			if !told[id] {
				told[id] = true
				fmt.Fprintf(r.Out, "--- why %s\n%s\n", id, r.Why(ctx, id))
			}
		}
	}
}

func (r *run) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Notes[fmt.Sprintf(format, args...)]++
}

// storm breaks things until ctx ends, and mends the last one.
func (r *run) storm(ctx context.Context) {
	rnd := rand.New(rand.NewPCG(r.Seed, 0))
	faults := r.Faults()
	weights := 0
	for _, f := range faults {
		weights += f.Weight
	}
	if weights == 0 {
		return
	}
	for sleep(ctx, time.Duration(rnd.Int64N(int64(2*r.Pause)))) {
		n := rnd.IntN(weights)
		var f Fault
		for _, f = range faults {
			if n -= f.Weight; n < 0 {
				break
			}
		}
		whole := context.WithoutCancel(ctx)
		r.mu.Lock()
		r.stopped = r.stopped || f.StopsGuests
		r.mu.Unlock()
		heal, err := f.Do(whole, rnd)
		if errors.Is(err, errNoDamage) {
			continue
		}
		if err != nil {
			r.finding("fault %s: %v", f.Name, err)
			continue
		}
		r.mu.Lock()
		r.report.Faults[f.Name]++
		r.mu.Unlock()
		if r.Verbose {
			fmt.Fprintf(r.Out, "%s fault %s\n", time.Now().UTC().Format(time.TimeOnly), f.Name)
		}
		if f.Lasts > 0 {
			sleep(ctx, time.Duration(rnd.Int64N(int64(f.Lasts))))
		}
		if heal != nil {
			if err := heal(whole); err != nil {
				r.finding("after fault %s: %v", f.Name, err)
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Print writes the report for people.
func (r *Report) Print(out io.Writer) {
	total, faults := Count{}, 0
	for _, c := range r.Operations {
		total.Accepted += c.Accepted
		total.Refused += c.Refused
		total.Failed += c.Failed
	}
	for _, n := range r.Faults {
		faults += n
	}
	fmt.Fprintf(out, "seed %d: %d operations (%d accepted, %d refused, %d failed), %d faults, %d findings, %s\n", r.Seed,
		total.Accepted+total.Refused+total.Failed, total.Accepted, total.Refused, total.Failed, faults, len(r.Findings), r.Took.Round(time.Second))
	for _, name := range slices.Sorted(maps.Keys(r.Operations)) {
		c := r.Operations[name]
		fmt.Fprintf(out, "  %-24s %6d accepted %6d refused %6d failed\n", name, c.Accepted, c.Refused, c.Failed)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(out, "  fault %-30s %6d\n", name, r.Faults[name])
	}
	for _, text := range slices.SortedFunc(maps.Keys(r.Notes), func(a, b string) int { return r.Notes[b] - r.Notes[a] }) {
		fmt.Fprintf(out, "  note %6d x %s\n", r.Notes[text], text)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(out, "  FINDING %s\n", strings.ReplaceAll(f, "\n", "\n    "))
	}
}
