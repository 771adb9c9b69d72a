package api

import (
	"net/http"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const serversPolicy = "os_compute_api:servers:"

func (a *api) serverRoutes() []rest.Route {
	var routes []rest.Route
	for _, w := range []struct {
		from, to rest.Version
		query    *rest.Schema
	}{
		{rest.V(2, 1), rest.V(2, 74), querySchema(false)},
		{rest.V(2, 75), rest.Version{}, querySchema(true, serverQuery...)},
	} {
		routes = append(routes,
			rest.Route{Method: "GET", Path: "/servers", Policy: serversPolicy + "index", Min: w.from, Max: w.to, Query: w.query, Handle: a.listServers},
			rest.Route{Method: "GET", Path: "/servers/detail", Policy: serversPolicy + "detail", Min: w.from, Max: w.to, Query: w.query, Handle: a.listServers})
	}
	routes = append(routes, windows(rest.Route{Method: "POST", Path: "/servers", Policy: serversPolicy + "create", Status: 202, Handle: a.createServer},
		schemas(createVersions, createSchema)...)...)
	routes = append(routes, windows(rest.Route{Method: "PUT", Path: "/servers/{server_id}", Policy: serversPolicy + "update", Target: a.server, Handle: a.updateServer},
		schemas(updateVersions, updateSchema)...)...)
	return append(routes,
		rest.Route{Method: "DELETE", Path: "/servers/{server_id}", Policy: serversPolicy + "delete", Target: a.server, Status: 204, Handle: a.deleteServer},
		rest.Route{Method: "GET", Path: "/servers/{server_id}", Policy: serversPolicy + "show", Target: a.server, Handle: a.showServer},
	)
}

// server is the target of routes about one server; the handler finds it in Loaded.
func (a *api) server(r *rest.Request) (policy.Target, error) {
	s, err := a.nova.ServerFor(r.Context(), r.Caller, r.Path("server_id"))
	if err != nil {
		return nil, err
	}
	r.Loaded = s
	return serverTarget(s), nil
}

func serverTarget(s *nova.Server) policy.Target {
	return policy.Target{"project_id": s.ProjectID, "tenant_id": s.ProjectID, "user_id": s.UserID}
}

func loaded(r *rest.Request) *nova.Server {
	s, _ := r.Loaded.(*nova.Server)
	return s
}

func (a *api) showServer(r *rest.Request) (any, error) {
	return a.oneServer(r, loaded(r))
}

func (a *api) oneServer(r *rest.Request, s *nova.Server) (any, error) {
	v, err := a.viewer(r, s)
	if err != nil {
		return nil, err
	}
	v.groups = true
	return object{"server": v.view(s)}, nil
}

func (a *api) listServers(r *rest.Request) (any, error) {
	limit, err := r.QueryInt("limit", maxPage)
	if err != nil {
		return nil, err
	}
	limit = min(limit, maxPage)
	f, err := a.serverFilter(r)
	if err != nil {
		return nil, err
	}
	if limit == 0 || f.none {
		return object{"servers": []any{}}, nil
	}
	f.Limit = limit + 1
	f.Omit = unseen(r)
	rows, err := a.nova.Servers(r.Context(), f.ServerFilter)
	if err != nil {
		return nil, err
	}
	full := len(rows) > limit
	rows = rows[:min(limit, len(rows))]
	out := object{}
	if full {
		out["servers_links"] = nextLinks(r, true, rows[len(rows)-1].ID)
	}
	if !detailed(r) {
		views := make([]object, len(rows))
		for i, s := range rows {
			views[i] = basicView(r, s)
		}
		out["servers"] = views
		return out, nil
	}
	v, err := a.viewer(r, rows...)
	if err != nil {
		return nil, err
	}
	return rest.List("servers", len(rows), func(i int) any { return v.view(rows[i]) }, out)
}

// detailed tells whether a list shows servers in full.
func detailed(r *rest.Request) bool { return strings.HasSuffix(r.Route.Path, "/detail") }

// unseen are the columns that a list under r never shows.
func unseen(r *rest.Request) []string {
	columns := []string{"operation_id", "vcpus", "memory_mb", "root_gb", "ephemeral_gb", "key_data", "requested", "server_group_id", "deleted_at"}
	if !detailed(r) || !r.Can("os_compute_api:os-extended-server-attributes", nil) {
		columns = append(columns, "node", "reservation_id", "launch_index", "root_device_name", "user_data")
	}
	for _, since := range []struct {
		minor   int
		columns []string
	}{
		{63, []string{"trusted_certs"}},
		{73, []string{"locked_reason"}},
		{96, []string{"pinned_zone"}},
		{98, []string{"image"}},
		{100, []string{"scheduler_hints"}},
	} {
		if !detailed(r) || !r.Version.AtLeast(2, since.minor) {
			columns = append(columns, since.columns...)
		}
	}
	return columns
}

// accepted is the answer of actions: 202 without a body.
func accepted() (any, error) { return &rest.Response{Status: http.StatusAccepted}, nil }
