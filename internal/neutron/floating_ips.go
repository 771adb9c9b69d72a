package neutron

import (
	"context"
	"net/netip"
	"slices"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// FloatingIPs lists a caller's floating IPs.
func (s *Service) FloatingIPs(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.FloatingIP, error) {
	if !c.IsAdmin() {
		q = q.And(db.Where("t.project_id = ?", c.ProjectID))
	}
	return db.FloatingIPs(ctx, s.DB.Read(ctx), q)
}

// CreateFloatingIP takes an address of an external network, and leads it to a port if v names one.
func (s *Service) CreateFloatingIP(ctx context.Context, c *policy.Caller, v attr.Values) (*db.FloatingIP, error) {
	var f *db.FloatingIP
	return f, s.write(ctx, func(ctx context.Context, u *unit) error {
		f = &db.FloatingIP{FloatingNetworkID: v.String("floating_network_id"), Status: statusDown, DNSName: v.String("dns_name"), DNSDomain: v.String("dns_domain")}
		f.ID = s.newID()
		f.SetTags(v.Strings("tags"))
		project := v.String("project_id")
		f.ProjectID = project
		if err := u.checkQuota(ctx, project, quotaFloatingIP, 1); err != nil {
			return err
		}
		n, err := u.network(ctx, f.FloatingNetworkID, project)
		if err != nil {
			return err
		}
		if !n.External {
			return badRequest("floatingip", "Network %s is not a valid external network", n.ID)
		}
		if !n.ExternalAccess && !n.Shared && n.ProjectID != project && !c.IsAdmin() {
			return NetworkNotFound(n.ID)
		}
		if err := u.takeFloating(ctx, f, n, v); err != nil {
			return err
		}
		f.NetworkQoS = n.QoSPolicyID
		if f.QoSPolicyID, err = u.chooseQoS(ctx, c, v, ""); err != nil {
			return err
		}
		if port := v.String("port_id"); port != "" {
			if err := u.associate(ctx, c, f, port, v.String("fixed_ip_address")); err != nil {
				return err
			}
		}
		return u.create(ctx, f, project, v.String("description"))
	})
}

// takeFloating makes the port on the external network that holds the address.
func (u *unit) takeFloating(ctx context.Context, f *db.FloatingIP, n *db.Network, v attr.Values) error {
	subnets, err := u.subnetsOf(ctx, n.ID)
	if err != nil {
		return err
	}
	v4 := subnets[:0:0]
	for _, sn := range subnets {
		if sn.IPVersion == 4 {
			v4 = append(v4, sn)
		}
	}
	req := portRequest{network: n, subnets: v4, noQuota: true}
	req.row = &db.Port{NetworkID: n.ID, AdminStateUp: true, Status: statusNA, DeviceID: f.ID, DeviceOwner: ownerFloatingIP, NovaIndex: -1}
	if subnet, ip := v.String("subnet_id"), v.String("floating_ip_address"); subnet != "" || ip != "" {
		req.given, req.asks = true, []fixedAsk{{subnet: subnet, ip: parseAddr(ip)}}
	}
	if err := u.createPort(ctx, req, nil); err != nil {
		return err
	}
	if len(req.row.FixedIPs) == 0 {
		return bad("ExternalIpAddressExhausted", "Unable to find any IP address on external network %s.", n.ID)
	}
	f.FloatingPortID, f.FloatingIPAddress = req.row.ID, req.row.FixedIPs[0].IPAddress
	return nil
}

// associate leads a floating IP to an address of a port, through the router that connects both networks.
func (u *unit) associate(ctx context.Context, c *policy.Caller, f *db.FloatingIP, port, fixed string) error {
	p, err := u.port(ctx, port)
	if err != nil {
		return err
	}
	if p.ProjectID != f.ProjectID && !c.IsAdmin() {
		if p.ProjectID != c.ProjectID && p.NetworkProject != c.ProjectID {
			return PortNotFound(port)
		}
		return badRequest("floatingip", "Port %s is associated with a different tenant than Floating IP %s and therefore cannot be bound", p.ID, f.ID)
	}
	a, err := fixedFor(p, fixed)
	if err != nil {
		return err
	}
	if err := u.forwards(ctx, f); err != nil {
		return err
	}
	var taken []string
	err = u.tx.NewRaw(`SELECT 'floatingip' FROM neutron_floatingips WHERE fixed_port_id = ?0 AND fixed_ip_address = ?1 AND floating_network_id = ?2 AND id <> ?3
UNION ALL SELECT 'forwarding' FROM neutron_port_forwardings WHERE internal_port_id = ?0 AND internal_ip = ?1`,
		p.ID, a.IPAddress, f.FloatingNetworkID, f.ID).Scan(ctx, &taken)
	switch {
	case err != nil:
		return err
	case slices.Contains(taken, "floatingip"):
		return conflict("FloatingIPPortAlreadyAssociated",
			"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
			f.FloatingIPAddress, f.ID, p.ID, a.IPAddress, f.FloatingNetworkID)
	case len(taken) > 0:
		return bad("PortHasPortForwarding", "Cannot associate floating IP to port %s because it already has a Port Forwarding binding.", p.ID)
	}
	if f.RouterID, err = u.routerBetween(ctx, a.SubnetID, f.FloatingNetworkID); err != nil {
		return err
	}
	if f.RouterID == "" {
		return missing("ExternalGatewayForFloatingIPNotFound",
			"External network %s is not reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.",
			f.FloatingNetworkID, a.SubnetID, p.ID)
	}
	f.FixedPortID, f.FixedIPAddress, f.Status = p.ID, a.IPAddress, statusActive
	f.PortName, f.PortNetworkID, f.PortMAC, f.PortAdminUp = p.Name, p.NetworkID, p.MACAddress, p.AdminStateUp
	f.PortStatus, f.PortDeviceID, f.PortDeviceOwner = p.Status, p.DeviceID, p.DeviceOwner
	u.changed(kindRouter, f.RouterID)
	return nil
}

// fixedFor picks the address of a port that a floating IP leads to.
func fixedFor(p *db.Port, fixed string) (db.Allocation, error) {
	var v4 []db.Allocation
	for _, a := range p.FixedIPs {
		if parseAddr(a.IPAddress).Is4() {
			v4 = append(v4, a)
		}
		if fixed != "" && a.IPAddress == fixed {
			if !parseAddr(fixed).Is4() {
				break
			}
			return a, nil
		}
	}
	switch {
	case fixed != "" && netip.MustParseAddr(fixed).Is6():
		return db.Allocation{}, badRequest("floatingip", "Cannot process floating IP association with %s, since that is not an IPv4 address", fixed)
	case fixed != "":
		return db.Allocation{}, badRequest("floatingip", "Port %s does not have fixed ip %s", p.ID, fixed)
	case len(v4) == 0:
		return db.Allocation{}, badRequest("floatingip", "Cannot add floating IP to port %s that has no fixed IPv4 addresses", p.ID)
	case len(v4) > 1:
		return db.Allocation{}, badRequest("floatingip",
			"Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP", p.ID)
	}
	return v4[0], nil
}

// disassociate makes a floating IP lead nowhere.
func (u *unit) disassociate(f *db.FloatingIP) {
	u.changed(kindRouter, f.RouterID)
	f.FixedPortID, f.FixedIPAddress, f.RouterID, f.Status = "", "", "", statusDown
	f.PortName, f.PortNetworkID, f.PortMAC, f.PortAdminUp, f.PortStatus, f.PortDeviceID, f.PortDeviceOwner = "", "", "", false, "", "", ""
}

// UpdateFloatingIP leads a floating IP elsewhere (port_id; null for nowhere) and changes what else v names. A v that names nothing leads it nowhere,
// as it has since floating IPs had no other attribute.
func (s *Service) UpdateFloatingIP(ctx context.Context, c *policy.Caller, id string, v attr.Values) (*db.FloatingIP, error) {
	var f *db.FloatingIP
	return f, s.write(ctx, func(ctx context.Context, u *unit) error {
		rows, err := db.FloatingIPs(ctx, u.tx, db.ByID(id, ""))
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return FloatingIPNotFound(id)
		}
		f = rows[0]
		setText(v, "description", &f.Description)
		before := f.QoSPolicyID
		if f.QoSPolicyID, err = u.chooseQoS(ctx, c, v, before); err != nil {
			return err
		}
		if f.QoSPolicyID != before {
			u.changed(kindRouter, f.RouterID)
		}
		port := v.String("port_id")
		switch {
		case v.Has("port_id") && port == "" && f.FixedPortID == "": // nothing to take away; port forwardings stay
		case len(v) == 0 && f.FixedPortID != "", v.Has("port_id") && port == "":
			u.disassociate(f)
		case v.Has("port_id"):
			if port != f.FixedPortID || v.Has("fixed_ip_address") {
				if err := u.forwards(ctx, f); err != nil {
					return err
				}
				u.disassociate(f)
				if err := u.associate(ctx, c, f, port, v.String("fixed_ip_address")); err != nil {
					return err
				}
			}
		case v.String("fixed_ip_address") != "":
			if f.FixedPortID == "" {
				return badRequest("floatingip", "fixed_ip_address cannot be specified without a port_id")
			}
			port = f.FixedPortID
			u.disassociate(f)
			if err := u.associate(ctx, c, f, port, v.String("fixed_ip_address")); err != nil {
				return err
			}
		}
		return u.update(ctx, f)
	})
}

// DeleteFloatingIP gives an address back.
func (s *Service) DeleteFloatingIP(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		f, err := db.Get[db.FloatingIP](ctx, u.tx, id)
		if err != nil {
			return or(err, FloatingIPNotFound(id))
		}
		if err := u.forwards(ctx, f); err != nil {
			return err
		}
		u.changed(kindRouter, f.RouterID)
		if err := db.Delete(ctx, u.tx, f); err != nil {
			return err
		}
		u.changed(kindPort, f.FloatingPortID)
		_, err = u.tx.NewDelete().Model((*db.Port)(nil)).Where("id = ?", f.FloatingPortID).Exec(ctx)
		return err
	})
}

// dropFloating disassociates the floating IPs that lead to ports about to go.
func (u *unit) dropFloating(ctx context.Context, ports []string) error {
	if err := u.dropForwardingsTo(ctx, ports, ""); err != nil {
		return err
	}
	return u.dropFloatingWhere(ctx, db.In("t.fixed_port_id", ports))
}

// dropFloatingOf does so for one address of a port.
func (u *unit) dropFloatingOf(ctx context.Context, port, ip string) error {
	if err := u.dropForwardingsTo(ctx, []string{port}, ip); err != nil {
		return err
	}
	return u.dropFloatingWhere(ctx, db.Where("t.fixed_port_id = ? AND t.fixed_ip_address = ?", port, ip))
}

func (u *unit) dropFloatingWhere(ctx context.Context, cond db.Cond) error {
	rows, err := db.Find[db.FloatingIP](ctx, u.tx, func(q *bun.SelectQuery) { q.Where(cond.SQL, cond.Args...) })
	if err != nil {
		return err
	}
	for _, f := range rows {
		u.disassociate(f)
		if err := u.update(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// takeUnusedFloating deletes the floating IPs of an external network that lead nowhere, and returns the ports that held their addresses. They go
// with the network (neutron's l3_db, delete_disassociated_floatingips); one that is in use keeps its network.
func (u *unit) takeUnusedFloating(ctx context.Context, network string) (map[string]bool, error) {
	unused, err := db.Find[db.FloatingIP](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Where("t.floating_network_id = ? AND t.fixed_port_id = '' AND t.router_id = ''", network)
	})
	ports := map[string]bool{}
	for _, f := range unused {
		ports[f.FloatingPortID] = true
		if err == nil {
			err = db.Delete(ctx, u.tx, f)
		}
	}
	return ports, err
}
