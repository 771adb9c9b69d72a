package api

import (
	"gostack/internal/neutron"
	"gostack/internal/rest"
)

const interfacesPolicy = "os_compute_api:os-attach-interfaces:"

func (a *api) interfaceRoutes() []rest.Route {
	schema := func(tag bool) *rest.Schema {
		more := ""
		if tag {
			more = `, "tag": ` + tagSchema
		}
		return rest.JSON(`{"type": "object", "additionalProperties": false, "properties": {"interfaceAttachment": {"type": "object", "additionalProperties": false, "properties": {
			"net_id": ` + uuidSchema + `, "port_id": ` + uuidSchema + `, "fixed_ips": {"type": "array", "minItems": 1, "maxItems": 1, "items": {
				"type": "object", "required": ["ip_address"], "additionalProperties": false, "properties": {"ip_address": {"type": "string", "format": "ip-address"}}}}` + more + `}}}}`)
	}
	routes := windows(rest.Route{Method: "POST", Path: "/servers/{server_id}/os-interface", Policy: interfacesPolicy + "create", Target: a.server, Handle: a.attachInterface},
		window{rest.V(2, 1), schema(false)}, window{rest.V(2, 49), schema(true)})
	return append(routes,
		rest.Route{Method: "GET", Path: "/servers/{server_id}/os-interface", Policy: interfacesPolicy + "list", Target: a.server, Handle: a.listInterfaces},
		rest.Route{Method: "GET", Path: "/servers/{server_id}/os-interface/{port_id}", Policy: interfacesPolicy + "show", Target: a.server, Handle: a.showInterface},
		rest.Route{Method: "DELETE", Path: "/servers/{server_id}/os-interface/{port_id}", Policy: interfacesPolicy + "delete", Target: a.server, Status: 202, Handle: func(r *rest.Request) (any, error) {
			if err := a.nova.DetachInterface(r.Context(), r.Caller, loaded(r).ID, r.Path("port_id")); err != nil {
				return nil, err
			}
			return accepted()
		}})
}

func interfaceView(r *rest.Request, p *neutron.Port) object {
	ips := make([]object, len(p.FixedIPs))
	for i, ip := range p.FixedIPs {
		ips[i] = object{"ip_address": ip.Address, "subnet_id": ip.SubnetID}
	}
	v := object{"net_id": p.NetworkID, "port_id": p.ID, "mac_addr": p.MAC, "port_state": p.Status, "fixed_ips": ips}
	if r.Version.AtLeast(2, 70) {
		v["tag"] = nil
		if p.Tag != "" {
			v["tag"] = p.Tag
		}
	}
	return v
}

func (a *api) listInterfaces(r *rest.Request) (any, error) {
	ports, err := a.nova.Interfaces(r.Context(), loaded(r).ID)
	if err != nil {
		return nil, err
	}
	views := make([]object, len(ports))
	for i := range ports {
		views[i] = interfaceView(r, &ports[i])
	}
	return object{"interfaceAttachments": views}, nil
}

func (a *api) showInterface(r *rest.Request) (any, error) {
	ports, err := a.nova.Interfaces(r.Context(), loaded(r).ID)
	if err != nil {
		return nil, err
	}
	for i := range ports {
		if ports[i].ID == r.Path("port_id") {
			return object{"interfaceAttachment": interfaceView(r, &ports[i])}, nil
		}
	}
	return nil, rest.NotFound("Instance %s does not have a port with id %s", loaded(r).ID, r.Path("port_id"))
}

func (a *api) attachInterface(r *rest.Request) (any, error) {
	var body struct {
		Attachment struct {
			NetID    string `json:"net_id"`
			PortID   string `json:"port_id"`
			FixedIPs []struct {
				Address string `json:"ip_address"`
			} `json:"fixed_ips"`
			Tag string
		} `json:"interfaceAttachment"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	in := body.Attachment
	req := neutron.NICRequest{NetworkID: in.NetID, PortID: in.PortID, Tag: in.Tag}
	if in.NetID != "" && in.PortID != "" {
		return nil, rest.BadRequest("Must not input both network_id and port_id")
	}
	if len(in.FixedIPs) > 0 {
		if in.NetID == "" {
			return nil, rest.BadRequest("Must input network_id when request IP address")
		}
		req.FixedIP = in.FixedIPs[0].Address
	}
	p, err := a.nova.AttachInterface(r.Context(), r.Caller, loaded(r).ID, req)
	if err != nil {
		return nil, err
	}
	return object{"interfaceAttachment": interfaceView(r, p)}, nil
}
