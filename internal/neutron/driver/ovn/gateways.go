package ovn

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// choiceKey marks router ports whose hosts the backend chooses.
const choiceKey = "gostack:gateway_choice"

// maxGateways bounds the hosts of one router gateway: one works, the others stand by.
const maxGateways = 5

// candidates are the hosts that can carry gateways to a physical network: those marked enable-chassis-as-gw, or all when none is; and only
// those of the zones, when there are any.
func candidates(all []driver.Chassis, physnet string, zones []string) []string {
	marked := slices.ContainsFunc(all, func(c driver.Chassis) bool { return c.Gateway })
	var out []string
	for _, c := range all {
		if c.Bridges[physnet] != "" && (c.Gateway || !marked) && near(c, zones) {
			out = append(out, c.Name)
		}
	}
	return out
}

// near tells whether a host is in one of the zones.
func near(c driver.Chassis, zones []string) bool {
	if len(c.Zones) == 0 {
		return len(zones) == 0 || slices.Contains(zones, driver.NoZone)
	}
	return len(zones) == 0 || slices.ContainsFunc(c.Zones, func(z string) bool { return slices.Contains(zones, z) })
}

// chooseGateways keeps the hosts that carry the port and are still possible, in their order, and appends others in an order that
// differs from port to port, so that gateways spread and none moves when a host joins.
func chooseGateways(portID string, now, possible []string) []string {
	var out []string
	for _, name := range now {
		if slices.Contains(possible, name) {
			out = append(out, name)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(possible), func(name string) bool { return slices.Contains(out, name) })
	slices.SortFunc(rest, func(a, b string) int { return cmp.Compare(rowID("gw", portID, a), rowID("gw", portID, b)) })
	out = append(out, rest...)
	return out[:min(len(out), maxGateways)]
}

func byPriority(rows []*nb.GatewayChassis) []string {
	slices.SortFunc(rows, func(a, b *nb.GatewayChassis) int { return cmp.Compare(b.Priority, a.Priority) })
	var out []string
	for _, r := range rows {
		out = append(out, r.ChassisName)
	}
	return out
}

// followChassis gives routers new gateway hosts when hosts come, go, or change what they map, until ctx ends. It is level-triggered and
// idempotent, so several control replicas may do it side by side.
func (b *Backend) followChassis(ctx context.Context) {
	sub := b.sb.Subscribe("Chassis")
	defer sub.Cancel()
	for {
		if _, err := sub.Next(ctx); err != nil {
			return
		}
		for err := b.replan(ctx); err != nil; err = b.replan(ctx) {
			b.log.Warn("gateways of routers not settled yet", "error", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
	}
}

// replan chooses again for every router port and floating IP that depends on what hosts map.
func (b *Backend) replan(ctx context.Context) error {
	b.structure.Lock()
	defer b.structure.Unlock()
	ports, err := ovsdb.List(ctx, b.nb, func(r *nb.LogicalRouterPort) bool { return r.ExternalIDs[choiceKey] != "" })
	if err != nil {
		return err
	}
	var errs []error
	for _, lrp := range ports {
		ops, err := b.replanPort(ctx, lrp)
		if err == nil {
			err = b.nb.Transact(ctx, ops...)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, b.replaceFloatingIPs(ctx), b.readdressPorts(ctx))...)
}

// readdressPorts gives ports that were bound to a host before its chassis was known the name of that chassis.
func (b *Backend) readdressPorts(ctx context.Context) error {
	names := map[string]string{}
	ports, err := ovsdb.List(ctx, b.nb, func(p *nb.LogicalSwitchPort) bool {
		return p.ExternalIDs[hostKey] != "" && p.Options["requested-chassis"] != ""
	})
	if err != nil {
		return err
	}
	name := func(host string) (_ string, err error) {
		if _, ok := names[host]; !ok {
			names[host], err = (live{b}).chassisName(ctx, host)
		}
		return names[host], err
	}
	var ops []ovsdb.Op
	for _, p := range ports {
		want, err := requested(p.ExternalIDs[hostKey], p.ExternalIDs[moveKey], name)
		if err != nil {
			return err
		}
		if p.Options["requested-chassis"] == want {
			continue
		}
		p.Options["requested-chassis"] = want
		more, err := b.nb.Update(ctx, p, "options")
		if err != nil {
			return err
		}
		ops = append(ops, more...)
	}
	return b.nb.Transact(ctx, ops...)
}

// replanPort makes the operations that give one router port its hosts.
func (b *Backend) replanPort(ctx context.Context, lrp *nb.LogicalRouterPort) ([]ovsdb.Op, error) {
	portID := lrp.ExternalIDs[choiceKey]
	var zones []string
	if hints := lrp.ExternalIDs[zonesKey]; hints != "" {
		zones = strings.Split(hints, ",")
	}
	now, possible, err := live{b}.gateways(ctx, portID, lrp.ExternalIDs[physnetKey], zones)
	if err != nil {
		return nil, err
	}
	want := chooseGateways(portID, now, possible)
	if slices.Equal(now, want) || (len(possible) == 0 && len(now) > 0) {
		return nil, nil // with no host at all, the old choice is as good as none, and right again when they come back
	}
	p := &plan{owner: lrp.ExternalIDs[ownerKey]}
	for n, name := range want {
		row := gatewayChassis(portID, name, len(want)-n)
		row.ExternalIDs = map[string]string{revisionKey: lrp.ExternalIDs[revisionKey]}
		p.add(row, lrp.UUID)
	}
	have, err := b.nb.All(ctx, []string{"Gateway_Chassis"}, func(r ovsdb.Row) bool { return ovsdb.ExternalIDs(r)[parentKey] == lrp.UUID })
	if err != nil {
		return nil, err
	}
	changes, err := b.changes(ctx, have, p)
	var ops []ovsdb.Op
	for _, c := range changes {
		ops = append(ops, c.ops...)
	}
	return ops, err
}

// replaceFloatingIPs decides again where every distributed floating IP is answered.
func (b *Backend) replaceFloatingIPs(ctx context.Context) error {
	rows, err := ovsdb.List(ctx, b.nb, func(n *nb.NAT) bool { return n.ExternalIDs[distributedKey] == "true" })
	if err != nil {
		return err
	}
	var ops []ovsdb.Op
	for _, nat := range rows {
		before := nat.ExternalMAC != nil
		host, err := live{b}.bound(ctx, nat.ExternalIDs[fipPortKey])
		if err == nil {
			err = place(ctx, live{b}, nat, host)
		}
		if err != nil {
			return err
		}
		if before == (nat.ExternalMAC != nil) {
			continue
		}
		more, err := b.nb.Update(ctx, nat, "external_mac", "logical_port")
		if err != nil {
			return err
		}
		ops = append(ops, more...)
	}
	return b.nb.Transact(ctx, ops...)
}
