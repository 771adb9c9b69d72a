// Package simulated is a network backend of nothing but memory: specs are kept, and a port is up as soon as it is bound to a host.
// It is for tests of scale and for machines without engines; no packet ever flows.
package simulated

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/gateways"
)

// Backend implements driver.Backend.
type Backend struct {
	mu      sync.Mutex
	specs   map[key]any // *Spec by kind and id
	hosts   []string
	readers map[*reader]struct{}
	changed chan struct{} // closed and replaced at every change

	journal *journal // nil: the network is in this process only
	stop    context.CancelFunc
}

type key struct{ kind, id string }

// The kinds, as in driver.Difference.
const (
	network = "network"
	subnet  = "subnet"
	port    = "port"
	router  = "router"
	group   = "security_group"
)

var _ driver.Backend = (*Backend)(nil)

// New makes a backend whose chassis are the hosts.
func New(hosts ...string) *Backend {
	return &Backend{specs: map[key]any{}, hosts: hosts, readers: map[*reader]struct{}{}, changed: make(chan struct{})}
}

// reader is one receiver of events. Its queue is not bounded: what it holds is bounded by the number of ports.
type reader struct {
	queue []driver.Event
	wake  chan struct{}
}

func (b *Backend) put(kind, id string, spec any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.change(kind, id, spec)
}

func (b *Backend) drop(kind, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.change(kind, id, nil)
}

// apply keeps a spec, or forgets it when it is nil. The caller holds the lock.
func (b *Backend) apply(kind, id string, spec any) {
	before := b.state(id)
	if spec == nil {
		delete(b.specs, key{kind, id})
	} else {
		b.specs[key{kind, id}] = spec
	}
	b.tell(kind, id, before)
}

// tell wakes waiters and sends the event of a port whose state changed. The caller holds the lock.
func (b *Backend) tell(kind, id string, before driver.PortState) {
	if kind != port {
		return
	}
	now := b.state(id)
	if now == before {
		return
	}
	close(b.changed)
	b.changed = make(chan struct{})
	for r := range b.readers {
		r.queue = append(r.queue, event(id, now))
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func event(id string, s driver.PortState) driver.Event {
	if s.Up {
		return driver.Event{Kind: driver.PortUp, ID: id, Host: s.Host}
	}
	return driver.Event{Kind: driver.PortDown, ID: id, Host: s.Host}
}

// state is that of a port by its spec. The caller holds the lock.
func (b *Backend) state(id string) driver.PortState {
	p, ok := b.specs[key{port, id}].(driver.PortSpec)
	if !ok || p.Type != driver.NormalPort || p.Host == "" {
		return driver.PortState{}
	}
	return driver.PortState{Up: p.AdminStateUp, Host: p.Host}
}

// EnsureNetwork implements driver.Backend.
func (b *Backend) EnsureNetwork(_ context.Context, s driver.NetworkSpec) error {
	return b.put(network, s.ID, s)
}

// DeleteNetwork implements driver.Backend.
func (b *Backend) DeleteNetwork(_ context.Context, id string) error { return b.drop(network, id) }

// EnsureSubnet implements driver.Backend.
func (b *Backend) EnsureSubnet(_ context.Context, s driver.SubnetSpec) error {
	return b.put(subnet, s.ID, s)
}

// DeleteSubnet implements driver.Backend.
func (b *Backend) DeleteSubnet(_ context.Context, id string) error { return b.drop(subnet, id) }

// EnsurePort implements driver.Backend.
func (b *Backend) EnsurePort(_ context.Context, s driver.PortSpec) error {
	b.mu.Lock()
	b.catchUp()
	_, ok := b.specs[key{network, s.NetworkID}]
	b.mu.Unlock()
	if !ok {
		return fmt.Errorf("%w: network %s", driver.ErrDependency, s.NetworkID)
	}
	return b.put(port, s.ID, s)
}

// DeletePort implements driver.Backend.
func (b *Backend) DeletePort(_ context.Context, id string) error { return b.drop(port, id) }

// EnsureRouter implements driver.Backend.
func (b *Backend) EnsureRouter(_ context.Context, s driver.RouterSpec) error {
	return b.put(router, s.ID, s)
}

// DeleteRouter implements driver.Backend.
func (b *Backend) DeleteRouter(_ context.Context, id string) error { return b.drop(router, id) }

// EnsureLogging implements driver.Backend. Nothing is dropped here, so nothing is logged.
func (b *Backend) EnsureLogging(context.Context, driver.LoggingSpec) error { return nil }

// EnsureSecurityGroup implements driver.Backend.
func (b *Backend) EnsureSecurityGroup(_ context.Context, s driver.SecurityGroupSpec) error {
	return b.put(group, s.ID, s)
}

// DeleteSecurityGroup implements driver.Backend.
func (b *Backend) DeleteSecurityGroup(_ context.Context, id string) error { return b.drop(group, id) }

// byKey are the specs of a Desired.
func byKey(want driver.Desired) map[key]any {
	wanted := map[key]any{}
	for _, s := range want.Networks {
		wanted[key{network, s.ID}] = s
	}
	for _, s := range want.Subnets {
		wanted[key{subnet, s.ID}] = s
	}
	for _, s := range want.Ports {
		wanted[key{port, s.ID}] = s
	}
	for _, s := range want.Routers {
		wanted[key{router, s.ID}] = s
	}
	for _, s := range want.SecurityGroups {
		wanted[key{group, s.ID}] = s
	}
	return wanted
}

// Sync implements driver.Backend.
func (b *Backend) Sync(ctx context.Context, want driver.Desired, repair bool) (driver.Report, error) {
	wanted := byKey(want)
	b.mu.Lock()
	b.catchUp()
	have := maps.Clone(b.specs)
	b.mu.Unlock()
	report := driver.Report{Checked: len(have)}
	note := func(k key, p driver.Problem) {
		report.Differences = append(report.Differences, driver.Difference{Kind: k.kind, ID: k.id, Row: k.kind + " " + k.id, Problem: p, Repaired: repair})
	}
	for k, s := range wanted {
		old, ok := have[k]
		switch {
		case !ok:
			note(k, driver.Missing)
		case !b.same(old, s):
			note(k, driver.Differs)
		default:
			continue
		}
		if repair {
			if err := b.repair(ctx, want, k); err != nil {
				return report, err
			}
		}
	}
	for k := range have {
		if _, ok := wanted[k]; !ok {
			note(k, driver.Orphaned)
			if repair {
				if err := b.repair(ctx, want, k); err != nil {
					return report, err
				}
			}
		}
	}
	slices.SortFunc(report.Differences, func(x, y driver.Difference) int { return cmp.Compare(x.Row, y.Row) })
	return report, nil
}

// repair makes one resource as it should be by now. What is changed between the question and the repair would be undone by it, so it asks again afterwards.
func (b *Backend) repair(ctx context.Context, want driver.Desired, k key) error {
	newest := func() (any, error) {
		if want.Recheck == nil {
			return byKey(want)[k], nil
		}
		now, err := want.Recheck(ctx, k.kind, k.id)
		return byKey(now)[k], err
	}
	spec, err := newest()
	for err == nil {
		made := spec
		if err = b.put(k.kind, k.id, made); err != nil {
			return err
		}
		if spec, err = newest(); err == nil && b.same(made, spec) {
			return nil
		}
	}
	return err
}

// Events implements driver.Backend.
func (b *Backend) Events(ctx context.Context) (<-chan driver.Event, error) {
	r := &reader{wake: make(chan struct{}, 1)}
	out := make(chan driver.Event, 64)
	b.mu.Lock()
	for _, h := range b.hosts {
		r.queue = append(r.queue, driver.Event{Kind: driver.ChassisUp, ID: h, Host: h})
	}
	for k := range b.specs {
		if k.kind == port {
			r.queue = append(r.queue, event(k.id, b.state(k.id)))
		}
	}
	b.readers[r] = struct{}{}
	b.mu.Unlock()
	r.wake <- struct{}{}
	go func() {
		defer close(out)
		defer func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.readers, r)
		}()
		for {
			select {
			case <-r.wake:
			case <-ctx.Done():
				return
			}
			b.mu.Lock()
			queue := r.queue
			r.queue = nil
			b.mu.Unlock()
			for _, e := range queue {
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out, nil
}

// Chassis implements driver.Backend.
func (b *Backend) Chassis(context.Context) ([]driver.Chassis, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []driver.Chassis
	for _, h := range b.hosts {
		out = append(out, driver.Chassis{Name: h, Host: h, LastSeen: time.Now().UTC(), Alive: true, MetadataAgent: true, MetadataAlive: true})
	}
	return out, nil
}

// Known implements driver.Backend.
func (b *Backend) Known(ctx context.Context, host string) ([]driver.Chassis, error) {
	all, err := b.Chassis(ctx)
	return slices.DeleteFunc(all, func(c driver.Chassis) bool { return host != "" && c.Host != host }), err
}

// Reaches implements driver.Backend: these hosts map everything.
func (b *Backend) Reaches(_ context.Context, _ string, physnets []string) ([]string, error) {
	return physnets, nil
}

// Gateways implements driver.Backend: these hosts map everything, so each gateway has some of all, or those that were chosen.
func (b *Backend) Gateways(_ context.Context, only, chassis string) (out []driver.Gateway, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.catchUp()
	for k, spec := range b.specs {
		r, ok := spec.(driver.RouterSpec)
		if !ok || only != "" && k.id != only {
			continue
		}
		for _, g := range r.Gateways() {
			for _, h := range gateways.Assign(g.PortID, nil, b.hosts, g.Chosen) {
				if chassis == "" || h.Chassis == chassis {
					out = append(out, driver.Gateway{Router: r.ID, PortID: g.PortID, GatewayHost: h})
				}
			}
		}
	}
	return out, nil
}

// RemoveChassis implements driver.Backend.
func (b *Backend) RemoveChassis(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts = slices.DeleteFunc(b.hosts, func(h string) bool { return h == name })
	return nil
}

// PortStates implements driver.Backend.
func (b *Backend) PortStates(_ context.Context, ids []string) (map[string]driver.PortState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.catchUp()
	out := map[string]driver.PortState{}
	for _, id := range ids {
		if _, ok := b.specs[key{port, id}]; ok {
			out[id] = b.state(id)
		}
	}
	return out, nil
}

// WaitPortUp implements driver.Backend.
func (b *Backend) WaitPortUp(ctx context.Context, id string) error {
	for {
		b.mu.Lock()
		up, changed := b.state(id).Up, b.changed
		b.mu.Unlock()
		if up {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Ready implements driver.Backend.
func (b *Backend) Ready(context.Context) error { return nil }

// Close implements driver.Backend.
func (b *Backend) Close() {
	if b.journal != nil {
		b.stop()
		_ = b.journal.f.Close()
	}
}
