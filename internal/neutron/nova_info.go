package neutron

import (
	"context"
	"net"
	"net/netip"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
)

// PortsOf returns the ports of servers with their addresses, floating IPs and security groups: two statements for any number of servers.
func (s *Service) PortsOf(ctx context.Context, serverIDs []string) (map[string][]Port, error) {
	return portsOf(ctx, s.DB.Read(ctx), serverIDs)
}

func portsOf(ctx context.Context, h bun.IDB, serverIDs []string) (map[string][]Port, error) {
	out := make(map[string][]Port, len(serverIDs))
	if len(serverIDs) == 0 {
		return out, nil
	}
	rows, err := db.BarePorts(ctx, h, db.Query{
		Where: []db.Cond{db.In("t.nova_server", serverIDs)},
		Sort:  []db.Order{{Expr: "t.nova_index"}},
	})
	if err != nil {
		return nil, err
	}
	details, err := db.PortDetails(ctx, h, rows)
	for _, p := range rows {
		out[p.NovaServer] = append(out[p.NovaServer], novaPort(p, details[p.ID]))
	}
	return out, err
}

func novaPort(p *db.Port, details []db.PortDetail) Port {
	port := Port{
		ID: p.ID, NetworkID: p.NetworkID, NetworkName: p.NetworkName, ProjectID: p.ProjectID, MAC: p.MACAddress, Status: p.Status,
		DeviceID: p.NovaServer, DeviceOwner: p.DeviceOwner, Host: p.Host, Tag: p.NovaTag, Index: int(p.NovaIndex), NovaOwned: p.NovaOwned, AdminUp: p.AdminStateUp,
	}
	for _, d := range details {
		if d.Address == "" {
			port.SecurityGroups = append(port.SecurityGroups, SecurityGroupRef{ID: d.Ref, Name: d.More})
			continue
		}
		if n := len(port.FixedIPs); n > 0 && port.FixedIPs[n-1].Address == d.Address {
			port.FixedIPs[n-1].FloatingIPs = append(port.FixedIPs[n-1].FloatingIPs, d.More)
			continue
		}
		f := FixedIP{SubnetID: d.Ref, Address: d.Address, Version: version(parseAddr(d.Address))}
		if d.More != "" {
			f.FloatingIPs = []string{d.More}
		}
		port.FixedIPs = append(port.FixedIPs, f)
	}
	return port
}

// PortByAddress returns the port that has an address on a network; for a link-local IPv6 address the one whose MAC makes it.
// Nova's metadata service finds the server by it, so DeviceID is what Nova said and not what a user wrote. nil: there is none.
func (s *Service) PortByAddress(ctx context.Context, networkID, ip string) (*Port, error) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return nil, nil //nolint:nilerr // nothing has such an address
	}
	a = a.WithZone("").Unmap()
	cond := db.Where("t.id IN (SELECT x.port_id FROM neutron_allocations x WHERE x.network_id = ? AND x.ip_address = ?)", networkID, a.String())
	if mac := macOf(a); mac != "" {
		cond = db.Where("t.network_id = ? AND t.mac_address = ?", networkID, mac)
	}
	rows, err := db.BarePorts(ctx, s.DB.Read(ctx), db.Query{Where: []db.Cond{cond}})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	details, err := db.PortDetails(ctx, s.DB.Read(ctx), rows[:1])
	p := novaPort(rows[0], details[rows[0].ID])
	return &p, err
}

// macOf undoes EUI-64 for link-local addresses.
func macOf(a netip.Addr) string {
	if !a.Is6() || !a.IsLinkLocalUnicast() {
		return ""
	}
	b := a.As16()
	if b[11] != 0xff || b[12] != 0xfe {
		return ""
	}
	return net.HardwareAddr{b[8] ^ 2, b[9], b[10], b[13], b[14], b[15]}.String()
}

// NetworkInfo returns a server's NICs in their order.
func (s *Service) NetworkInfo(ctx context.Context, serverID string) ([]VIF, error) {
	return s.vifs(ctx, db.Where("t.nova_server = ?", serverID))
}

func (s *Service) vifs(ctx context.Context, cond db.Cond) ([]VIF, error) {
	h := s.DB.Read(ctx)
	rows, err := db.Ports(ctx, h, db.Query{Where: []db.Cond{cond}, Sort: []db.Order{{Expr: "t.nova_index"}}})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	b := &specs{s: s, h: h, networks: map[string]*db.Network{}, subnets: map[string]*db.Subnet{}}
	var subnets []string
	for _, p := range rows {
		for _, a := range p.FixedIPs {
			subnets = append(subnets, a.SubnetID)
		}
	}
	if err := b.needSubnets(ctx, subnets); err != nil {
		return nil, err
	}
	vifs := make([]VIF, len(rows))
	for i, p := range rows {
		vifs[i] = VIF{
			PortID: p.ID, NetworkID: p.NetworkID, NetworkName: p.NetworkName, ProjectID: p.ProjectID, MAC: p.MACAddress, MTU: int(p.NetworkMTU),
			Type: "ovs", Bridge: "br-int", VNICType: p.VNICType, Host: p.Host, Active: p.Status == statusActive, Tag: p.NovaTag,
			Index: int(p.NovaIndex), NovaOwned: p.NovaOwned, Subnets: b.vifSubnets(p),
		}
	}
	return vifs, nil
}

func (b *specs) vifSubnets(p *db.Port) []VIFSubnet {
	out := []VIFSubnet{}
	place := map[string]int{}
	for _, a := range p.FixedIPs {
		if i, ok := place[a.SubnetID]; ok {
			out[i].Addresses = append(out[i].Addresses, a.IPAddress)
			continue
		}
		sn := b.subnets[a.SubnetID]
		if sn == nil {
			continue
		}
		v := VIFSubnet{
			ID: sn.ID, CIDR: sn.CIDR, Version: int(sn.IPVersion), Gateway: sn.GatewayIP, DHCP: sn.EnableDHCP, RAMode: sn.IPv6RAMode,
			AddressMode: sn.IPv6AddressMode, Addresses: []string{a.IPAddress}, DNS: []string{}, Routes: []VIFRoute{},
		}
		for _, d := range b.nameservers(sn) {
			v.DNS = append(v.DNS, d.String())
		}
		for _, r := range sn.HostRoutes {
			v.Routes = append(v.Routes, VIFRoute{Destination: r.Destination, NextHop: r.NextHop})
		}
		place[a.SubnetID] = len(out)
		out = append(out, v)
	}
	return out
}

// PortsReady tells whether the engine says that all of the ports are plugged and forwarding. A port whose administrator
// has shut it never forwards and counts as ready.
func (s *Service) PortsReady(ctx context.Context, portIDs []string) (bool, error) {
	states, err := s.Backend.PortStates(ctx, portIDs)
	if err != nil {
		return false, err
	}
	var down []string
	for _, id := range portIDs {
		if !states[id].Up {
			down = append(down, id)
		}
	}
	if len(down) == 0 {
		return true, nil
	}
	open, err := s.DB.Read(ctx).NewSelect().Model((*db.Port)(nil)).Where("t.id IN (?) AND t.admin_state_up", bun.List(down)).Count(ctx)
	return open == 0, err
}
