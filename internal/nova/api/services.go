package api

import (
	"encoding/json"
	"strconv"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

func (a *api) serviceRoutes() []rest.Route {
	loose, strict := querySchema(false, "host", "binary"), querySchema(true, "host", "binary")
	old := func(what, more string) *rest.Schema {
		return rest.JSON(`{"type": "object", "required": ["host", "binary"` + what + `], "additionalProperties": false, "properties": {
			"host": {"type": "string", "minLength": 1, "maxLength": 255}, "binary": {"type": "string", "minLength": 1, "maxLength": 255}` + more + `}}`)
	}
	const reason = `{"type": "string", "minLength": 1, "maxLength": 255}`
	put := func(path string, from rest.Version, body *rest.Schema, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{Method: "PUT", Path: "/os-services/" + path, Policy: "os_compute_api:os-services:update", Min: from, Max: rest.V(2, 52), Body: body, Handle: handle}
	}
	return []rest.Route{
		{Method: "GET", Path: "/os-services", Policy: "os_compute_api:os-services:list", Query: loose, Max: rest.V(2, 74), Handle: a.listServices},
		{Method: "GET", Path: "/os-services", Policy: "os_compute_api:os-services:list", Query: strict, Min: rest.V(2, 75), Handle: a.listServices},
		put("enable", rest.V(2, 1), old("", ""), a.oldService), put("disable", rest.V(2, 1), old("", ""), a.oldService),
		put("disable-log-reason", rest.V(2, 1), old(`, "disabled_reason"`, `, "disabled_reason": `+reason), a.oldService),
		put("force-down", rest.V(2, 11), old(`, "forced_down"`, `, "forced_down": `+booleanSchema), a.oldService),
		{
			Method: "PUT", Path: "/os-services/{id}", Policy: "os_compute_api:os-services:update", Min: rest.V(2, 53), Handle: a.updateService,
			Body: rest.JSON(`{"type": "object", "additionalProperties": false, "properties": {"status": {"type": "string", "enum": ["enabled", "disabled"]}, "disabled_reason": ` + reason + `,
				"forced_down": ` + booleanSchema + `}}`),
		},
		{Method: "DELETE", Path: "/os-services/{id}", Policy: "os_compute_api:os-services:delete", Status: 204, Handle: func(r *rest.Request) (any, error) {
			key, err := serviceKey(r)
			if err != nil {
				return nil, err
			}
			if err := a.nova.DeleteService(r.Context(), key); rest.IsNotFound(err) {
				return nil, rest.NotFound("Service %s not found.", key)
			} else if err != nil {
				return nil, err
			}
			return nil, nil
		}},
	}
}

func (a *api) serviceView(r *rest.Request, sv *nova.ServiceRow, zone string) object {
	v := object{
		"binary": sv.Binary, "host": sv.Host, "id": sv.Seq, "zone": zone, "status": enabled(sv), "state": upDown(a.nova.Up(sv)), "updated_at": plainTime(sv.LastSeenAt), "disabled_reason": sv.DisabledReason,
	}
	if r.Version.AtLeast(2, 53) {
		v["id"] = sv.ID
	}
	if r.Version.AtLeast(2, 11) {
		v["forced_down"] = sv.ForcedDown
	}
	return v
}

func enabled(sv *nova.ServiceRow) string {
	if sv.Disabled {
		return "disabled"
	}
	return "enabled"
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

func (a *api) listServices(r *rest.Request) (any, error) {
	rows, zones, err := a.nova.Services(r.Context(), r.Query("binary"), r.Query("host"))
	if err != nil {
		return nil, err
	}
	views := make([]object, len(rows))
	for i, sv := range rows {
		views[i] = a.serviceView(r, sv, zones[sv.Host+"/"+sv.Binary])
	}
	return object{"services": views}, nil
}

// serviceKey is the id in the path: a UUID from 2.53 on, a number before.
func serviceKey(r *rest.Request) (string, error) {
	id := r.Path("id")
	if r.Version.AtLeast(2, 53) {
		if !rest.IsUUID(id) {
			return "", rest.BadRequest("Invalid uuid %s", id)
		}
		return id, nil
	}
	if _, err := strconv.Atoi(id); err != nil {
		return "", rest.BadRequest("Invalid input for field/attribute id. Value: %s", id)
	}
	return id, nil
}

func (a *api) updateService(r *rest.Request) (any, error) {
	key, err := serviceKey(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Status string
		Reason *string `json:"disabled_reason"`
		Forced any     `json:"forced_down"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := a.nova.KnowsService(r.Context(), key); err != nil { // before what is asked of it is judged
		return nil, err
	}
	u := nova.ServiceUpdate{Reason: body.Reason}
	switch body.Status {
	case "":
		if body.Forced == nil {
			return nil, rest.BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
		}
	case "enabled":
		if body.Reason != nil {
			return nil, rest.BadRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.")
		}
		u.Disabled = new(bool)
	default:
		yes := true
		u.Disabled = &yes
	}
	if body.Forced != nil {
		forced := truth(body.Forced)
		u.ForcedDown = &forced
	}
	sv, zone, err := a.nova.UpdateService(r.Context(), key, "", "", u)
	if err != nil {
		return nil, err
	}
	return object{"service": a.serviceView(r, sv, zone)}, nil
}

// oldService answers the four calls that 2.53 made one.
func (a *api) oldService(r *rest.Request) (any, error) {
	var body struct {
		Host, Binary string
		Reason       *string `json:"disabled_reason"`
		Forced       any     `json:"forced_down"`
	}
	if err := json.Unmarshal(r.Raw, &body); err != nil {
		return nil, rest.BadRequest("Malformed request body").Because(err)
	}
	u, v := nova.ServiceUpdate{Reason: body.Reason}, object{"host": body.Host, "binary": body.Binary}
	yes, no := true, false
	switch what := r.Route.Path[strings.LastIndexByte(r.Route.Path, '/')+1:]; what {
	case "enable":
		u.Disabled, v["status"] = &no, "enabled"
	case "force-down":
		forced := truth(body.Forced)
		u.ForcedDown, v["forced_down"] = &forced, forced
	default:
		u.Disabled, v["status"] = &yes, "disabled"
		if body.Reason != nil {
			v["disabled_reason"] = *body.Reason
		}
	}
	if _, _, err := a.nova.UpdateService(r.Context(), "", body.Binary, body.Host, u); err != nil {
		return nil, err
	}
	return object{"service": v}, nil
}
