package neutron

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// Networks lists the networks that a caller can see: the project's own, shared and external ones.
func (s *Service) Networks(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.Network, error) {
	q.Project = c.ProjectID
	if !seesAll(c) {
		q = q.Seen(db.Or(db.Where("t.project_id = ?", c.ProjectID), db.SharedWith("t.id", db.AccessAsShared, c.ProjectID), db.SharedWith("t.id", db.AccessAsExternal, c.ProjectID)),
			db.Owned("neutron_networks", c.ProjectID), db.Shared(db.AccessAsShared, c.ProjectID), db.Shared(db.AccessAsExternal, c.ProjectID))
	}
	return db.Networks(ctx, s.DB.Read(ctx), q)
}

// NetworkSubnets returns what networks show of their subnets.
func (s *Service) NetworkSubnets(ctx context.Context, networks []string) (map[string][]db.NetworkSubnet, error) {
	return db.NetworkSubnets(ctx, s.DB.Read(ctx), networks)
}

// CreateNetwork makes a network of the project that v names.
func (s *Service) CreateNetwork(ctx context.Context, c *policy.Caller, v attr.Values) (*db.Network, error) {
	n := &db.Network{
		Name: v.String("name"), AdminStateUp: v.Bool("admin_state_up"), Status: statusActive,
		External: v.Bool("router:external"), IsDefault: v.Bool("is_default"), PortSecurityEnabled: v.Bool("port_security_enabled"),
		DNSDomain: v.String("dns_domain"), AvailabilityZoneHints: v.Strings("availability_zone_hints"),
	}
	n.SetTags(v.Strings("tags"))
	if err := s.checkZones(ctx, n.AvailabilityZoneHints); err != nil {
		return nil, err
	}
	return n, s.write(ctx, func(ctx context.Context, u *unit) error {
		n.ID, n.Revision = s.newID(), 0
		project := v.String("project_id")
		if err := u.checkQuota(ctx, project, quotaNetwork, 1); err != nil {
			return err
		}
		chosen, err := u.chooseSegments(ctx, v)
		if err != nil {
			return err
		}
		seg := chosen[0]
		n.NetworkType, n.PhysicalNetwork, n.SegmentationID = seg.NetworkType, seg.PhysicalNetwork, seg.SegmentationID
		if n.TunnelVLAN, err = u.tunnelVLAN(ctx, n.NetworkType); err != nil {
			return err
		}
		if b, ok := v["vlan_transparent"].(bool); ok {
			if b && seg.NetworkType == typeFlat {
				return bad("VlanTransparencyDriverError", "Backend does not support VLAN Transparency.")
			}
			n.VLANTransparent = &b
		}
		if n.MTU, err = s.mtuFor(n, v.IntPtr("mtu")); err != nil {
			return err
		}
		if n.IsDefault {
			if err := u.onlyDefault(ctx, n.ID); err != nil {
				return err
			}
		}
		if v.Has("qos_policy_id") {
			n.QoSPolicyID, err = u.chooseQoS(ctx, c, v, "")
		} else {
			n.QoSPolicyID, err = u.defaultQoS(ctx, project)
		}
		if err != nil {
			return err
		}
		rows := u.firstSegments(n, chosen)
		if err := u.create(ctx, n, project, v.String("description")); err != nil {
			return err
		}
		if err := u.takeSegments(ctx, n, chosen, rows); err != nil {
			return err
		}
		var rbac []*db.RBACPolicy
		if v.Bool("shared") {
			n.Shared = true
			rbac = append(rbac, u.rbac("network", n.ID, n.ProjectID, db.AccessAsShared, "*"))
		}
		if n.External {
			rbac = append(rbac, u.rbac("network", n.ID, n.ProjectID, db.AccessAsExternal, "*"))
		}
		if len(rbac) > 0 {
			if err := db.Insert(ctx, u.tx, &rbac); err != nil {
				return err
			}
		}
		u.changed(kindNetwork, n.ID)
		return nil
	})
}

// UpdateNetwork changes what v names.
func (s *Service) UpdateNetwork(ctx context.Context, c *policy.Caller, id string, v attr.Values) (*db.Network, error) {
	var n *db.Network
	return n, s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if n, err = u.network(ctx, id, ""); err != nil {
			return err
		}
		if err := u.applyNetwork(ctx, n, v); err != nil {
			return err
		}
		before := n.QoSPolicyID
		if n.QoSPolicyID, err = u.chooseQoS(ctx, c, v, before); err != nil {
			return err
		}
		if n.QoSPolicyID != before {
			if err := u.networkQoSChanged(ctx, id); err != nil {
				return err
			}
			if err := u.reallocateOn(ctx, id, before, n.QoSPolicyID); err != nil {
				return err
			}
		}
		u.changed(kindNetwork, id)
		return u.update(ctx, n)
	})
}

func (u *unit) applyNetwork(ctx context.Context, n *db.Network, v attr.Values) error {
	for _, name := range []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"} {
		if v.Has(name) {
			return invalidInput("Plugin does not support updating the following provider network attributes: %s", name)
		}
	}
	setText(v, "name", &n.Name)
	setText(v, "description", &n.Description)
	if v.Has("dns_domain") && v.String("dns_domain") != n.DNSDomain {
		n.DNSDomain = v.String("dns_domain")
		if err := u.networkUsersChanged(ctx, n.ID); err != nil {
			return err
		}
	}
	setBool(v, "admin_state_up", &n.AdminStateUp)
	setBool(v, "port_security_enabled", &n.PortSecurityEnabled)
	if v.Has("mtu") {
		mtu, err := u.s.mtuFor(n, v.IntPtr("mtu"))
		if err != nil {
			return err
		}
		if mtu != n.MTU {
			n.MTU = mtu
			if err := u.networkUsersChanged(ctx, n.ID); err != nil {
				return err
			}
		}
	}
	if v.Has("is_default") {
		if n.IsDefault = v.Bool("is_default"); n.IsDefault {
			if err := u.onlyDefault(ctx, n.ID); err != nil {
				return err
			}
		}
	}
	if v.Has("router:external") && v.Bool("router:external") != n.External {
		n.External = v.Bool("router:external")
		if err := u.setExternal(ctx, n); err != nil {
			return err
		}
	}
	if v.Has("shared") {
		if err := u.setShared(ctx, n, v.Bool("shared")); err != nil {
			return err
		}
	}
	return nil
}

// networkUsersChanged notes everything whose spec has a network's attributes in it.
func (u *unit) networkUsersChanged(ctx context.Context, id string) error {
	var rows []struct{ Kind, ID string }
	err := u.tx.NewRaw(`SELECT 'subnet' AS kind, id FROM neutron_subnets WHERE network_id = ?
UNION SELECT 'router', router_id FROM neutron_ports WHERE network_id = ? AND router_id <> ''
UNION SELECT 'port', id FROM neutron_ports WHERE network_id = ? AND dns_name <> ''`, id, id, id).Scan(ctx, &rows)
	for _, r := range rows {
		u.changed(r.Kind, r.ID)
	}
	return err
}

// DeleteNetwork removes a network, its subnets and the ports that Neutron itself put there.
func (s *Service) DeleteNetwork(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		if _, err := u.network(ctx, id, ""); err != nil {
			return err
		}
		ports, err := db.Find[db.Port](ctx, u.tx, func(q *bun.SelectQuery) { q.Where("t.network_id = ?", id).OrderExpr("t.id") })
		if err != nil {
			return err
		}
		unused, err := u.takeUnusedFloating(ctx, id)
		if err != nil {
			return err
		}
		var own, users []string
		for _, p := range ports {
			if autoDeleted(p.DeviceOwner) || unused[p.ID] {
				own = append(own, p.ID)
			} else {
				users = append(users, p.ID)
			}
		}
		if len(users) > 0 {
			return networkInUse(id, users)
		}
		if err := u.removePorts(ctx, own); err != nil {
			return err
		}
		subnets, err := db.NetworkSubnets(ctx, u.tx, []string{id})
		if err != nil {
			return err
		}
		for _, sn := range subnets[id] {
			u.changed(kindSubnet, sn.ID)
		}
		u.changed(kindNetwork, id)
		for _, sql := range []string{
			"DELETE FROM neutron_subnets WHERE network_id = ?", "DELETE FROM neutron_rbac_policies WHERE object_id = ?",
			"DELETE FROM neutron_networks WHERE id = ?",
		} {
			if _, err := u.tx.NewRaw(sql, id).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// network returns a network as a project sees it.
func (u *unit) network(ctx context.Context, id, project string) (*db.Network, error) {
	return oneNetwork(ctx, u.tx, id, project)
}

func oneNetwork(ctx context.Context, h bun.IDB, id, project string) (*db.Network, error) {
	rows, err := db.Networks(ctx, h, db.ByID(id, project))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, NetworkNotFound(id)
	}
	return rows[0], nil
}

// onlyDefault takes is_default from every other network.
func (u *unit) onlyDefault(ctx context.Context, id string) error {
	var other string
	err := u.tx.NewSelect().Model((*db.Network)(nil)).Column("id").Where("t.is_default AND t.id <> ?", id).Limit(1).Scan(ctx, &other)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return conflict("DefaultExternalNetworkExists", "A default external network already exists: %s.", other)
}

func setText(v attr.Values, name string, into *string) {
	if v.Has(name) {
		*into = v.String(name)
	}
}

func setBool(v attr.Values, name string, into *bool) {
	if v.Has(name) {
		*into = v.Bool(name)
	}
}
