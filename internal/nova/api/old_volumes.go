package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// While the cloud has no block storage service there are no volumes and no snapshots: lists are empty, every id is unknown, and making
// one is refused. (Upstream without Cinder fails with 500 at all of these.)

func volumeNotFound(id string) error {
	return rest.NotFound("Volume %s could not be found.", id)
}

func noBlockStorage(*rest.Request) (any, error) {
	return nil, rest.Fail(http.StatusServiceUnavailable, "The cloud has no block storage service.")
}

// oldVolumeRoutes are volumes and snapshots as the compute API had them before Cinder, up to 2.35.
func oldVolumeRoutes() []rest.Route {
	const policy = "os_compute_api:os-volumes:"
	var routes []rest.Route
	for _, kind := range []struct{ path, list, one, rule, body, unknown string }{
		{"/os-volumes", "volumes", "volume", policy, `"volume": {"type": "object", "additionalProperties": false, "required": ["size"], "properties": {
			"volume_type": {"type": "string"}, "metadata": {"type": "object"}, "snapshot_id": {"type": "string"}, "size": ` + number(1) + `, "availability_zone": {"type": "string"},
			"display_name": {"type": "string"}, "display_description": {"type": "string"}}}`, "Volume %s could not be found."},
		{"/os-snapshots", "snapshots", "snapshot", policy + "snapshots:", `"snapshot": {"type": "object", "additionalProperties": false, "required": ["volume_id"], "properties": {
			"volume_id": {"type": "string"}, "force": ` + booleanSchema + `, "display_name": {"type": "string"}, "display_description": {"type": "string"}}}`, "Snapshot %s could not be found."},
	} {
		none := func(*rest.Request) (any, error) { return object{kind.list: []any{}}, nil }
		unknown := func(r *rest.Request) (any, error) { return nil, rest.NotFound(kind.unknown, r.Path("id")) }
		create := rest.JSON(`{"type": "object", "required": ["` + kind.one + `"], "additionalProperties": false, "properties": {` + kind.body + `}}`)
		routes = append(routes,
			rest.Route{Method: "GET", Path: kind.path, Policy: kind.rule + "list", Max: lastProxy, Handle: none},
			rest.Route{Method: "GET", Path: kind.path + "/detail", Policy: kind.rule + "detail", Max: lastProxy, Handle: none},
			rest.Route{Method: "GET", Path: kind.path + "/{id}", Policy: kind.rule + "show", Max: lastProxy, Handle: unknown},
			rest.Route{Method: "POST", Path: kind.path, Policy: kind.rule + "create", Max: lastProxy, Body: create, Handle: noBlockStorage},
			rest.Route{Method: "DELETE", Path: kind.path + "/{id}", Policy: kind.rule + "delete", Max: lastProxy, Status: 202, Handle: unknown},
		)
	}
	return routes
}

// volumeAttachmentRoutes attach volumes to servers.
func (a *api) volumeAttachmentRoutes() []rest.Route {
	const policy, path = "os_compute_api:os-volumes-attachments:", "/servers/{server_id}/os-volume_attachments"
	attach := func(more string) *rest.Schema {
		return rest.JSON(`{"type": "object", "required": ["volumeAttachment"], "additionalProperties": false, "properties": {"volumeAttachment": {"type": "object",
			"required": ["volumeId"], "additionalProperties": false, "properties": {"volumeId": ` + uuidSchema + `,
			"device": {"type": ["string", "null"], "pattern": "(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$"}` + more + `}}}}`)
	}
	update := func(more string) *rest.Schema {
		return rest.JSON(`{"type": "object", "required": ["volumeAttachment"], "additionalProperties": false, "properties": {"volumeAttachment": {"type": "object",
			"required": ["volumeId"], "additionalProperties": false, "properties": {"volumeId": ` + uuidSchema + more + `}}}}`)
	}
	routes := windows(rest.Route{Method: "POST", Path: path, Policy: policy + "create", Target: a.server, Handle: a.attachVolume},
		window{rest.V(2, 1), attach("")}, window{rest.V(2, 49), attach(`, "tag": ` + tagSchema)},
		window{rest.V(2, 79), attach(`, "tag": ` + tagSchema + `, "delete_on_termination": ` + booleanSchema)})
	routes = append(routes, windows(rest.Route{Method: "PUT", Path: path + "/{volume_id}", Policy: policy + "update", Target: a.server, Status: 202, Handle: unattached},
		window{rest.V(2, 1), update("")}, window{rest.V(2, 85), update(`, "device": {"type": ["string", "null"]}, "tag": ` + tagSchema + `, "delete_on_termination": ` + booleanSchema +
			`, "serverId": ` + uuidSchema + `, "id": ` + uuidSchema)})...)
	var query []rest.Route
	for _, w := range []struct {
		from, to rest.Version
		query    *rest.Schema
	}{{rest.V(2, 1), rest.V(2, 74), querySchema(false, "limit", "offset")}, {rest.V(2, 75), rest.Version{}, querySchema(true, "limit", "offset")}} {
		query = append(query, rest.Route{Method: "GET", Path: path, Policy: policy + "index", Min: w.from, Max: w.to, Query: w.query, Target: a.server, Handle: func(*rest.Request) (any, error) {
			return object{"volumeAttachments": []any{}}, nil
		}})
	}
	return append(append(routes, query...),
		rest.Route{Method: "GET", Path: path + "/{volume_id}", Policy: policy + "show", Target: a.server, Handle: func(r *rest.Request) (any, error) {
			return nil, rest.NotFound("Instance %s is not attached to volume %s", loaded(r).ID, r.Path("volume_id"))
		}},
		rest.Route{Method: "DELETE", Path: path + "/{volume_id}", Policy: policy + "delete", Target: a.server, Status: 202, Handle: unattached})
}

func unattached(r *rest.Request) (any, error) { return nil, volumeNotFound(r.Path("volume_id")) }

// attachVolume judges server and request as upstream does before it asks for the volume, which does not exist.
func (a *api) attachVolume(r *rest.Request) (any, error) {
	srv := loaded(r)
	states := []string{nova.Active, nova.Paused, nova.Stopped, nova.Resized, nova.SoftDeleted}
	if r.Version.AtLeast(2, 20) {
		states = append(states, nova.Shelved, nova.ShelvedOffloaded)
	}
	if err := nova.Unlocked(r.Caller, srv); err != nil {
		return nil, err
	}
	if err := nova.Allowed(srv, "attach_volume", states...); err != nil {
		return nil, err
	}
	var body struct {
		Attachment struct {
			VolumeID string `json:"volumeId"`
		} `json:"volumeAttachment"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return nil, volumeNotFound(body.Attachment.VolumeID)
}

// assistedSnapshotRoutes are for drivers of block storage that have the hypervisor make the snapshot of a volume in use.
func assistedSnapshotRoutes() []rest.Route {
	const policy = "os_compute_api:os-assisted-volume-snapshots:"
	unknown := func(volume string) error { return rest.NotFound("No volume Block Device Mapping with id %s.", volume) }
	return []rest.Route{
		{
			Method: "POST", Path: "/os-assisted-volume-snapshots", Policy: policy + "create",
			Body: rest.JSON(`{"type": "object", "required": ["snapshot"], "additionalProperties": false, "properties": {"snapshot": {"type": "object", "required": ["volume_id", "create_info"],
				"additionalProperties": false, "properties": {"volume_id": {"type": "string", "minLength": 1}, "create_info": {"type": "object", "required": ["snapshot_id", "type", "new_file"],
				"additionalProperties": false, "properties": {"snapshot_id": {"type": "string", "minLength": 1}, "type": {"type": "string", "enum": ["qcow2"]}, "new_file": {"type": "string", "minLength": 1},
				"id": {"type": "string", "minLength": 1}}}}}}}`),
			Handle: func(r *rest.Request) (any, error) {
				var body struct {
					Snapshot struct {
						VolumeID string `json:"volume_id"`
					}
				}
				if err := r.Decode(&body); err != nil {
					return nil, err
				}
				return nil, unknown(body.Snapshot.VolumeID)
			},
		},
		{Method: "DELETE", Path: "/os-assisted-volume-snapshots/{id}", Policy: policy + "delete", Status: 204, Handle: func(r *rest.Request) (any, error) {
			var info struct {
				VolumeID *string `json:"volume_id"`
			}
			if err := json.Unmarshal([]byte(r.Query("delete_info")), &info); err != nil || info.VolumeID == nil {
				return nil, rest.BadRequest("Invalid or missing delete_info: it is JSON with volume_id.").Because(err)
			}
			return nil, unknown(*info.VolumeID)
		}},
	}
}

// shareRoutes attach file shares to servers (2.97); while the cloud has no file share service every share is unknown.
func (a *api) shareRoutes() []rest.Route {
	const policy, path = "os_compute_api:os-server-shares:", "/servers/{server_id}/shares"
	v97 := rest.V(2, 97)
	unknown := func(id string) error { return rest.NotFound("Share %s could not be found.", id) }
	return []rest.Route{
		{Method: "GET", Path: path, Policy: policy + "index", Target: a.server, Min: v97, Handle: func(*rest.Request) (any, error) { return object{"shares": []any{}}, nil }},
		{
			Method: "POST", Path: path, Policy: policy + "create", Target: a.server, Min: v97, Status: 201,
			Body: rest.JSON(`{"type": "object", "required": ["share"], "additionalProperties": false, "properties": {"share": {"type": "object", "required": ["share_id"], "additionalProperties": false,
				"properties": {"share_id": ` + uuidSchema + `, "tag": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-]*$"}}}}}`),
			Handle: func(r *rest.Request) (any, error) {
				if srv := loaded(r); srv.VMState != nova.Stopped {
					return nil, nova.InvalidState(srv, "create share", "vm_state", srv.VMState)
				}
				var body struct {
					Share struct {
						ID string `json:"share_id"`
					}
				}
				if err := r.Decode(&body); err != nil {
					return nil, err
				}
				return nil, unknown(strings.ToLower(body.Share.ID))
			},
		},
		{Method: "GET", Path: path + "/{share_id}", Policy: policy + "show", Target: a.server, Min: v97, Handle: func(r *rest.Request) (any, error) {
			return nil, unknown(r.Path("share_id"))
		}},
		{Method: "DELETE", Path: path + "/{share_id}", Policy: policy + "delete", Target: a.server, Min: v97, Handle: func(r *rest.Request) (any, error) {
			if srv := loaded(r); srv.VMState != nova.Stopped && srv.VMState != nova.InError {
				return nil, nova.InvalidState(srv, "delete share", "vm_state", srv.VMState)
			}
			return nil, unknown(r.Path("share_id"))
		}},
	}
}
