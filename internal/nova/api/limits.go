package api

import (
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// limitNames are the words of /limits for limits and uses, and up to which microversion it says them (0: all).
var limitNames = []struct {
	word, resource string
	last           int
}{
	{"maxTotalInstances", "instances", 0},
	{"maxTotalCores", "cores", 0},
	{"maxTotalRAMSize", "ram", 0},
	{"maxTotalKeypairs", "key_pairs", 0},
	{"maxServerMeta", "metadata_items", 0},
	{"maxServerGroups", "server_groups", 0},
	{"maxServerGroupMembers", "server_group_members", 0},
	{"maxImageMeta", "metadata_items", 38},
	{"maxPersonality", "injected_files", 56},
	{"maxPersonalitySize", "injected_file_content_bytes", 56},
	{"maxTotalFloatingIps", "floating_ips", 35},
	{"maxSecurityGroups", "security_groups", 35},
	{"maxSecurityGroupRules", "security_group_rules", 35},
}

var useNames = []struct {
	word, resource string
	last           int
}{
	{"totalInstancesUsed", "instances", 0},
	{"totalCoresUsed", "cores", 0},
	{"totalRAMUsed", "ram", 0},
	{"totalServerGroupsUsed", "server_groups", 0},
	{"totalFloatingIpsUsed", "floating_ips", 35},
	{"totalSecurityGroupsUsed", "security_groups", 35},
}

func (a *api) limitRoutes() []rest.Route {
	loose, strict := querySchema(false, "tenant_id", "reserved"), querySchema(true, "tenant_id", "reserved")
	return []rest.Route{
		{Method: "GET", Path: "/limits", Policy: "os_compute_api:limits", Query: loose, Max: rest.V(2, 74), Handle: a.showLimits},
		{Method: "GET", Path: "/limits", Policy: "os_compute_api:limits", Query: strict, Min: rest.V(2, 75), Handle: a.showLimits},
	}
}

func (a *api) showLimits(r *rest.Request) (any, error) {
	project := r.Caller.ProjectID
	if asked := r.Query("tenant_id"); asked != "" {
		if asked != project {
			if err := r.Enforce("os_compute_api:limits:other_project", policy.Target{"project_id": asked, "user_id": r.Caller.UserID}); err != nil {
				return nil, err
			}
		}
		project = asked
	}
	limits, err := a.nova.Limits(r.Context(), project, "")
	if err != nil {
		return nil, err
	}
	use, err := a.nova.Use(r.Context(), project, "")
	if err != nil {
		return nil, err
	}
	absolute := object{}
	for _, n := range limitNames {
		if n.last == 0 || r.Version.Minor <= n.last {
			absolute[n.word] = limits[n.resource]
		}
	}
	for _, n := range useNames {
		if n.last == 0 || r.Version.Minor <= n.last {
			absolute[n.word] = use[n.resource]
		}
	}
	return object{"limits": object{"rate": []any{}, "absolute": absolute}}, nil
}
