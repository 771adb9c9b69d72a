package nova

import (
	"context"
	"slices"

	"github.com/uptrace/bun"

	"gostack/internal/nova/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// QuotaResource is something that is limited, with upstream's default. Of those without use nothing is counted: they bound
// one request, or belong to another service since it left Nova.
type QuotaResource struct {
	Name    string
	Default int64
}

// QuotaResources are the limits of the compute API, in the order in which it shows them.
var QuotaResources = []QuotaResource{
	{"cores", 20},
	{"fixed_ips", -1},
	{"floating_ips", -1},
	{"injected_file_content_bytes", 10240},
	{"injected_file_path_bytes", 255},
	{"injected_files", 5},
	{"instances", 10},
	{"key_pairs", 100},
	{"metadata_items", 128},
	{"ram", 51200},
	{"security_group_rules", -1},
	{"security_groups", -1},
	{"server_group_members", 10},
	{"server_groups", 10},
}

// Limits are hard limits by resource; -1 is none.
type Limits map[string]int64

// Limits returns what holds for a project, or with user set for that user in it.
func (s *Service) Limits(ctx context.Context, project, user string) (Limits, error) {
	return s.limits(ctx, s.DB.Read(ctx), project, user)
}

func (s *Service) limits(ctx context.Context, h bun.IDB, project, user string) (Limits, error) {
	if s.Unified != nil {
		return s.Unified.limits(ctx, project)
	}
	rows, err := db.ListQuotas(ctx, h, project, user, "default")
	return limitsOf(rows, db.QuotaOfClass, db.QuotaOfProject, db.QuotaOfUser), err
}

// limitsOf are the defaults with what rows of the kinds say, the later kind before the earlier.
func limitsOf(rows []*db.Quota, kinds ...string) Limits {
	limits := Limits{}
	for _, r := range QuotaResources {
		limits[r.Name] = r.Default
	}
	for _, kind := range kinds {
		for _, q := range rows {
			if q.Kind == kind && q.HardLimit != unset {
				limits[q.Resource] = q.HardLimit
			}
		}
	}
	return limits
}

// bound is what a project may hold and what it holds, or a user in it who has limits of their own.
type bound struct {
	limits Limits
	use    db.Usage
}

// bounds are all that a new server of a user has to keep to: the project's limits, and the user's for what the user has.
func (s *Service) bounds(ctx context.Context, h bun.IDB, project, user string) ([]bound, error) {
	if s.Unified != nil { // which counts by itself
		limits, err := s.Unified.limits(ctx, project)
		return []bound{{limits: limits}}, err
	}
	rows, err := db.ListQuotas(ctx, h, project, user, "default")
	if err != nil {
		return nil, err
	}
	use, err := db.CountUsage(ctx, h, project, "")
	if err != nil {
		return nil, err
	}
	all := []bound{{limitsOf(rows, db.QuotaOfClass, db.QuotaOfProject), use}}
	if slices.ContainsFunc(rows, func(q *db.Quota) bool { return q.Kind == db.QuotaOfUser }) {
		if use, err = db.CountUsage(ctx, h, project, user); err != nil {
			return nil, err
		}
		all = append(all, bound{limitsOf(rows, db.QuotaOfClass, db.QuotaOfProject, db.QuotaOfUser), use})
	}
	return all, nil
}

// servers are what more servers take, each so much, beside what is held.
func (b bound) servers(n, cores, ram int64) []need {
	return []need{{"cores", cores, b.use.Cores}, {"instances", n, b.use.Instances}, {"ram", ram, b.use.RAM}}
}

const unset = -2

// Use is what a project, or a user in it, holds of each counted resource.
func (s *Service) Use(ctx context.Context, project, user string) (map[string]int64, error) {
	h := s.DB.Read(ctx)
	if s.Unified != nil {
		used, err := s.unifiedUse(ctx, project)
		if err != nil {
			return nil, err
		}
		groups, err := db.CountServerGroups(ctx, h, project)
		return map[string]int64{"instances": used[unifiedServer], "cores": used[unifiedNames["cores"]], "ram": used[unifiedNames["ram"]], "server_groups": groups}, err
	}
	u, err := db.CountUsage(ctx, h, project, user)
	if err != nil {
		return nil, err
	}
	groups, err := db.CountServerGroups(ctx, h, project)
	return map[string]int64{"instances": u.Instances, "cores": u.Cores, "ram": u.RAM, "server_groups": groups}, err
}

// SetQuotas changes limits of a project, or of a user in it. Below what is in use only force is obeyed. While Keystone's limits hold they are kept
// without effect, and anything goes, as upstream.
func (s *Service) SetQuotas(ctx context.Context, project, user string, limits Limits, force bool) error {
	force = force || s.Unified != nil
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		use, err := db.CountUsage(ctx, tx, project, user)
		if err != nil {
			return err
		}
		used := map[string]int64{"instances": use.Instances, "cores": use.Cores, "ram": use.RAM}
		whole, err := s.limits(ctx, tx, project, "")
		if err != nil {
			return err
		}
		for _, r := range QuotaResources {
			limit, ok := limits[r.Name]
			if !ok {
				continue
			}
			if limit >= 0 && limit < used[r.Name] && !force {
				return rest.BadRequest("Quota limit %d for %s must be greater than or equal to already used and reserved %d.", limit, r.Name, used[r.Name])
			}
			kind := db.QuotaOfProject
			if user != "" {
				kind = db.QuotaOfUser
				if most := whole[r.Name]; most >= 0 && (limit < 0 || limit > most) && !force {
					return rest.BadRequest("Quota limit %d for %s must be less than or equal to %d.", limit, r.Name, most)
				}
			}
			if err := db.SetQuota(ctx, tx, &db.Quota{Kind: kind, ScopeID: project, UserID: user, Resource: r.Name, HardLimit: limit}); err != nil {
				return err
			}
		}
		return nil
	})
}

// ResetQuotas gives a project, or a user in it, the defaults again.
func (s *Service) ResetQuotas(ctx context.Context, project, user string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error { return db.DeleteQuotas(ctx, tx, project, user) })
}

// SetClassQuotas changes the defaults (class "default"), or what another class says.
func (s *Service) SetClassQuotas(ctx context.Context, class string, limits Limits) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		for name, limit := range limits {
			if err := db.SetQuota(ctx, tx, &db.Quota{Kind: db.QuotaOfClass, ScopeID: class, Resource: name, HardLimit: limit}); err != nil {
				return err
			}
		}
		return nil
	})
}

// ClassLimits returns the limits of a quota class.
func (s *Service) ClassLimits(ctx context.Context, class string) (Limits, error) {
	if s.Unified != nil { // which knows no classes
		return s.Unified.limits(ctx, "")
	}
	rows, err := db.ListQuotas(ctx, s.DB.Read(ctx), "", "", class)
	if err != nil {
		return nil, err
	}
	return limitsOf(rows, db.QuotaOfClass), nil
}
