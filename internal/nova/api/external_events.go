package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// externalEventNames are the events by the microversion that brought them.
var externalEventNames = []struct {
	minor int
	names []string
}{
	{1, []string{"network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted"}},
	{51, []string{"volume-extended"}},
	{76, []string{"power-update"}},
	{82, []string{"accelerator-request-bound"}},
	{93, []string{"volume-reimaged"}},
}

func (a *api) externalEventRoutes() []rest.Route {
	var steps []window
	var known []string
	for _, more := range externalEventNames {
		known = append(slices.Clip(known), more.names...)
		steps = append(steps, window{rest.V(2, more.minor), rest.JSON(`{"type": "object", "required": ["events"], "additionalProperties": false, "properties": {"events": {
			"type": "array", "minItems": 1, "items": {"type": "object", "required": ["server_uuid", "name"], "additionalProperties": false, "properties": {"server_uuid": ` + uuidSchema + `,
			"name": {"type": "string", "enum": ["` + strings.Join(known, `", "`) + `"]}, "status": {"type": "string", "enum": ["failed", "completed", "in-progress"]},
			"tag": {"type": "string", "maxLength": 255}}}}}}`)})
	}
	return windows(rest.Route{Method: "POST", Path: "/os-server-external-events", Policy: "os_compute_api:os-server-external-events:create", Handle: a.externalEvents}, steps...)
}

// externalEvents hands on what other services say of servers: 200 when all was accepted, else 207, with a code for each (upstream bug 1855752).
func (a *api) externalEvents(r *rest.Request) (any, error) {
	var body struct {
		Events []struct {
			Server string `json:"server_uuid"`
			Name   string
			Status string
			Tag    *string
		}
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	events := make([]nova.ExternalEvent, len(body.Events))
	views := make([]object, len(body.Events))
	for i, e := range body.Events {
		events[i] = nova.ExternalEvent{ServerID: strings.ToLower(e.Server), Name: e.Name}
		views[i] = object{"server_uuid": e.Server, "name": e.Name, "status": cmp.Or(e.Status, "completed")}
		if e.Tag != nil {
			events[i].Tag, views[i]["tag"] = *e.Tag, *e.Tag
		}
	}
	codes, err := a.nova.ExternalEvents(r.Context(), r.Caller, events)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	for i, code := range codes {
		if views[i]["code"] = code; code != http.StatusOK {
			views[i]["status"], status = "failed", http.StatusMultiStatus
		}
	}
	return rest.Reply(status, object{"events": views}), nil
}
