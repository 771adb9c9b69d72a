package api

import (
	"context"
	"fmt"
	"strings"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

var (
	fixedIPs = eachOnce(attr.ListOf(attr.Doc(attr.Member{Name: "subnet_id", Check: attr.UUID}, attr.Member{Name: "ip_address", Check: attr.IP})))
	pairs    = attr.ListOf(attr.Doc(attr.Member{Name: "ip_address", Required: true, Check: ipOrCIDR}, attr.Member{Name: "mac_address", Check: attr.MAC}))
	dhcpOpts = attr.ListOf(attr.Doc(
		attr.Member{Name: "opt_name", Required: true, Check: dhcpText(false)}, attr.Member{Name: "opt_value", Required: true, Check: dhcpText(true)},
		attr.Member{Name: "ip_version", Check: ipVersion},
	))
	vnicTypes = attr.OneOf("normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic", "accelerator-direct",
		"accelerator-direct-physical", "remote-managed", "vdpa")
)

// eachOnce refuses an address that is asked for twice (neutron-lib's validate_fixed_ips).
func eachOnce(check attr.Check) attr.Check {
	return func(v any) (any, string) {
		list, reason := check(v)
		seen := map[string]bool{}
		asks, _ := list.([]attr.Values)
		for _, ask := range asks {
			ip := ask.String("ip_address")
			if ip != "" && seen[ip] {
				return nil, "Duplicate IP address '" + ip + "'"
			}
			seen[ip] = true
		}
		return list, reason
	}
}

// ipOrCIDR takes an address or a network.
func ipOrCIDR(v any) (any, string) {
	if s, _ := v.(string); strings.Contains(s, "/") {
		c, reason := attr.CIDR(v)
		if reason == "" && (c == "0.0.0.0/0" || c == "::/0") {
			reason = "'" + s + "' would let the port use every address"
		}
		return c, reason
	}
	return attr.IP(v)
}

// dhcpText takes the name or value of a DHCP option. Control characters would be new lines of a server's configuration
// (OSSA-2021-005).
func dhcpText(nullable bool) attr.Check {
	return func(v any) (any, string) {
		if v == nil && nullable {
			return nil, ""
		}
		s, reason := attr.String(255)(v)
		if reason != "" {
			return nil, reason
		}
		if text := s.(string); text == "" || strings.TrimSpace(text) == "" { //nolint:forcetypeassert // String gives nothing else
			return nil, "'" + text + "' Blank strings are not permitted"
		}
		return s, neutron.CheckDHCPOptText(s.(string)) //nolint:forcetypeassert // String gives nothing else
	}
}

// ports is the core resource with bindings, security groups, port security, address pairs, DHCP options and DNS.
func (a *api) ports() *resource {
	view := a.portView
	res := &resource{
		Table: attr.NewTable("port", "ports", standard(), named(), []attr.Attribute{
			{Name: "network_id", Post: true, Required: true, Check: attr.UUID, Column: "t.network_id"},
			{Name: "admin_state_up", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.admin_state_up", Kind: attr.Bool},
			{Name: "status", Column: "t.status"},
			{Name: "mac_address", Post: true, Put: true, Check: attr.NullIsEmpty(attr.MAC), Column: "t.mac_address"},
			{Name: "fixed_ips", Post: true, Put: true, Check: fixedIPs, Sub: []string{"ip_address", "subnet_id"}, Filter: true},
			{Name: "device_id", Post: true, Put: true, Default: "", Check: attr.String(deviceIDLength), Column: "t.device_id"},
			{Name: "device_owner", Post: true, Put: true, Default: "", Check: attr.NullIsEmpty(attr.String(deviceIDLength)), Column: "t.device_owner"},
			{Name: "security_groups", Post: true, Put: true, Check: noneIsEmpty(attr.UUIDs), Filter: true},
			{Name: "port_security_enabled", Post: true, Put: true, Check: attr.Boolean, Column: "t.port_security_enabled", Kind: attr.Bool},
			{Name: "allowed_address_pairs", Post: true, Put: true, Default: []attr.Values{}, Check: pairs, Sub: []string{"mac_address", "ip_address"}, Filter: true},
			{Name: "extra_dhcp_opts", Post: true, Put: true, Default: []attr.Values{}, Check: dhcpOpts},
			{Name: "binding:host_id", Post: true, Put: true, Default: "", Check: attr.NullIsEmpty(attr.String(255)), Column: "t.host"},
			{Name: "binding:vnic_type", Post: true, Put: true, Default: "normal", Check: vnicTypes, Column: "t.vnic_type"},
			{Name: "binding:profile", Post: true, Put: true, Check: attr.Dict},
			{Name: "binding:vif_type"},
			{Name: "binding:vif_details"},
			{Name: "dns_name", Post: true, Put: true, Default: "", Check: attr.DNSName, Column: "t.dns_name"},
			{Name: "dns_domain", Post: true, Put: true, Default: "", Check: attr.DNSDomain, Column: "t.dns_domain"},
			{Name: "dns_assignment"},
			{Name: "ip_allocation"},
			{Name: "propagate_uplink_status", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.propagate_uplink_status", Kind: attr.Bool},
			{Name: "numa_affinity_policy", Post: true, Put: true, Check: attr.NullIsEmpty(attr.OneOf("required", "preferred", "legacy", "socket")), Column: "t.numa_affinity_policy"},
			{Name: "device_profile", Post: true, Check: attr.NullIsEmpty(attr.String(255)), Column: "t.device_profile"},
			{Name: "data_plane_status", Put: true, Check: attr.NullIsEmpty(attr.OneOf("ACTIVE", "DOWN")), Column: "t.data_plane_status"},
			{Name: "hints", Post: true, Put: true, Check: portHints},
			{Name: "trusted", Post: true, Put: true, Check: attr.OrNull(attr.Boolean), Column: "t.trusted", Kind: attr.Bool, NoSort: true},
			{Name: "hardware_offload_type", Post: true, Check: attr.NullIsEmpty(attr.OneOf("switchdev")), Column: "t.hardware_offload_type"},
			{Name: "trunk_details"},
			{Name: "qos_policy_id", Post: true, Put: true, Check: attr.OrNull(attr.UUID), Column: "t.qos_policy_id"},
			{Name: "qos_network_policy_id"},
			{Name: "resource_request"},
		}),
		Path: "ports",
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.Ports(ctx, c, q)
			return viewed(rows, err, view)
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			p, err := a.n.CreatePort(ctx, c, v)
			return one(p, err, view)
		},
		Update: func(ctx context.Context, c *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			p, err := a.n.UpdatePort(ctx, c, id, v)
			return one(p, err, view)
		},
		Delete: func(ctx context.Context, _ *policy.Caller, id string) error { return a.n.DeletePort(ctx, id) },
		Absent: neutron.PortNotFound,
		Parent: a.networkTarget,
		Filters: map[string]func([]string) (db.Cond, error){
			"fixed_ips":             fixedIPFilter,
			"security_groups":       groupFilter,
			"allowed_address_pairs": pairFilter,
			"security_group_id":     groupFilter,
			"ip_allocation":         ipAllocationFilter,
		},
	}
	res.Actions = []memberAction{a.pairAction(res, "add_allowed_address_pairs", a.n.AddAddressPairs), a.pairAction(res, "remove_allowed_address_pairs", a.n.RemoveAddressPairs)}
	return res
}

// pairAction is one of the extension allowed-address-pairs-atomic; the right is that to change the attribute.
func (a *api) pairAction(res *resource, name string, change func(ctx context.Context, id string, list []attr.Values) (*db.Port, error)) memberAction {
	return memberAction{Name: name, Policy: "update_port:allowed_address_pairs", Do: func(ctx context.Context, r *rest.Request, port attr.Values, body map[string]any) (any, error) {
		inner, ok := body["port"].(map[string]any)
		if !ok {
			return nil, attr.Bad("Unable to find 'port' in request body")
		}
		list, reason := pairs(inner["allowed_address_pairs"])
		if reason != "" || len(inner) != 1 {
			return nil, attr.Bad("Invalid input for allowed_address_pairs. Reason: %s.", reason)
		}
		p, err := change(ctx, port.String("id"), list.([]attr.Values)) //nolint:forcetypeassert // ListOf gives nothing else
		if err != nil {
			return nil, err
		}
		return map[string]any{"port": a.shape(r, res, a.portView(p))}, nil
	}}
}

// ipAllocation tells when a port gets its addresses: when it is made, when its host is known, or it has none (extension ip_allocation).
func ipAllocation(p *db.Port) string {
	switch {
	case p.IPDeferred:
		return "deferred"
	case len(p.FixedIPs) == 0:
		return "none"
	}
	return "immediate"
}

func ipAllocationFilter(values []string) (db.Cond, error) {
	has := "EXISTS (SELECT 1 FROM neutron_allocations x WHERE x.port_id = t.id)"
	var conds []db.Cond
	for _, v := range values {
		switch v {
		case "immediate":
			conds = append(conds, db.Where(has))
		case "none":
			conds = append(conds, db.Where("NOT t.ip_deferred AND NOT "+has))
		case "deferred":
			conds = append(conds, db.Where("t.ip_deferred"))
		default:
			conds = append(conds, db.Where("1 = 0"))
		}
	}
	return db.Or(conds...), nil
}

// portHints takes hints for the engine: those of Open vSwitch that upstream's extension port-hint-ovs-tx-steering defines.
func portHints(v any) (any, string) {
	if v == nil {
		return map[string]any(nil), ""
	}
	hints, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Sprintf("'%s' is not a dictionary", attr.Show(v))
	}
	for name, h := range hints {
		config, _ := h.(map[string]any)
		other, _ := config["other_config"].(map[string]any)
		if steering := other["tx-steering"]; name != "openvswitch" || len(config) != 1 || len(other) != 1 || steering != "thread" && steering != "hash" {
			return nil, fmt.Sprintf("'%s' is no hint that is known", attr.Show(v))
		}
	}
	return hints, ""
}

func hintsOf(h map[string]any) any {
	if len(h) == 0 {
		return nil
	}
	return h
}

func noneIsEmpty(check attr.Check) attr.Check {
	return func(v any) (any, string) {
		if v == nil {
			return []string{}, ""
		}
		return check(v)
	}
}

// fixedIPFilter reads fixed_ips=ip_address=A, subnet_id=S and ip_address_substr=T, any number of each.
func fixedIPFilter(values []string) (db.Cond, error) {
	by := map[string][]string{}
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name != "ip_address" && name != "subnet_id" && name != "ip_address_substr" {
			return db.Cond{}, attr.Bad("Invalid input for operation: fixed_ips filter '%s' is not ip_address=, subnet_id= or ip_address_substr=.", v)
		}
		by[name] = append(by[name], value)
	}
	sql, args := "t.id IN (SELECT x.port_id FROM neutron_allocations x WHERE 1 = 1", []any{}
	for name, column := range map[string]string{"ip_address": "x.ip_address", "subnet_id": "x.subnet_id"} {
		if len(by[name]) > 0 {
			c := db.In(column, by[name])
			sql, args = sql+" AND "+c.SQL, append(args, c.Args...)
		}
	}
	for _, part := range by["ip_address_substr"] {
		sql, args = sql+" AND x.ip_address LIKE ? ESCAPE '!'", append(args, "%"+likeText.Replace(part)+"%")
	}
	return db.Cond{SQL: sql + ")", Args: args}, nil
}

func groupFilter(values []string) (db.Cond, error) {
	c := db.In("m.group_id", values)
	return db.Cond{SQL: "t.id IN (SELECT m.port_id FROM neutron_port_security_groups m WHERE " + c.SQL + ")", Args: c.Args}, nil
}

// pairFilter reads allowed_address_pairs=ip_address=A and mac_address=M.
func pairFilter(values []string) (db.Cond, error) {
	var conds []db.Cond
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name != "ip_address" && name != "mac_address" {
			return db.Cond{}, attr.Bad("Invalid input for operation: allowed_address_pairs filter '%s' is not ip_address= or mac_address=.", v)
		}
		conds = append(conds, db.Where("t.allowed_address_pairs LIKE ? ESCAPE '!'", `%"`+name+`":"`+likeText.Replace(value)+`"%`))
	}
	return db.Or(conds...), nil
}

func (a *api) portView(p *db.Port) attr.Values {
	ips := make([]map[string]string, len(p.FixedIPs))
	for i, f := range p.FixedIPs {
		ips[i] = map[string]string{"subnet_id": f.SubnetID, "ip_address": f.IPAddress}
	}
	opts := make([]map[string]any, len(p.ExtraDHCPOpts))
	for i, o := range p.ExtraDHCPOpts {
		opts[i] = map[string]any{"opt_name": o.OptName, "opt_value": o.OptValue, "ip_version": o.IPVersion}
	}
	profile := p.Profile
	if profile == nil {
		profile = map[string]any{}
	}
	vifType, details := "unbound", map[string]any{}
	if p.Host != "" {
		vifType = "ovs"
		details = neutron.VIFDetails()
	}
	v := base(&p.Standard)
	if p.TrunkID != "" {
		v["trunk_details"] = map[string]any{"trunk_id": p.TrunkID, "sub_ports": subPortViews(p.SubPorts, true)}
	}
	for name, x := range map[string]any{
		"name": p.Name, "network_id": p.NetworkID, "admin_state_up": p.AdminStateUp, "status": p.Status, "mac_address": p.MACAddress,
		"fixed_ips": ips, "device_id": p.DeviceID, "device_owner": p.DeviceOwner, "security_groups": listOf(p.SecurityGroups),
		"port_security_enabled": p.PortSecurityEnabled, "allowed_address_pairs": listOf(p.AllowedAddressPairs), "extra_dhcp_opts": opts,
		"binding:host_id": p.Host, "binding:vnic_type": p.VNICType, "binding:profile": profile, "binding:vif_type": vifType,
		"binding:vif_details": details, "dns_name": p.DNSName, "dns_domain": p.DNSDomain, "dns_assignment": a.n.DNSAssignments(p),
		"ip_allocation": ipAllocation(p), "network:project_id": p.NetworkProject, "qos_policy_id": text(p.QoSPolicyID), "qos_network_policy_id": text(p.NetworkQoS),
		"resource_request":        resourceRequest(p),
		"propagate_uplink_status": p.PropagateUplinkStatus, "numa_affinity_policy": text(p.NUMAAffinityPolicy), "device_profile": text(p.DeviceProfile),
		"data_plane_status": text(p.DataPlaneStatus), "hints": hintsOf(p.Hints), "trusted": p.Trusted, "hardware_offload_type": text(p.HardwareOffloadType),
	} {
		v[name] = x
	}
	return v
}
