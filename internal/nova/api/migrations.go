package api

import (
	"strconv"
	"time"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

const (
	migrationsPolicy       = "os_compute_api:os-migrations:"
	serverMigrationsPolicy = "os_compute_api:servers:migrations:"
)

func (a *api) migrationRoutes() []rest.Route {
	filters := []string{"hidden", "host", "instance_uuid", "source_compute", "status", "migration_type"}
	paged := append(filters[:len(filters):len(filters)], "limit", "marker", "changes-since")
	before := append(paged[:len(paged):len(paged)], "changes-before")
	var routes []rest.Route
	for _, w := range []struct {
		from, to rest.Version
		query    *rest.Schema
	}{
		{rest.V(2, 1), rest.V(2, 58), querySchema(false, filters...)},
		{rest.V(2, 59), rest.V(2, 65), querySchema(true, paged...)},
		{rest.V(2, 66), rest.V(2, 79), querySchema(true, before...)},
		{rest.V(2, 80), rest.Version{}, querySchema(true, append(before[:len(before):len(before)], "user_id", "project_id")...)},
	} {
		routes = append(routes, rest.Route{Method: "GET", Path: "/os-migrations", Policy: migrationsPolicy + "index", Min: w.from, Max: w.to, Query: w.query, Handle: a.listMigrations})
	}
	return append(routes,
		rest.Route{Method: "GET", Path: "/servers/{server_id}/migrations", Policy: serverMigrationsPolicy + "index", Target: a.server, Min: rest.V(2, 23), Handle: a.listServerMigrations},
		rest.Route{Method: "GET", Path: "/servers/{server_id}/migrations/{id}", Policy: serverMigrationsPolicy + "show", Target: a.server, Min: rest.V(2, 23), Handle: func(r *rest.Request) (any, error) {
			m, err := a.nova.LiveMigration(r.Context(), loaded(r).ID, r.Path("id"))
			if err != nil {
				return nil, err
			}
			return object{"migration": serverMigrationView(r, m, true)}, nil
		}},
	)
}

// listMigrations answers administrators for all projects and others for their own only, which they must ask for by its id.
func (a *api) listMigrations(r *rest.Request) (any, error) {
	project := r.Query("project_id")
	if project == "" || project != r.Caller.ProjectID {
		if err := r.Enforce(migrationsPolicy+"index:all_projects", nil); err != nil {
			return nil, err
		}
	}
	f := nova.MigrationFilter{
		ServerID: r.Query("instance_uuid"), Type: r.Query("migration_type"), SourceCompute: r.Query("source_compute"), Host: r.Query("host"), User: r.Query("user_id"), Project: project,
	}
	if s := r.Query("status"); s != "" {
		f.Statuses = []string{s}
	}
	marker, limit := "", 0
	if r.Version.AtLeast(2, 59) {
		var err error
		if limit, marker, err = page(r); err != nil {
			return nil, err
		}
		f.Limit = limit + 1
		if err := changesWindow(r, &f); err != nil {
			return nil, err
		}
	}
	var rows []*nova.Migration
	if hidden, ok := rest.ParseBool(r.Query("hidden")); (!ok || !hidden) && (limit > 0 || !r.Version.AtLeast(2, 59)) {
		var err error
		if rows, err = a.nova.Migrations(r.Context(), f, marker); err != nil {
			return nil, err
		}
	}
	out := object{}
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
		out["migrations_links"] = nextLinks(r, true, rows[limit-1].UUID)
	}
	hosts := r.Can(migrationsPolicy+"index:host", nil)
	views := make([]object, len(rows))
	for i, m := range rows {
		views[i] = migrationView(r, m, hosts)
	}
	out["migrations"] = views
	return out, nil
}

// changesWindow reads changes-since (2.59) and changes-before (2.66).
func changesWindow(r *rest.Request, f *nova.MigrationFilter) error {
	for name, to := range map[string]**time.Time{"changes-since": &f.ChangedSince, "changes-before": &f.ChangedBefore} {
		if s := r.Query(name); s != "" {
			t, err := rest.ParseTime(s)
			if err != nil {
				return rest.BadRequest("Invalid input for query parameters %s. Value: %s. '%s' is not a 'date-time'", name, s, s)
			}
			*to = &t
		}
	}
	if f.ChangedSince != nil && f.ChangedBefore != nil && f.ChangedBefore.Before(*f.ChangedSince) {
		return rest.BadRequest("The value of changes-since must be less than or equal to changes-before.")
	}
	return nil
}

func migrationView(r *rest.Request, m *nova.Migration, hosts bool) object {
	v := object{
		"id": m.ID, "instance_uuid": m.ServerID, "status": m.Status, "old_instance_type_id": m.OldFlavorSeq, "new_instance_type_id": m.NewFlavorSeq,
		"created_at": plainTime(&m.CreatedAt), "updated_at": plainTime(&m.UpdatedAt),
	}
	placesOf(v, m, hosts)
	if r.Version.AtLeast(2, 23) {
		v["migration_type"] = m.Type
		if nova.LiveInProgress(m) {
			v["links"] = links(r, "servers/"+m.ServerID+"/migrations", strconv.FormatInt(m.ID, 10))
		}
	}
	if r.Version.AtLeast(2, 59) {
		v["uuid"] = m.UUID
	}
	if r.Version.AtLeast(2, 80) {
		v["user_id"], v["project_id"] = m.UserID, m.ProjectID
	}
	return v
}

// placesOf names the hosts of a move to those who may know them.
func placesOf(v object, m *nova.Migration, hosts bool) {
	for name, host := range map[string]string{
		"source_compute": m.SourceCompute, "source_node": m.SourceNode, "dest_compute": m.DestCompute, "dest_node": m.DestNode, "dest_host": m.DestHost,
	} {
		v[name] = nil
		if hosts && host != "" {
			v[name] = host
		}
	}
}

func (a *api) listServerMigrations(r *rest.Request) (any, error) {
	srv := loaded(r)
	rows, err := a.nova.LiveMigrationsOf(r.Context(), srv.ID)
	if err != nil {
		return nil, err
	}
	hosts := r.Can(serverMigrationsPolicy+"index:host", serverTarget(srv))
	views := make([]object, len(rows))
	for i, m := range rows {
		views[i] = serverMigrationView(r, m, hosts)
	}
	return object{"migrations": views}, nil
}

func serverMigrationView(r *rest.Request, m *nova.Migration, hosts bool) object {
	v := object{
		"id": m.ID, "server_uuid": m.ServerID, "status": m.Status, "created_at": plainTime(&m.CreatedAt), "updated_at": plainTime(&m.UpdatedAt),
		"memory_total_bytes": m.MemoryTotal, "memory_processed_bytes": m.MemoryProcessed, "memory_remaining_bytes": m.MemoryRemaining,
		"disk_total_bytes": m.DiskTotal, "disk_processed_bytes": m.DiskProcessed, "disk_remaining_bytes": m.DiskRemaining,
	}
	placesOf(v, m, hosts)
	if r.Version.AtLeast(2, 59) {
		v["uuid"] = m.UUID
	}
	if r.Version.AtLeast(2, 80) {
		v["user_id"], v["project_id"] = m.UserID, m.ProjectID
	}
	return v
}
