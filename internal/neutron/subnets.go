package neutron

import (
	"context"
	"net/netip"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// Subnets lists the subnets that a caller can see: the project's own, those of its networks and of shared ones. Those of an external
// network that is not shared are the administrator's affair, as upstream has it: only access_as_shared opens a subnet.
func (s *Service) Subnets(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.Subnet, error) {
	q.Project = c.ProjectID
	if !seesAll(c) {
		q = q.Seen(db.Or(db.Where("t.project_id = ?", c.ProjectID), db.Where("n.project_id = ?", c.ProjectID),
			db.SharedWith("t.network_id", db.AccessAsShared, c.ProjectID)), db.OwnSubnets(c.ProjectID)...)
	}
	return db.Subnets(ctx, s.DB.Read(ctx), q)
}

// CreateSubnet makes a subnet.
func (s *Service) CreateSubnet(ctx context.Context, c *policy.Caller, v attr.Values) (*db.Subnet, error) {
	sn := &db.Subnet{
		NetworkID: v.String("network_id"), Name: v.String("name"), IPVersion: v.Int("ip_version"), EnableDHCP: v.Bool("enable_dhcp"),
		IPv6RAMode: v.String("ipv6_ra_mode"), IPv6AddressMode: v.String("ipv6_address_mode"), DNSNameservers: v.Strings("dns_nameservers"),
		HostRoutes: routesOf(v.List("host_routes")), ServiceTypes: v.Strings("service_types"), DNSPublishFixedIP: v.Bool("dns_publish_fixed_ip"),
	}
	sn.SetTags(v.Strings("tags"))
	return sn, s.write(ctx, func(ctx context.Context, u *unit) error {
		sn.ID, sn.Revision = s.newID(), 0
		project := v.String("project_id")
		if err := u.checkQuota(ctx, project, quotaSubnet, 1); err != nil {
			return err
		}
		n, err := u.network(ctx, sn.NetworkID, project)
		if err != nil {
			return err
		}
		pool, err := u.poolOf(ctx, c, v)
		if err != nil {
			return err
		}
		others, err := db.Find[db.Subnet](ctx, u.tx, func(q *bun.SelectQuery) { q.Where("t.network_id = ?", n.ID) })
		if err != nil {
			return err
		}
		if err := u.checkPoolAffinity(ctx, n, pool, others); err != nil {
			return err
		}
		sn.SegmentID = v.String("segment_id")
		if err := u.checkSubnetSegment(ctx, n, sn.SegmentID, others); err != nil {
			return err
		}
		cidr := v.String("cidr")
		if pool != nil {
			if cidr, err = u.cut(ctx, pool, project, v); err != nil {
				return err
			}
			sn.SubnetPoolID = pool.ID
		}
		if err := shapeSubnet(sn, cidr, v); err != nil {
			return err
		}
		for _, o := range others {
			if o.FirstKey <= sn.LastKey && sn.FirstKey <= o.LastKey {
				return invalidInput("Requested subnet with cidr: %s for network: %s overlaps with another subnet", sn.CIDR, n.ID)
			}
		}
		sn.NetworkProject, sn.NetworkExternal, sn.Shared = n.ProjectID, n.External, n.Shared
		if err := u.create(ctx, sn, project, v.String("description")); err != nil {
			return err
		}
		u.changed(kindSubnet, sn.ID)
		if err := u.networkTouched(ctx, n.ID); err != nil {
			return err
		}
		if err := u.autoAddress(ctx, sn); err != nil {
			return err
		}
		return u.metadataPort(ctx, n, sn)
	})
}

// autoAddress gives the ports that are on the network already their address of a new SLAAC subnet, as upstream does.
func (u *unit) autoAddress(ctx context.Context, sn *db.Subnet) error {
	if !autoAddressed(sn) {
		return nil
	}
	ports, err := db.Find[db.Port](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Where("t.network_id = ? AND t.device_owner NOT LIKE 'network:%'", sn.NetworkID)
	})
	if err != nil || len(ports) == 0 {
		return err
	}
	p := netip.MustParsePrefix(sn.CIDR)
	var rows []*db.Allocation
	for _, port := range ports {
		if a, ok := eui64(p, port.MACAddress); ok {
			rows = append(rows, &db.Allocation{SubnetID: sn.ID, IPAddress: a.String(), IPKey: addrKey(a), NetworkID: sn.NetworkID, PortID: port.ID, Place: 9})
			u.changed(kindPort, port.ID)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return db.Insert(ctx, u.tx, &rows)
}

// UpdateSubnet changes what v names.
func (s *Service) UpdateSubnet(ctx context.Context, id string, v attr.Values) (*db.Subnet, error) {
	var sn *db.Subnet
	return sn, s.write(ctx, func(ctx context.Context, u *unit) error {
		rows, err := db.Subnets(ctx, u.tx, db.ByID(id, ""))
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return SubnetNotFound(id)
		}
		sn = rows[0]
		if v.Has("segment_id") && v.String("segment_id") != sn.SegmentID {
			if err := u.moveToSegment(ctx, sn, v.String("segment_id")); err != nil {
				return err
			}
		}
		if err := u.applySubnet(ctx, sn, v); err != nil {
			return err
		}
		u.changed(kindSubnet, id)
		if err := u.update(ctx, sn); err != nil {
			return err
		}
		n, err := u.network(ctx, sn.NetworkID, "")
		if err != nil {
			return err
		}
		return u.metadataPort(ctx, n, sn)
	})
}

func (u *unit) applySubnet(ctx context.Context, sn *db.Subnet, v attr.Values) error {
	setText(v, "name", &sn.Name)
	setText(v, "description", &sn.Description)
	setBool(v, "enable_dhcp", &sn.EnableDHCP)
	setBool(v, "dns_publish_fixed_ip", &sn.DNSPublishFixedIP)
	if v.Has("dns_nameservers") {
		sn.DNSNameservers = v.Strings("dns_nameservers")
	}
	if v.Has("host_routes") {
		sn.HostRoutes = routesOf(v.List("host_routes"))
	}
	if v.Has("service_types") {
		sn.ServiceTypes = v.Strings("service_types")
	}
	p := netip.MustParsePrefix(sn.CIDR)
	pools := sn.AllocationPools
	if v.Has("allocation_pools") {
		pools = poolsOf(v.List("allocation_pools"))
	}
	if v.Has("gateway_ip") && v.String("gateway_ip") != sn.GatewayIP {
		if err := u.gatewayUnused(ctx, sn); err != nil {
			return err
		}
		sn.GatewayIP = v.String("gateway_ip")
		if err := u.gatewayWasUsed(ctx, sn); err != nil {
			return err
		}
		if err := checkGateway(p, sn.GatewayIP); err != nil {
			return err
		}
	}
	if err := checkPools(p, pools, sn.GatewayIP); err != nil {
		return err
	}
	sn.AllocationPools = pools
	return checkSubnetLists(sn)
}

// gatewayUnused fails when a router's port has the gateway address that is about to change.
func (u *unit) gatewayUnused(ctx context.Context, sn *db.Subnet) error {
	if sn.GatewayIP == "" {
		return nil
	}
	ports, err := db.Find[db.Port](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Join("JOIN neutron_allocations a ON a.port_id = t.id").
			Where("a.subnet_id = ? AND a.ip_address = ? AND t.router_id <> ''", sn.ID, sn.GatewayIP)
	})
	if err == nil && len(ports) > 0 {
		err = conflict("GatewayIpInUse", "Current gateway ip %s already in use by port %s. Unable to update.", sn.GatewayIP, ports[0].ID)
	}
	return err
}

// gatewayWasUsed routers with a gateway on this subnet learn the new next hop.
func (u *unit) gatewayWasUsed(ctx context.Context, sn *db.Subnet) error {
	if !sn.NetworkExternal {
		return nil
	}
	routers, err := db.Find[db.Router](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Where("t.id IN (SELECT router_id FROM neutron_ports WHERE network_id = ? AND device_owner = ?)", sn.NetworkID, ownerRouterGateway)
	})
	for _, r := range routers {
		u.changed(kindRouter, r.ID)
	}
	return err
}

// DeleteSubnet removes a subnet, and with it the addresses that Neutron itself gave out.
func (s *Service) DeleteSubnet(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		sn, err := db.Get[db.Subnet](ctx, u.tx, id)
		if err != nil {
			return or(err, SubnetNotFound(id))
		}
		var users []struct{ PortID, DeviceOwner, RouterID string }
		err = u.tx.NewRaw(`SELECT a.port_id, p.device_owner, p.router_id FROM neutron_allocations a JOIN neutron_ports p ON p.id = a.port_id
WHERE a.subnet_id = ? ORDER BY a.port_id`, id).Scan(ctx, &users)
		if err != nil {
			return err
		}
		for _, x := range users {
			switch {
			case x.RouterID != "" && autoAddressed(sn):
				return subnetInUse(id, "Subnet is used by a router interface.")
			case autoDeleted(x.DeviceOwner) || autoAddressed(sn):
				u.changed(kindPort, x.PortID)
			default:
				return subnetInUse(id, "")
			}
		}
		for _, sql := range []string{"DELETE FROM neutron_allocations WHERE subnet_id = ?", "DELETE FROM neutron_subnets WHERE id = ?"} {
			if _, err := u.tx.NewRaw(sql, id).Exec(ctx); err != nil {
				return err
			}
		}
		u.changed(kindSubnet, id)
		return u.networkTouched(ctx, sn.NetworkID)
	})
}
