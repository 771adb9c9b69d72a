package api

import (
	"gostack/internal/nova"
	"gostack/internal/rest"
)

// lastProxy is the last microversion with the calls that only hand on to other services; the network actions of servers lived longer.
var (
	lastProxy       = rest.V(2, 35)
	lastProxyAction = rest.V(2, 43)
)

// oldNetworkRoutes are networks, floating IPs and their pools as nova-network had them.
func (a *api) oldNetworkRoutes() []rest.Route {
	route := func(method, path, rule string, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{Method: method, Path: path, Policy: "os_compute_api:" + rule, Max: lastProxy, Handle: handle}
	}
	create := route("POST", "/os-floating-ips", "os-floating-ips:create", a.allocateFloatingIP)
	create.Body = rest.AnyJSON
	release := route("DELETE", "/os-floating-ips/{id}", "os-floating-ips:delete", func(r *rest.Request) (any, error) {
		if err := a.nova.ReleaseFloatingIP(r.Context(), r.Caller, r.Path("id")); err != nil {
			return nil, err
		}
		return accepted()
	})
	release.Status = 202
	return []rest.Route{
		route("GET", "/os-networks", "os-networks:list", a.oldNetworks(networkView)),
		route("GET", "/os-networks/{id}", "os-networks:show", a.oldNetwork(networkView)),
		route("GET", "/os-tenant-networks", "os-tenant-networks:list", a.oldNetworks(tenantNetworkView)),
		route("GET", "/os-tenant-networks/{id}", "os-tenant-networks:show", a.oldNetwork(tenantNetworkView)),
		route("GET", "/os-floating-ip-pools", "os-floating-ip-pools", func(r *rest.Request) (any, error) {
			pools, err := a.nova.OldNetwork.Pools(r.Context(), r.Caller)
			views := make([]object, len(pools))
			for i, p := range pools {
				if views[i] = (object{"name": p.Name}); p.Name == "" {
					views[i]["name"] = p.ID
				}
			}
			return object{"floating_ip_pools": views}, err
		}),
		route("GET", "/os-floating-ips", "os-floating-ips:list", func(r *rest.Request) (any, error) {
			list, err := a.nova.OldNetwork.FloatingIPs(r.Context(), r.Caller, "", "")
			views := make([]object, len(list))
			for i := range list {
				views[i] = floatingIPView(&list[i])
			}
			return object{"floating_ips": views}, err
		}),
		route("GET", "/os-floating-ips/{id}", "os-floating-ips:show", func(r *rest.Request) (any, error) {
			f, err := a.nova.OldFloatingIP(r.Context(), r.Caller, r.Path("id"))
			if err != nil {
				return nil, err
			}
			return object{"floating_ip": floatingIPView(f)}, nil
		}),
		create, release,
		a.addressAction("addFloatingIp", "os-floating-ips:add", `"address": `+addressSchema+`, "fixed_address": `+addressSchema, "address", func(r *rest.Request, in map[string]string) error {
			return a.nova.AddFloatingIP(r.Context(), r.Caller, loaded(r), in["address"], in["fixed_address"])
		}),
		a.addressAction("removeFloatingIp", "os-floating-ips:remove", `"address": `+addressSchema, "address", func(r *rest.Request, in map[string]string) error {
			return a.nova.RemoveFloatingIP(r.Context(), r.Caller, loaded(r), in["address"])
		}),
		a.addressAction("addFixedIp", "os-multinic:add", `"networkId": {"type": ["string", "integer"], "minLength": 1, "maxLength": 36, "pattern": "^[-0-9A-Za-z]+$"}`, "networkId", func(r *rest.Request, in map[string]string) error {
			return a.nova.AddFixedIP(r.Context(), r.Caller, loaded(r), in["networkId"])
		}),
		a.addressAction("removeFixedIp", "os-multinic:remove", `"address": `+addressSchema, "address", func(r *rest.Request, in map[string]string) error {
			return a.nova.RemoveFixedIP(r.Context(), r.Caller, loaded(r), in["address"])
		}),
	}
}

const addressSchema = `{"type": "string", "format": "ip-address"}`

// addressAction is an action of a server with texts as parameters.
func (a *api) addressAction(key, rule, props, required string, do func(*rest.Request, map[string]string) error) rest.Route {
	return rest.Route{
		Method: "POST", Path: "/servers/{server_id}/action", Action: key, Policy: "os_compute_api:" + rule, Target: a.server, Max: lastProxyAction, Status: 202,
		Body: rest.JSON(`{"type": "object", "required": ["` + key + `"], "additionalProperties": false, "properties": {"` + key + `": {
			"type": "object", "required": ["` + required + `"], "additionalProperties": false, "properties": {` + props + `}}}}`),
		Handle: func(r *rest.Request) (any, error) {
			var body map[string]map[string]any
			if err := r.Decode(&body); err != nil {
				return nil, err
			}
			in := map[string]string{}
			for k, v := range body[key] {
				in[k] = plainText(v)
			}
			if err := do(r, in); err != nil {
				return nil, err
			}
			return accepted()
		},
	}
}

func (a *api) oldNetworks(view func(*rest.Request, nova.OldNetwork) object) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		list, err := a.nova.OldNetwork.Networks(r.Context(), r.Caller, "")
		views := make([]object, len(list))
		for i, n := range list {
			views[i] = view(r, n)
		}
		return object{"networks": views}, err
	}
}

func (a *api) oldNetwork(view func(*rest.Request, nova.OldNetwork) object) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		list, err := a.nova.OldNetwork.Networks(r.Context(), r.Caller, r.Path("id"))
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, rest.NotFound("Network not found")
		}
		return object{"network": view(r, list[0])}, nil
	}
}

// Of nova-network's many fields upstream fills two; the others stayed for clients that read them. Administrators have more of them.
var (
	networkFields      = []string{"cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6"}
	networkFieldsAdmin = []string{
		"created_at", "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan", "vpn_public_address", "vpn_public_port", "vpn_private_address", "dhcp_start",
		"project_id", "host", "bridge_interface", "multi_host", "priority", "rxtx_base", "mtu", "dhcp_server", "enable_dhcp", "share_address",
	}
)

func networkView(r *rest.Request, n nova.OldNetwork) object {
	v := object{"id": n.ID, "label": n.Name}
	for _, f := range networkFields {
		v[f] = nil
	}
	if r.Caller.IsAdmin() {
		for _, f := range networkFieldsAdmin {
			v[f] = nil
		}
	}
	return v
}

func tenantNetworkView(_ *rest.Request, n nova.OldNetwork) object {
	return object{"id": n.ID, "label": n.Name, "cidr": "None"}
}

func floatingIPView(f *nova.FloatingIP) object {
	v := object{"id": f.ID, "ip": f.Address, "pool": f.Pool, "fixed_ip": nil, "instance_id": nil}
	if f.FixedIP != "" {
		v["fixed_ip"] = f.FixedIP
	}
	if f.ServerID != "" {
		v["instance_id"] = f.ServerID
	}
	return v
}

func (a *api) allocateFloatingIP(r *rest.Request) (any, error) {
	var body struct{ Pool *string }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	pool := ""
	if body.Pool != nil {
		pool = *body.Pool
	}
	f, err := a.nova.AllocateFloatingIP(r.Context(), r.Caller, pool)
	if err != nil {
		return nil, err
	}
	return object{"floating_ip": floatingIPView(f)}, nil
}
