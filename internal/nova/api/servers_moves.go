package api

import (
	"fmt"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// hostNameSchema is a compute host's name as upstream's parameter_types.hostname takes it.
const hostNameSchema = `"minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-._]*$"`

// moveRoutes are the actions that move servers which are off: resize, cold migration, evacuation.
func (a *api) moveRoutes() []rest.Route {
	act := func(key, rule string, status int, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{Method: "POST", Path: "/servers/{server_id}/action", Action: key, Policy: "os_compute_api:" + rule, Target: a.server, Status: status, Handle: handle}
	}
	resize := act("resize", "servers:resize", 202, a.resize)
	resize.Body = rest.JSON(`{"type": "object", "required": ["resize"], "additionalProperties": false, "properties": {"resize": {
		"type": "object", "required": ["flavorRef"], "additionalProperties": false, "properties": {
			"flavorRef": {"type": ["string", "integer"], "minLength": 1}, "OS-DCF:diskConfig": {"type": "string", "enum": ["AUTO", "MANUAL"]}}}}}`)
	confirm := act("confirmResize", "servers:confirm_resize", 204, func(r *rest.Request) (any, error) {
		return nil, a.nova.ConfirmResize(r.Context(), r.Caller, r.Path("server_id"))
	})
	revert := act("revertResize", "servers:revert_resize", 202, func(r *rest.Request) (any, error) {
		if err := a.nova.RevertResize(r.Context(), r.Caller, r.Path("server_id")); err != nil {
			return nil, err
		}
		return accepted()
	})
	confirm.Body, revert.Body = nothing("confirmResize"), nothing("revertResize")
	routes := append(windows(act("migrate", "os-migrate-server:migrate", 202, a.migrate),
		window{rest.V(2, 1), nothing("migrate")},
		window{rest.V(2, 56), rest.JSON(`{"type": "object", "required": ["migrate"], "additionalProperties": false, "properties": {"migrate": {
			"type": ["object", "null"], "additionalProperties": false, "properties": {"host": {"type": ["string", "null"], ` + hostNameSchema + `}}}}}`)}), resize, confirm, revert)
	evacuate := func(required, more string) *rest.Schema {
		return rest.JSON(`{"type": "object", "required": ["evacuate"], "additionalProperties": false, "properties": {"evacuate": {
			"type": "object", "required": [` + required + `], "additionalProperties": false, "properties": {
			"host": {"type": "string", ` + hostNameSchema + `}, "adminPass": {"type": "string"}` + more + `}}}}`)
	}
	return append(routes, windows(act("evacuate", "os-evacuate", 200, a.evacuate),
		window{rest.V(2, 1), evacuate(`"onSharedStorage"`, `, "onSharedStorage": `+booleanSchema)},
		window{rest.V(2, 14), evacuate("", "")},
		window{rest.V(2, 29), evacuate("", `, "force": `+booleanSchema)},
		window{rest.V(2, 68), evacuate("", "")})...)
}

func (a *api) resize(r *rest.Request) (any, error) {
	var body struct {
		Resize struct {
			Flavor     any    `json:"flavorRef"`
			DiskConfig string `json:"OS-DCF:diskConfig"`
		}
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := a.nova.Resize(r.Context(), r.Caller, r.Path("server_id"), fmt.Sprint(body.Resize.Flavor), body.Resize.DiskConfig); err != nil {
		return nil, err
	}
	return accepted()
}

func (a *api) migrate(r *rest.Request) (any, error) {
	host := ""
	if r.Version.AtLeast(2, 56) {
		var body struct{ Migrate *struct{ Host *string } }
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		if body.Migrate != nil && body.Migrate.Host != nil {
			host = *body.Migrate.Host
			if err := r.Enforce("os_compute_api:os-migrate-server:migrate:host", serverTarget(loaded(r))); err != nil {
				return nil, err
			}
		}
	}
	if err := a.nova.Migrate(r.Context(), r.Caller, r.Path("server_id"), host); err != nil {
		return nil, err
	}
	return accepted()
}

// evacuate answers 200, for clients of old, and up to 2.13 with the password of the server that is made anew.
func (a *api) evacuate(r *rest.Request) (any, error) {
	var body struct {
		Evacuate struct {
			Host     string
			Password *string `json:"adminPass"`
			Shared   any     `json:"onSharedStorage"`
			Force    any
		}
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	e := body.Evacuate
	// Up to 2.28 a host that is named is taken as it is, without asking the scheduler.
	in := nova.EvacuateRequest{Host: e.Host, Force: truth(e.Force) || e.Host != "" && !r.Version.AtLeast(2, 29), StayOff: r.Version.AtLeast(2, 95)}
	if truth(e.Force) && e.Host == "" {
		return nil, rest.BadRequest("Can't force to a non-provided destination")
	}
	old := !r.Version.AtLeast(2, 14)
	if old {
		shared := truth(e.Shared)
		in.Shared = &shared
		if shared && e.Password != nil {
			return nil, rest.BadRequest("admin password can't be changed on existing disk")
		}
	}
	switch {
	case e.Password != nil:
		in.Password = *e.Password
	case in.Shared == nil || !*in.Shared:
		in.Password = nova.NewPassword()
	}
	if err := a.nova.Evacuate(r.Context(), r.Caller, r.Path("server_id"), in); err != nil {
		return nil, err
	}
	if !old {
		return nil, nil
	}
	if in.Password == "" {
		return object{"adminPass": nil}, nil
	}
	return object{"adminPass": in.Password}, nil
}
