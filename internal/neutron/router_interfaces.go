package neutron

import (
	"context"
	"net/netip"
	"slices"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// RouterInterface is the answer to adding and removing an interface.
type RouterInterface struct {
	ID        string   `json:"id"`
	ProjectID string   `json:"project_id"`
	TenantID  string   `json:"tenant_id"`
	PortID    string   `json:"port_id"`
	NetworkID string   `json:"network_id"`
	SubnetID  string   `json:"subnet_id"`
	SubnetIDs []string `json:"subnet_ids"`
	Tags      []string `json:"tags"`
}

func interfaceOf(r *db.Router, p *db.Port, subnet string) *RouterInterface {
	i := &RouterInterface{ID: r.ID, ProjectID: r.ProjectID, TenantID: r.ProjectID, PortID: p.ID, NetworkID: p.NetworkID, SubnetID: subnet, Tags: r.Tags()}
	for _, a := range p.FixedIPs {
		i.SubnetIDs = append(i.SubnetIDs, a.SubnetID)
	}
	if i.SubnetID == "" && len(i.SubnetIDs) > 0 {
		i.SubnetID = i.SubnetIDs[0]
	}
	return i
}

// AddRouterInterface puts a router on a subnet (v has subnet_id) or gives it a port (port_id).
func (s *Service) AddRouterInterface(ctx context.Context, c *policy.Caller, id string, v attr.Values) (*RouterInterface, error) {
	var answer *RouterInterface
	_, err := s.changeRouter(ctx, id, func(ctx context.Context, u *unit, r *db.Router) error {
		var p *db.Port
		var err error
		switch subnet, port := v.String("subnet_id"), v.String("port_id"); {
		case subnet != "" && port != "":
			return badRequest("router", "Cannot specify both subnet-id and port-id")
		case port != "":
			p, err = u.attachPort(ctx, c, r, port)
		case subnet != "":
			p, err = u.attachSubnet(ctx, c, r, subnet)
		default:
			return badRequest("router", "Either subnet_id or port_id must be specified")
		}
		if err != nil {
			return err
		}
		answer = interfaceOf(r, p, v.String("subnet_id"))
		return nil
	})
	return answer, err
}

func (u *unit) attachPort(ctx context.Context, c *policy.Caller, r *db.Router, id string) (*db.Port, error) {
	p, err := u.port(ctx, id)
	if err != nil {
		return nil, err
	}
	if !c.IsAdmin() && p.ProjectID != c.ProjectID && p.NetworkProject != c.ProjectID {
		return nil, PortNotFound(id)
	}
	if p.DeviceID != "" {
		return nil, conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
			p.ID, p.NetworkID, p.DeviceID)
	}
	if len(p.FixedIPs) == 0 {
		return nil, badRequest("router", "Router port must have at least one fixed IP")
	}
	v4 := 0
	for _, a := range p.FixedIPs {
		if parseAddr(a.IPAddress).Is4() {
			v4++
		}
	}
	if v4 > 1 {
		return nil, badRequest("router", "Cannot have multiple IPv4 subnets on router port")
	}
	p.DeviceID, p.RouterID, p.DeviceOwner = r.ID, r.ID, ownerRouterInterface
	p.PortSecurityEnabled, p.SecurityGroups, p.AllowedAddressPairs = false, nil, nil
	if _, err := u.tx.NewDelete().Model((*db.PortSecurityGroup)(nil)).Where("port_id = ?", p.ID).Exec(ctx); err != nil {
		return nil, err
	}
	u.changed(kindPort, p.ID)
	if err := u.update(ctx, p); err != nil {
		return nil, err
	}
	return p, u.noOverlap(ctx, r.ID, p)
}

func (u *unit) attachSubnet(ctx context.Context, c *policy.Caller, r *db.Router, id string) (*db.Port, error) {
	rows, err := db.Subnets(ctx, u.tx, db.ByID(id, c.ProjectID))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || !(c.IsAdmin() || rows[0].ProjectID == c.ProjectID || rows[0].NetworkProject == c.ProjectID || rows[0].Shared) {
		return nil, SubnetNotFound(id)
	}
	sn := rows[0]
	if sn.GatewayIP == "" {
		return nil, badRequest("router", "Subnet for router interface must have a gateway IP")
	}
	on, err := u.routerAddresses(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range on {
		if a.SubnetID == id {
			return nil, badRequest("router", "Router already has a port on subnet %s", id)
		}
		if netip.MustParsePrefix(a.CIDR).Overlaps(netip.MustParsePrefix(sn.CIDR)) {
			return nil, badRequest("router", "Cidr %s of subnet %s overlaps with cidr %s of subnet %s", sn.CIDR, sn.ID, a.CIDR, a.SubnetID)
		}
	}
	if sn.IPVersion == 6 {
		if p, err := u.joinIPv6Port(ctx, sn, on); p != nil || err != nil {
			return p, err
		}
	}
	p := &db.Port{NetworkID: sn.NetworkID, AdminStateUp: true, Status: statusDown, DeviceID: r.ID, RouterID: r.ID, DeviceOwner: ownerRouterInterface, NovaIndex: -1}
	p.ProjectID = r.ProjectID
	ask := []fixedAsk{{subnet: id, ip: parseAddr(sn.GatewayIP)}}
	return p, u.createPort(ctx, portRequest{row: p, given: true, asks: ask, caller: c}, nil)
}

// joinIPv6Port adds an IPv6 subnet to the port that the router has for IPv6 on that network already: a router has one
// such port per network (upstream's _add_interface_by_subnet). nil: there is none.
func (u *unit) joinIPv6Port(ctx context.Context, sn *db.Subnet, on []routerAddress) (*db.Port, error) {
	i := slices.IndexFunc(on, func(a routerAddress) bool {
		return a.NetworkID == sn.NetworkID && a.DeviceOwner == ownerRouterInterface && !parseAddr(a.IPAddress).Is4()
	})
	if i < 0 {
		return nil, nil
	}
	p, err := u.port(ctx, on[i].PortID)
	if err != nil {
		return nil, err
	}
	asks := []fixedAsk{{subnet: sn.ID, ip: parseAddr(sn.GatewayIP)}}
	for _, a := range p.FixedIPs {
		asks = append(asks, fixedAsk{subnet: a.SubnetID, ip: parseAddr(a.IPAddress)})
	}
	if err := u.moveAddresses(ctx, p, asks); err != nil {
		return nil, err
	}
	u.changed(kindPort, p.ID)
	return p, u.update(ctx, p)
}

// RemoveRouterInterface takes a router off a subnet or removes its port.
func (s *Service) RemoveRouterInterface(ctx context.Context, id string, v attr.Values) (*RouterInterface, error) {
	var answer *RouterInterface
	_, err := s.changeRouter(ctx, id, func(ctx context.Context, u *unit, r *db.Router) error {
		subnet, port := v.String("subnet_id"), v.String("port_id")
		if subnet == "" && port == "" {
			return badRequest("router", "Either subnet_id or port_id must be specified")
		}
		on, err := u.routerAddresses(ctx, id)
		if err != nil {
			return err
		}
		on = slices.DeleteFunc(on, func(a routerAddress) bool { return a.DeviceOwner != ownerRouterInterface })
		if port == "" {
			i := slices.IndexFunc(on, func(a routerAddress) bool { return a.SubnetID == subnet })
			if i < 0 {
				return missing("RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", id, subnet)
			}
			port = on[i].PortID
		}
		on = slices.DeleteFunc(on, func(a routerAddress) bool { return a.PortID != port })
		if len(on) == 0 {
			return missing("RouterInterfaceNotFound", "Router %s does not have an interface with id %s", id, port)
		}
		if subnet != "" && !slices.ContainsFunc(on, func(a routerAddress) bool { return a.SubnetID == subnet }) {
			return bad("SubnetMismatchForPort", "Subnet on port %s does not match the requested subnet %s.", port, subnet)
		}
		p, err := u.port(ctx, port)
		if err != nil {
			return err
		}
		answer = interfaceOf(r, p, subnet)
		return u.detach(ctx, r, p, on, subnet, v.Has("port_id"))
	})
	return answer, err
}

// detach removes a router's port, or only one of its IPv6 subnets.
func (u *unit) detach(ctx context.Context, r *db.Router, p *db.Port, on []routerAddress, subnet string, whole bool) error {
	leaves := func(a routerAddress) bool { return whole || subnet == "" || a.SubnetID == subnet }
	for _, a := range on {
		if !leaves(a) {
			continue
		}
		if err := u.interfaceFree(ctx, r, a); err != nil {
			return err
		}
	}
	var asks []fixedAsk
	for _, a := range on {
		if !leaves(a) {
			asks = append(asks, fixedAsk{subnet: a.SubnetID, ip: parseAddr(a.IPAddress)})
		}
	}
	if len(asks) == 0 {
		return u.removePorts(ctx, []string{p.ID})
	}
	if err := u.moveAddresses(ctx, p, asks); err != nil {
		return err
	}
	u.changed(kindPort, p.ID)
	return u.update(ctx, p)
}

// interfaceFree fails while routes or floating IPs need a router's interface.
func (u *unit) interfaceFree(ctx context.Context, r *db.Router, a routerAddress) error {
	p := netip.MustParsePrefix(a.CIDR)
	for _, route := range r.Routes {
		if p.Contains(parseAddr(route.NextHop)) {
			return conflict("RouterInterfaceInUseByRoute",
				"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more routes.", a.SubnetID, r.ID)
		}
	}
	var users int
	err := u.tx.NewRaw(`SELECT COUNT(*) FROM neutron_floatingips f LEFT JOIN neutron_port_forwardings x ON x.floatingip_id = f.id
JOIN neutron_allocations a ON a.port_id = COALESCE(x.internal_port_id, f.fixed_port_id) AND a.ip_address = COALESCE(x.internal_ip, f.fixed_ip_address)
WHERE f.router_id = ? AND a.subnet_id = ?`, r.ID, a.SubnetID).Scan(ctx, &users)
	if err == nil && users > 0 {
		err = conflict("RouterInterfaceInUseByFloatingIP",
			"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", a.SubnetID, r.ID)
	}
	return err
}

// routerBetween is the router that leads from a subnet to an external network; "" if none does.
func (u *unit) routerBetween(ctx context.Context, subnet, external string) (string, error) {
	var ids []string
	err := u.tx.NewRaw(`SELECT p.router_id FROM neutron_ports p JOIN neutron_allocations a ON a.port_id = p.id
JOIN neutron_ports g ON g.router_id = p.router_id AND g.device_owner = ? AND g.network_id = ?
WHERE a.subnet_id = ? AND p.device_owner = ? ORDER BY p.router_id LIMIT 1`, ownerRouterGateway, external, subnet, ownerRouterInterface).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}
