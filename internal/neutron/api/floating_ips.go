package api

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// floatingIPs are floating IPs with port details and DNS names.
func (a *api) floatingIPs() *resource {
	return &resource{
		Table: attr.NewTable("floatingip", "floatingips", standard(), []attr.Attribute{
			{Name: "floating_network_id", Post: true, Required: true, Check: attr.UUID, Column: "t.floating_network_id"},
			{Name: "subnet_id", Post: true, Check: attr.OrNull(attr.UUID), Hidden: true},
			{Name: "floating_ip_address", Post: true, Check: attr.OrNull(attr.IP), Default: attr.Null, Column: "t.floating_ip_address"},
			{Name: "port_id", Post: true, Put: true, Check: attr.OrNull(attr.UUID), Column: "t.fixed_port_id"},
			{Name: "fixed_ip_address", Post: true, Put: true, Check: attr.OrNull(attr.IP), Column: "t.fixed_ip_address"},
			{Name: "router_id", Column: "t.router_id"},
			{Name: "status", Column: "t.status"},
			{Name: "dns_name", Post: true, Default: "", Check: attr.DNSName, Column: "t.dns_name"},
			{Name: "dns_domain", Post: true, Default: "", Check: attr.DNSDomain, Column: "t.dns_domain"},
			{Name: "port_details"},
			{Name: "qos_policy_id", Post: true, Put: true, Check: attr.OrNull(attr.UUID), Column: "t.qos_policy_id"},
			{Name: "qos_network_policy_id"},
			{Name: "port_forwardings"},
		}),
		Path: "floatingips",
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.FloatingIPs(ctx, c, q)
			return viewed(rows, err, floatingIPView)
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			f, err := a.n.CreateFloatingIP(ctx, c, v)
			return one(f, err, floatingIPView)
		},
		Update: func(ctx context.Context, c *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			f, err := a.n.UpdateFloatingIP(ctx, c, id, v)
			return one(f, err, floatingIPView)
		},
		Delete: func(ctx context.Context, _ *policy.Caller, id string) error { return a.n.DeleteFloatingIP(ctx, id) },
		Absent: neutron.FloatingIPNotFound,
	}
}

func floatingIPView(f *db.FloatingIP) attr.Values {
	var details any
	if f.FixedPortID != "" {
		details = map[string]any{
			"name": f.PortName, "network_id": f.PortNetworkID, "mac_address": f.PortMAC, "admin_state_up": f.PortAdminUp,
			"status": f.PortStatus, "device_id": f.PortDeviceID, "device_owner": f.PortDeviceOwner,
		}
	}
	forwardings := make([]map[string]any, len(f.Forwardings))
	for i, x := range f.Forwardings {
		forwardings[i] = forwardingValues(x)
	}
	v := base(&f.Standard)
	for name, x := range map[string]any{
		"floating_network_id": f.FloatingNetworkID, "floating_ip_address": f.FloatingIPAddress, "port_id": text(f.FixedPortID),
		"fixed_ip_address": text(f.FixedIPAddress), "router_id": text(f.RouterID), "status": f.Status, "dns_name": f.DNSName,
		"dns_domain": f.DNSDomain, "port_details": details, "port_forwardings": forwardings,
		"qos_policy_id": text(f.QoSPolicyID), "qos_network_policy_id": text(f.NetworkQoS),
	} {
		v[name] = x
	}
	return v
}
