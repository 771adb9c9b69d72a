package api

import (
	"encoding/json"
	"fmt"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/rest"
)

// nothing is the schema of an action without parameters; the value is ignored, as upstream ignores it.
func nothing(key string) *rest.Schema {
	return rest.JSON(fmt.Sprintf(`{"type": "object", "required": [%q], "properties": {%q: {}}}`, key, key))
}

func (a *api) actionRoutes() []rest.Route {
	power := func(key, rule string, action nova.PowerAction) rest.Route {
		return rest.Route{
			Method: "POST", Path: "/servers/{server_id}/action", Action: key, Policy: "os_compute_api:" + rule, Target: a.server, Status: 202, Body: nothing(key),
			Handle: func(r *rest.Request) (any, error) {
				if err := a.nova.Power(r.Context(), r.Caller, r.Path("server_id"), action, ""); err != nil {
					return nil, err
				}
				return accepted()
			},
		}
	}
	act := func(key, rule string, body *rest.Schema, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{Method: "POST", Path: "/servers/{server_id}/action", Action: key, Policy: "os_compute_api:" + rule, Target: a.server, Status: 202, Body: body, Handle: handle}
	}
	lockOld, lockNew := act("lock", "os-lock-server:lock", nothing("lock"), a.lock), act("lock", "os-lock-server:lock", rest.JSON(`{
		"type": "object", "required": ["lock"], "additionalProperties": false, "properties": {"lock": {"type": ["object", "null"], "additionalProperties": false,
		"properties": {"locked_reason": {"type": "string", "minLength": 1, "maxLength": 255}}}}}`), a.lock)
	lockOld.Max, lockNew.Min = rest.V(2, 72), rest.V(2, 73)
	group := func(key string) *rest.Schema {
		return rest.JSON(fmt.Sprintf(`{"type": "object", "required": [%q], "properties": {%q: {"type": "object", "required": ["name"],
			"properties": {"name": {"type": "string", "minLength": 1, "maxLength": 255}}}}}`, key, key))
	}
	return []rest.Route{
		power("os-start", "servers:start", nova.ActStart), power("os-stop", "servers:stop", nova.ActStop),
		power("pause", "os-pause-server:pause", nova.ActPause), power("unpause", "os-pause-server:unpause", nova.ActUnpause),
		power("suspend", "os-suspend-server:suspend", nova.ActSuspend), power("resume", "os-suspend-server:resume", nova.ActResume),
		act("reboot", "servers:reboot", rest.JSON(`{"type": "object", "required": ["reboot"], "additionalProperties": false, "properties": {"reboot": {
			"type": "object", "required": ["type"], "additionalProperties": false, "properties": {"type": {"type": "string", "enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}}}}}`), a.reboot),
		lockOld, lockNew, act("unlock", "os-lock-server:unlock", nothing("unlock"), a.unlock),
		act("forceDelete", "os-deferred-delete:force", nothing("forceDelete"), func(r *rest.Request) (any, error) {
			return nil, a.nova.Delete(r.Context(), r.Caller, r.Path("server_id"))
		}),
		act("restore", "os-deferred-delete:restore", nothing("restore"), func(r *rest.Request) (any, error) {
			if err := a.nova.Restore(r.Context(), r.Caller, r.Path("server_id")); err != nil {
				return nil, err
			}
			return accepted()
		}),
		act("os-resetState", "os-admin-actions:reset_state", rest.JSON(`{"type": "object", "required": ["os-resetState"], "additionalProperties": false, "properties": {"os-resetState": {
			"type": "object", "required": ["state"], "additionalProperties": false, "properties": {"state": {"type": "string", "enum": ["active", "error"]}}}}}`), a.resetState),
		act("addSecurityGroup", "os-security-groups:add", group("addSecurityGroup"), a.changeGroup("addSecurityGroup", true)),
		act("removeSecurityGroup", "os-security-groups:remove", group("removeSecurityGroup"), a.changeGroup("removeSecurityGroup", false)),
	}
}

func (a *api) reboot(r *rest.Request) (any, error) {
	var body struct{ Reboot struct{ Type string } }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	kind := driver.RebootSoft
	if body.Reboot.Type[0] == 'H' || body.Reboot.Type[0] == 'h' {
		kind = driver.RebootHard
	}
	if err := a.nova.Power(r.Context(), r.Caller, r.Path("server_id"), nova.ActReboot, kind); err != nil {
		return nil, err
	}
	return accepted()
}

func (a *api) lock(r *rest.Request) (any, error) {
	var body struct {
		Lock *struct {
			Reason *string `json:"locked_reason"`
		}
	}
	var reason *string
	if r.Version.AtLeast(2, 73) && json.Unmarshal(r.Raw, &body) == nil && body.Lock != nil {
		reason = body.Lock.Reason
	}
	if err := a.nova.Lock(r.Context(), r.Caller, r.Path("server_id"), reason); err != nil {
		return nil, err
	}
	return accepted()
}

func (a *api) unlock(r *rest.Request) (any, error) {
	if !nova.OwnLock(r.Caller, loaded(r)) {
		if err := r.Enforce("os_compute_api:os-lock-server:unlock:unlock_override", serverTarget(loaded(r))); err != nil {
			return nil, err
		}
	}
	if err := a.nova.Unlock(r.Context(), r.Caller, r.Path("server_id")); err != nil {
		return nil, err
	}
	return accepted()
}

func (a *api) deleteServer(r *rest.Request) (any, error) {
	return nil, a.nova.DeleteOrKeep(r.Context(), r.Caller, r.Path("server_id"))
}

func (a *api) resetState(r *rest.Request) (any, error) {
	var body struct {
		Reset struct{ State string } `json:"os-resetState"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := a.nova.ResetServerState(r.Context(), r.Caller, r.Path("server_id"), body.Reset.State); err != nil {
		return nil, err
	}
	return accepted()
}

func (a *api) changeGroup(key string, add bool) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		var body map[string]struct{ Name string }
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		if err := a.nova.ChangeSecurityGroup(r.Context(), r.Caller, loaded(r), body[key].Name, add); err != nil {
			return nil, err
		}
		return accepted()
	}
}
