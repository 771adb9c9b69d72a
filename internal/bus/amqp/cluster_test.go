package amqp_test

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// mains lists the connections of the clients that are there, without those for one queue.
func (c *cloud) mains(t *testing.T) []string {
	t.Helper()
	var list []struct {
		Name string
		User string `json:"user_provided_name"`
	}
	await(t, "the broker lists the connections", func() bool {
		list = nil
		must(t, c.get(t, "/api/vhosts/"+c.vhost+"/connections", &list))
		return len(list) >= 3
	})
	var names []string
	for _, l := range list {
		if l.User == t.Name() {
			names = append(names, l.Name)
		}
	}
	slices.Sort(names)
	return names
}

// TestTheClusterLosesItsMajority leaves one node of three: what needs no majority goes on, and a queue that needs one holds up nothing else. What was cast comes when
// the others are back.
func TestTheClusterLosesItsMajority(t *testing.T) {
	long(t)
	cluster := rabbittest.StartCluster(t, 3)
	c := &cloud{Broker: cluster.Nodes[0], t: t, vhost: "gostack", password: secret.New(controlPassword), cluster: cluster}
	c.prepare()
	control, other, host := c.control(), c.control(), c.asHost("one")
	at := bus.To{Topic: "nova-compute", Host: "one"}
	serve(t, host, at, who)
	heard := make(chan int, 10)
	serve(t, other, bus.To{Topic: "nova-conductor"}, tellTo(heard))
	must(t, control.Cast(t.Context(), bus.To{Topic: "nova-conductor"}, "tell", number{1}))
	if n := <-heard; n != 1 {
		t.Errorf("heard %d", n)
	}
	cluster.Nodes[1].Kill()
	cluster.Nodes[2].Kill()
	call := func() error { return control.Call(t.Context(), at, "who", nil, nil) }
	await(t, "the host is called", func() bool { return call() == nil })
	before := c.mains(t)
	cast := make(chan error, 1)
	go func() { // without an answer of the broker this ends in a minute; it may have been taken all the same
		cast <- host.Cast(t.Context(), bus.To{Topic: "nova-conductor"}, "tell", number{2})
	}()
	stop, err := control.Serve(bus.To{Topic: "late-role"}, nil) // declares a queue that cannot be had now
	must(t, err)
	t.Cleanup(stop)
	await(t, "it is told that the queue cannot be had", func() bool {
		if err := call(); err != nil {
			t.Fatal(err)
		}
		return control.Ready() != nil && strings.Contains(control.Ready().Error(), "late-role.casts: Exception")
	})
	if after := c.mains(t); !slices.Equal(before, after) {
		t.Errorf("what cannot be had has cost connections: %v, then %v", before, after)
	}
	cluster.Nodes[1].Restart(t)
	cluster.Nodes[2].Restart(t)
	cluster.Await(t, 3)
	if err := <-cast; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if n := <-heard; n != 2 {
		t.Errorf("heard %d", n)
	}
	await(t, "every queue is read", func() bool { return control.Ready() == nil && other.Ready() == nil })
}
