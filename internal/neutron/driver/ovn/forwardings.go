package ovn

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// switchesKey names, on a load balancer, the switches that translate too: those inside the router, so that a server reaches its neighbour
// by the floating IP.
const switchesKey = "gostack:switches"

// forwardings are a load balancer per floating IP and protocol, with one address for every forwarded port.
func forwardings(p *plan, lr *nb.LogicalRouter, r driver.RouterSpec) {
	var inside []string
	for _, i := range r.Interfaces {
		if !slices.Contains(inside, i.NetworkID) {
			inside = append(inside, i.NetworkID)
		}
	}
	slices.Sort(inside)
	rows := map[string]*nb.LoadBalancer{}
	for _, f := range r.Forwardings {
		if checkID(f.FloatingIPID) != nil || !f.External.Is4() || !f.Internal.Is4() || !slices.Contains([]string{"tcp", "udp", "sctp"}, f.Protocol) {
			p.reject("router %s: port forwarding of floating IP %s: %s %v to %v", r.ID, f.FloatingIPID, f.Protocol, f.External, f.Internal)
			continue
		}
		id := rowID("pf", f.FloatingIPID, f.Protocol)
		row := rows[id]
		if row == nil {
			row = &nb.LoadBalancer{
				UUID: id, Name: "pf-floatingip-" + f.FloatingIPID + "-" + f.Protocol, Protocol: ptr(f.Protocol), Vips: map[string]string{},
				ExternalIDs: map[string]string{"neutron:device_owner": "port_forwarding_plugin", "neutron:fip_id": f.FloatingIPID, switchesKey: strings.Join(inside, " ")},
			}
			rows[id] = row
			lr.LoadBalancers = append(lr.LoadBalancers, id)
			p.add(row, "")
		}
		for n := uint32(0); n <= uint32(f.ExternalLast-f.ExternalFirst); n++ {
			inner := uint32(f.InternalFirst)
			if f.InternalLast > f.InternalFirst {
				inner += n
			}
			row.Vips[fmt.Sprintf("%s:%d", f.External, uint32(f.ExternalFirst)+n)] = fmt.Sprintf("%s:%d", f.Internal, inner)
		}
	}
}

// switched are the operations that make switches use a load balancer, or no longer. old is the row as it is, nil for a new one.
func (b *Backend) switched(ctx context.Context, old, want *nb.LoadBalancer) (ops []ovsdb.Op, missing bool, err error) {
	inside := strings.Fields(want.ExternalIDs[switchesKey])
	for _, id := range inside {
		ls, err := ovsdb.Get[nb.LogicalSwitch](ctx, b.nb, id)
		if err != nil {
			return nil, false, err
		}
		if ls != nil && !slices.Contains(ls.LoadBalancers, want.UUID) {
			missing = true
			ops = append(ops, ovsdb.AddRefs("Logical_Switch", id, "load_balancer", want.UUID))
		}
	}
	if old != nil {
		for id := range strings.FieldsSeq(old.ExternalIDs[switchesKey]) {
			if !slices.Contains(inside, id) {
				ops = append(ops, ovsdb.RemoveRefs("Logical_Switch", id, "load_balancer", want.UUID))
			}
		}
	}
	return ops, missing, nil
}
