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

// portRange takes one port or a range of them, as text.
func portRange(v any) (any, string) {
	s, ok := v.(string)
	if _, _, valid := neutron.PortRange(s); !ok || !valid {
		return nil, "'" + attr.Show(v) + "' is not a valid port range"
	}
	return s, ""
}

// portForwardings are the ports of a floating IP, with ranges and descriptions.
func (a *api) portForwardings() *resource {
	port := attr.OrNull(attr.Integer(1, 65535))
	return &resource{
		Table: attr.NewTable("port_forwarding", "port_forwardings", []attr.Attribute{
			{Name: "id", Column: "t.id"},
			{Name: "external_port", Post: true, Put: true, Check: port, Column: "CASE WHEN t.external_first = t.external_last THEN t.external_first END", Kind: attr.Int, NoSort: true},
			{Name: "internal_port", Post: true, Put: true, Check: port, NoSort: true},
			{Name: "external_port_range", Post: true, Put: true, Check: attr.OrNull(portRange)},
			{Name: "internal_port_range", Post: true, Put: true, Check: attr.OrNull(portRange)},
			{Name: "internal_ip_address", Post: true, Put: true, Check: attr.IP},
			{Name: "internal_port_id", Post: true, Put: true, Required: true, Check: attr.UUID, Column: "t.internal_port_id"},
			{Name: "protocol", Post: true, Put: true, Required: true, Check: lowered(attr.OneOf("tcp", "udp", "sctp")), Column: "t.protocol"},
			{Name: "description", Post: true, Put: true, Default: "", Check: attr.String(descriptionLength), Column: "t.description"},
		}),
		Path: "port_forwardings", Under: "floatingips", UnderColumn: "t.floatingip_id", PolicyName: "floatingip_port_forwarding", Unowned: true,
		Owner: a.ownerOf(a.floatingIPs),
		List: func(ctx context.Context, _ *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.PortForwardings(ctx, q)
			return viewed(rows, err, forwardingView)
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			x, err := a.n.CreatePortForwarding(ctx, c, v.String(parentID), v)
			return one(x, err, forwardingView)
		},
		UpdateIn: func(ctx context.Context, c *policy.Caller, parent, id string, v attr.Values) (attr.Values, error) {
			x, err := a.n.UpdatePortForwarding(ctx, c, parent, id, v)
			return one(x, err, forwardingView)
		},
		DeleteIn: func(ctx context.Context, parent, id string) error { return a.n.DeletePortForwarding(ctx, parent, id) },
		AbsentIn: neutron.PortForwardingNotFound,
	}
}

// lowered takes what check takes of a text in small letters.
func lowered(check attr.Check) attr.Check {
	return func(v any) (any, string) {
		if s, ok := v.(string); ok {
			v = strings.ToLower(s)
		}
		return check(v)
	}
}

func forwardingView(x *db.PortForwarding) attr.Values {
	v := attr.Values(forwardingValues(x))
	v["external_port_range"], v["internal_port_range"] = fmt.Sprintf("%d:%d", x.ExternalFirst, x.ExternalLast), fmt.Sprintf("%d:%d", x.InternalFirst, x.InternalLast)
	v["project_id"], v["ext_parent:project_id"], v["ext_parent:tenant_id"] = x.Project, x.Project, x.Project
	v["description"] = x.Description
	return v
}

// forwardingValues are what a floating IP shows of a port forwarding. A range of several ports is no port.
func forwardingValues(x *db.PortForwarding) map[string]any {
	v := map[string]any{
		"id": x.ID, "protocol": x.Protocol, "internal_ip_address": x.InternalIP, "internal_port_id": x.InternalPortID,
	}
	if x.ExternalFirst == x.ExternalLast {
		v["external_port"] = x.ExternalFirst
	}
	if x.InternalFirst == x.InternalLast {
		v["internal_port"] = x.InternalFirst
	}
	return v
}

// floatingIPPoolRoutes list the subnets that floating IPs can be taken from (extension floatingip-pools).
func (a *api) floatingIPPoolRoutes() (routes []rest.Route) {
	list := func(r *rest.Request) (any, error) {
		if err := refusedScope(r, "get_floatingip_pool"); err != nil {
			return nil, err
		}
		rows, err := a.n.FloatingIPPools(r.Context(), r.Caller)
		if err != nil {
			return nil, err
		}
		pools := []any{}
		for _, sn := range rows {
			// They are shown as the caller's own: that is how upstream's list lets everybody see what he can use.
			if r.Can("get_floatingip_pool", policy.Target{"project_id": r.Caller.ProjectID, "tenant_id": r.Caller.ProjectID}) {
				pools = append(pools, map[string]any{
					"subnet_id": sn.ID, "subnet_name": sn.Name, "network_id": sn.NetworkID, "cidr": sn.CIDR,
					"project_id": r.Caller.ProjectID, "tenant_id": r.Caller.ProjectID,
				})
			}
		}
		return map[string]any{"floatingip_pools": pools}, nil
	}
	for _, path := range spellings("floatingip_pools") {
		routes = append(routes, rest.Route{Method: "GET", Path: "/v2.0/" + path, Policy: rest.Authenticated, Handle: list})
	}
	return routes
}
