package neutron

import (
	"context"
	"maps"
	"slices"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
)

// The resources with quotas, by the names that the API shows.
const (
	quotaNetwork           = "network"
	quotaSubnet            = "subnet"
	quotaPort              = "port"
	quotaRouter            = "router"
	quotaFloatingIP        = "floatingip"
	quotaSecurityGroup     = "security_group"
	quotaSecurityGroupRule = "security_group_rule"
	quotaRBACPolicy        = "rbac_policy"
	quotaTrunk             = "trunk"
	quotaSubnetPool        = "subnetpool"
	quotaAddressGroup      = "address_group"
)

// limited is a resource with a quota: the table where it is counted (usage is always a count of rows, so it cannot drift) and
// upstream's default limit.
type limited struct {
	table string
	limit int64
}

var limitedResources = map[string]limited{
	quotaNetwork:           {"neutron_networks", 100},
	quotaSubnet:            {"neutron_subnets", 100},
	quotaPort:              {"neutron_ports", 500},
	quotaRouter:            {"neutron_routers", 10},
	quotaFloatingIP:        {"neutron_floatingips", 50},
	quotaSecurityGroup:     {"neutron_security_groups", 10},
	quotaSecurityGroupRule: {"neutron_security_group_rules", 100},
	quotaRBACPolicy:        {"neutron_rbac_policies", 10},
	quotaTrunk:             {"neutron_trunks", -1},
	quotaSubnetPool:        {"neutron_subnetpools", -1},
	quotaAddressGroup:      {"neutron_address_groups", -1},
}

// QuotaResources lists what has a quota.
func QuotaResources() []string { return slices.Sorted(maps.Keys(limitedResources)) }

func (s *Service) defaultQuota(resource string) int64 {
	if q, ok := s.Quotas[resource]; ok {
		return q
	}
	return limitedResources[resource].limit
}

// checkQuota fails when a project may not have more of a resource.
func (u *unit) checkQuota(ctx context.Context, project, resource string, more int) error {
	var row struct{ Quota, Used int64 }
	err := u.tx.NewRaw(`SELECT COALESCE((SELECT quota FROM neutron_quotas WHERE project_id = ? AND resource = ?), ?) AS quota,
	(SELECT COUNT(*) FROM `+limitedResources[resource].table+` WHERE project_id = ?) AS used`,
		project, resource, u.s.defaultQuota(resource), project).Scan(ctx, &row)
	if err == nil && row.Quota >= 0 && row.Used+int64(more) > row.Quota {
		return overQuota(resource)
	}
	return err
}

// QuotaDetail is a resource's limit and use.
type QuotaDetail struct {
	Limit    int64 `json:"limit"`
	Used     int64 `json:"used"`
	Reserved int64 `json:"reserved"`
}

// DefaultQuotas returns the limits of projects that have none of their own.
func (s *Service) DefaultQuotas() map[string]int64 {
	m := make(map[string]int64, len(limitedResources))
	for r := range limitedResources {
		m[r] = s.defaultQuota(r)
	}
	return m
}

// ProjectQuotas returns a project's limits.
func (s *Service) ProjectQuotas(ctx context.Context, project string) (map[string]int64, error) {
	all, err := s.quotas(ctx, project)
	if m := all[project]; m != nil || err != nil {
		return m, err
	}
	return s.DefaultQuotas(), nil
}

// AllQuotas returns the limits of all projects that have some of their own.
func (s *Service) AllQuotas(ctx context.Context) (map[string]map[string]int64, error) {
	return s.quotas(ctx, "")
}

func (s *Service) quotas(ctx context.Context, project string) (map[string]map[string]int64, error) {
	rows, err := db.Find[db.Quota](ctx, s.DB.Read(ctx), func(q *bun.SelectQuery) {
		if project != "" {
			q.Where("t.project_id = ?", project)
		}
	})
	all := map[string]map[string]int64{}
	for _, r := range rows {
		if all[r.ProjectID] == nil {
			all[r.ProjectID] = s.DefaultQuotas()
		}
		all[r.ProjectID][r.Resource] = r.Quota
	}
	return all, err
}

// QuotaDetails returns a project's limits with what is used of them.
func (s *Service) QuotaDetails(ctx context.Context, project string) (map[string]QuotaDetail, error) {
	limits, err := s.ProjectQuotas(ctx, project)
	if err != nil {
		return nil, err
	}
	used, err := s.quotaUse(ctx, s.DB.Read(ctx), project)
	details := map[string]QuotaDetail{}
	for r, l := range limits {
		details[r] = QuotaDetail{Limit: l, Used: used[r]}
	}
	return details, err
}

func (s *Service) quotaUse(ctx context.Context, h bun.IDB, project string) (map[string]int64, error) {
	sql, args := "", []any{}
	for _, r := range QuotaResources() {
		if sql != "" {
			sql += " UNION ALL "
		}
		sql += "SELECT ? AS resource, COUNT(*) AS used FROM " + limitedResources[r].table + " WHERE project_id = ?"
		args = append(args, r, project)
	}
	var rows []struct {
		Resource string
		Used     int64
	}
	err := h.NewRaw(sql, args...).Scan(ctx, &rows)
	used := map[string]int64{}
	for _, r := range rows {
		used[r.Resource] = r.Used
	}
	return used, err
}

// SetQuotas changes limits of a project. A limit below what is used is refused unless forced, as upstream's extension
// quota-check-limit-default has it.
func (s *Service) SetQuotas(ctx context.Context, project string, limits map[string]int64, force bool) (map[string]int64, error) {
	err := s.write(ctx, func(ctx context.Context, u *unit) error {
		used, err := s.quotaUse(ctx, u.tx, project)
		if err != nil {
			return err
		}
		for _, r := range slices.Sorted(maps.Keys(limits)) {
			if l := limits[r]; !force && l >= 0 && l < used[r] {
				return bad("InvalidQuotaValue", "Change would make usage less than 0 for the following resources: ['%s'].", r)
			}
			row := &db.Quota{ProjectID: project, Resource: r, Quota: limits[r]}
			if _, err := u.tx.NewInsert().Model(row).On("CONFLICT (project_id, resource) DO UPDATE").Set("quota = EXCLUDED.quota").Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.ProjectQuotas(ctx, project)
}

// ResetQuotas gives a project the default limits again.
func (s *Service) ResetQuotas(ctx context.Context, project string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		r, err := u.tx.NewDelete().Model((*db.Quota)(nil)).Where("project_id = ?", project).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return missing("TenantQuotaNotFound", "Quota for tenant %s could not be found.", project)
	})
}
