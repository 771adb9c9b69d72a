package app

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	neutrondb "gostack/internal/neutron/db"
	"gostack/internal/nova"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// novaProxied is Neutron as the compute API's old calls for networks see it. What they change belongs to the caller's project, or the caller
// is an administrator, as Neutron's own API demands.
type novaProxied struct{ neutron *neutron.Service }

func byID(id string) (q neutrondb.Query) {
	if id != "" {
		q.Where = []neutrondb.Cond{neutrondb.Where("t.id = ?", id)}
	}
	return q
}

func oldNetworks(rows []*neutrondb.Network) []nova.OldNetwork {
	out := make([]nova.OldNetwork, len(rows))
	for i, n := range rows {
		out[i] = nova.OldNetwork{ID: n.ID, Name: n.Name}
	}
	return out
}

func (n novaProxied) Networks(ctx context.Context, c *policy.Caller, id string) ([]nova.OldNetwork, error) {
	rows, err := n.neutron.Networks(ctx, c, byID(id))
	return oldNetworks(rows), err
}

func (n novaProxied) Pools(ctx context.Context, c *policy.Caller) ([]nova.OldNetwork, error) {
	rows, err := n.neutron.Networks(ctx, c, neutrondb.Query{Where: []neutrondb.Cond{neutrondb.Where("t.external = ?", true)}})
	return oldNetworks(rows), err
}

func (n novaProxied) FloatingIPs(ctx context.Context, c *policy.Caller, id, address string) ([]nova.FloatingIP, error) {
	q := byID(id)
	if address != "" {
		q = q.And(neutrondb.Where("t.floating_ip_address = ?", address))
	}
	if id == "" && address == "" {
		q = q.And(neutrondb.Where("t.project_id = ?", c.ProjectID))
	}
	rows, err := n.neutron.FloatingIPs(ctx, c, q)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	pools, err := n.Pools(ctx, c)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, p := range pools {
		names[p.ID] = p.Name
	}
	out := make([]nova.FloatingIP, len(rows))
	for i, f := range rows {
		out[i] = nova.FloatingIP{ID: f.ID, Address: f.FloatingIPAddress, Pool: names[f.FloatingNetworkID], PortID: f.FixedPortID, FixedIP: f.FixedIPAddress, ServerID: f.PortDeviceID}
		if out[i].Pool == "" {
			out[i].Pool = f.FloatingNetworkID
		}
	}
	return out, nil
}

func (n novaProxied) AllocateFloatingIP(ctx context.Context, c *policy.Caller, networkID string) (string, error) {
	f, err := n.neutron.CreateFloatingIP(ctx, c, attr.Values{"floating_network_id": networkID, "project_id": c.ProjectID})
	if err != nil {
		return "", err
	}
	return f.ID, nil
}

func (n novaProxied) ReleaseFloatingIP(ctx context.Context, _ *policy.Caller, id string) error {
	return n.neutron.DeleteFloatingIP(ctx, id)
}

func (n novaProxied) LeadFloatingIP(ctx context.Context, c *policy.Caller, id, portID, fixed string) error {
	v := attr.Values{"port_id": nil}
	if portID != "" {
		v = attr.Values{"port_id": portID, "fixed_ip_address": fixed}
	}
	_, err := n.neutron.UpdateFloatingIP(ctx, c, id, v)
	return err
}

// addressValues are a port's addresses as an update wants them.
func addressValues(p *neutron.Port) (list []attr.Values) {
	for _, ip := range p.FixedIPs {
		list = append(list, attr.Values{"subnet_id": ip.SubnetID, "ip_address": ip.Address})
	}
	return list
}

func (n novaProxied) AddFixedIP(ctx context.Context, c *policy.Caller, serverID, networkID string) error {
	ports, err := n.neutron.PortsOf(ctx, []string{serverID})
	if err != nil {
		return err
	}
	subnets, err := n.neutron.Subnets(ctx, c, neutrondb.Query{Where: []neutrondb.Cond{neutrondb.Where("t.network_id = ?", networkID)}})
	if err != nil {
		return err
	}
	err = rest.NotFound("Network could not be found for instance %s.", serverID)
	for _, sn := range subnets {
		for i := range ports[serverID] {
			p := &ports[serverID][i]
			if p.NetworkID != networkID {
				continue
			}
			if _, err = n.neutron.UpdatePort(ctx, c, p.ID, attr.Values{"fixed_ips": append(addressValues(p), attr.Values{"subnet_id": sn.ID})}); err == nil {
				return nil
			}
		}
	}
	return err
}

func (n novaProxied) RemoveFixedIP(ctx context.Context, c *policy.Caller, serverID, address string) (bool, error) {
	ports, err := n.neutron.PortsOf(ctx, []string{serverID})
	if err != nil {
		return false, err
	}
	for i := range ports[serverID] {
		p := &ports[serverID][i]
		left := slices.DeleteFunc(addressValues(p), func(v attr.Values) bool { return v.String("ip_address") == address })
		if len(left) == len(p.FixedIPs) {
			continue
		}
		_, err := n.neutron.UpdatePort(ctx, c, p.ID, attr.Values{"fixed_ips": left})
		return err == nil, err
	}
	return false, nil
}

func (n novaProxied) Groups(ctx context.Context, c *policy.Caller, id string, all bool) ([]nova.SecurityGroup, error) {
	q := byID(id)
	if !all {
		q = q.And(neutrondb.Where("t.project_id = ?", c.ProjectID))
	}
	groups, err := n.neutron.SecurityGroups(ctx, c, q)
	if err != nil {
		return nil, err
	}
	return novaGroupViews(ctx, n.neutron, groups)
}

func (n novaProxied) CreateGroup(ctx context.Context, c *policy.Caller, name, description string) (string, error) {
	g, err := n.neutron.CreateSecurityGroup(ctx, attr.Values{"name": name, "description": description, "stateful": true, "project_id": c.ProjectID})
	if err != nil {
		return "", err
	}
	return g.ID, nil
}

// ownGroup refuses groups that the caller sees without owning them: shared ones.
func (n novaProxied) ownGroup(ctx context.Context, c *policy.Caller, id string) error {
	rows, err := n.neutron.SecurityGroups(ctx, c, byID(id))
	if err != nil {
		return err
	}
	if len(rows) == 0 || !c.IsAdmin() && rows[0].ProjectID != c.ProjectID {
		return neutron.SecurityGroupNotFound(id)
	}
	return nil
}

func (n novaProxied) UpdateGroup(ctx context.Context, c *policy.Caller, id, name, description string) error {
	if err := n.ownGroup(ctx, c, id); err != nil {
		return err
	}
	_, err := n.neutron.UpdateSecurityGroup(ctx, id, attr.Values{"name": name, "description": description})
	return err
}

func (n novaProxied) DeleteGroup(ctx context.Context, c *policy.Caller, id string) error {
	if err := n.ownGroup(ctx, c, id); err != nil {
		return err
	}
	return n.neutron.DeleteSecurityGroup(ctx, c, id)
}

func (n novaProxied) CreateRule(ctx context.Context, c *policy.Caller, rule nova.NewGroupRule) (string, error) {
	if err := n.ownGroup(ctx, c, rule.GroupID); err != nil {
		return "", err
	}
	v := attr.Values{
		"security_group_id": rule.GroupID, "direction": "ingress", "ethertype": "IPv4", "protocol": strings.ToLower(rule.Protocol), "remote_ip_prefix": rule.CIDR,
		"remote_group_id": rule.RemoteGroupID, "project_id": c.ProjectID,
	}
	if p, err := netip.ParsePrefix(rule.CIDR); err == nil && p.Addr().Is6() {
		v["ethertype"] = "IPv6"
	}
	for name, port := range map[string]*int64{"port_range_min": rule.FromPort, "port_range_max": rule.ToPort} {
		if port != nil && *port >= 0 {
			v[name] = *port
		}
	}
	r, err := n.neutron.CreateSecurityGroupRule(ctx, c, v)
	if err != nil {
		return "", err
	}
	return r.ID, nil
}

func (n novaProxied) DeleteRule(ctx context.Context, c *policy.Caller, id string) error {
	rows, err := n.neutron.SecurityGroupRules(ctx, c, byID(id))
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return neutron.RuleNotFound(id)
	}
	return n.neutron.DeleteSecurityGroupRule(ctx, id)
}
