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
	switch n.Type {
	case driver.Geneve, driver.VXLAN, driver.Local:
		// The segmentation id is not asked for as the tunnel key (requested-tnl-key): keys are shared with routers and provider
		// networks, and northd would give those that have it another one, which interrupts their traffic. ML2/OVN does the same.
	case driver.Flat, driver.VLAN:
		if n.Physnet == "" {
			return nil, fmt.Errorf("%w: network %s: no physical network", driver.ErrInvalid, n.ID)
		}
		localnet := &nb.LogicalSwitchPort{
			UUID: rowID("provnet", n.ID), Name: "provnet-" + n.ID, Type: "localnet", Addresses: []string{"unknown"},
			Options: map[string]string{
				"network_name": n.Physnet, "mcast_flood": "false", "mcast_flood_reports": "true", "localnet_learn_fdb": "false",
			},
		}
		if n.Type == driver.VLAN {
			if n.Segment < 1 || n.Segment > 4094 {
				return nil, fmt.Errorf("%w: network %s: VLAN id %d", driver.ErrInvalid, n.ID, n.Segment)
			}
			localnet.Tag = ptr(int(n.Segment))
		}
		p.add(localnet, n.ID)
	default:
		return nil, fmt.Errorf("%w: network %s: type %q", driver.ErrInvalid, n.ID, n.Type)
	}
	return p, nil
}
