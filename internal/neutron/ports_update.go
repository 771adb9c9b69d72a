package neutron

import (
	"context"
	"slices"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// UpdatePort changes what v names.
func (s *Service) UpdatePort(ctx context.Context, c *policy.Caller, id string, v attr.Values) (*db.Port, error) {
	var p *db.Port
	return p, s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if p, err = u.port(ctx, id); err != nil {
			return err
		}
		host, pairs := p.Host, p.AllowedAddressPairs
		if err := u.applyPort(ctx, c, p, v); err != nil {
			return err
		}
		if v.Has("allowed_address_pairs") {
			if err := u.pairsChanged(ctx, p, pairs); err != nil {
				return err
			}
		}
		if p.Host != host {
			if err := u.followParent(ctx, p); err != nil {
				return err
			}
		}
		u.changed(kindPort, id)
		u.changed(kindRouter, p.RouterID)
		return u.update(ctx, p)
	})
}

func (u *unit) applyPort(ctx context.Context, c *policy.Caller, p *db.Port, v attr.Values) error {
	setText(v, "name", &p.Name)
	setText(v, "description", &p.Description)
	setText(v, "dns_name", &p.DNSName)
	setText(v, "dns_domain", &p.DNSDomain)
	setText(v, "binding:vnic_type", &p.VNICType)
	setBool(v, "admin_state_up", &p.AdminStateUp)
	if p.Host != "" && v.Has("numa_affinity_policy") && v.String("numa_affinity_policy") != p.NUMAAffinityPolicy {
		return conflict("PortBoundNUMAAffinityPolicy",
			"Unable to complete operation on port %s, port is already bound to %s, NUMA affinity policy %s.", p.ID, p.Host, p.NUMAAffinityPolicy)
	}
	applyPortHardware(p, v)
	if v.Has("device_owner") && v.String("device_owner") != p.DeviceOwner || v.Has("device_id") && v.String("device_id") != p.DeviceID {
		if err := u.unmanaged(ctx, p); err != nil {
			return err
		}
		setText(v, "device_id", &p.DeviceID)
		setText(v, "device_owner", &p.DeviceOwner)
	}
	before := p.Host
	if v.Has("binding:host_id") && v.String("binding:host_id") != p.Host {
		p.Host = v.String("binding:host_id")
		p.Status = statusDown
	}
	if v.Has("binding:profile") {
		p.Profile, _ = v["binding:profile"].(map[string]any)
	}
	if v.Has("qos_policy_id") {
		var err error
		if p.QoSPolicyID, err = u.chooseQoS(ctx, c, v, p.QoSPolicyID); err != nil {
			return err
		}
		guaranteed := p.MinKbps
		if err := u.canHaveQoS(ctx, p); err != nil {
			return err
		}
		if err := u.reallocate(ctx, p, guaranteed); err != nil {
			return err
		}
	}
	if v.Has("extra_dhcp_opts") {
		p.ExtraDHCPOpts = mergeDHCPOpts(p.ExtraDHCPOpts, v.List("extra_dhcp_opts"))
	}
	mac := v.String("mac_address")
	if mac == "" && v.Has("mac_address") { // extension port-mac-address-regenerate
		mac = u.s.newMAC()
	}
	if mac != "" && mac != p.MACAddress {
		if p.Host != "" && p.DeviceOwner != "" && p.Status == statusActive {
			return conflict("PortBound", "Unable to complete operation on port %s, port is already bound, port type: ovs, old_mac %s, new_mac %s.",
				p.ID, p.MACAddress, mac)
		}
		p.MACAddress = mac
		if err := u.freeMAC(ctx, p); err != nil {
			return err
		}
	}
	switch {
	case v.Has("fixed_ips"):
		if err := u.moveAddresses(ctx, p, asksOf(v.List("fixed_ips"))); err != nil {
			return err
		}
	case p.Host != before:
		if err := u.arrive(ctx, p, p.Host); err != nil {
			return err
		}
	}
	return u.resecure(ctx, c, p, v)
}

// moveAddresses gives a port the addresses of a new list, keeping those it has already.
func (u *unit) moveAddresses(ctx context.Context, p *db.Port, asks []fixedAsk) error {
	subnets, err := u.subnetsOf(ctx, p.NetworkID)
	if err != nil {
		return err
	}
	before := p.FixedIPs
	usable := subnets
	if p.Host != "" && isRouted(subnets) && !anywhere(p) {
		if usable, err = u.subnetsAt(ctx, p.NetworkID, subnets, p.Host); err != nil {
			return err
		}
	}
	if p.FixedIPs, err = u.allocate(ctx, p, usable, true, asks, before); err != nil {
		return err
	}
	if err := onOneSegment(p, subnets); err != nil {
		return err
	}
	p.IPDeferred = false
	if p.DeviceOwner == ownerDistributed { // guests learn the way to it from their subnets
		for _, a := range slices.Concat(before, p.FixedIPs) {
			u.changed(kindSubnet, a.SubnetID)
		}
	}
	for i := range p.FixedIPs {
		p.FixedIPs[i].IPKey = addrKey(parseAddr(p.FixedIPs[i].IPAddress))
	}
	for _, a := range before {
		gone := !slices.ContainsFunc(p.FixedIPs, func(b db.Allocation) bool { return b.IPAddress == a.IPAddress && b.SubnetID == a.SubnetID })
		if !gone {
			continue
		}
		if err := u.dropFloatingOf(ctx, p.ID, a.IPAddress); err != nil {
			return err
		}
	}
	if _, err := u.tx.NewDelete().Model((*db.Allocation)(nil)).Where("port_id = ?", p.ID).Exec(ctx); err != nil || len(p.FixedIPs) == 0 {
		return err
	}
	return db.Insert(ctx, u.tx, &p.FixedIPs)
}

// resecure follows changes of port security, groups and address pairs.
func (u *unit) resecure(ctx context.Context, c *policy.Caller, p *db.Port, v attr.Values) error {
	setBool(v, "port_security_enabled", &p.PortSecurityEnabled)
	if v.Has("allowed_address_pairs") {
		var err error
		if p.AllowedAddressPairs, err = pairsOf(v.List("allowed_address_pairs"), p.MACAddress); err != nil {
			return err
		}
	}
	if len(p.AllowedAddressPairs) > 0 && !p.PortSecurityEnabled {
		return conflict("AddressPairAndPortSecurityRequired", "Port Security must be enabled in order to have allowed address pairs on a port.")
	}
	groups := p.SecurityGroups
	if v.Has("security_groups") {
		groups = v.Strings("security_groups")
	}
	switch {
	case len(groups) > 0 && !p.PortSecurityEnabled && v.Has("security_groups"):
		return bad("PortSecurityAndIPRequiredForSecurityGroups",
			"Port security must be enabled and port must have an IP address in order to use security groups.")
	case len(groups) > 0 && !p.PortSecurityEnabled:
		return conflict("PortSecurityPortHasSecurityGroup",
			"Port has security group associated. Cannot disable port security or IP address until security group is removed.")
	case !v.Has("security_groups"):
		return nil
	}
	if err := u.groupsExist(ctx, c, p.ProjectID, groups); err != nil {
		return err
	}
	if _, err := u.tx.NewDelete().Model((*db.PortSecurityGroup)(nil)).Where("port_id = ?", p.ID).Exec(ctx); err != nil {
		return err
	}
	p.SecurityGroups = groups
	if err := u.joinGroups(ctx, p); err != nil {
		return err
	}
	return u.targetMoved(ctx, p.ID)
}

// AddAddressPairs and RemoveAddressPairs change a port's allowed_address_pairs one by one; what is there (or gone) already is no error.
func (s *Service) AddAddressPairs(ctx context.Context, id string, list []attr.Values) (*db.Port, error) {
	return s.changePairs(ctx, id, list, func(have, named []db.AddressPair) []db.AddressPair {
		for _, p := range named {
			if !slices.Contains(have, p) {
				have = append(have, p)
			}
		}
		return have
	})
}

// RemoveAddressPairs takes pairs from a port.
func (s *Service) RemoveAddressPairs(ctx context.Context, id string, list []attr.Values) (*db.Port, error) {
	return s.changePairs(ctx, id, list, func(have, named []db.AddressPair) []db.AddressPair {
		return slices.DeleteFunc(slices.Clone(have), func(p db.AddressPair) bool { return slices.Contains(named, p) })
	})
}

func (s *Service) changePairs(ctx context.Context, id string, list []attr.Values, change func(have, named []db.AddressPair) []db.AddressPair) (*db.Port, error) {
	var p *db.Port
	return p, s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if p, err = u.port(ctx, id); err != nil {
			return err
		}
		named, err := pairsOf(list, p.MACAddress)
		if err != nil {
			return err
		}
		p.AllowedAddressPairs = change(p.AllowedAddressPairs, named)
		switch {
		case len(p.AllowedAddressPairs) > maxAddressPairs:
			return tooManyPairs()
		case len(p.AllowedAddressPairs) > 0 && !p.PortSecurityEnabled:
			return conflict("AddressPairAndPortSecurityRequired", "Port Security must be enabled in order to have allowed address pairs on a port.")
		}
		u.changed(kindPort, id)
		return u.update(ctx, p)
	})
}
