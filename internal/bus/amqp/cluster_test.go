package amqp_test

import (
	"errors"
	"testing"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp/rabbittest"
	"gostack/internal/secret"
)

// TestANodeOfTheClusterDies kills two nodes of three under load, one after the other: what was cast is in a quorum queue and is handled.
func TestANodeOfTheClusterDies(t *testing.T) {
	long(t)
	cluster := rabbittest.StartCluster(t, 3)
	c := &cloud{Broker: cluster.Nodes[0], t: t, vhost: "gostack", password: secret.New(controlPassword), cluster: cluster}
	c.prepare()
	l := c.load(t)
	for _, name := range []string{"gostack.role.nova-conductor.casts", "gostack.dead"} {
		if kind, members := cluster.Queue(t, c.vhost, name); kind != "quorum" || members != 3 {
			t.Errorf("%s is a %s queue with %d members", name, kind, members)
		}
	}
	late := c.control()
	stop, err := late.Serve(bus.To{Topic: "late-role"}, nil)
	must(t, err)
	stop()
	must(t, late.Cast(t.Context(), bus.To{Topic: "late-role"}, "tell", number{7}))
	for _, victim := range cluster.Nodes[:2] {
		victim.Kill()
		l.goesOn(t)
		victim.Restart(t)
		cluster.Await(t, 3)
		l.goesOn(t)
	}
	// A host's queue is on the node it was connected to: until it is back on another, callers are told that nobody is there, and try again.
	l.tolerate(func(err error) bool { return errors.Is(err, bus.ErrUnroutable) })
	l.check(t)
	got := make(chan int, 10)
	serve(t, late, bus.To{Topic: "late-role"}, tellTo(got))
	if n := <-got; n != 7 {
		t.Errorf("the late cast is %d", n)
	}
}
