package api

import (
	"maps"
	"net/http"
	"slices"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// quotaRoutes are limits per project, with defaults and details.
func (a *api) quotaRoutes() []rest.Route {
	project := func(r *rest.Request) (policy.Target, error) {
		return policy.Target{"project_id": id(r), "tenant_id": id(r)}, nil
	}
	show := func(r *rest.Request) (any, error) {
		limits, err := a.n.ProjectQuotas(r.Context(), id(r))
		return map[string]any{"quota": limits}, err
	}
	own := func(key string) rest.Route {
		return rest.Route{
			Method: "GET", Path: "/v2.0/quotas/" + key, Policy: rest.Authenticated,
			Handle: func(r *rest.Request) (any, error) {
				return map[string]any{key: map[string]string{key + "_id": r.Caller.ProjectID}}, nil
			},
		}
	}
	return []rest.Route{
		own("tenant"), own("project"),
		{Method: "GET", Path: "/v2.0/quotas", Policy: "get_quota", Target: nobody, Handle: a.listQuotas},
		{Method: "GET", Path: "/v2.0/quotas.json", Policy: "get_quota", Target: nobody, Handle: a.listQuotas},
		{Method: "GET", Path: "/v2.0/quotas/{id}", Policy: rest.Authenticated, Target: readable(""), Handle: show},
		{Method: "GET", Path: "/v2.0/quotas/{id}/default", Policy: rest.Authenticated, Target: readable(""), Handle: a.defaultQuotas},
		{Method: "GET", Path: "/v2.0/quotas/{id}/default.json", Policy: rest.Authenticated, Target: readable(""), Handle: a.defaultQuotas},
		{Method: "GET", Path: "/v2.0/quotas/{id}/details", Policy: rest.Authenticated, Target: readable(othersQuota), Handle: a.quotaDetails},
		{Method: "GET", Path: "/v2.0/quotas/{id}/details.json", Policy: rest.Authenticated, Target: readable(othersQuota), Handle: a.quotaDetails},
		{Method: "PUT", Path: "/v2.0/quotas/{id}", Policy: "update_quota", Target: project, Body: anything, Handle: a.setQuotas},
		{
			Method: "DELETE", Path: "/v2.0/quotas/{id}", Policy: "delete_quota", Target: project, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.n.ResetQuotas(r.Context(), id(r)) },
		},
	}
}

// othersQuota is upstream's refusal of the details of another project's quota.
const othersQuota = "Only admin is authorized to access quotas for another tenant"

// readable lets everybody read the quota of the project they are in, whatever their role, and asks the policy about that of another (neutron's
// extensions/quotasv2.py and quotasv2_detail.py). refusal, if any, is what upstream says instead of naming the policy.
func readable(refusal string) func(*rest.Request) (policy.Target, error) {
	return func(r *rest.Request) (policy.Target, error) {
		target := policy.Target{"project_id": id(r), "tenant_id": id(r)}
		if id(r) == r.Caller.ProjectID {
			return target, nil
		}
		err := r.Enforce("get_quota", target)
		if err != nil && refusal != "" {
			err = rest.Forbidden("User does not have admin privileges: %s.", refusal).WithType("AdminRequired").Because(err)
		}
		return target, err
	}
}

// nobody is the target of what belongs to no project: only rules for administrators let in.
func nobody(*rest.Request) (policy.Target, error) { return policy.Target{}, nil }

func (a *api) listQuotas(r *rest.Request) (any, error) {
	all, err := a.n.AllQuotas(r.Context())
	list := []map[string]any{}
	for _, project := range slices.Sorted(maps.Keys(all)) {
		q := map[string]any{"project_id": project, "tenant_id": project}
		for k, v := range all[project] {
			q[k] = v
		}
		list = append(list, q)
	}
	return map[string]any{"quotas": list}, err
}

func (a *api) defaultQuotas(*rest.Request) (any, error) {
	return map[string]any{"quota": a.n.DefaultQuotas()}, nil
}

func (a *api) quotaDetails(r *rest.Request) (any, error) {
	d, err := a.n.QuotaDetails(r.Context(), id(r))
	return map[string]any{"quota": d}, err
}

var quotaTable = func() *attr.Table {
	list := []attr.Attribute{
		{Name: "force", Put: true, Check: attr.Boolean},
		{Name: "check_limit", Put: true, Check: attr.Boolean},
		{Name: "project_id", Put: true},
		{Name: "tenant_id", Put: true},
	}
	for _, q := range neutron.QuotaResources() {
		list = append(list, attr.Attribute{Name: q, Put: true, Check: attr.Integer(-1, 1<<31-1)})
	}
	return attr.NewTable("quota", "quotas", list)
}()

func (a *api) setQuotas(r *rest.Request) (any, error) {
	items, _, err := quotaTable.Items(r.Body, false)
	if err != nil {
		return nil, err
	}
	v, _, err := quotaTable.ForUpdate(items[0])
	if err != nil {
		return nil, err
	}
	limits := map[string]int64{}
	for _, q := range neutron.QuotaResources() {
		if v.Has(q) {
			limits[q] = v.Int(q)
		}
	}
	set, err := a.n.SetQuotas(r.Context(), id(r), limits, v.Bool("force"))
	return map[string]any{"quota": set}, err
}
