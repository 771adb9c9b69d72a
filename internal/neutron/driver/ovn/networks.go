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
	if err := p.addFirst(n); err != nil {
		return nil, err
	}
	for _, more := range n.More {
		if err := p.addSegment(n.ID, more); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// addFirst adds what the first segment of a network needs; for one whose segment id is on the wire that is the way to the tunnel agents.
func (p *plan) addFirst(n driver.NetworkSpec) error {
	switch {
	case n.TunnelVLAN != 0:
		if n.TunnelVLAN < 1 || n.TunnelVLAN > 4094 {
			return fmt.Errorf("%w: network %s: VLAN id %d", driver.ErrInvalid, n.ID, n.TunnelVLAN)
		}
		link := localnet(n.ID, driver.TunnelPhysnet)
		link.Tag = ptr(n.TunnelVLAN)
		link.ExternalIDs = map[string]string{driver.TunnelSegmentKey: fmt.Sprintf("%s %d %d", n.Type, n.Segment, n.TunnelVLAN)}
		p.add(link, n.ID)
		return nil
	case n.Type == driver.GRE, n.Type == driver.NVGRE:
		return fmt.Errorf("%w: network %s: no VLAN to the tunnel agents", driver.ErrInvalid, n.ID)
	}
	return p.addSegment(n.ID, driver.SegmentSpec{ID: n.ID, Type: n.Type, Physnet: n.Physnet, Segment: n.Segment})
}

// addSegment adds the localnet port of a segment on a physical network.
func (p *plan) addSegment(network string, seg driver.SegmentSpec) error {
	switch seg.Type {
	case driver.Geneve, driver.VXLAN, driver.Local:
		// The segmentation id is not asked for as the tunnel key (requested-tnl-key): keys are shared with routers and provider
		// networks, and northd would give those that have it another one, which interrupts their traffic. ML2/OVN does the same.
		return nil
	case driver.Flat, driver.VLAN:
		if seg.Physnet == "" {
			return fmt.Errorf("%w: network %s: no physical network", driver.ErrInvalid, network)
		}
		link := localnet(seg.ID, seg.Physnet)
		if seg.Type == driver.VLAN {
			if seg.Segment < 1 || seg.Segment > 4094 {
				return fmt.Errorf("%w: network %s: VLAN id %d", driver.ErrInvalid, network, seg.Segment)
			}
			link.Tag = ptr(int(seg.Segment))
		}
		p.add(link, network)
		return nil
	}
	return fmt.Errorf("%w: network %s: type %q", driver.ErrInvalid, network, seg.Type)
}

// localnet is the port of a switch to a physical network of the hosts.
func localnet(segmentID, physnet string) *nb.LogicalSwitchPort {
	return &nb.LogicalSwitchPort{
		UUID: rowID("provnet", segmentID), Name: "provnet-" + segmentID, Type: "localnet", Addresses: []string{"unknown"},
		Options: map[string]string{
			"network_name": physnet, "mcast_flood": "false", "mcast_flood_reports": "true", "localnet_learn_fdb": "false",
		},
	}
}
