package api

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

const hypervisorsPolicy = "os_compute_api:os-hypervisors:"

func (a *api) hypervisorRoutes() []rest.Route {
	var routes []rest.Route
	for _, w := range []struct {
		from, to rest.Version
		list     *rest.Schema
		one      *rest.Schema
	}{
		{rest.V(2, 1), rest.V(2, 32), nil, nil},
		{rest.V(2, 33), rest.V(2, 52), querySchema(false, "limit", "marker"), nil},
		{rest.V(2, 53), rest.Version{}, hypervisorQuery(`"limit": ` + anyTexts + `, "marker": ` + anyTexts + `, "hypervisor_hostname_pattern": {"type": "array", "items": ` + hostnameSchema + `}, `), hypervisorQuery("")},
	} {
		routes = append(routes,
			rest.Route{Method: "GET", Path: "/os-hypervisors", Policy: hypervisorsPolicy + "list", Min: w.from, Max: w.to, Query: w.list, Handle: a.listHypervisors},
			rest.Route{Method: "GET", Path: "/os-hypervisors/detail", Policy: hypervisorsPolicy + "list-detail", Min: w.from, Max: w.to, Query: w.list, Handle: a.listHypervisors},
			rest.Route{Method: "GET", Path: "/os-hypervisors/{id}", Policy: hypervisorsPolicy + "show", Min: w.from, Max: w.to, Query: w.one, Handle: a.showHypervisor})
	}
	return append(routes,
		rest.Route{Method: "GET", Path: "/os-hypervisors/statistics", Policy: hypervisorsPolicy + "statistics", Max: rest.V(2, 87), Handle: a.statistics},
		rest.Route{Method: "GET", Path: "/os-hypervisors/{id}/uptime", Policy: hypervisorsPolicy + "uptime", Max: rest.V(2, 87), Handle: a.uptime},
		rest.Route{Method: "GET", Path: "/os-hypervisors/{id}/search", Policy: hypervisorsPolicy + "search", Max: rest.V(2, 52), Handle: a.searchHypervisors(false)},
		rest.Route{Method: "GET", Path: "/os-hypervisors/{id}/servers", Policy: hypervisorsPolicy + "servers", Max: rest.V(2, 52), Handle: a.searchHypervisors(true)})
}

const anyTexts = `{"type": "array", "items": {"type": "string"}}`

// hypervisorQuery takes with_servers, and more.
func hypervisorQuery(more string) *rest.Schema {
	return rest.JSON(`{"type": "object", "additionalProperties": false, "properties": {` + more + `"with_servers": {"type": "array", "items": ` + booleanSchema + `}}}`)
}

func (a *api) hypervisorView(r *rest.Request, h *nova.Hypervisor, detail, servers bool) object {
	v := object{"id": h.Seq, "hypervisor_hostname": h.Hostname, "state": upDown(h.Up), "status": enabled(h.Service)}
	at := func(minor int) bool { return r.Version.AtLeast(2, minor) }
	if at(53) {
		v["id"] = h.ComputeNode.ID
	}
	if servers && (len(h.Servers) > 0 || at(75)) {
		list := make([]object, len(h.Servers))
		for i, s := range h.Servers {
			list[i] = object{"uuid": s.ID, "name": nova.InstanceName(s)}
		}
		v["servers"] = list
	}
	if !detail {
		return v
	}
	service := object{"id": any(h.Service.Seq), "host": h.Host, "disabled_reason": h.Service.DisabledReason}
	if at(53) {
		service["id"] = h.Service.ID
	}
	i := h.Info
	v["service"], v["host_ip"], v["hypervisor_type"], v["hypervisor_version"] = service, i.HostIP, i.HypervisorType, i.HypervisorVersion
	if at(88) {
		v["uptime"] = nil
		if i.Uptime != "" && h.Up { // only the host itself knows
			v["uptime"] = i.Uptime
		}
		return v
	}
	for k, n := range hypervisorUse(h) {
		v[k] = n
	}
	v["cpu_info"] = i.CPU
	if !at(28) {
		text, _ := json.Marshal(i.CPU) // plain data
		v["cpu_info"] = string(text)
	}
	return v
}

// hypervisorUse are the numbers that 2.88 took away.
func hypervisorUse(h *nova.Hypervisor) map[string]int64 {
	i := h.Info
	memory := h.Use.MemoryMB + 512
	return map[string]int64{
		"vcpus": int64(i.VCPUs), "memory_mb": int64(i.MemoryMB), "local_gb": int64(i.DiskGB), "vcpus_used": h.Use.VCPUs, "memory_mb_used": memory, "local_gb_used": h.Use.DiskGB,
		"free_ram_mb": int64(i.MemoryMB) - memory, "free_disk_gb": int64(i.DiskGB) - h.Use.DiskGB, "current_workload": h.Use.Busy, "running_vms": h.Use.Servers,
		"disk_available_least": int64(i.DiskGBFree),
	}
}

func (a *api) listHypervisors(r *rest.Request) (any, error) {
	limit, after := 0, int64(0)
	pattern := r.Query("hypervisor_hostname_pattern")
	if r.Version.AtLeast(2, 33) {
		l, marker, err := page(r)
		if err != nil {
			return nil, err
		}
		limit = l
		if pattern != "" && (r.Query("limit") != "" || marker != "") {
			return nil, rest.BadRequest("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
		}
		if marker != "" {
			m, err := a.nova.Hypervisor(r.Context(), marker, false)
			if rest.IsNotFound(err) {
				return nil, rest.BadRequest("marker [%s] not found", marker)
			}
			if err != nil {
				return nil, err
			}
			after = m.Seq
		}
	}
	servers := truth(r.Query("with_servers"))
	ask := limit + 1
	if limit == 0 {
		ask = 0
	}
	rows, err := a.nova.Hypervisors(r.Context(), after, ask, servers)
	if err != nil {
		return nil, err
	}
	out := object{}
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
		marker := strconv.FormatInt(rows[limit-1].Seq, 10)
		if r.Version.AtLeast(2, 53) {
			marker = rows[limit-1].ComputeNode.ID
		}
		out["hypervisors_links"] = nextLinks(r, true, marker)
	}
	if strings.HasSuffix(r.Route.Path, "/detail") && !r.Version.AtLeast(2, 88) {
		if err := a.nova.CountMoves(r.Context(), rows...); err != nil {
			return nil, err
		}
	}
	views := make([]object, 0, len(rows))
	for _, h := range rows {
		if pattern == "" || strings.Contains(h.Hostname, pattern) {
			views = append(views, a.hypervisorView(r, h, strings.HasSuffix(r.Route.Path, "/detail"), servers))
		}
	}
	if pattern != "" && len(views) == 0 {
		return nil, rest.NotFound("No hypervisor matching '%s' could be found.", pattern)
	}
	out["hypervisors"] = views
	return out, nil
}

// hypervisor finds the host of a path: by UUID from 2.53 on, by number before.
func (a *api) hypervisor(r *rest.Request, servers bool) (*nova.Hypervisor, error) {
	id := r.Path("id")
	missing := rest.NotFound("Hypervisor with ID '%s' could not be found.", id)
	if uuids := r.Version.AtLeast(2, 53); uuids && !rest.IsUUID(id) {
		return nil, rest.BadRequest("Invalid uuid %s", id)
	} else if _, err := strconv.ParseInt(id, 10, 64); !uuids && err != nil {
		return nil, missing
	}
	h, err := a.nova.Hypervisor(r.Context(), id, servers)
	if rest.IsNotFound(err) {
		return nil, missing
	}
	return h, err
}

func (a *api) showHypervisor(r *rest.Request) (any, error) {
	h, err := a.hypervisor(r, truth(r.Query("with_servers")))
	if err != nil {
		return nil, err
	}
	if !r.Version.AtLeast(2, 88) {
		if err := a.nova.CountMoves(r.Context(), h); err != nil {
			return nil, err
		}
	}
	return object{"hypervisor": a.hypervisorView(r, h, true, truth(r.Query("with_servers")))}, nil
}

func (a *api) statistics(r *rest.Request) (any, error) {
	rows, err := a.nova.Hypervisors(r.Context(), 0, 0, false)
	rows = slices.DeleteFunc(rows, func(h *nova.Hypervisor) bool { return h.Service.Disabled }) // as upstream's compute_node_statistics
	if err == nil {
		err = a.nova.CountMoves(r.Context(), rows...)
	}
	sum := map[string]int64{"count": int64(len(rows))}
	for _, k := range []string{"vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used", "free_ram_mb", "free_disk_gb", "current_workload", "running_vms", "disk_available_least"} {
		sum[k] = 0
	}
	for _, h := range rows {
		for k, n := range hypervisorUse(h) {
			sum[k] += n
		}
	}
	return object{"hypervisor_statistics": sum}, err
}

func (a *api) uptime(r *rest.Request) (any, error) {
	h, err := a.hypervisor(r, false)
	if err != nil {
		return nil, err
	}
	if !h.Up {
		return nil, rest.BadRequest("Compute service of %s is unavailable at this time.", h.Host)
	}
	v := a.hypervisorView(r, h, false, false)
	v["uptime"] = h.Info.Uptime
	return object{"hypervisor": v}, nil
}

func (a *api) searchHypervisors(servers bool) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		rows, err := a.nova.Hypervisors(r.Context(), 0, 0, servers)
		if err != nil {
			return nil, err
		}
		views := []object{}
		for _, h := range rows {
			if strings.Contains(h.Hostname, r.Path("id")) {
				views = append(views, a.hypervisorView(r, h, false, servers))
			}
		}
		if len(views) == 0 {
			return nil, rest.NotFound("No hypervisor matching '%s' could be found.", r.Path("id"))
		}
		return object{"hypervisors": views}, nil
	}
}
