package api

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// logs have decisions of security groups written to the hosts' logs.
func (a *api) logs() *resource {
	return &resource{
		Table: attr.NewTable("log", "logs", withoutTags(standard()), named(), []attr.Attribute{
			{Name: "resource_type", Post: true, Required: true, Check: attr.String(255), Column: "t.resource_type"},
			{Name: "resource_id", Post: true, Check: attr.OrNull(attr.UUID), Column: "t.resource_id"},
			{Name: "target_id", Post: true, Check: attr.OrNull(attr.UUID), Column: "t.target_id"},
			{Name: "event", Post: true, Default: "ALL", Check: attr.OneOf("ALL", "ACCEPT", "DROP"), Column: "t.event"},
			{Name: "enabled", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.enabled", Kind: attr.Bool},
		}),
		Path: "log/logs", NoBulk: true,
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.Logs(ctx, c, q)
			return viewed(rows, err, logView)
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			l, err := a.n.CreateLog(ctx, c, v)
			return one(l, err, logView)
		},
		Update: func(ctx context.Context, _ *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			l, err := a.n.UpdateLog(ctx, id, v)
			return one(l, err, logView)
		},
		Delete: func(ctx context.Context, _ *policy.Caller, id string) error { return a.n.DeleteLog(ctx, id) },
		Absent: neutron.LogNotFound,
	}
}

func withoutTags(list []attr.Attribute) (out []attr.Attribute) {
	for _, at := range list {
		if at.Name != "tags" {
			out = append(out, at)
		}
	}
	return out
}

func logView(l *db.Log) attr.Values {
	v := base(&l.Standard)
	delete(v, "tags")
	v["name"], v["enabled"], v["event"], v["resource_type"] = l.Name, l.Enabled, l.Event, l.ResourceType
	v["resource_id"], v["target_id"] = text(l.ResourceID), text(l.TargetID)
	return v
}

// loggableRoutes list what can be logged.
func (a *api) loggableRoutes() (routes []rest.Route) {
	list := func(*rest.Request) (any, error) {
		types := []any{}
		for _, name := range neutron.LoggableResources {
			types = append(types, map[string]any{"type": name})
		}
		return map[string]any{"loggable_resources": types}, nil
	}
	for _, path := range spellings("log/loggable-resources") {
		routes = append(routes, rest.Route{Method: "GET", Path: "/v2.0/" + path, Policy: "get_loggable_resource", Handle: list})
	}
	return routes
}
