package amqp_test

import (
	"fmt"
	"sync"
	"testing"

	"gostack/internal/bus"
)

// TestAThousandHosts serves a thousand simulated hosts from one process, over one connection of the control side's user.
func TestAThousandHosts(t *testing.T) {
	const hosts = 1000
	c := newCloud(t)
	ctx := t.Context()
	control, simulator := c.control(), c.control()
	serve(t, control, bus.To{Topic: "nova-conductor", Host: "ctl"}, who)
	before, err := c.admin.Count(ctx)
	must(t, err)
	each := func(f func(host string) error) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range hosts {
			wg.Go(func() {
				if err := f(fmt.Sprint("sim-", i)); err != nil {
					t.Errorf("host %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	}
	stops := make(chan func(), hosts)
	each(func(host string) error {
		stop, err := simulator.Serve(bus.To{Topic: "nova-compute", Host: host}, who)
		if err == nil {
			stops <- stop
		}
		return err
	})
	calls := func() {
		t.Helper()
		each(func(host string) error {
			return control.Call(ctx, bus.To{Topic: "nova-compute", Host: host}, "who", nil, nil)
		})
		each(func(host string) error {
			from := ""
			err := simulator.Call(bus.AsHost(ctx, host), bus.To{Topic: "nova-conductor"}, "who", nil, &from)
			if err == nil && from != host {
				err = fmt.Errorf("it is taken for %q", from)
			}
			return err
		})
	}
	calls()
	after, err := c.admin.Count(ctx)
	must(t, err)
	if after.Exchanges != before.Exchanges || after.Exchanges > 5 {
		t.Errorf("%d exchanges, %d before", after.Exchanges, before.Exchanges)
	}
	if n := after.Queues - before.Queues; n != hosts+2 { // and the role's two
		t.Errorf("%d queues more for %d hosts", n, hosts)
	}
	t.Logf("%d exchanges, %d queues", after.Exchanges, after.Queues)

	// All of it comes back when the connection breaks.
	for _, name := range c.connections(t) {
		c.hangUp(t, name)
	}
	await(t, "the connection is lost and found", func() bool { return simulator.Ready() == nil && control.Ready() == nil })
	calls()
	close(stops)
	for stop := range stops {
		stop()
	}
	left, err := c.admin.Count(ctx)
	must(t, err)
	if left.Queues > before.Queues+2 {
		t.Errorf("%d queues are left, %d before", left.Queues, before.Queues)
	}
}
