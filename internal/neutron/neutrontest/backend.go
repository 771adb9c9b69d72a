// Package neutrontest is a network engine in memory for tests of Neutron and its neighbours. It keeps the specs it was given,
// plugs ports at once when they are bound, and can be made to fail.
package neutrontest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/gateways"
)

// Backend implements driver.Backend in memory. Safe for concurrent use.
type Backend struct {
	mu       sync.Mutex
	specs    map[string]map[string]any // kind, id
	fail     error
	calls    int
	watchers map[chan driver.Event]bool
	// Hosts are the chassis.
	Hosts []driver.Chassis
	Asked int // how often all hosts were asked whether they live
	// Manual keeps bound ports down until Plug.
	Manual bool
	up     map[string]string // port to host
}

var _ driver.Backend = (*Backend)(nil)

// New returns an empty engine.
func New() *Backend {
	return &Backend{specs: map[string]map[string]any{}, watchers: map[chan driver.Event]bool{}, up: map[string]string{}}
}

// Fail makes every change fail with err until it is called with nil.
func (b *Backend) Fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// Calls returns how many changes were asked for.
func (b *Backend) Calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// Has tells whether the engine has a resource.
func (b *Backend) Has(kind, id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.specs[kind][id]
	return ok
}

// Spec returns what the engine has of a resource.
func Spec[T any](b *Backend, kind, id string) (spec T, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	spec, ok = b.specs[kind][id].(T)
	return spec, ok
}

// Count returns how many resources of a kind the engine has.
func (b *Backend) Count(kind string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.specs[kind])
}

func (b *Backend) put(kind, id string, spec any, needs ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.fail != nil {
		return b.fail
	}
	for _, n := range needs {
		if _, ok := b.specs["network"][n]; !ok {
			return fmt.Errorf("%w: network %s", driver.ErrDependency, n)
		}
	}
	if b.specs[kind] == nil {
		b.specs[kind] = map[string]any{}
	}
	b.specs[kind][id] = spec
	if p, ok := spec.(driver.PortSpec); ok && !b.Manual {
		b.plug(p.ID, p.Host)
	}
	return nil
}

// plug says where a port is; "" for nowhere.
func (b *Backend) plug(id, host string) {
	if b.up[id] == host {
		return
	}
	e := driver.Event{Kind: driver.PortUp, ID: id, Host: host}
	if b.up[id] = host; host == "" {
		delete(b.up, id)
		e.Kind = driver.PortDown
	}
	for w := range b.watchers {
		w <- e
	}
}

// Plug says that a host has plugged a port; "" that none has.
func (b *Backend) Plug(id, host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.plug(id, host)
}

func (b *Backend) drop(kind, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.fail != nil {
		return b.fail
	}
	delete(b.specs[kind], id)
	delete(b.up, id)
	return nil
}

// The methods of driver.Backend.

func (b *Backend) EnsureNetwork(_ context.Context, n driver.NetworkSpec) error { //nolint:revive // see driver.Backend
	return b.put("network", n.ID, n)
}

func (b *Backend) EnsureSubnet(_ context.Context, s driver.SubnetSpec) error { //nolint:revive // see driver.Backend
	return b.put("subnet", s.ID, s, s.NetworkID)
}

func (b *Backend) EnsurePort(_ context.Context, p driver.PortSpec) error { //nolint:revive // see driver.Backend
	return b.put("port", p.ID, p, p.NetworkID)
}

func (b *Backend) EnsureRouter(_ context.Context, r driver.RouterSpec) error { //nolint:revive // see driver.Backend
	return b.put("router", r.ID, r)
}

func (b *Backend) EnsureLogging(_ context.Context, l driver.LoggingSpec) error { //nolint:revive // see driver.Backend
	return b.put("logging", driver.LoggingID, l)
}

func (b *Backend) EnsureSecurityGroup(_ context.Context, g driver.SecurityGroupSpec) error { //nolint:revive // see driver.Backend
	return b.put("security_group", g.ID, g)
}

func (b *Backend) DeleteNetwork(_ context.Context, id string) error { return b.drop("network", id) } //nolint:revive // see driver.Backend
func (b *Backend) DeleteSubnet(_ context.Context, id string) error  { return b.drop("subnet", id) }  //nolint:revive // see driver.Backend
func (b *Backend) DeletePort(_ context.Context, id string) error    { return b.drop("port", id) }    //nolint:revive // see driver.Backend
func (b *Backend) DeleteRouter(_ context.Context, id string) error  { return b.drop("router", id) }  //nolint:revive // see driver.Backend
func (b *Backend) DeleteSecurityGroup(_ context.Context, id string) error { //nolint:revive // see driver.Backend
	return b.drop("security_group", id)
}

// Sync implements driver.Backend.
func (b *Backend) Sync(ctx context.Context, want driver.Desired, repair bool) (driver.Report, error) {
	rep, err := b.compare(want, repair)
	if err != nil || !repair {
		return rep, err
	}
	for _, d := range rep.Differences {
		if err := b.repair(ctx, want, d); err != nil {
			return rep, err
		}
	}
	return rep, nil
}

// repair makes one resource as it should be by now. What is changed between the question and the repair would be undone by it, so it asks again afterwards.
func (b *Backend) repair(ctx context.Context, want driver.Desired, d driver.Difference) error {
	newest := func() (driver.Desired, error) {
		if want.Recheck == nil {
			return driver.Desired{}, nil
		}
		return want.Recheck(ctx, d.Kind, d.ID)
	}
	now, err := newest()
	for err == nil {
		b.mu.Lock()
		delete(b.specs[d.Kind], d.ID)
		for kind, specs := range byKind(now) {
			for id, spec := range specs {
				if b.specs[kind] == nil {
					b.specs[kind] = map[string]any{}
				}
				b.specs[kind][id] = spec
			}
		}
		b.mu.Unlock()
		var again driver.Desired
		if again, err = newest(); err == nil && reflect.DeepEqual(now, again) {
			return nil
		}
		now = again
	}
	return err
}

func byKind(want driver.Desired) map[string]map[string]any {
	wanted := map[string]map[string]any{"network": {}, "subnet": {}, "port": {}, "router": {}, "security_group": {}}
	for _, x := range want.Networks {
		wanted["network"][x.ID] = x
	}
	for _, x := range want.Subnets {
		wanted["subnet"][x.ID] = x
	}
	for _, x := range want.Ports {
		wanted["port"][x.ID] = x
	}
	for _, x := range want.Routers {
		wanted["router"][x.ID] = x
	}
	for _, x := range want.SecurityGroups {
		wanted["security_group"][x.ID] = x
	}
	return wanted
}

func (b *Backend) compare(want driver.Desired, repair bool) (driver.Report, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rep driver.Report
	if b.fail != nil {
		return rep, b.fail
	}
	wanted := byKind(want)
	for kind, specs := range wanted {
		for id, spec := range specs {
			rep.Checked++
			have, ok := b.specs[kind][id]
			switch {
			case !ok:
				rep.Differences = append(rep.Differences, driver.Difference{Kind: kind, ID: id, Problem: driver.Missing, Repaired: repair})
			case !reflect.DeepEqual(have, spec):
				rep.Differences = append(rep.Differences, driver.Difference{Kind: kind, ID: id, Problem: driver.Differs, Repaired: repair})
			}
		}
		for id := range b.specs[kind] {
			if _, ok := specs[id]; !ok {
				rep.Differences = append(rep.Differences, driver.Difference{Kind: kind, ID: id, Problem: driver.Orphaned, Repaired: repair})
			}
		}
	}
	slices.SortFunc(rep.Differences, func(x, y driver.Difference) int { return cmp.Compare(x.Kind+x.ID, y.Kind+y.ID) })
	return rep, nil
}

// Events implements driver.Backend.
func (b *Backend) Events(ctx context.Context) (<-chan driver.Event, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan driver.Event, 4096)
	for id, host := range b.up {
		c <- driver.Event{Kind: driver.PortUp, ID: id, Host: host}
	}
	b.watchers[c] = true
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, c)
		close(c)
	})
	return c, nil
}

// Chassis implements driver.Backend.
func (b *Backend) Chassis(context.Context) ([]driver.Chassis, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Asked++
	return slices.Clone(b.Hosts), nil
}

// Known implements driver.Backend.
func (b *Backend) Known(_ context.Context, host string) ([]driver.Chassis, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.Hosts), func(c driver.Chassis) bool { return host != "" && c.Host != host && c.Name != host }), nil
}

// Reaches implements driver.Backend. A host that is not there reaches everything.
func (b *Backend) Reaches(_ context.Context, host string, physnets []string) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.Hosts {
		if c.Host == host {
			return slices.DeleteFunc(slices.Clone(physnets), func(p string) bool { return c.Bridges[p] == "" }), nil
		}
	}
	return physnets, nil
}

// Gateways implements driver.Backend: each router's gateways are where package gateways puts them, were they put there now.
func (b *Backend) Gateways(_ context.Context, only, chassis string) (out []driver.Gateway, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, spec := range b.specs["router"] {
		r, _ := spec.(driver.RouterSpec)
		if only != "" && id != only {
			continue
		}
		for _, g := range r.Gateways() {
			for _, h := range gateways.Assign(g.PortID, nil, gateways.Possible(b.Hosts, g.Physnet, g.Zones), g.Chosen) {
				if chassis == "" || h.Chassis == chassis {
					out = append(out, driver.Gateway{Router: id, PortID: g.PortID, GatewayHost: h})
				}
			}
		}
	}
	return out, b.fail
}

// RemoveChassis implements driver.Backend.
func (b *Backend) RemoveChassis(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Hosts = slices.DeleteFunc(b.Hosts, func(c driver.Chassis) bool { return c.Name == name })
	return nil
}

// PortStates implements driver.Backend.
func (b *Backend) PortStates(_ context.Context, ids []string) (map[string]driver.PortState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]driver.PortState{}
	for _, id := range ids {
		if host, ok := b.up[id]; ok {
			out[id] = driver.PortState{Up: true, Host: host}
		} else if _, ok := b.specs["port"][id]; ok {
			out[id] = driver.PortState{}
		}
	}
	return out, nil
}

// WaitPortUp implements driver.Backend.
func (b *Backend) WaitPortUp(ctx context.Context, id string) error {
	events, err := b.Events(ctx)
	if err != nil {
		return err
	}
	for e := range events {
		if e.ID == id && e.Kind == driver.PortUp {
			return nil
		}
	}
	return ctx.Err()
}

// Ready implements driver.Backend.
func (b *Backend) Ready(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fail
}

// Close implements driver.Backend.
func (b *Backend) Close() {}

// Kinds lists what the engine has, by kind, for messages of tests.
func (b *Backend) Kinds() map[string][]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string][]string{}
	for kind, specs := range b.specs {
		out[kind] = slices.Sorted(maps.Keys(specs))
	}
	return out
}
