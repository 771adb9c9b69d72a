package agent

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/sb"
)

// network is a network that needs the metadata service on this host.
type network struct {
	id    string
	port  string         // the localport
	mac   string         // of the localport
	addrs []netip.Prefix // of the localport, with the subnets' lengths
	// guests leads from the link-local address of a guest to its first fixed address.
	guests map[netip.Addr]string
}

// same tells whether namespace and server can stay as they are.
func (n network) same(o network) bool {
	return n.id == o.id && n.port == o.port && n.mac == o.mac && slices.Equal(n.addrs, o.addrs)
}

// wanted finds the networks with a port bound to this chassis, and their localports. A network without a localport has no
// metadata service. registered is false while ovn-controller has not made the host a chassis.
func (a *Agent) wanted(ctx context.Context, chassisName string) (want map[string]network, registered bool, err error) {
	chassis, err := ovsdb.List(ctx, a.sb, func(c *sb.Chassis) bool { return c.Name == chassisName })
	if err != nil || len(chassis) != 1 {
		return nil, false, err
	}
	bound, err := ovsdb.List(ctx, a.sb, func(p *sb.PortBinding) bool {
		return p.Type == "localport" || (p.Type == "" && p.Chassis != nil && *p.Chassis == chassis[0].UUID)
	})
	if err != nil {
		return nil, false, err
	}
	return networksOf(bound), true, nil
}

// networksOf is wanted without the database.
func networksOf(bound []*sb.PortBinding) map[string]network {
	guests := map[string]map[netip.Addr]string{} // by datapath
	for _, p := range bound {
		if p.Type != "" {
			continue
		}
		if guests[p.Datapath] == nil {
			guests[p.Datapath] = map[netip.Addr]string{}
		}
		for _, line := range p.MAC {
			fields := strings.Fields(line)
			if len(fields) < 2 {
				continue
			}
			if local, ok := linkLocal(fields[0]); ok {
				guests[p.Datapath][local] = fields[1]
			}
		}
	}
	out := map[string]network{}
	for _, p := range bound {
		if p.Type != "localport" || guests[p.Datapath] == nil || len(p.MAC) == 0 {
			continue
		}
		id := strings.TrimPrefix(p.ExternalIDs["neutron:network_name"], "neutron-")
		if id == "" {
			continue
		}
		n := network{id: id, port: p.LogicalPort, guests: guests[p.Datapath]}
		if fields := strings.Fields(p.MAC[0]); len(fields) > 0 {
			n.mac = fields[0]
		}
		for cidr := range strings.FieldsSeq(p.ExternalIDs["neutron:cidrs"]) {
			if a, err := netip.ParsePrefix(cidr); err == nil {
				n.addrs = append(n.addrs, a)
			}
		}
		out[id] = n
	}
	return out
}
