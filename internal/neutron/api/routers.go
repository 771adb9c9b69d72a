package api

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/notify"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

var gatewayInfo = attr.Doc(
	attr.Member{Name: "network_id", Check: attr.OrNull(attr.UUID)}, attr.Member{Name: "enable_snat", Check: attr.Boolean},
	attr.Member{Name: "external_fixed_ips", Check: fixedIPs}, attr.Member{Name: "qos_policy_id", Check: attr.OrNull(attr.UUID)},
)

// gateway takes external_gateway_info; null and {} take the gateway away. Whatever else it says needs a network.
func gateway(v any) (any, string) {
	if v == nil {
		return nil, ""
	}
	d, reason := gatewayInfo(v)
	if reason != "" {
		return nil, reason
	}
	info := d.(attr.Values) //nolint:forcetypeassert // Doc gives nothing else
	if len(info) == 0 || info.Has("network_id") && info["network_id"] == nil {
		return nil, ""
	}
	if !info.Has("network_id") {
		return nil, "Expected keys not found in dict: 'network_id'"
	}
	return info, ""
}

// routers are routers with SNAT choice, extra routes and availability zones.
func (a *api) routers() *resource {
	view := a.routerView
	res := &resource{
		Table: attr.NewTable("router", "routers", standard(), named(), []attr.Attribute{
			{Name: "admin_state_up", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.admin_state_up", Kind: attr.Bool},
			{Name: "status", Column: "t.status"},
			{
				Name: "external_gateway_info", Post: true, Put: true, Default: attr.Null, Check: gateway,
				Sub: []string{"network_id", "enable_snat", "external_fixed_ips"}, Filter: true,
			},
			{Name: "routes", Put: true, Check: hostRoute},
			{Name: "availability_zone_hints", Post: true, Default: []string{}, Check: attr.Strings(255)},
			{Name: "availability_zones"},
			{Name: "flavor_id", Post: true, Check: attr.OrNull(attr.UUID), Column: "t.flavor_id"},
			{Name: "ha", Post: true, Put: true, Check: attr.OrNull(alwaysHA)},
			{Name: "external_gateways"},
			{Name: "enable_snat"},
			{Name: "enable_default_route_ecmp", Post: true, Put: true, Check: attr.Boolean},
			{Name: "enable_default_route_bfd", Post: true, Put: true, Check: attr.Boolean},
		}),
		Path: "routers",
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.Routers(ctx, c, q)
			return viewed(rows, err, view)
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			r, err := a.n.CreateRouter(ctx, c, v)
			return one(r, err, view)
		},
		Update: func(ctx context.Context, c *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			r, err := a.n.UpdateRouter(ctx, c, id, v)
			return one(r, err, view)
		},
		Delete: func(ctx context.Context, _ *policy.Caller, id string) error { return a.n.DeleteRouter(ctx, id) },
		Absent: neutron.RouterNotFound,
		Filters: map[string]func([]string) (db.Cond, error){"external_gateway_info": func(values []string) (db.Cond, error) {
			return gatewayFilter(values)
		}},
	}
	res.Actions = a.routerActions(res)
	return res
}

// alwaysHA takes what is so: the gateways of OVN's routers always move to another chassis when theirs fails (extension l3-ha).
func alwaysHA(v any) (any, string) {
	b, reason := attr.Boolean(v)
	if reason == "" && b == false {
		reason = "routers of OVN are always highly available"
	}
	return b, reason
}

// gatewayFilter reads external_gateway_info=network_id=N.
func gatewayFilter(values []string) (db.Cond, error) {
	var ids []string
	for _, v := range values {
		const prefix = "network_id="
		if len(v) <= len(prefix) || v[:len(prefix)] != prefix {
			return db.Cond{}, attr.Bad("Invalid input for operation: external_gateway_info filter '%s' is not network_id=.", v)
		}
		ids = append(ids, v[len(prefix):])
	}
	return db.In("t.gw_network_id", ids), nil
}

func gatewayIPs(list []db.Allocation) []map[string]string {
	ips := make([]map[string]string, len(list))
	for i, f := range list {
		ips[i] = map[string]string{"subnet_id": f.SubnetID, "ip_address": f.IPAddress}
	}
	return ips
}

func (a *api) routerView(r *db.Router) attr.Values {
	var info any
	gateways := []map[string]any{}
	if r.GWNetworkID != "" {
		info = map[string]any{
			"network_id": r.GWNetworkID, "enable_snat": r.EnableSNAT, "external_fixed_ips": gatewayIPs(r.GatewayIPs), "qos_policy_id": text(r.QoSPolicyID),
		}
		gateways = append(gateways, map[string]any{"network_id": r.GWNetworkID, "enable_snat": r.EnableSNAT, "external_fixed_ips": gatewayIPs(r.GatewayIPs)})
	}
	for _, g := range r.MoreGateways {
		gateways = append(gateways, map[string]any{"network_id": g.NetworkID, "enable_snat": r.EnableSNAT, "external_fixed_ips": gatewayIPs(g.IPs)})
	}
	v := base(&r.Standard)
	for name, x := range map[string]any{
		"name": r.Name, "admin_state_up": r.AdminStateUp, "status": r.Status, "external_gateway_info": info, "routes": listOf(r.Routes),
		"availability_zone_hints": listOf(r.AvailabilityZoneHints), "availability_zones": a.n.ZonesOf(r.AvailabilityZoneHints),
		"flavor_id": text(r.FlavorID), "ha": true, "enable_snat": r.EnableSNAT, "external_gateways": gateways, "enable_default_route_ecmp": r.DefaultRouteECMP,
		"enable_default_route_bfd": r.DefaultRouteBFD,
	} {
		v[name] = x
	}
	return v
}

// routerActions are the PUTs below a router.
func (a *api) routerActions(res *resource) (actions []memberAction) {
	action := func(name string, do func(ctx context.Context, r *rest.Request, router attr.Values) (any, error)) {
		actions = append(actions, memberAction{Name: name, Do: func(ctx context.Context, r *rest.Request, router attr.Values, _ map[string]any) (any, error) {
			return do(ctx, r, router)
		}})
	}
	action("add_router_interface", func(ctx context.Context, r *rest.Request, router attr.Values) (any, error) {
		v, err := interfaceBody(r.Body)
		if err != nil {
			return nil, err
		}
		return a.interfaceTold(ctx, "create", func(ctx context.Context) (*neutron.RouterInterface, error) {
			return a.n.AddRouterInterface(ctx, r.Caller, router.String("id"), v)
		})
	})
	action("remove_router_interface", func(ctx context.Context, r *rest.Request, router attr.Values) (any, error) {
		v, err := interfaceBody(r.Body)
		if err != nil {
			return nil, err
		}
		return a.interfaceTold(ctx, "delete", func(ctx context.Context) (*neutron.RouterInterface, error) {
			return a.n.RemoveRouterInterface(ctx, router.String("id"), v)
		})
	})
	for name, change := range map[string]func(context.Context, string, []attr.Values) (*db.Router, error){
		"add_extraroutes": a.n.AddRoutes, "remove_extraroutes": a.n.RemoveRoutes,
	} {
		action(name, func(ctx context.Context, r *rest.Request, router attr.Values) (any, error) {
			items, _, err := res.Items(r.Body, false)
			if err != nil {
				return nil, err
			}
			list, reason := hostRoute(items[0]["routes"])
			if reason != "" {
				return nil, attr.Bad("Invalid input for routes. Reason: %s.", reason)
			}
			row, err := change(ctx, router.String("id"), list.([]attr.Values)) //nolint:forcetypeassert // ListOf gives nothing else
			if err != nil {
				return nil, err
			}
			return map[string]any{"router": a.shape(r, res, a.routerView(row))}, nil
		})
	}
	return append(actions, a.gatewayActions(res)...)
}

// interfaceTold adds or removes an interface and tells of it (neutron/db/l3_db.py, notify_router_interface_action).
func (a *api) interfaceTold(ctx context.Context, verb string, do func(ctx context.Context) (*neutron.RouterInterface, error)) (any, error) {
	var i *neutron.RouterInterface
	err := a.told(ctx, func(ctx context.Context) (err error) {
		i, err = do(ctx)
		return err
	}, func(s *notify.Sender) []notify.Event {
		return []notify.Event{neutron.Event(s, "router.interface."+verb, map[string]any{"router_interface": i})}
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

var interfaceTable = attr.NewTable("router", "routers", []attr.Attribute{
	{Name: "subnet_id", Put: true, Check: attr.UUID}, {Name: "port_id", Put: true, Check: attr.UUID}, {Name: "description", Put: true, Check: attr.String(255)},
})

func interfaceBody(body any) (attr.Values, error) {
	doc, ok := body.(map[string]any)
	if !ok || len(doc) == 0 {
		return nil, rest.BadRequest("Bad router request: Either subnet_id or port_id must be specified.").WithType("BadRequest")
	}
	v, _, err := interfaceTable.ForUpdate(doc)
	return v, err
}
