package amqp_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
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
	// A thousand queues take their time; and who connects again is away for a moment, which a caller is told that has kept its own connection.
	patiently := func(call func() error) error {
		for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if err := call(); !errors.Is(err, bus.ErrUnroutable) || time.Now().After(end) {
				return err
			}
		}
	}
	calls := func() {
		t.Helper()
		each(func(host string) error {
			return patiently(func() error {
				return control.Call(ctx, bus.To{Topic: "nova-compute", Host: host}, "who", nil, nil)
			})
		})
		each(func(host string) error {
			from := ""
			err := patiently(func() error {
				return simulator.Call(bus.AsHost(ctx, host), bus.To{Topic: "nova-conductor"}, "who", nil, &from)
			})
			if err == nil && from != host {
				err = fmt.Errorf("it is taken for %q", from)
			}
			return err
		})
	}
	calls()
	var after amqp.Counts
	await(t, "a queue for each host, and the role's two", func() bool { // what the broker counts it keeps for a while, the longer the more there is
		after, err = c.admin.Count(ctx)
		must(t, err)
		return after.Queues-before.Queues >= hosts+2
	})
	if after.Exchanges != before.Exchanges || after.Exchanges > 5 {
		t.Errorf("%d exchanges, %d before", after.Exchanges, before.Exchanges)
	}
	if n := after.Queues - before.Queues; n != hosts+2 {
		t.Errorf("%d queues more for %d hosts", n, hosts)
	}
	t.Logf("%d exchanges, %d queues", after.Exchanges, after.Queues)

	// All of it comes back when the connection breaks.
	var list []string
	await(t, "the broker lists connections", func() bool { list = c.connections(t); return len(list) >= 2 })
	for _, name := range list {
		c.hangUp(t, name)
	}
	calls()
	await(t, "all is well again", func() bool { return simulator.Ready() == nil && control.Ready() == nil })
	close(stops)
	for stop := range stops {
		stop()
	}
	await(t, "no host's queue is left", func() bool {
		left, err := c.admin.Count(ctx)
		must(t, err)
		return left.Queues <= before.Queues+2
	})
}
