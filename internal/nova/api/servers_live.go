package api

import (
	"fmt"
	"net/http"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// boolWords are what upstream's parameter_types.boolean takes.
const boolWords = `true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t", false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f"`

func (a *api) liveRoutes() []rest.Route {
	schema := func(required, block, more string) *rest.Schema {
		return rest.JSON(fmt.Sprintf(`{"type": "object", "required": ["os-migrateLive"], "additionalProperties": false, "properties": {"os-migrateLive": {
			"type": "object", "required": [%s], "additionalProperties": false, "properties": {
			"block_migration": {"type": ["boolean", "string"], "enum": [%s]}, "host": {"type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-._]*$"}%s}}}}`,
			required, block, more))
	}
	word := `{"type": ["boolean", "string"], "enum": [` + boolWords + `]}`
	routes := windows(rest.Route{
		Method: "POST", Path: "/servers/{server_id}/action", Action: "os-migrateLive", Policy: "os_compute_api:os-migrate-server:migrate_live", Target: a.server, Status: 202, Handle: a.liveMigrate,
	},
		window{rest.V(2, 1), schema(`"block_migration", "disk_over_commit", "host"`, boolWords, `, "disk_over_commit": `+word)},
		window{rest.V(2, 25), schema(`"block_migration", "host"`, boolWords+`, "auto"`, "")},
		window{rest.V(2, 30), schema(`"block_migration", "host"`, boolWords+`, "auto"`, `, "force": `+word)},
		window{rest.V(2, 68), schema(`"block_migration", "host"`, boolWords+`, "auto"`, "")},
	)
	return append(routes,
		rest.Route{
			Method: "DELETE", Path: "/servers/{server_id}/migrations/{id}", Policy: serverMigrationsPolicy + "delete", Target: a.server, Min: rest.V(2, 24), Status: 202,
			Handle: func(r *rest.Request) (any, error) {
				if err := a.nova.AbortLive(r.Context(), r.Caller, loaded(r).ID, r.Path("id"), r.Version.AtLeast(2, 65)); err != nil {
					return nil, err
				}
				return accepted()
			},
		},
		rest.Route{
			Method: "POST", Path: "/servers/{server_id}/migrations/{id}/action", Action: "force_complete", Policy: serverMigrationsPolicy + "force_complete", Target: a.server, Min: rest.V(2, 22), Status: 202,
			Body: rest.JSON(`{"type": "object", "required": ["force_complete"], "additionalProperties": false, "properties": {"force_complete": {"type": "null"}}}`),
			Handle: func(r *rest.Request) (any, error) {
				if err := a.nova.ForceLive(r.Context(), r.Caller, loaded(r).ID, r.Path("id")); err != nil {
					return nil, err
				}
				return accepted()
			},
		})
}

// flag is a JSON boolean, or one of the words for it.
func flag(v any) (value, ok bool) {
	if b, isBool := v.(bool); isBool {
		return b, true
	}
	return rest.ParseBool(fmt.Sprint(v))
}

func (a *api) liveMigrate(r *rest.Request) (any, error) {
	var body struct {
		In struct {
			Host       *string `json:"host"`
			Block      any     `json:"block_migration"`
			OverCommit any     `json:"disk_over_commit"`
			Force      any     `json:"force"`
		} `json:"os-migrateLive"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	// Since 2.34 the checks come after the answer.
	in := nova.LiveRequest{Wait: !r.Version.AtLeast(2, 34)}
	if body.In.Host != nil && *body.In.Host != "" {
		in.Host = *body.In.Host
		if err := r.Enforce("os_compute_api:os-migrate-server:migrate_live:host", serverTarget(loaded(r))); err != nil {
			return nil, err
		}
	}
	if block, ok := flag(body.In.Block); ok {
		in.Block = &block
	}
	// Since 2.25 the checks count what disks hold.
	in.OverCommit = r.Version.AtLeast(2, 25)
	if over, ok := flag(body.In.OverCommit); ok {
		in.OverCommit = over
	}
	if in.Force, _ = flag(body.In.Force); in.Force && in.Host == "" {
		return nil, rest.Fail(http.StatusBadRequest, "Can't force to a non-provided destination")
	}
	if err := a.nova.LiveMigrate(r.Context(), r.Caller, r.Path("server_id"), in); err != nil {
		return nil, err
	}
	return accepted()
}
