package nova

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gostack/internal/keystone"
	"gostack/internal/nova/db"
	"gostack/internal/nova/scheduler"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// UnifiedLimits are Keystone's limits: the methods of keystone.Service that Nova uses.
type UnifiedLimits interface {
	EnforceLimits(ctx context.Context, project, serviceType, region string, deltas map[string]int64, usage keystone.Usage) error
	Limits(ctx context.Context, project, serviceType, region string) (map[string]int64, error)
}

// Unified makes Keystone's limits of the compute service hold in the place of Nova's quotas, as upstream's nova.quota.UnifiedLimitsDriver
// (nova docs, admin/unified-limits): servers and resource classes by what Placement has given to a project, the rest by what is registered for all.
type Unified struct {
	Keystone UnifiedLimits
	Region   string
	// Strategy says what becomes of resources that nobody has registered: with "require" those in Resources are limited to 0 and others are not
	// limited, with "ignore" the other way round.
	Strategy  string
	Resources []string
}

// Strategies for resources that nobody has registered.
const (
	RequireRegistered = "require"
	IgnoreRegistered  = "ignore"
)

const (
	computeType   = "compute"
	unifiedServer = "servers"
	classPrefix   = "class:"
)

// unifiedNames are Keystone's names for what the compute API shows as quotas; what is not here is unlimited.
var unifiedNames = map[string]string{
	"instances": unifiedServer, "cores": classPrefix + "VCPU", "ram": classPrefix + "MEMORY_MB", "metadata_items": "server_metadata_items",
	"injected_files": "server_injected_files", "injected_file_content_bytes": "server_injected_file_content_bytes",
	"injected_file_path_bytes": "server_injected_file_path_bytes", "key_pairs": "server_key_pairs", "server_groups": "server_groups",
	"server_group_members": "server_group_members",
}

// ConfigureQuota reads the options of upstream's group [quota] by upstream's names: driver, unified_limits_resource_strategy, unified_limits_resource_list
// (words separated by spaces). nil means that Nova's own quotas hold.
func ConfigureQuota(options []string, limits UnifiedLimits, region string) (*Unified, error) {
	u := &Unified{Keystone: limits, Region: region, Strategy: RequireRegistered, Resources: []string{unifiedServer}}
	on := false
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch key {
		case "driver":
			on = strings.HasSuffix(value, "UnifiedLimitsDriver")
			if !on && !strings.HasSuffix(value, "DbQuotaDriver") {
				return nil, fmt.Errorf("driver: %q is not DbQuotaDriver or UnifiedLimitsDriver", value)
			}
		case "unified_limits_resource_strategy":
			if u.Strategy = value; value != RequireRegistered && value != IgnoreRegistered {
				return nil, fmt.Errorf("unified_limits_resource_strategy: %q is not require or ignore", value)
			}
		case "unified_limits_resource_list":
			u.Resources = strings.Fields(value)
		default:
			return nil, fmt.Errorf("there is no option %q; there are driver, unified_limits_resource_strategy and unified_limits_resource_list", key)
		}
	}
	if !on {
		return nil, nil
	}
	return u, nil
}

// unset is the limit of a resource that nobody has registered.
func (u *Unified) unset(resource string) int64 {
	if slices.Contains(u.Resources, resource) == (u.Strategy == RequireRegistered) {
		return 0
	}
	return -1
}

// limits are those of a project by the names of the compute API. What is counted for a request, a user or a group knows only what is registered for all.
func (u *Unified) limits(ctx context.Context, project string) (Limits, error) {
	all, err := u.Keystone.Limits(ctx, "", computeType, u.Region)
	if err != nil {
		return nil, err
	}
	own := all
	if project != "" {
		if own, err = u.Keystone.Limits(ctx, project, computeType, u.Region); err != nil {
			return nil, err
		}
	}
	out := Limits{}
	for _, r := range QuotaResources {
		name, ok := unifiedNames[r.Name]
		if !ok {
			out[r.Name] = -1
			continue
		}
		from := all
		if name == unifiedServer || strings.HasPrefix(name, classPrefix) {
			from = own
		}
		limit, registered := from[name]
		if !registered {
			limit = u.unset(name)
		}
		out[r.Name] = limit
	}
	return out, nil
}

// over refuses what is beyond a limit: in Nova's words, or in oslo.limit's where Keystone's limits hold, which names no project for what is
// registered for all.
func (s *Service) over(resource string, limit, used, delta int64, text string, args ...any) error {
	if s.Unified == nil {
		return rest.Forbidden(text, args...)
	}
	return rest.Forbidden("%s", keystone.OverLimits{{Project: "None", Resource: unifiedNames[resource], Limit: limit, Current: used, Delta: delta}}.Error())
}

// demand is what a server takes of Keystone's limits beside its being one.
func demand(srv *Server) map[string]int64 {
	f := srv.Flavor
	spec := &scheduler.Spec{
		Flavor: scheduler.Flavor{
			Name: f.Name, VCPUs: int(f.VCPUs), MemoryMB: int(f.MemoryMB), RootGB: int(f.RootGB), EphemeralGB: int(f.EphemeralGB), SwapMB: int(f.SwapMB), ExtraSpecs: f.ExtraSpecs,
		},
		Image: scheduler.Image{ID: srv.ImageID, Properties: srv.Image.Properties},
	}
	out := map[string]int64{}
	for class, n := range scheduler.Resources(spec) {
		out[classPrefix+class] = n
	}
	return out
}

// fits tells how many servers more, between least and most, a project may have; in the transaction of ctx. They count as servers unless they do so
// already.
func (s *Service) fits(ctx context.Context, project string, of map[string]int64, counted bool, least, most int) (int, error) {
	usage := s.unifiedUsage()
	enforce := func(n int) error {
		deltas := map[string]int64{unifiedServer: int64(n)}
		if counted {
			deltas[unifiedServer] = 0
		}
		for resource, amount := range of {
			deltas[resource] = amount * int64(n)
		}
		return s.enforceUnified(ctx, project, deltas, usage)
	}
	refusal := enforce(most)
	if refusal == nil {
		return most, nil
	}
	if rest.StatusOf(refusal) != 403 || least == most {
		return 0, refusal
	}
	first := least
	for least < most { // the largest number that fits is in [least-1, most)
		middle := (least + most) / 2
		err := enforce(middle)
		switch {
		case err == nil:
			least = middle + 1
		case rest.StatusOf(err) != 403:
			return 0, err
		default:
			most, refusal = middle, err
		}
	}
	if least == first {
		return 0, refusal
	}
	return least - 1, nil
}

// enforceUnified refuses so much more than a project may have. Resources that nobody has registered are judged by the strategy.
func (s *Service) enforceUnified(ctx context.Context, project string, deltas map[string]int64, usage keystone.Usage) error {
	err := s.Unified.Keystone.EnforceLimits(ctx, project, computeType, s.Unified.Region, deltas, usage)
	var over keystone.OverLimits
	if !errors.As(err, &over) {
		return err
	}
	if slices.ContainsFunc(over, func(o keystone.OverLimit) bool { return o.Limit == 0 }) {
		registered, err := s.Unified.Keystone.Limits(ctx, project, computeType, s.Unified.Region)
		if err != nil {
			return err
		}
		over = slices.DeleteFunc(over, func(o keystone.OverLimit) bool {
			_, known := registered[o.Resource]
			return !known && s.Unified.unset(o.Resource) != 0
		})
	}
	if len(over) == 0 {
		return nil
	}
	slices.SortFunc(over, func(a, b keystone.OverLimit) int { return strings.Compare(a.Resource, b.Resource) })
	return rest.Forbidden("%s", over.Error())
}

// unifiedUsage counts what projects have, each once however often it is asked: their servers, what Placement has given them, and what those
// of them will get that look for a host just now.
func (s *Service) unifiedUsage() keystone.Usage {
	known := map[string]map[string]int64{}
	return func(ctx context.Context, projects, _ []string) (map[string]map[string]int64, error) {
		for _, p := range projects {
			if known[p] != nil {
				continue
			}
			used, err := s.unifiedUse(ctx, p)
			if err != nil {
				return nil, err
			}
			known[p] = used
		}
		return known, nil
	}
}

func (s *Service) unifiedUse(ctx context.Context, project string) (map[string]int64, error) {
	h := s.DB.Read(ctx)
	u, err := db.CountUsage(ctx, h, project, "")
	if err != nil {
		return nil, err
	}
	out := map[string]int64{unifiedServer: u.Instances}
	claimed, err := s.Placement.Usages(ctx, project, "")
	if err != nil {
		return nil, err
	}
	for _, consumers := range claimed {
		for class, n := range consumers.Resources {
			out[classPrefix+class] += n
		}
	}
	waiting, err := db.ListUnplaced(ctx, h, project)
	for _, srv := range waiting {
		for resource, n := range demand(srv) {
			out[resource] += n
		}
	}
	return out, err
}

// admitRestored asks for what a deleted server counts again. Placement has never taken it away.
func (s *Service) admitRestored(ctx context.Context, tx store.Tx, srv *Server) error {
	if s.Unified == nil {
		return s.admitMore(ctx, tx, srv, 1, srv.VCPUs, srv.MemoryMB)
	}
	_, err := s.fits(ctx, srv.ProjectID, nil, false, 1, 1)
	return err
}

// admitUnshelved asks for what a server takes again that has left its host: under Keystone's limits it has none of it meanwhile.
func (s *Service) admitUnshelved(ctx context.Context, tx store.Tx, srv *Server) error {
	if s.Unified == nil || srv.VMState != ShelvedOffloaded {
		return nil
	}
	_, err := s.fits(ctx, srv.ProjectID, demand(srv), true, 1, 1)
	return err
}
