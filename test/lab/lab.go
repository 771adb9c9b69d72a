// Package lab is a cloud of several hosts on one machine, for tests and for people.
//
// Every machine of the lab is a pretend machine (scripts/machine) inside one more, the fabric, whose network is the underlay: hosts with Open
// vSwitch, ovn-controller, libvirt and `gostack run host`; two control replicas behind a balancer; PostgreSQL, RabbitMQ and OVN's central part on
// machines of their own. Nothing of it is seen outside the fabric, and all of it ends when the fabric ends, whatever happened.
//
// Any process can be killed, frozen or stopped, any machine cut off from the network or from power, and brought back.
// The package runs inside the fabric: a test gets there by Run, people by `go run ./test/lab/cmd`.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of a lab. Zero values mean what the comments say.
type Options struct {
	Hosts    int // 3
	Controls int // 2
	// Simulated is a number of hosts that are nothing but memory of one process, instead of real ones. Then there is no OVN either.
	Simulated int
	Program   string    // the gostack binary
	Dir       string    // of the lab's files, visible in all of its machines; must exist
	Out       io.Writer `json:"-"` // progress; none

	// Detach leaves the balancer behind as a process of its own, this program with BalancerArgs. Otherwise it ends with this process.
	Detach       bool
	BalancerArgs []string
}

// Lab is a running lab, seen from inside its fabric.
type Lab struct {
	Options
	// DB, MQ and OVN are the machines of the engines that all replicas share, Simulator that of simulated hosts.
	DB, MQ, OVN, Simulator *Machine
	Controls               []*Machine
	Hosts                  []*Machine

	Postgres, Rabbit, Northbound, Southbound, Northd *Process

	balancer *Balancer
	secrets  secrets
}

// New describes a lab; nothing is started.
func New(o Options) (*Lab, error) {
	if o.Hosts == 0 && o.Simulated == 0 {
		o.Hosts = 3
	}
	if o.Controls == 0 {
		o.Controls = 2
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Hosts > 40 || o.Controls > 9 {
		return nil, fmt.Errorf("a lab has at most 40 hosts and 9 control replicas")
	}
	l := &Lab{Options: o}
	l.DB, l.MQ, l.OVN = l.machine("db", 111), l.machine("mq", 112), l.machine("ovn", 113)
	if err := l.secrets.load(filepath.Join(o.Dir, "secrets.json"), l.brokerCertificate); err != nil {
		return nil, err
	}
	for i := range o.Controls {
		l.Controls = append(l.Controls, l.machine(fmt.Sprintf("control%d", i+1), 101+i))
	}
	for i := range o.Hosts {
		m := l.machine(fmt.Sprintf("host%d", i+1), i+1)
		m.provider = true
		l.Hosts = append(l.Hosts, m)
	}
	if _, err := os.Stat(l.upFile()); err == nil {
		for _, m := range l.Machines() {
			m.settled = true
		}
	}
	if o.Simulated > 0 {
		l.Simulator = l.machine("simulator", 120)
		l.declareSimulator()
	}
	l.declareEngines()
	l.declareControls()
	l.declareHosts()
	return l, nil
}

// Machines lists all machines but the fabric.
func (l *Lab) Machines() []*Machine {
	engines := []*Machine{l.DB, l.MQ, l.OVN}
	if l.Simulated > 0 {
		engines = []*Machine{l.DB, l.MQ, l.Simulator}
	}
	return slices.Concat(engines, l.Controls, l.Hosts)
}

// Machine finds a machine by name.
func (l *Lab) Machine(name string) (*Machine, error) {
	var names []string
	for _, m := range l.Machines() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("the lab has no machine %q; it has %s", name, strings.Join(names, ", "))
}

// Up starts the whole lab: machines, engines, control replicas, balancer, hosts.
func (l *Lab) Up(ctx context.Context) error {
	if err := l.underlay(); err != nil {
		return fmt.Errorf("underlay: %w", err)
	}
	for _, phase := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"machines and engines", l.engines},
		{"control replicas", l.controls},
		{"hosts", l.hosts},
	} {
		begin := time.Now()
		if err := phase.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", phase.what, err)
		}
		fmt.Fprintf(l.Out, "  %-32s %5.1f s\n", phase.what, time.Since(begin).Seconds())
	}
	return os.WriteFile(l.upFile(), nil, 0o600)
}

// upFile says that the lab has been up: what waits for a later phase at first starts with its machine from then on.
func (l *Lab) upFile() string { return filepath.Join(l.Dir, "up") }

// engines boots every machine and starts what gostack stands on.
func (l *Lab) engines(ctx context.Context) error {
	var jobs []func(context.Context) error
	for _, m := range l.Machines() {
		jobs = append(jobs, m.On)
	}
	return together(ctx, jobs...)
}

// together runs functions at the same time and waits for all.
func together(ctx context.Context, jobs ...func(context.Context) error) error {
	errs := make([]error, len(jobs))
	var all sync.WaitGroup
	for i, job := range jobs {
		all.Go(func() { errs[i] = job(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// eventually polls until ok is nil.
func eventually(ctx context.Context, within time.Duration, what string, ok func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := ok(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, within, err)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// root is the directory of the repository.
func root() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.Join(errors.New("no go.mod above the working directory"), err)
}
