package api

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// serverQuery are the query parameters of server lists; from 2.75 on others are refused.
var serverQuery = []string{
	"user_id", "project_id", "tenant_id", "launch_index", "image_ref", "image", "kernel_id", "ramdisk_id", "hostname", "key_name", "power_state", "vm_state",
	"task_state", "host", "node", "flavor", "reservation_id", "launched_at", "terminated_at", "availability_zone", "name", "display_name", "display_description",
	"description", "locked_by", "locked", "uuid", "root_device_name", "config_drive", "access_ip_v4", "access_ip_v6", "auto_disk_config", "status", "deleted",
	"ip", "ip6", "changes-since", "changes-before", "all_tenants", "sort_key", "sort_dir", "limit", "marker", "tags", "tags-any", "not-tags", "not-tags-any",
	"block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices", "created_at", "updated_at", "progress", "soft_deleted",
}

type serverFilter struct {
	nova.ServerFilter
	none bool // nothing can match
}

// filterColumn is how a filter is compared.
type filterColumn struct {
	column string
	match  bool // as a regular expression
	parse  func(string) (any, error)
}

var filterColumns = map[string]filterColumn{
	"name": {column: "name", match: true}, "display_name": {column: "name", match: true}, "description": {column: "description", match: true},
	"display_description": {column: "description", match: true},
	"image":               {column: "image_id"}, "image_ref": {column: "image_id"}, "flavor": {column: "flavor_id"}, "reservation_id": {column: "reservation_id"},
	"user_id": {column: "user_id"}, "project_id": {column: "project_id"}, "tenant_id": {column: "project_id"}, "host": {column: "host"}, "node": {column: "node"},
	"uuid": {column: "id"}, "hostname": {column: "hostname", match: true}, "key_name": {column: "key_name"}, "availability_zone": {column: "availability_zone"},
	"vm_state": {column: "vm_state"}, "task_state": {column: "task_state"}, "locked_by": {column: "locked_by"}, "root_device_name": {column: "root_device_name", match: true},
	"access_ip_v4": {column: "access_ip_v4", match: true}, "access_ip_v6": {column: "access_ip_v6", match: true},
	"power_state": {column: "power_state", parse: integer}, "launch_index": {column: "launch_index", parse: integer}, "progress": {column: "progress", parse: integer},
	"config_drive": {column: "config_drive", parse: boolean}, "launched_at": {column: "launched_at", parse: moment}, "terminated_at": {column: "terminated_at", parse: moment},
	"created_at": {column: "created_at", parse: moment}, "updated_at": {column: "updated_at", parse: moment},
}

func integer(s string) (any, error) { return strconv.Atoi(s) }
func boolean(s string) (any, error) { b, _ := rest.ParseBool(s); return b, nil }
func moment(s string) (any, error)  { return rest.ParseTime(s) }

// ownFilters are those that anybody may use; others are ignored for who is no administrator, as upstream does.
func ownFilter(r *rest.Request, name string) bool {
	switch name {
	case "reservation_id", "name", "status", "image", "flavor", "ip", "changes-since", "all_tenants", "metadata":
		return true
	case "ip6":
		return r.Version.AtLeast(2, 5)
	case "tags", "tags-any", "not-tags", "not-tags-any":
		return r.Version.AtLeast(2, 26)
	case "changes-before":
		return r.Version.AtLeast(2, 66)
	case "locked":
		return r.Version.AtLeast(2, 73)
	case "availability_zone", "config_drive", "key_name", "created_at", "launched_at", "terminated_at", "power_state", "task_state", "vm_state", "progress", "user_id":
		return r.Version.AtLeast(2, 83)
	}
	return false
}

func (a *api) serverFilter(r *rest.Request) (*serverFilter, error) {
	f := &serverFilter{}
	f.Equal, f.Match = map[string]any{}, map[string]string{}
	q := r.QueryValues()
	all := r.Can(serversPolicy+"allow_all_filters", nil)
	for _, name := range sortedKeys(q) {
		value := q.Get(name)
		if name == "all_tenants" || !all && !ownFilter(r, name) {
			continue
		}
		if err := a.applyFilter(r, f, name, value); err != nil {
			return nil, err
		}
	}
	if err := a.allTenants(r, f, all); err != nil {
		return nil, err
	}
	if f.ChangedSince != nil && f.ChangedBefore != nil && f.ChangedBefore.Before(*f.ChangedSince) {
		return nil, rest.BadRequest("The value of changes-since must be less than or equal to changes-before.")
	}
	if (f.ChangedSince != nil || f.ChangedBefore != nil) && !q.Has("deleted") {
		f.Both = true
	}
	// Whoever does not ask for them does not see servers that are deleted and can be restored.
	f.Kept = !f.Both && !f.Deleted && f.States == nil && !all
	for _, name := range []string{"ip", "ip6"} {
		if fragment := q.Get(name); fragment != "" && (all || ownFilter(r, name)) {
			ids, err := a.nova.Groups.ServersByAddress(r.Context(), f.Project, fragment, name == "ip6")
			if err != nil {
				return nil, err
			}
			f.IDs = append(f.IDs, ids...)
			f.none = f.none || len(ids) == 0
		}
	}
	if err := sortServers(r, f); err != nil {
		return nil, err
	}
	if marker := r.Query("marker"); marker != "" {
		m, err := a.nova.ServerFor(r.Context(), r.Caller, marker)
		if rest.IsNotFound(err) && (f.Both || f.Deleted) {
			m, err = a.nova.DeletedServerFor(r.Context(), r.Caller, marker)
		}
		if rest.IsNotFound(err) {
			return nil, rest.BadRequest("marker [%s] not found", marker)
		}
		if err != nil {
			return nil, err
		}
		f.Marker = m
	}
	return f, nil
}

// allTenants decides whose servers are listed: those of the caller's project unless an administrator asks for all.
func (a *api) allTenants(r *rest.Request, f *serverFilter, admin bool) error {
	q := r.QueryValues()
	everywhere := false
	if q.Has("all_tenants") {
		v := q.Get("all_tenants")
		b, ok := rest.ParseBool(v)
		if !ok && v != "" {
			return rest.BadRequest("Invalid value '%s'", v)
		}
		everywhere = b || v == ""
	}
	if everywhere {
		rule := serversPolicy + "index:get_all_tenants"
		if detailed(r) {
			rule = serversPolicy + "detail:get_all_tenants"
		}
		return r.Enforce(rule, nil)
	}
	if admin && (q.Has("project_id") || q.Has("tenant_id")) && q.Has("all_tenants") {
		return nil
	}
	delete(f.Equal, "project_id")
	f.Project = r.Caller.ProjectID
	return nil
}

func (a *api) applyFilter(r *rest.Request, f *serverFilter, name, value string) error {
	at := func(minor int) bool { return r.Version.AtLeast(2, minor) }
	switch name {
	case "status":
		return filterStatus(r, f)
	case "deleted":
		b, ok := rest.ParseBool(value)
		if !ok {
			return rest.BadRequest("Invalid value for deleted: %s", value)
		}
		f.Deleted = b
	case "changes-since", "changes-before":
		if name == "changes-before" && !at(66) {
			return nil
		}
		t, err := rest.ParseTime(value)
		if err != nil {
			return rest.BadRequest("Invalid input for query parameters %s. Value: %s. '%s' is not a 'date-time'", name, value, value)
		}
		if name == "changes-since" {
			f.ChangedSince = &t
		} else {
			f.ChangedBefore = &t
		}
	case "locked":
		if !at(73) {
			return nil
		}
		b, ok := rest.ParseBool(value)
		if !ok {
			return rest.BadRequest("Invalid input for query parameters locked. Value: %s", value)
		}
		f.Locked = &b
	case "tags", "tags-any", "not-tags", "not-tags-any":
		if !at(26) {
			return nil
		}
		tags := strings.Split(value, ",")
		switch name {
		case "tags":
			f.AllTags = tags
		case "tags-any":
			f.AnyTags = tags
		case "not-tags":
			f.NotAllTags = tags
		default:
			f.NotAnyTags = tags
		}
	case "metadata":
		// Clients send Python's form of a dictionary, which JSON reads when the quotes are turned.
		if json.Unmarshal([]byte(value), &f.Metadata) != nil && json.Unmarshal([]byte(strings.ReplaceAll(value, "'", `"`)), &f.Metadata) != nil {
			return rest.BadRequest("Invalid value for metadata: %s", value)
		}
	default:
		return filterColumnBy(f, name, value)
	}
	return nil
}

func filterColumnBy(f *serverFilter, name, value string) error {
	c, ok := filterColumns[name]
	if !ok {
		return nil
	}
	if c.match {
		if _, err := regexp.Compile(value); err != nil {
			return rest.BadRequest("Invalid regular expression in filter %s: %s", name, value)
		}
		f.Match[c.column] = value
		return nil
	}
	var v any = value
	if c.parse != nil {
		var err error
		if v, err = c.parse(value); err != nil {
			return rest.BadRequest("Invalid input for query parameters %s. Value: %s.", name, value)
		}
	}
	if strings.EqualFold(value, "none") && name == "task_state" {
		v = ""
	}
	f.Equal[c.column] = v
	return nil
}

// filterStatus takes the statuses asked for; unknown ones match nothing, and from 2.38 on are refused.
func filterStatus(r *rest.Request, f *serverFilter) error {
	for _, status := range r.QueryValues()["status"] {
		states := nova.StatesOf(status)
		if states == nil {
			if r.Version.AtLeast(2, 38) {
				return rest.BadRequest("Invalid status value")
			}
			f.none = true
		}
		if strings.EqualFold(status, "DELETED") {
			if !r.Caller.IsAdmin() {
				return rest.Forbidden("Only administrators may list deleted instances")
			}
			f.Deleted = true
		}
		f.States = append(f.States, states...)
	}
	return nil
}

// serverSort are the sort keys, with their columns.
var serverSort = map[string]string{
	"access_ip_v4": "access_ip_v4", "access_ip_v6": "access_ip_v6", "auto_disk_config": "disk_config", "availability_zone": "availability_zone",
	"config_drive": "config_drive", "created_at": "created_at", "display_description": "description", "display_name": "name", "host": "host", "hostname": "hostname",
	"image_ref": "image_id", "instance_type_id": "flavor_id", "kernel_id": "", "key_name": "key_name", "launch_index": "launch_index", "launched_at": "launched_at",
	"locked_by": "locked_by", "node": "node", "power_state": "power_state", "progress": "progress", "project_id": "project_id", "ramdisk_id": "",
	"root_device_name": "root_device_name", "task_state": "task_state", "terminated_at": "terminated_at", "updated_at": "updated_at", "user_id": "user_id",
	"uuid": "id", "vm_state": "vm_state", "locked": "locked_by",
}

func sortServers(r *rest.Request, f *serverFilter) error {
	keys, dirs := r.QueryValues()["sort_key"], r.QueryValues()["sort_dir"]
	for i, k := range keys {
		column, ok := serverSort[k]
		if !ok || k == "locked" && !r.Version.AtLeast(2, 73) {
			return rest.BadRequest("Invalid input for query parameters sort_key. Value: %s. '%s' is not one of the sort keys", k, k)
		}
		desc := true
		if i < len(dirs) {
			switch dirs[i] {
			case "asc":
				desc = false
			case "desc":
			default:
				return rest.BadRequest("Invalid input for query parameters sort_dir. Value: %s. '%s' is not one of ['asc', 'desc']", dirs[i], dirs[i])
			}
		} else if len(dirs) > 0 {
			desc = dirs[0] != "asc"
		}
		if !r.Caller.IsAdmin() && (k == "host" || k == "node") {
			return rest.Forbidden("Only administrators can sort servers by %s", k)
		}
		if column != "" {
			f.Sort = append(f.Sort, nova.Order{Column: column, Desc: desc})
		}
	}
	if len(f.Sort) == 0 {
		f.Sort = []nova.Order{{Column: "created_at", Desc: true}}
	}
	return nil
}
