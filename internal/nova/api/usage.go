package api

import (
	"strings"
	"time"

	"gostack/internal/nova"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const usagePolicy = "os_compute_api:os-simple-tenant-usage:"

func (a *api) usageRoutes() []rest.Route {
	loose, strict := querySchema(false, "start", "end", "detailed", "limit", "marker"), querySchema(true, "start", "end", "detailed", "limit", "marker")
	var routes []rest.Route
	for _, w := range []struct {
		from, to rest.Version
		query    *rest.Schema
	}{{rest.V(2, 1), rest.V(2, 74), loose}, {rest.V(2, 75), rest.Version{}, strict}} {
		routes = append(routes,
			rest.Route{Method: "GET", Path: "/os-simple-tenant-usage", Policy: usagePolicy + "list", Min: w.from, Max: w.to, Query: w.query, Handle: a.usages},
			rest.Route{
				Method: "GET", Path: "/os-simple-tenant-usage/{project}", Policy: usagePolicy + "show", Min: w.from, Max: w.to, Query: w.query, Handle: a.usage,
				Target: func(r *rest.Request) (policy.Target, error) {
					return policy.Target{"project_id": r.Path("project")}, nil
				},
			})
	}
	return routes
}

func (a *api) usagePeriod(r *rest.Request) (start, stop time.Time, detailed bool, err error) {
	stop = a.nova.Now()
	start = stop // upstream's default is this moment, which shows what runs
	for name, to := range map[string]*time.Time{"start": &start, "end": &stop} {
		if s := r.Query(name); s != "" {
			if *to, err = rest.ParseTime(s); err != nil {
				return start, stop, false, rest.BadRequest("Datetime is in invalid format")
			}
		}
	}
	if r.Query("start")+r.Query("end") != "" && !start.Before(stop) {
		return start, stop, false, rest.BadRequest("Invalid start time. The start time cannot occur after the end time.")
	}
	return start, stop, r.Query("detailed") == "1", nil
}

func usageView(u *nova.ProjectUsage, start, stop time.Time, detailed bool) object {
	v := object{
		"tenant_id": u.ProjectID, "start": plainTime(&start), "stop": plainTime(&stop), "total_hours": float(u.Hours), "total_vcpus_usage": float(u.VCPUHours),
		"total_memory_mb_usage": float(u.MemoryMBHours), "total_local_gb_usage": float(u.DiskGBHours),
	}
	if detailed {
		list := make([]object, len(u.Servers))
		for i, s := range u.Servers {
			list[i] = object{
				"instance_id": s.ID, "name": s.Name, "hours": float(s.Hours), "memory_mb": s.MemoryMB, "vcpus": s.VCPUs, "local_gb": s.RootGB + s.EphemeralGB, "tenant_id": s.ProjectID,
				"flavor": s.Flavor.Name, "started_at": plainTime(s.LaunchedAt), "ended_at": plainTime(s.TerminatedAt), "state": usageState(s.Server), "uptime": int64(s.Uptime.Seconds()),
			}
		}
		v["server_usages"] = list
	}
	return v
}

func usageState(s *nova.Server) string {
	if s.TerminatedAt != nil {
		return "terminated"
	}
	return s.VMState
}

// usagePage reads a page of a report (whole before 2.40) and makes the link to the next one.
func (a *api) usagePage(r *rest.Request, project string, start, stop time.Time) ([]*nova.ServerUsage, []rest.Link, error) {
	if !r.Version.AtLeast(2, 40) {
		list, err := a.nova.Usage(r.Context(), project, start, stop, nova.UsagePage{})
		return list, nil, err
	}
	limit, marker, err := page(r)
	if err != nil {
		return nil, nil, err
	}
	list, err := a.nova.Usage(r.Context(), project, start, stop, nova.UsagePage{Limit: limit + 1, Marker: marker})
	if err != nil || len(list) <= limit {
		return list, nil, err
	}
	if limit == 0 {
		return nil, nil, nil
	}
	return list[:limit], nextLinks(r, true, list[limit-1].ID), nil
}

func (a *api) usages(r *rest.Request) (any, error) {
	start, stop, detailed, err := a.usagePeriod(r)
	if err != nil {
		return nil, err
	}
	list, next, err := a.usagePage(r, "", start, stop)
	if err != nil {
		return nil, err
	}
	views := []object{}
	for _, u := range nova.ByProject(list) {
		views = append(views, usageView(u, start, stop, detailed))
	}
	out := object{"tenant_usages": views}
	if next != nil {
		out["tenant_usages_links"] = next
	}
	return out, nil
}

func (a *api) usage(r *rest.Request) (any, error) {
	start, stop, _, err := a.usagePeriod(r)
	if err != nil {
		return nil, err
	}
	list, next, err := a.usagePage(r, strings.TrimSpace(r.Path("project")), start, stop)
	if err != nil {
		return nil, err
	}
	out := object{"tenant_usage": object{}}
	for _, u := range nova.ByProject(list) {
		out["tenant_usage"] = usageView(u, start, stop, true)
	}
	if next != nil {
		out["tenant_usage_links"] = next
	}
	return out, nil
}
