package ovn

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// parallel bounds the repairs that run together; they share transactions.
const parallel = 64

// kindOrder is the order of repairs: what others refer to comes first.
var kindOrder = []string{kindNetwork, kindSubnet, kindGroup, kindPort, kindRouter}

// Sync implements driver.Backend.
func (b *Backend) Sync(ctx context.Context, want driver.Desired, repair bool) (driver.Report, error) {
	var report driver.Report
	if err := b.Ready(ctx); err != nil {
		return report, err
	}
	if err := b.nb.Barrier(ctx); err != nil {
		return report, unavailable(err)
	}
	d, err := b.renderAll(ctx, want)
	if err != nil {
		return report, unavailable(err)
	}
	report.Rejected = d.rejected
	if err := b.compare(ctx, d, &report); err != nil {
		return report, unavailable(err)
	}
	if repair && len(report.Differences) > 0 {
		err = b.repair(ctx, want, &report)
	}
	members, memberErr := b.syncMembers(ctx, d, repair)
	report.Differences = append(report.Differences, members...)
	return report, errors.Join(err, unavailable(memberErr))
}

// desired is every plan, and the view on which they were made.
type desired struct {
	live
	plans    map[string]*plan // by owner
	groups   map[string]bool
	hosts    map[string]string // port -> host
	chassis  []driver.Chassis  // read once for all routers
	rejected []error
}

func (d *desired) answers(_ context.Context, subnetID string) (*nb.DHCPOptions, error) {
	if p := d.plans[owner(kindSubnet, subnetID)]; p != nil && len(p.rows) > 0 {
		return p.rows[0].(*nb.DHCPOptions), nil
	}
	return nil, nil
}

func (d *desired) hasGroup(_ context.Context, id string) (bool, error) { return d.groups[id], nil }

func (d *desired) gateways(ctx context.Context, routerID, portID string) ([]driver.GatewayHost, []driver.Chassis, error) {
	now, err := d.b.present(ctx, routerID, portID)
	return now, d.chassis, err
}

func (d *desired) bound(_ context.Context, portID string) (string, error) {
	return d.hosts[portID], nil
}

// renderAll makes all plans. A spec that cannot be rendered is rejected, the others are not concerned.
func (b *Backend) renderAll(ctx context.Context, want driver.Desired) (*desired, error) {
	d := &desired{live: live{b}, plans: map[string]*plan{}, groups: map[string]bool{}, hosts: map[string]string{}}
	var err error
	if d.chassis, err = b.Known(ctx, ""); err != nil {
		return nil, err
	}
	keep := func(mark string, p *plan, err error) error {
		switch {
		case errors.Is(err, driver.ErrInvalid):
			d.rejected = append(d.rejected, err)
			d.plans[mark] = nil // wanted, so not an orphan
		case err != nil:
			return err
		default:
			d.rejected = append(d.rejected, p.rejected...)
			d.plans[mark] = p
		}
		return nil
	}
	var errs []error
	for _, n := range want.Networks {
		p, err := renderNetwork(n)
		errs = append(errs, keep(owner(kindNetwork, n.ID), p, err))
	}
	for _, s := range want.Subnets {
		p, err := b.renderSubnet(s)
		errs = append(errs, keep(owner(kindSubnet, s.ID), p, err))
	}
	d.plans[owner(kindGroup, dropGroupID)] = nil // nobody's until the first group or port makes it, never an orphan
	if len(want.SecurityGroups)+len(want.Ports) > 0 {
		d.plans[owner(kindGroup, dropGroupID)] = renderDropGroup(want.Logging)
	}
	for _, g := range want.SecurityGroups {
		d.groups[g.ID] = true
		p, err := renderGroup(g)
		errs = append(errs, keep(owner(kindGroup, g.ID), p, err))
	}
	for _, s := range want.Ports {
		d.hosts[s.ID] = s.Host
		p, err := renderPort(ctx, d, s)
		errs = append(errs, keep(owner(kindPort, s.ID), p, err))
	}
	for _, r := range want.Routers {
		p, err := renderRouter(ctx, d, r)
		errs = append(errs, keep(owner(kindRouter, r.ID), p, err))
	}
	return d, errors.Join(errs...)
}

// compare finds the differences of all owners' rows.
func (b *Backend) compare(ctx context.Context, d *desired, report *driver.Report) error {
	rows, err := b.nb.All(ctx, ownedTables, func(r ovsdb.Row) bool { return ovsdb.ExternalIDs(r)[ownerKey] != "" })
	if err != nil {
		return err
	}
	have := map[string][]ovsdb.Row{}
	for _, r := range rows {
		mark := ovsdb.ExternalIDs(r)[ownerKey]
		have[mark] = append(have[mark], r)
	}
	report.Checked = len(rows)
	marks := map[string]bool{}
	for mark := range have {
		marks[mark] = true
	}
	for mark := range d.plans {
		marks[mark] = true
	}
	for mark := range marks {
		p, wanted := d.plans[mark]
		if !wanted {
			p = &plan{owner: mark}
		}
		if p == nil {
			continue
		}
		changes, err := b.changes(ctx, have[mark], p)
		if err != nil {
			return err
		}
		for _, c := range changes {
			report.Differences = append(report.Differences, c.Difference)
		}
	}
	slices.SortFunc(report.Differences, func(x, y driver.Difference) int {
		return strings.Compare(x.Kind+x.ID+x.Row, y.Kind+y.ID+y.Row)
	})
	return nil
}

// repairs is how often in a row a resource is repaired that is changed meanwhile each time; the next Sync sees what is left.
const repairs = 10

// repair ensures or deletes every resource that has a difference, from its newest spec.
func (b *Backend) repair(ctx context.Context, want driver.Desired, report *driver.Report) error {
	ids := map[string][]string{} // kind -> resources
	for _, d := range report.Differences {
		if !slices.Contains(ids[d.Kind], d.ID) {
			ids[d.Kind] = append(ids[d.Kind], d.ID)
		}
	}
	ctx = context.WithValue(ctx, forced{}, true)
	fixed := map[string]bool{}
	var mu sync.Mutex
	var errs []error
	fix := func(kind string, phase func(ctx context.Context, spec driver.Desired, kind, id string) (bool, error)) {
		var g errgroup.Group
		g.SetLimit(parallel)
		for _, id := range ids[kind] {
			g.Go(func() error {
				spec, err := newest(ctx, want, kind, id)
				done := false
				for range repairs {
					if err == nil {
						done, err = phase(ctx, spec, kind, id)
					}
					if err != nil || !done {
						break
					}
					// What was changed between the question and the repair has been undone by it.
					was := spec
					if spec, err = newest(ctx, want, kind, id); err != nil || reflect.DeepEqual(was, spec) {
						break
					}
				}
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					errs = append(errs, err)
				}
				fixed[owner(kind, id)] = fixed[owner(kind, id)] || (done && err == nil)
				return nil
			})
		}
		_ = g.Wait()
	}
	for _, kind := range kindOrder {
		fix(kind, b.ensureOne)
	}
	for _, kind := range slices.Backward(kindOrder) {
		fix(kind, b.deleteOne)
	}
	for i := range report.Differences {
		d := &report.Differences[i]
		d.Repaired = fixed[owner(d.Kind, d.ID)]
	}
	return errors.Join(errs...)
}

// newest is the present spec of one resource: asked for anew where possible, since the snapshot may be old by now.
func newest(ctx context.Context, want driver.Desired, kind, id string) (driver.Desired, error) {
	if want.Recheck != nil && id != dropGroupID {
		return want.Recheck(ctx, kind, id)
	}
	one := driver.Desired{Logging: want.Logging}
	switch kind {
	case kindNetwork:
		one.Networks = pick(want.Networks, func(s driver.NetworkSpec) bool { return s.ID == id })
	case kindSubnet:
		one.Subnets = pick(want.Subnets, func(s driver.SubnetSpec) bool { return s.ID == id })
	case kindGroup:
		one.SecurityGroups = pick(want.SecurityGroups, func(s driver.SecurityGroupSpec) bool { return s.ID == id })
	case kindPort:
		one.Ports = pick(want.Ports, func(s driver.PortSpec) bool { return s.ID == id })
	case kindRouter:
		one.Routers = pick(want.Routers, func(s driver.RouterSpec) bool { return s.ID == id })
	}
	return one, nil
}

func pick[T any](list []T, is func(T) bool) []T {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i : i+1]
	}
	return nil
}

// ensureOne realises the resource if it still should exist.
func (b *Backend) ensureOne(ctx context.Context, spec driver.Desired, _, id string) (bool, error) {
	switch {
	case id == dropGroupID:
		return true, b.converge(ctx, owner(kindGroup, dropGroupID), func(context.Context) (*plan, error) { return renderDropGroup(spec.Logging), nil })
	case len(spec.Networks) > 0:
		return true, b.EnsureNetwork(ctx, spec.Networks[0])
	case len(spec.Subnets) > 0:
		return true, b.EnsureSubnet(ctx, spec.Subnets[0])
	case len(spec.SecurityGroups) > 0:
		return true, b.EnsureSecurityGroup(ctx, spec.SecurityGroups[0])
	case len(spec.Ports) > 0:
		return true, b.EnsurePort(ctx, spec.Ports[0])
	case len(spec.Routers) > 0:
		return true, b.EnsureRouter(ctx, spec.Routers[0])
	}
	return false, nil
}

// deleteOne removes what nobody wants.
func (b *Backend) deleteOne(ctx context.Context, spec driver.Desired, kind, id string) (bool, error) {
	if id == dropGroupID || len(spec.Networks)+len(spec.Subnets)+len(spec.SecurityGroups)+len(spec.Ports)+len(spec.Routers) > 0 {
		return false, nil
	}
	return true, b.remove(ctx, kind, id)
}

// syncMembers compares which ports are in which port groups; the replica does not hold that.
func (b *Backend) syncMembers(ctx context.Context, d *desired, repair bool) ([]driver.Difference, error) {
	want := map[string]map[string]bool{dropGroupID: {}}
	for id := range d.groups {
		want[id] = map[string]bool{}
	}
	for mark, p := range d.plans {
		if kind, id := ownerParts(mark); kind == kindPort && p != nil {
			for _, g := range p.groups {
				want[g][id] = true
			}
		}
	}
	rows, err := b.nb.Select(ctx, "Port_Group", "_uuid", "ports")
	if err != nil {
		return nil, err
	}
	var out []driver.Difference
	for _, r := range rows {
		id := ovsdb.Refs(r["_uuid"])[0]
		wanted, ours := want[id]
		if !ours {
			continue
		}
		var extra, absent []string
		for _, port := range ovsdb.Refs(r["ports"]) {
			if !wanted[port] {
				extra = append(extra, port)
			}
			delete(wanted, port)
		}
		for port := range wanted {
			there, err := b.nb.Has(ctx, "Logical_Switch_Port", port)
			if err != nil {
				return out, err
			}
			if there {
				absent = append(absent, port)
			}
		}
		if len(extra)+len(absent) == 0 {
			continue
		}
		diff := driver.Difference{
			Kind: kindGroup, ID: id, Row: "Port_Group " + id, Problem: driver.Differs,
			Detail: fmt.Sprintf("members: %d too many, %d missing", len(extra), len(absent)),
		}
		if repair {
			var ops []ovsdb.Op
			if len(extra) > 0 {
				ops = append(ops, ovsdb.RemoveRefs("Port_Group", id, "ports", extra...))
			}
			if len(absent) > 0 {
				ops = append(ops, ovsdb.AddRefs("Port_Group", id, "ports", absent...))
			}
			if err := b.nb.Transact(ctx, ops...); err != nil {
				return append(out, diff), err
			}
			diff.Repaired = true
		}
		out = append(out, diff)
	}
	return out, nil
}
