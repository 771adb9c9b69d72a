package ovn

import (
	"context"
	"net"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// floatingIPs are the one-to-one NAT rules of a router. One that is distributed carries the MAC with which the server's own
// host answers for it; without a MAC the gateway host does.
func floatingIPs(ctx context.Context, v view, p *plan, r driver.RouterSpec) error {
	for _, f := range r.FloatingIPs {
		if checkID(f.ID) != nil || !f.External.IsValid() || !f.Fixed.IsValid() {
			p.reject("router %s: floating IP %s: %v to %v", r.ID, f.ID, f.External, f.Fixed)
			continue
		}
		g := gatewayTo(r, f.NetworkID)
		hw, err := net.ParseMAC(f.MAC)
		distributed := f.Distributed && err == nil && f.PortID != ""
		nat := &nb.NAT{
			UUID: f.ID, Type: "dnat_and_snat", ExternalIP: f.External.String(), LogicalIP: f.Fixed.String(),
			ExternalIDs: map[string]string{"neutron:fip_id": f.ID, fipPortKey: f.PortID, "neutron:router_name": switchName(r.ID)},
			GatewayPort: natPort(r, g),
		}
		if distributed {
			nat.ExternalIDs[fipMACKey] = hw.String()
			nat.ExternalIDs[distributedKey] = "true"
			nat.ExternalIDs[physnetKey] = g.Physnet
			host, err := v.bound(ctx, f.PortID)
			if err != nil {
				return err
			}
			if err := place(ctx, v, nat, host); err != nil {
				return err
			}
		}
		p.add(nat, r.ID)
		floatingQoS(p, g, f, nat.LogicalPort != nil)
	}
	return nil
}

// gatewayTo is the router's way to an external network.
func gatewayTo(r driver.RouterSpec, network string) *driver.RouterGateway {
	for _, g := range r.Gateways() {
		if g.NetworkID == network {
			return g
		}
	}
	return r.Gateway
}

// place answers a floating IP on the host when that reaches the external network by itself, else on the gateway.
func place(ctx context.Context, v view, nat *nb.NAT, host string) error {
	nat.ExternalMAC, nat.LogicalPort = nil, nil
	if host == "" {
		return nil
	}
	mapped, err := v.mapped(ctx, host, nat.ExternalIDs[physnetKey])
	if err != nil || !mapped {
		return err
	}
	nat.ExternalMAC, nat.LogicalPort = optional(nat.ExternalIDs[fipMACKey]), optional(nat.ExternalIDs[fipPortKey])
	return nil
}

// relocateFloatingIPs moves the answering of distributed floating IPs after their port was bound to another host.
func (b *Backend) relocateFloatingIPs(ctx context.Context, portID, host string) error {
	rows, err := b.nb.ByKey(ctx, "NAT", fipPortKey, portID)
	if err != nil {
		return unavailable(err)
	}
	var ops []ovsdb.Op
	for _, row := range rows {
		nat, ok := row.(*nb.NAT)
		if !ok || nat.ExternalIDs[distributedKey] != "true" {
			continue
		}
		if err := place(ctx, live{b}, nat, host); err != nil {
			return err
		}
		more, err := b.nb.Update(ctx, nat, "external_mac", "logical_port")
		if err != nil {
			return unavailable(err)
		}
		ops = append(ops, more...)
	}
	return unavailable(b.nb.Transact(ctx, ops...))
}
