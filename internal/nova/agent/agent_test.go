package agent_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gostack/internal/bus"
	"gostack/internal/nova/agent"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/simulated"
	"gostack/internal/nova/rpc"
)

const host = "host1"

// control is the other side of the bus: it notes what the host says.
type control struct {
	bus    *bus.Memory
	mu     sync.Mutex
	ups    []rpc.HostUpArgs
	beats  int
	events []driver.Event
	froms  map[string]bool
}

func (c *control) serve(t *testing.T) (away func()) {
	t.Helper()
	stop, err := c.bus.Serve(bus.To{Topic: rpc.ConductorTopic}, bus.Handlers{
		rpc.HostUp: bus.Handle(func(_ context.Context, from string, a rpc.HostUpArgs) (rpc.HostUpReply, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.ups = append(c.ups, a)
			c.froms[from] = true
			return rpc.HostUpReply{NodeID: "node-1"}, nil
		}),
		rpc.Heartbeat: bus.Handle(func(_ context.Context, from string, _ rpc.HeartbeatArgs) (any, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.beats++
			c.froms[from] = true
			return nil, nil
		}),
		rpc.PowerEvents: bus.Handle(func(_ context.Context, _ string, a rpc.PowerEventsArgs) (any, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.events = append(c.events, a.Events...)
			return nil, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	away = sync.OnceFunc(stop)
	t.Cleanup(away)
	return away
}

// heard answers the states told of a server, in order.
func (c *control) heard(server string) []driver.PowerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []driver.PowerState
	for _, e := range c.events {
		if e.ServerID == server {
			all = append(all, e.State)
		}
	}
	return all
}

func (c *control) call(t *testing.T, method string, args, reply any) error {
	t.Helper()
	return rpc.FromBus(c.bus.Call(t.Context(), bus.To{Topic: rpc.ComputeTopic, Host: host}, method, args, reply))
}

func newControl() *control { return &control{bus: bus.NewMemory(), froms: map[string]bool{}} }

// counting counts the calls that reach the driver.
type counting struct {
	driver.Driver
	mu    sync.Mutex
	calls map[string]int
}

func (c *counting) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[what]++
}

func (c *counting) HostInfo(ctx context.Context) (driver.HostInfo, error) {
	c.count("info")
	return c.Driver.HostInfo(ctx)
}

func (c *counting) Reboot(ctx context.Context, id string, kind driver.RebootKind, grace time.Duration) error {
	c.count("reboot")
	return c.Driver.Reboot(ctx, id, kind, grace)
}

func (c *counting) EnsureImage(ctx context.Context, image driver.Image) error {
	c.count("image")
	return c.Driver.EnsureImage(ctx, image)
}

func simulate(t *testing.T, delays simulated.Delays) *counting {
	t.Helper()
	d, err := simulated.New(simulated.Options{Hostname: host, Delays: delays})
	if err != nil {
		t.Fatal(err)
	}
	return &counting{Driver: d, calls: map[string]int{}}
}

func start(t *testing.T, c *control, d driver.Driver, steps string) *agent.Agent {
	t.Helper()
	a, err := agent.New(agent.Options{Host: host, Bus: c.bus, Driver: d, StepsFile: steps})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

func spec(id string) driver.GuestSpec {
	return driver.GuestSpec{ID: id, Name: id, Flavor: driver.Flavor{VCPUs: 1, MemoryMB: 64, RootGB: 1}}
}

func boot(t *testing.T, c *control, id string) {
	t.Helper()
	for _, err := range []error{
		c.call(t, rpc.PrepareDisks, rpc.Guest{Spec: spec(id)}, nil),
		c.call(t, rpc.Define, rpc.Guest{Spec: spec(id)}, nil),
		c.call(t, rpc.Start, rpc.ServerRef{ServerID: id}, nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestHostIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d := newControl(), simulate(t, simulated.Delays{})
		a := start(t, c, d, "")
		defer a.Stop()
		synctest.Wait()
		if err := a.Ready(); !errors.Is(err, bus.ErrUnroutable) {
			t.Errorf("without a control side: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if tries := d.calls["info"]; tries < 360 || tries > 500 { // every ten seconds, and no more the longer it lasts
			t.Errorf("%d tries in an hour without a control side", tries)
		}
		c.serve(t)
		time.Sleep(15 * time.Second)
		if err := a.Ready(); err != nil || a.NodeID() != "node-1" {
			t.Errorf("ready %v, node %q", err, a.NodeID())
		}
		time.Sleep(5 * time.Minute)
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.ups) < 5 || len(c.ups) > 7 || c.beats < 20 || c.ups[0].Info.VCPUs != 64 {
			t.Errorf("%d descriptions, %d heartbeats in five minutes", len(c.ups), c.beats)
		}
		if len(c.froms) != 1 || !c.froms[host] {
			t.Errorf("messages came from %v", c.froms)
		}
		before := len(c.ups)
		c.mu.Unlock()
		err := c.call(t, rpc.ReportNow, struct{}{}, nil)
		synctest.Wait()
		c.mu.Lock()
		if err != nil || len(c.ups) != before+1 {
			t.Errorf("asked to describe itself (%v) the host did so %d times", err, len(c.ups)-before)
		}
	})
}

func TestRepeatedCallJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Not a whole number of minutes, for that is when calls give up.
		const download = 4*time.Minute + 30*time.Second
		c := newControl()
		d := simulate(t, simulated.Delays{Image: download})
		a := start(t, c, d, "")
		defer a.Stop()
		began := time.Now()
		tries := 0
		for {
			tries++
			err := c.call(t, rpc.EnsureImage, driver.Image{ID: "i1"}, nil)
			if err == nil {
				break
			}
			if tries > 10 {
				t.Fatal(err)
			}
		}
		if d.calls["image"] != 1 || time.Since(began) != download {
			t.Errorf("%d downloads in %v with %d calls", d.calls["image"], time.Since(began), tries)
		}
	})
}

func TestFinishedStepIsNotDoneAgain(t *testing.T) {
	steps := filepath.Join(t.TempDir(), "steps")
	c := newControl()
	c.serve(t)
	d := simulate(t, simulated.Delays{})
	a := start(t, c, d, steps)
	boot(t, c, "s1")
	reboot := rpc.RebootArgs{ServerID: "s1", Kind: driver.RebootHard, StepID: "op-1/reboot"}
	for range 3 {
		if err := c.call(t, rpc.Reboot, reboot, nil); err != nil {
			t.Fatal(err)
		}
	}
	a.Stop()
	a = start(t, c, d, steps)
	defer a.Stop()
	if err := c.call(t, rpc.Reboot, reboot, nil); err != nil {
		t.Fatal(err)
	}
	if d.calls["reboot"] != 1 {
		t.Errorf("rebooted %d times", d.calls["reboot"])
	}
	reboot.StepID = "op-2/reboot"
	if err := c.call(t, rpc.Reboot, reboot, nil); err != nil || d.calls["reboot"] != 2 {
		t.Errorf("another operation: %d, %v", d.calls["reboot"], err)
	}
}

func TestDestroyEndsOtherChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControl()
		c.serve(t)
		a := start(t, c, simulate(t, simulated.Delays{Power: 50 * time.Second}), "")
		defer a.Stop()
		boot(t, c, "s1")
		stopped := make(chan error, 1)
		go func() { stopped <- c.call(t, rpc.Stop, rpc.StopArgs{ServerID: "s1"}, nil) }()
		time.Sleep(time.Second)
		began := time.Now()
		if err := c.call(t, rpc.Destroy, rpc.ServerRef{ServerID: "s1"}, nil); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("destroy waited %v", took)
		}
		if err := <-stopped; err == nil {
			t.Error("the stop of a destroyed server succeeded")
		}
		var left rpc.AuditReply
		if err := c.call(t, rpc.Audit, struct{}{}, &left); err != nil || len(left.Guests)+len(left.Disks) != 0 {
			t.Errorf("left over %+v, %v", left, err)
		}
	})
}

func TestRefusalsKeepTheirCode(t *testing.T) {
	c := newControl()
	c.serve(t)
	a := start(t, c, simulate(t, simulated.Delays{}), "")
	defer a.Stop()
	if err := c.call(t, rpc.Start, rpc.ServerRef{ServerID: "nobody"}, nil); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("start: %v", err)
	}
	if err := c.call(t, rpc.Console, rpc.ConsoleArgs{ServerID: "nobody", Kind: driver.ConsoleVNC}, nil); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("console: %v", err)
	}
	if err := c.call(t, rpc.Stop, []string{"not", "arguments"}, nil); bus.Code(err) != bus.CodePermanent {
		t.Errorf("bad arguments: %v", err)
	}
}

// The off between a reboot's off and on is no news, a guest's own off is; and
// news waits for a control side that is away.
func TestPowerStatesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControl()
		d := simulate(t, simulated.Delays{Power: time.Second})
		away := c.serve(t)
		a := start(t, c, d, "")
		defer a.Stop()
		synctest.Wait()
		away()
		boot(t, c, "s1")
		if err := c.call(t, rpc.Reboot, rpc.RebootArgs{ServerID: "s1", Kind: driver.RebootHard}, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		c.serve(t)
		time.Sleep(time.Minute)
		if got := c.heard("s1"); len(got) != 1 || got[0] != driver.Running {
			t.Errorf("heard %v after a boot and a reboot", got)
		}
		if err := c.call(t, rpc.Reboot, rpc.RebootArgs{ServerID: "s1", Kind: driver.RebootSoft}, nil); err != nil {
			t.Fatal(err)
		}
		// The guest turns itself off, without the agent.
		if err := d.Driver.Stop(t.Context(), "s1", 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		got := c.heard("s1")
		if got[len(got)-1] != driver.Shutdown {
			t.Errorf("heard %v", got)
		}
		for i, s := range got[:len(got)-1] {
			if s != driver.Running {
				t.Errorf("heard %v at %d of %v", s, i, got)
			}
		}
	})
}

func TestRestartAdopts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControl()
		c.serve(t)
		d := simulate(t, simulated.Delays{})
		a := start(t, c, d, "")
		boot(t, c, "s1")
		synctest.Wait()
		a.Stop()
		before := len(c.heard("s1"))
		a = start(t, c, d, "")
		defer a.Stop()
		synctest.Wait()
		if got := c.heard("s1"); len(got) != before+1 || got[before] != driver.Running {
			t.Errorf("after restart heard %v", got)
		}
	})
}
