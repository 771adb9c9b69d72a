package ovn

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/gateways"
)

// choiceKey marks router ports whose hosts the backend chooses.
const choiceKey = "gostack:gateway_choice"

// chosenKey has what an operator chose for a router port: chassis names with priorities, as JSON.
const chosenKey = "gostack:gateway_hosts"

func chosenText(chosen []driver.GatewayHost) (string, error) {
	if len(chosen) == 0 {
		return "", nil
	}
	text, err := json.Marshal(chosen)
	return string(text), err
}

func chosenOf(text string) (chosen []driver.GatewayHost, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &chosen)
	}
	return chosen, err
}

// hostsOf are the hosts that rows name.
func hostsOf(rows []*nb.GatewayChassis) (out []driver.GatewayHost) {
	for _, r := range rows {
		out = append(out, driver.GatewayHost{Chassis: r.ChassisName, Priority: r.Priority})
	}
	return gateways.Ordered(out)
}

// Gateways implements driver.Backend.
func (b *Backend) Gateways(ctx context.Context, router, chassis string) ([]driver.Gateway, error) {
	var out []driver.Gateway
	keep := func(r *nb.GatewayChassis) bool {
		kind, id := ownerParts(r.ExternalIDs[ownerKey])
		if port, ours := strings.CutPrefix(strings.TrimSuffix(r.Name, "_"+r.ChassisName), "lrp-"); ours && kind == kindRouter && (chassis == "" || r.ChassisName == chassis) {
			out = append(out, driver.Gateway{Router: id, PortID: port, GatewayHost: driver.GatewayHost{Chassis: r.ChassisName, Priority: r.Priority}})
		}
		return false
	}
	if router == "" {
		_, err := ovsdb.List(ctx, b.nb, keep)
		return out, unavailable(err)
	}
	rows, err := b.gatewayRows(ctx, router)
	for _, r := range rows {
		keep(r)
	}
	return out, err
}

// gatewayRows are a router's.
func (b *Backend) gatewayRows(ctx context.Context, router string) (out []*nb.GatewayChassis, err error) {
	rows, err := b.nb.ByExternalID(ctx, []string{"Gateway_Chassis"}, owner(kindRouter, router))
	for _, r := range rows {
		out = append(out, r.(*nb.GatewayChassis)) //nolint:forcetypeassert // the table's
	}
	return out, unavailable(err)
}

// present are the hosts that a router's port has now.
func (b *Backend) present(ctx context.Context, router, port string) ([]driver.GatewayHost, error) {
	rows, err := b.gatewayRows(ctx, router)
	return hostsOf(slices.DeleteFunc(rows, func(r *nb.GatewayChassis) bool { return r.ExternalIDs[parentKey] != routerPortID(port) })), err
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
	return errors.Join(b.replanPorts(ctx), b.replaceFloatingIPs(ctx), b.readdressPorts(ctx))
}

// together bounds the router ports that get new hosts in one transaction.
const together = 100

// replanPorts reads the tables once, however many router ports there are, and writes for many of them at once.
func (b *Backend) replanPorts(ctx context.Context) error {
	ports, err := ovsdb.List(ctx, b.nb, func(r *nb.LogicalRouterPort) bool { return r.ExternalIDs[choiceKey] != "" })
	if err != nil || len(ports) == 0 {
		return err
	}
	rows, err := ovsdb.List(ctx, b.nb, func(r *nb.GatewayChassis) bool { return r.ExternalIDs[ownerKey] != "" })
	if err != nil {
		return err
	}
	have := map[string][]*nb.GatewayChassis{} // by router port
	for _, r := range rows {
		have[r.ExternalIDs[parentKey]] = append(have[r.ExternalIDs[parentKey]], r)
	}
	all, err := b.Known(ctx, "")
	if err != nil {
		return err
	}
	possible := map[string][]string{} // by network and zones, of which there are few
	var errs []error
	for some := range slices.Chunk(ports, together) {
		var ops []ovsdb.Op
		each := make([][]ovsdb.Op, len(some))
		for i, lrp := range some {
			where := lrp.ExternalIDs[physnetKey] + "\n" + lrp.ExternalIDs[zonesKey]
			if _, known := possible[where]; !known {
				possible[where] = gateways.Possible(all, lrp.ExternalIDs[physnetKey], strings.FieldsFunc(lrp.ExternalIDs[zonesKey], func(r rune) bool { return r == ',' }))
			}
			each[i], err = b.replanPort(ctx, lrp, have[lrp.UUID], possible[where])
			errs, ops = append(errs, err), append(ops, each[i]...)
		}
		if b.nb.Transact(ctx, ops...) == nil {
			continue
		}
		for _, ops := range each { // one that fails holds up no other
			errs = append(errs, b.nb.Transact(ctx, ops...))
		}
	}
	return errors.Join(errs...)
}

// replanPort makes the operations that give one router port its hosts.
func (b *Backend) replanPort(ctx context.Context, lrp *nb.LogicalRouterPort, rows []*nb.GatewayChassis, possible []string) ([]ovsdb.Op, error) {
	portID := lrp.ExternalIDs[choiceKey]
	chosen, err := chosenOf(lrp.ExternalIDs[chosenKey])
	if err != nil {
		return nil, err
	}
	now := hostsOf(rows)
	want := gateways.Assign(portID, now, possible, chosen)
	if slices.Equal(now, want) {
		return nil, nil
	}
	p := &plan{owner: lrp.ExternalIDs[ownerKey]}
	for _, h := range want {
		row := gatewayChassis(portID, h)
		row.ExternalIDs = map[string]string{revisionKey: lrp.ExternalIDs[revisionKey]}
		p.add(row, lrp.UUID)
	}
	have := make([]ovsdb.Row, len(rows))
	for i, r := range rows {
		have[i] = r
	}
	changes, err := b.changes(ctx, have, p)
	var ops []ovsdb.Op
	for _, c := range changes {
		ops = append(ops, c.ops...)
	}
	return ops, err
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
