package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// oldHostRoutes are hosts as they were managed before os-services and os-hypervisors: up to 2.42.
func (a *api) oldHostRoutes() []rest.Route {
	route := func(method, path, rule string, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{Method: method, Path: path, Policy: "os_compute_api:os-hosts:" + rule, Max: rest.V(2, 42), Handle: handle}
	}
	const word = `{"type": "string", "enum": ["enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"]}`
	update := route("PUT", "/os-hosts/{host}", "update", a.unsupportedOnHost)
	update.Body = rest.JSON(`{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": {"status": ` + word + `, "maintenance_mode": ` + word + `}}`)
	return []rest.Route{
		route("GET", "/os-hosts", "list", a.oldHosts), route("GET", "/os-hosts/{host}", "show", a.oldHost), update,
		route("GET", "/os-hosts/{host}/reboot", "reboot", a.unsupportedOnHost), route("GET", "/os-hosts/{host}/shutdown", "shutdown", a.unsupportedOnHost),
		route("GET", "/os-hosts/{host}/startup", "start", a.unsupportedOnHost),
	}
}

func (a *api) oldHosts(r *rest.Request) (any, error) {
	rows, zones, err := a.nova.Services(r.Context(), "", "")
	if err != nil {
		return nil, err
	}
	views := []object{}
	for _, sv := range rows {
		zone := zones[sv.Host+"/"+sv.Binary]
		if sv.Disabled || sv.Binary == "nova-api" || sv.Binary == "nova-metadata" || r.Query("zone") != "" && r.Query("zone") != zone {
			continue
		}
		views = append(views, object{"host_name": sv.Host, "service": strings.TrimPrefix(sv.Binary, "nova-"), "zone": zone})
	}
	return object{"hosts": views}, nil
}

func (a *api) hypervisorOn(r *rest.Request, host string) (*nova.Hypervisor, error) {
	all, err := a.nova.Hypervisors(r.Context(), 0, 0, true)
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if h.Host == host {
			return h, nil
		}
	}
	return nil, rest.NotFound("Compute host %s could not be found.", host)
}

// oldHost shows what a host has, what is used, and what its servers were promised, in all and by project.
func (a *api) oldHost(r *rest.Request) (any, error) {
	host := r.Path("host")
	h, err := a.hypervisorOn(r, host)
	if err != nil {
		return nil, err
	}
	resource := func(project string, cpu, memory, disk int64) object {
		return object{"resource": object{"host": host, "project": project, "cpu": cpu, "memory_mb": memory, "disk_gb": disk}}
	}
	use := hypervisorUse(h)
	type sum struct{ cpu, memory, disk int64 }
	var all sum
	by := map[string]sum{}
	for _, s := range h.Servers {
		p := by[s.ProjectID]
		for _, to := range []*sum{&all, &p} {
			to.cpu, to.memory, to.disk = to.cpu+s.VCPUs, to.memory+s.MemoryMB, to.disk+s.RootGB+s.EphemeralGB
		}
		by[s.ProjectID] = p
	}
	views := []object{
		resource("(total)", use["vcpus"], use["memory_mb"], use["local_gb"]), resource("(used_now)", use["vcpus_used"], use["memory_mb_used"], use["local_gb_used"]),
		resource("(used_max)", all.cpu, all.memory, all.disk),
	}
	for _, project := range sortedKeys(by) {
		views = append(views, resource(project, by[project].cpu, by[project].memory, by[project].disk))
	}
	return object{"host": views}, nil
}

// unsupportedOnHost answers for what only XenServer's driver could do; libvirt's does not.
func (a *api) unsupportedOnHost(r *rest.Request) (any, error) {
	h, err := a.hypervisorOn(r, r.Path("host"))
	if err != nil {
		return nil, err
	}
	if !h.Up {
		return nil, rest.BadRequest("Compute service of %s is unavailable at this time.", h.Host)
	}
	return nil, rest.Fail(http.StatusNotImplemented, "The requested functionality is not supported.")
}

// bareMetalRoutes were a window on Ironic (up to 2.35); the calls that change something never worked since.
func bareMetalRoutes() []rest.Route {
	route := func(method, path, policy string, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{Method: method, Path: path, Policy: policy, Max: lastProxy, Handle: handle}
	}
	none := func(*rest.Request) (any, error) {
		return nil, rest.Fail(http.StatusNotImplemented, "The requested functionality is not supported.")
	}
	never := func(command string) func(*rest.Request) (any, error) {
		return func(*rest.Request) (any, error) {
			return nil, rest.BadRequest("Command Not supported. Please use Ironic command %s to perform this action.", command)
		}
	}
	action := func(key, command string) rest.Route {
		r := route("POST", "/os-baremetal-nodes/{id}/action", rest.Authenticated, never(command))
		r.Action, r.Body = key, rest.AnyJSON
		return r
	}
	return []rest.Route{
		route("GET", "/os-baremetal-nodes", "os_compute_api:os-baremetal-nodes:list", none), route("GET", "/os-baremetal-nodes/{id}", "os_compute_api:os-baremetal-nodes:show", none),
		route("POST", "/os-baremetal-nodes", rest.Authenticated, never("node-create")), route("DELETE", "/os-baremetal-nodes/{id}", rest.Authenticated, never("node-delete")),
		action("add_interface", "port-create"), action("remove_interface", "port-delete"),
	}
}

// auditLogRoutes tell which hosts have reported on their servers for the last month. Upstream's hosts do not unless instance_usage_audit is
// set, and ours have nothing to report: usage is a sum over rows (os-simple-tenant-usage).
func (a *api) auditLogRoutes() []rest.Route {
	const policy = "os_compute_api:os-instance-usage-audit-log:"
	return []rest.Route{
		{Method: "GET", Path: "/os-instance_usage_audit_log", Policy: policy + "list", Handle: func(r *rest.Request) (any, error) {
			log, err := a.auditLog(r, a.nova.Now())
			return object{"instance_usage_audit_logs": log}, err
		}},
		{Method: "GET", Path: "/os-instance_usage_audit_log/{before}", Policy: policy + "show", Handle: func(r *rest.Request) (any, error) {
			before, err := time.Parse("2006-01-02 15:04:05.999999", r.Path("before"))
			if err != nil {
				return nil, rest.BadRequest("Invalid timestamp for date %s", r.Path("before"))
			}
			log, err := a.auditLog(r, before)
			return object{"instance_usage_audit_log": log}, err
		}},
	}
}

func (a *api) auditLog(r *rest.Request, before time.Time) (object, error) {
	rows, _, err := a.nova.Services(r.Context(), nova.BinaryCompute, "")
	if err != nil {
		return nil, err
	}
	hosts := make([]string, len(rows))
	for i, sv := range rows {
		hosts[i] = sv.Host
	}
	end := time.Date(before.Year(), before.Month(), 1, 0, 0, 0, 0, time.UTC)
	if !end.Before(before) {
		end = end.AddDate(0, -1, 0)
	}
	status := fmt.Sprintf("0 of %d hosts done. 0 errors.", len(hosts))
	if len(hosts) == 0 {
		status = "ALL hosts done. 0 errors."
	}
	const form = "2006-01-02 15:04:05"
	return object{
		"period_beginning": end.AddDate(0, -1, 0).Format(form), "period_ending": end.Format(form), "num_hosts": len(hosts), "num_hosts_done": 0, "num_hosts_running": 0,
		"num_hosts_not_run": len(hosts), "hosts_not_run": hosts, "total_instances": 0, "total_errors": 0, "overall_status": status, "log": object{},
	}, nil
}
