// Package agent is nova-compute: it serves the calls of Nova's control side on
// one host, reports the host, and tells when a server's power state changes.
//
// It holds no database and decides nothing. A call that changes something runs
// to its end even when the caller has stopped waiting; the same call repeated
// joins it, and a step that was done is not done again. Servers are never
// touched by the agent's own coming and going: at its start it looks at what
// runs, and says so.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"gostack/internal/bus"
	"gostack/internal/hostlink"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// Options say what the agent is made of.
type Options struct {
	Host   string // its name on the bus
	Bus    bus.Bus
	Driver driver.Driver
	Log    *slog.Logger // nil: slog.Default()

	// StepsFile keeps finished steps across restarts; empty keeps them in memory.
	StepsFile string

	// Streams reach other hosts, for the disks of servers that move here; nil: none come from elsewhere.
	Streams Streams

	// Link is where streams from control and other hosts come in; nil: none do.
	Link *hostlink.Link
	// MembersChanged is called when control says that a host was removed; nil: nobody minds.
	MembersChanged func()
	// LinkAddress is where others reach this host's hostlink, host:port; it goes into the host's description.
	LinkAddress string

	Heartbeat time.Duration // 0: 10 s
	Report    time.Duration // 0: 1 min; how often the host is described anew
	// Resume has servers started that are off when the agent starts, if they ran before (resume_guests_state_on_host_boot).
	Resume bool
	// Images takes the images that servers become; nil: there are none.
	Images ImageSink
}

// housekeeper is what a driver may do now and then.
type housekeeper interface {
	Housekeep(ctx context.Context) error
}

// housekeepEvery is how often it does.
const housekeepEvery = 15 * time.Minute

// Agent serves one host.
type Agent struct {
	Options
	jobs   jobs
	power  powerEvents
	cancel context.CancelFunc
	stop   func()
	wg     sync.WaitGroup

	mu    sync.Mutex
	state error // nil when the control side knows this host
	node  string

	wake       chan struct{} // a description is wanted now
	introduced chan struct{} // closed when the control side has said what must not run here any more
}

// errStarting is why an agent is not ready at first.
var errStarting = errors.New("the host has not been reported yet")

// New makes an agent. Start starts it.
func New(o Options) (*Agent, error) {
	if o.Host == "" || o.Bus == nil || o.Driver == nil {
		return nil, errors.New("nova-compute: host, bus and driver are needed")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Log = o.Log.With("component", "nova-compute", "host", o.Host)
	if o.Heartbeat == 0 {
		o.Heartbeat = 10 * time.Second
	}
	if o.Report == 0 {
		o.Report = time.Minute
	}
	a := &Agent{Options: o, state: errStarting, introduced: make(chan struct{}), wake: make(chan struct{}, 1)}
	steps, err := openSteps(o.StepsFile)
	if err != nil {
		return nil, fmt.Errorf("nova-compute: finished steps: %w", err)
	}
	a.jobs.steps = steps
	a.jobs.idle = a.settled
	return a, nil
}

// Start serves the host until Stop. It does not wait for the hypervisor or the
// control side; Ready says how they are.
func (a *Agent) Start(ctx context.Context) error {
	ctx, a.cancel = context.WithCancel(bus.AsHost(context.WithoutCancel(ctx), a.Host))
	a.jobs.ctx = ctx
	handlers := a.handlers()
	maps.Copy(handlers, a.imageHandlers())
	maps.Copy(handlers, a.moveHandlers())
	maps.Copy(handlers, a.liveHandlers())
	stop, err := a.Bus.Serve(bus.To{Topic: rpc.ComputeTopic, Host: a.Host}, handlers)
	if err != nil {
		a.cancel()
		return fmt.Errorf("nova-compute: %w", err)
	}
	a.stop = stop
	a.power.wake = make(chan struct{}, 1)
	events, err := a.Driver.Events(ctx)
	if err != nil {
		a.cancel()
		stop()
		return fmt.Errorf("nova-compute: events: %w", err)
	}
	a.serveStreams()
	a.wg.Go(func() { a.watch(events) })
	a.wg.Go(func() { a.tellPower(ctx) })
	a.wg.Go(func() { a.report(ctx) })
	if keeper, ok := a.Driver.(housekeeper); ok {
		a.wg.Go(func() { a.housekeep(ctx, keeper) })
	}
	return nil
}

// Stop ends the agent and waits until it has. Servers go on.
func (a *Agent) Stop() {
	if a.cancel == nil {
		return
	}
	a.cancel()
	a.stop()
	a.wg.Wait()
	a.jobs.wait()
	a.jobs.steps.close()
}

// Ready is nil when the control side knows the host, and else says why not.
func (a *Agent) Ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// NodeID is the compute node's id, as the control side has given it; empty
// until then.
func (a *Agent) NodeID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.node
}

// handlers serve the calls of package rpc.
func (a *Agent) handlers() bus.Handlers {
	d := a.Driver
	ref := func(do func(context.Context, string) error) bus.Handler {
		return change(a, func(ctx context.Context, r rpc.ServerRef) error { return do(ctx, r.ServerID) })
	}
	return bus.Handlers{
		rpc.EnsureImage:  change(a, d.EnsureImage),
		rpc.PrepareDisks: change(a, func(ctx context.Context, g rpc.Guest) error { return d.PrepareDisks(ctx, g.Spec) }),
		rpc.Define:       change(a, func(ctx context.Context, g rpc.Guest) error { return d.Define(ctx, g.Spec) }),
		rpc.Start:        ref(d.Start),
		rpc.Stop: change(a, func(ctx context.Context, s rpc.StopArgs) error {
			return d.Stop(ctx, s.ServerID, seconds(s.GraceSeconds))
		}),
		rpc.Reboot: change(a, func(ctx context.Context, r rpc.RebootArgs) error {
			return d.Reboot(ctx, r.ServerID, r.Kind, seconds(r.GraceSeconds))
		}),
		rpc.Pause:   ref(d.Pause),
		rpc.Unpause: ref(d.Unpause),
		rpc.Suspend: ref(d.Suspend),
		rpc.Resume:  ref(d.Resume),
		rpc.Destroy: ref(d.Destroy),
		rpc.AttachInterface: change(a, func(ctx context.Context, n rpc.NICArgs) error {
			return d.AttachInterface(ctx, n.ServerID, n.NIC)
		}),
		rpc.DetachInterface: change(a, func(ctx context.Context, n rpc.NICArgs) error {
			return d.DetachInterface(ctx, n.ServerID, n.NIC.PortID)
		}),
		rpc.ConsoleLog: read(func(ctx context.Context, c rpc.ConsoleLogArgs) (rpc.ConsoleLogReply, error) {
			text, err := d.ConsoleLog(ctx, c.ServerID, c.Lines)
			return rpc.ConsoleLogReply{Output: text}, err
		}),
		rpc.TaggedDevices: read(func(ctx context.Context, g rpc.Guest) (rpc.TaggedReply, error) {
			devices, err := d.TaggedDevices(ctx, g.Spec)
			return rpc.TaggedReply{Devices: devices}, err
		}),
		rpc.Console: read(func(ctx context.Context, c rpc.ConsoleArgs) (driver.ConsoleAddress, error) {
			return d.Console(ctx, c.ServerID, c.Kind)
		}),
		rpc.PowerState: read(func(ctx context.Context, r rpc.ServerRef) (rpc.PowerStateReply, error) {
			state, err := d.PowerState(ctx, r.ServerID)
			return rpc.PowerStateReply{State: state}, err
		}),
		rpc.Diagnostics: read(func(ctx context.Context, r rpc.ServerRef) (driver.Diagnostics, error) {
			return d.Diagnostics(ctx, r.ServerID)
		}),
		rpc.ReportNow: read(func(context.Context, struct{}) (any, error) {
			select {
			case a.wake <- struct{}{}:
			default:
			}
			return nil, nil
		}),
		rpc.MembersChanged: read(func(context.Context, struct{}) (any, error) {
			if a.MembersChanged != nil {
				a.MembersChanged()
			}
			return nil, nil
		}),
		rpc.List: read(func(ctx context.Context, _ struct{}) (rpc.ListReply, error) {
			guests, err := d.List(ctx)
			return rpc.ListReply{Guests: guests}, err
		}),
		rpc.Audit: read(func(ctx context.Context, _ struct{}) (rpc.AuditReply, error) {
			guests, err := d.List(ctx)
			if err != nil {
				return rpc.AuditReply{}, err
			}
			disks, err := d.Disks(ctx)
			return rpc.AuditReply{Guests: guests, Disks: disks}, err
		}),
	}
}

func seconds(n int) time.Duration { return time.Duration(max(0, n)) * time.Second }

// read is a call that changes nothing: it runs at once, beside others.
func read[A, R any](do func(context.Context, A) (R, error)) bus.Handler {
	return bus.Handle(func(ctx context.Context, _ string, args A) (R, error) {
		reply, err := do(ctx, args)
		return reply, rpc.ToBus(err)
	})
}

// housekeep lets the driver tidy up.
func (a *Agent) housekeep(ctx context.Context, keeper housekeeper) {
	tick := time.NewTicker(housekeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := keeper.Housekeep(ctx); err != nil && ctx.Err() == nil {
				a.Log.WarnContext(ctx, "housekeeping", "error", err)
			}
		}
	}
}
