package api

import (
	"encoding/json"
	"net/http"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// stateActionRoutes are the actions that rescue and shelve servers, and reach into guests.
func (a *api) stateActionRoutes() []rest.Route {
	act := func(key, rule string, body *rest.Schema, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{Method: "POST", Path: "/servers/{server_id}/action", Action: key, Policy: "os_compute_api:" + rule, Target: a.server, Status: 202, Body: body, Handle: handle}
	}
	plain := func(key, rule string, do func(r *rest.Request) error) rest.Route {
		return act(key, rule, nothing(key), func(r *rest.Request) (any, error) {
			if err := do(r); err != nil {
				return nil, err
			}
			return accepted()
		})
	}
	rescue := act("rescue", "os-rescue", rest.JSON(`{"type": "object", "required": ["rescue"], "additionalProperties": false, "properties": {"rescue": {"type": ["object", "null"],
		"additionalProperties": false, "properties": {"adminPass": {"type": "string"}, "rescue_image_ref": `+uuidSchema+`}}}}`), a.rescue)
	rescue.Status = http.StatusOK
	dump := plain("trigger_crash_dump", "servers:trigger_crash_dump", func(r *rest.Request) error {
		return a.nova.TriggerCrashDump(r.Context(), r.Caller, r.Path("server_id"))
	})
	dump.Min, dump.Body = rest.V(2, 17), rest.JSON(`{"type": "object", "required": ["trigger_crash_dump"], "additionalProperties": false, "properties": {"trigger_crash_dump": {"type": "null"}}}`)
	return append(
		[]rest.Route{
			rescue,
			plain("unrescue", "os-unrescue", func(r *rest.Request) error { return a.nova.Unrescue(r.Context(), r.Caller, r.Path("server_id")) }),
			plain("shelve", "os-shelve:shelve", func(r *rest.Request) error { return a.nova.Shelve(r.Context(), r.Caller, r.Path("server_id")) }),
			plain("shelveOffload", "os-shelve:shelve_offload", func(r *rest.Request) error {
				return a.nova.ShelveOffload(r.Context(), r.Caller, r.Path("server_id"))
			}),
			dump,
			act("changePassword", "os-admin-password", rest.JSON(`{"type": "object", "required": ["changePassword"], "additionalProperties": false, "properties": {"changePassword": {
				"type": "object", "required": ["adminPass"], "additionalProperties": false, "properties": {"adminPass": {"type": "string"}}}}}`), a.changePassword),
			// What nova-network put into guests is Neutron's now and needs no putting (nova/virt/libvirt does nothing either).
			plain("injectNetworkInfo", "os-admin-actions:inject_network_info", func(r *rest.Request) error { return nova.Unlocked(r.Caller, loaded(r)) }),
		},
		windows(act("unshelve", "os-shelve:unshelve", nil, a.unshelve),
			window{rest.V(2, 1), nothing("unshelve")},
			window{rest.V(2, 77), rest.JSON(`{"type": "object", "required": ["unshelve"], "additionalProperties": false, "properties": {"unshelve": {"type": ["object", "null"],
				"required": ["availability_zone"], "additionalProperties": false, "properties": {"availability_zone": {"type": "string"}}}}}`)},
			window{rest.V(2, 91), rest.JSON(`{"type": "object", "required": ["unshelve"], "additionalProperties": false, "properties": {"unshelve": {"type": ["object", "null"],
				"additionalProperties": false, "properties": {"availability_zone": {"type": ["string", "null"]}, "host": {"type": "string"}}}}}`)},
		)...)
}

func (a *api) rescue(r *rest.Request) (any, error) {
	var body struct {
		Rescue *struct {
			AdminPass *string `json:"adminPass"`
			Image     string  `json:"rescue_image_ref"`
		}
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	password, image := nova.NewPassword(), ""
	if body.Rescue != nil {
		image = body.Rescue.Image
		if body.Rescue.AdminPass != nil {
			password = *body.Rescue.AdminPass
		}
	}
	if err := a.nova.Rescue(r.Context(), r.Caller, r.Path("server_id"), image, password); err != nil {
		return nil, err
	}
	return object{"adminPass": password}, nil
}

func (a *api) unshelve(r *rest.Request) (any, error) {
	var body struct {
		Unshelve json.RawMessage
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	var in nova.UnshelveRequest
	if r.Version.AtLeast(2, 77) {
		var ask map[string]*string
		if err := json.Unmarshal(body.Unshelve, &ask); err != nil {
			return nil, rest.BadRequest("Malformed request body").Because(err)
		}
		in.Zone, in.SetZone = ask["availability_zone"], has(ask, "availability_zone")
		if h := ask["host"]; h != nil {
			in.Host = *h
		}
	}
	if in.Host != "" {
		if err := r.Enforce("os_compute_api:os-shelve:unshelve_to_host", serverTarget(loaded(r))); err != nil {
			return nil, err
		}
	}
	if err := a.nova.Unshelve(r.Context(), r.Caller, r.Path("server_id"), in); err != nil {
		return nil, err
	}
	return accepted()
}

func has[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok
}

func (a *api) changePassword(r *rest.Request) (any, error) {
	var body struct {
		Ask struct {
			AdminPass string `json:"adminPass"`
		} `json:"changePassword"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := a.nova.SetPassword(r.Context(), r.Caller, r.Path("server_id"), body.Ask.AdminPass); err != nil {
		return nil, err
	}
	return accepted()
}
