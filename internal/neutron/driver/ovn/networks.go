package ovn

import (
	"context"
	"fmt"
	"strconv"

	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

func switchName(networkID string) string { return "neutron-" + networkID }

// EnsureNetwork implements driver.Backend.
func (b *Backend) EnsureNetwork(ctx context.Context, n driver.NetworkSpec) error {
	b.structure.Lock()
	defer b.structure.Unlock()
	return b.converge(ctx, owner(kindNetwork, n.ID), func(context.Context) (*plan, error) { return renderNetwork(n) })
}

// DeleteNetwork implements driver.Backend. Ports that are still on the switch go with it.
func (b *Backend) DeleteNetwork(ctx context.Context, id string) error {
	b.structure.Lock()
	defer b.structure.Unlock()
	return b.remove(ctx, kindNetwork, id)
}

// renderNetwork is a logical switch and, for a provider network, a localnet port to the physical network.
func renderNetwork(n driver.NetworkSpec) (*plan, error) {
	p, err := newPlan(kindNetwork, n.ID, n.Revision)
	if err != nil {
		return nil, err
	}
	ls := &nb.LogicalSwitch{
		UUID: n.ID, Name: switchName(n.ID),
		OtherConfig: map[string]string{
			"mcast_snoop": "false", "mcast_flood_unregistered": "false", "vlan-passthru": strconv.FormatBool(n.VLANTransparent),
		},
		ExternalIDs: map[string]string{"neutron:network_name": n.Name, "neutron:mtu": strconv.Itoa(n.MTU)},
	}
	p.add(ls, "")
	switch {
	case n.TunnelVLAN != 0:
		if n.TunnelVLAN < 1 || n.TunnelVLAN > 4094 {
			return nil, fmt.Errorf("%w: network %s: VLAN id %d", driver.ErrInvalid, n.ID, n.TunnelVLAN)
		}
		link := localnet(n.ID, driver.TunnelPhysnet)
		link.Tag = ptr(n.TunnelVLAN)
		link.ExternalIDs = map[string]string{driver.TunnelSegmentKey: fmt.Sprintf("%s %d %d", n.Type, n.Segment, n.TunnelVLAN)}
		p.add(link, n.ID)
		return p, nil
	case n.Type == driver.GRE, n.Type == driver.NVGRE:
		return nil, fmt.Errorf("%w: network %s: no VLAN to the tunnel agents", driver.ErrInvalid, n.ID)
	}
	switch n.Type {
	case driver.Geneve, driver.VXLAN, driver.Local:
		// The segmentation id is not asked for as the tunnel key (requested-tnl-key): keys are shared with routers and provider
		// networks, and northd would give those that have it another one, which interrupts their traffic. ML2/OVN does the same.
	case driver.Flat, driver.VLAN:
		if n.Physnet == "" {
			return nil, fmt.Errorf("%w: network %s: no physical network", driver.ErrInvalid, n.ID)
		}
		link := localnet(n.ID, n.Physnet)
		if n.Type == driver.VLAN {
			if n.Segment < 1 || n.Segment > 4094 {
				return nil, fmt.Errorf("%w: network %s: VLAN id %d", driver.ErrInvalid, n.ID, n.Segment)
			}
			link.Tag = ptr(int(n.Segment))
		}
		p.add(link, n.ID)
	default:
		return nil, fmt.Errorf("%w: network %s: type %q", driver.ErrInvalid, n.ID, n.Type)
	}
	return p, nil
}

// localnet is the port of a switch to a physical network of the hosts.
func localnet(networkID, physnet string) *nb.LogicalSwitchPort {
	return &nb.LogicalSwitchPort{
		UUID: rowID("provnet", networkID), Name: "provnet-" + networkID, Type: "localnet", Addresses: []string{"unknown"},
		Options: map[string]string{
			"network_name": physnet, "mcast_flood": "false", "mcast_flood_reports": "true", "localnet_learn_fdb": "false",
		},
	}
}
