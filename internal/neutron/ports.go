package neutron

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// Ports lists the ports that a caller can see: the project's own and those on its networks.
func (s *Service) Ports(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.Port, error) {
	q.Project = c.ProjectID
	if !seesAll(c) {
		q = q.Seen(db.Or(db.Where("t.project_id = ?", c.ProjectID), db.Where("n.project_id = ?", c.ProjectID)), db.OwnPorts(c.ProjectID)...)
	}
	return db.Ports(ctx, s.DB.Read(ctx), q)
}

// portRequest is a port to be made: its row, and what decides about addresses and groups.
type portRequest struct {
	row *db.Port
	// given: asks are what the user wants; otherwise the port gets what the network's subnets offer.
	given bool
	asks  []fixedAsk
	// groups: nil is the default group.
	groups []string
	caller *policy.Caller
	// security as asked for; nil is the network's default.
	security *bool
	// network and subnets may be there already.
	network *db.Network
	subnets []*db.Subnet
	noQuota bool
	// uplinkGiven: propagate_uplink_status is what the user wants; otherwise it is on.
	uplinkGiven bool
}

// CreatePort makes a port for the project that v names.
func (s *Service) CreatePort(ctx context.Context, c *policy.Caller, v attr.Values) (*db.Port, error) {
	var p *db.Port
	create := func(ctx context.Context, u *unit) error {
		p = &db.Port{
			NetworkID: v.String("network_id"), Name: v.String("name"), AdminStateUp: v.Bool("admin_state_up"), Status: statusDown,
			MACAddress: v.String("mac_address"), DeviceID: v.String("device_id"), DeviceOwner: v.String("device_owner"),
			Host: v.String("binding:host_id"), VNICType: v.String("binding:vnic_type"), DNSName: v.String("dns_name"), DNSDomain: v.String("dns_domain"),
			NovaIndex: -1,
		}
		p.Profile, _ = v["binding:profile"].(map[string]any)
		applyPortHardware(p, v)
		p.ProjectID, p.Description = v.String("project_id"), v.String("description")
		p.SetTags(v.Strings("tags"))
		p.ExtraDHCPOpts = mergeDHCPOpts(nil, v.List("extra_dhcp_opts"))
		req := portRequest{row: p, given: v.Has("fixed_ips"), asks: asksOf(v.List("fixed_ips")), caller: c, uplinkGiven: v.Has("propagate_uplink_status")}
		if v.Has("security_groups") {
			req.groups = v.Strings("security_groups")
			if req.groups == nil {
				req.groups = []string{}
			}
		}
		var err error
		if p.QoSPolicyID, err = u.chooseQoS(ctx, c, v, ""); err != nil {
			return err
		}
		if sec, ok := v["port_security_enabled"].(bool); ok {
			req.security = &sec
		}
		return u.createPort(ctx, req, v.List("allowed_address_pairs"))
	}
	err := s.write(ctx, create)
	// Two random MAC addresses can meet; outside of a larger transaction another try costs nothing.
	for try := 0; store.IsUnique(err) && v.String("mac_address") == "" && !store.InWrite(ctx) && try < 3; try++ {
		err = s.write(ctx, create)
	}
	if store.IsUnique(err) {
		err = macInUse(v.String("network_id"), v.String("mac_address"))
	}
	return p, err
}

// createPort stores a port with its addresses and groups.
func (u *unit) createPort(ctx context.Context, req portRequest, pairs []attr.Values) error {
	p := req.row
	p.ID = u.s.newID()
	p.PropagateUplinkStatus = p.PropagateUplinkStatus || !req.uplinkGiven
	var err error
	if !req.noQuota {
		if err := u.checkQuota(ctx, p.ProjectID, quotaPort, 1); err != nil {
			return err
		}
	}
	if req.network == nil {
		if req.network, err = u.network(ctx, p.NetworkID, p.ProjectID); err != nil {
			return err
		}
	}
	p.NetworkProject, p.NetworkName, p.NetworkMTU, p.NetworkDNS = req.network.ProjectID, req.network.Name, req.network.MTU, req.network.DNSDomain
	p.NetworkQoS, p.NetworkPhysnet = req.network.QoSPolicyID, req.network.PhysicalNetwork
	if req.subnets == nil {
		if req.subnets, err = u.subnetsOf(ctx, p.NetworkID); err != nil {
			return err
		}
	}
	if p.MACAddress == "" {
		p.MACAddress = u.s.newMAC()
	} else if err := u.freeMAC(ctx, p); err != nil {
		return err
	}
	if err := u.canHaveQoS(ctx, p); err != nil {
		return err
	}
	usable, later, err := u.usableSubnets(ctx, p, req.subnets, req.given)
	if err != nil {
		return err
	}
	p.IPDeferred = later && len(req.subnets) > 0
	if p.FixedIPs, err = u.allocate(ctx, p, usable, req.given, req.asks, nil); err != nil {
		return err
	}
	if err := onOneSegment(p, usable); err != nil {
		return err
	}
	if p.AllowedAddressPairs, err = pairsOf(pairs, p.MACAddress); err != nil {
		return err
	}
	if err := u.secure(ctx, &req); err != nil {
		return err
	}
	if p.VNICType == "" {
		p.VNICType = "normal"
	}
	if err := u.create(ctx, p, p.ProjectID, p.Description); err != nil {
		return err
	}
	if len(p.FixedIPs) > 0 {
		if err := db.Insert(ctx, u.tx, &p.FixedIPs); err != nil {
			return err
		}
	}
	u.changed(kindPort, p.ID)
	if err := u.pairsChanged(ctx, p, nil); err != nil {
		return err
	}
	return u.joinGroups(ctx, p)
}

// secure decides about port security and security groups (upstream's ML2 plugin and port security extension).
func (u *unit) secure(ctx context.Context, req *portRequest) error {
	p := req.row
	p.PortSecurityEnabled = req.network.PortSecurityEnabled
	if req.security != nil {
		p.PortSecurityEnabled = *req.security
	}
	if trusted(p.DeviceOwner) {
		p.PortSecurityEnabled = false
	}
	if len(p.AllowedAddressPairs) > 0 && !p.PortSecurityEnabled {
		return conflict("AddressPairAndPortSecurityRequired", "Port Security must be enabled in order to have allowed address pairs on a port.")
	}
	switch {
	case len(req.groups) > 0 && !p.PortSecurityEnabled:
		return bad("PortSecurityAndIPRequiredForSecurityGroups",
			"Port security must be enabled and port must have an IP address in order to use security groups.")
	case !p.PortSecurityEnabled:
		p.SecurityGroups = nil
		return nil
	case req.groups != nil:
		p.SecurityGroups = req.groups
		return u.groupsExist(ctx, req.caller, p.ProjectID, req.groups)
	}
	id, err := u.defaultGroup(ctx, p.ProjectID)
	p.SecurityGroups = []string{id}
	return err
}

func (u *unit) joinGroups(ctx context.Context, p *db.Port) error {
	if len(p.SecurityGroups) == 0 {
		return nil
	}
	rows := make([]*db.PortSecurityGroup, len(p.SecurityGroups))
	for i, g := range p.SecurityGroups {
		rows[i] = &db.PortSecurityGroup{PortID: p.ID, GroupID: g}
	}
	return db.Insert(ctx, u.tx, &rows)
}

func (u *unit) subnetsOf(ctx context.Context, network string) ([]*db.Subnet, error) {
	return db.Find[db.Subnet](ctx, u.tx, func(q *bun.SelectQuery) { q.Where("t.network_id = ?", network).OrderExpr("t.created_at, t.id") })
}

func (u *unit) freeMAC(ctx context.Context, p *db.Port) error {
	used, err := u.tx.NewSelect().Model((*db.Port)(nil)).
		Where("t.network_id = ? AND t.mac_address = ? AND t.id <> ?", p.NetworkID, p.MACAddress, p.ID).Exists(ctx)
	if err == nil && used {
		err = macInUse(p.NetworkID, p.MACAddress)
	}
	return err
}

// port returns a port with its parts.
func (u *unit) port(ctx context.Context, id string) (*db.Port, error) { return onePort(ctx, u.tx, id) }

func onePort(ctx context.Context, h bun.IDB, id string) (*db.Port, error) {
	rows, err := db.Ports(ctx, h, db.ByID(id, ""))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, PortNotFound(id)
	}
	return rows[0], nil
}

// DeletePort removes a port that no other API of Neutron manages.
func (s *Service) DeletePort(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		p, err := db.Get[db.Port](ctx, u.tx, id)
		if err != nil {
			return or(err, PortNotFound(id))
		}
		if err := u.unmanaged(ctx, p); err != nil {
			return err
		}
		if err := u.notInTrunk(ctx, id); err != nil {
			return err
		}
		if err := u.giveBack(ctx, p); err != nil {
			return err
		}
		return u.removePorts(ctx, []string{id})
	})
}

// unmanaged fails for ports of routers and floating IPs, as long as those exist.
func (u *unit) unmanaged(ctx context.Context, p *db.Port) error {
	var exists bool
	var err error
	switch {
	case p.RouterID != "":
		exists, err = u.tx.NewSelect().Model((*db.Router)(nil)).Where("t.id = ?", p.RouterID).Exists(ctx)
	case p.DeviceOwner == ownerFloatingIP:
		exists, err = u.tx.NewSelect().Model((*db.FloatingIP)(nil)).Where("t.floating_port_id = ?", p.ID).Exists(ctx)
	}
	if err == nil && exists {
		err = conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.", p.ID, p.DeviceOwner)
	}
	return err
}

// removePorts deletes ports, and takes floating IPs from them.
func (u *unit) removePorts(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := u.dropFloating(ctx, ids); err != nil {
		return err
	}
	paired, err := db.Find[db.Port](ctx, u.tx, func(q *bun.SelectQuery) { q.Where("t.id IN (?)", bun.List(ids)) })
	if err != nil {
		return err
	}
	for _, p := range paired {
		if err := u.pairsChanged(ctx, p, nil); err != nil {
			return err
		}
	}
	if err := u.dropLogsOf(ctx, ids); err != nil {
		return err
	}
	u.changed(kindPort, ids...)
	// Addresses and group memberships go with the port.
	_, err = u.tx.NewDelete().Model((*db.Port)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx)
	return err
}
