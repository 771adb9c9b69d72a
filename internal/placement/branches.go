package placement

import (
	"context"
	"maps"
	"slices"
	"strings"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// A Branch is a provider below that of a host, kept by whoever knows a part of the host: Neutron keeps those of its bridges.
type Branch struct {
	UUID   string
	Name   string
	Parent string // UUID of another branch, named before it; "" is the host's own provider

	// Inventories are all that it has; zero fields get their defaults. A class of which something is allocated stays.
	Inventories map[string]Inventory
	Traits      []string // all that it has
}

// EnsureBranches makes the providers below a host whose names begin with prefix be exactly those. It returns false, and does nothing, when
// there is no provider of the host yet. What is not named any more goes; while something is allocated from it, it keeps that and loses its
// traits, so that nothing more comes.
func (s *Service) EnsureBranches(ctx context.Context, host, prefix string, branches []Branch) (found bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		roots, err := db.ProvidersNamed(ctx, tx, "", host)
		found = err == nil && len(roots) == 1 && roots[0].ParentUUID == ""
		if !found {
			return err
		}
		tree, err := db.Tree(ctx, tx, roots[0].UUID)
		if err != nil {
			return err
		}
		for _, b := range branches {
			if b.Parent == "" {
				b.Parent = roots[0].UUID
			}
			if err := s.ensureBranch(ctx, tx, roots[0].UUID, tree, b); err != nil {
				return err
			}
		}
		above := slices.Clone(tree)
		slices.SortStableFunc(tree, func(a, b ResourceProvider) int { return depth(above, b) - depth(above, a) }) // those below go first
		for i := range tree {
			row := &tree[i]
			if !strings.HasPrefix(row.Name, prefix) || row.ParentUUID == "" || slices.ContainsFunc(branches, func(b Branch) bool { return b.UUID == row.UUID }) {
				continue
			}
			if err := s.dropBranch(ctx, tx, row); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// Is tells whether a provider is what the branch says it shall be, but for ratios that an operator may have set.
func (b Branch) Is(p *Provider) bool {
	if p == nil || p.Name != b.Name || b.Parent != "" && p.Parent != b.Parent || len(p.Inventories) != len(b.Inventories) ||
		!slices.Equal(p.Traits, slices.Sorted(slices.Values(unique(b.Traits)))) {
		return false
	}
	for class, want := range b.Inventories {
		have, found := p.Inventories[class]
		if want.AllocationRatio == 0 {
			want.AllocationRatio = have.AllocationRatio
		}
		want = withDefaults(want)
		want.Used, want.UpdatedAt = have.Used, have.UpdatedAt
		if !found || want != have {
			return false
		}
	}
	return true
}

// depth is how many providers a provider is below.
func depth(tree []ResourceProvider, row ResourceProvider) (n int) {
	for row.ParentUUID != "" && n < len(tree) {
		i := slices.IndexFunc(tree, func(r ResourceProvider) bool { return r.UUID == row.ParentUUID })
		if i < 0 {
			break
		}
		row, n = tree[i], n+1
	}
	return n
}

func (s *Service) ensureBranch(ctx context.Context, tx store.Tx, root string, tree []ResourceProvider, b Branch) error {
	now := s.clock().Now()
	row := &db.Provider{UUID: b.UUID, Name: b.Name, RootUUID: root, ParentUUID: b.Parent, CreatedAt: now, UpdatedAt: now}
	if i := slices.IndexFunc(tree, func(r ResourceProvider) bool { return r.UUID == b.UUID }); i >= 0 {
		row = &tree[i]
	} else if err := s.insertHost(ctx, tx, row); err != nil {
		return err
	}
	if err := s.ensureHostInventories(ctx, tx, row, HostInventory{Inventories: b.Inventories}); err != nil {
		return err
	}
	if err := s.ensureCustomTraits(ctx, tx, b.Traits); err != nil {
		return err
	}
	have, err := db.ProviderTraits(ctx, tx, row.UUID)
	if err != nil {
		return err
	}
	return s.changeTraits(ctx, tx, row, have, unique(b.Traits))
}

func (s *Service) dropBranch(ctx context.Context, tx store.Tx, row *ResourceProvider) error {
	parent, err := db.HasChildren(ctx, tx, row.UUID)
	if err != nil || parent {
		return err
	}
	used, err := db.HasAllocations(ctx, tx, row.UUID)
	if err != nil {
		return err
	}
	if !used {
		return db.DeleteProvider(ctx, tx, row.UUID)
	}
	have, err := db.ProviderTraits(ctx, tx, row.UUID)
	if err != nil {
		return err
	}
	return s.changeTraits(ctx, tx, row, have, nil)
}

// Adjust adds to what a consumer has, by provider and resource class, or with negative amounts takes from it, in the caller's transaction.
// What does not fit is ErrCapacity; then nothing was written. A consumer that has nothing at all is left alone.
func (s *Service) Adjust(ctx context.Context, tx store.Tx, consumer string, changes Allocations) error {
	return s.AdjustAll(ctx, tx, map[string]Allocations{consumer: changes})
}

// AdjustAll does so for many consumers at once: all of them or none.
func (s *Service) AdjustAll(ctx context.Context, tx store.Tx, changes map[string]Allocations) error {
	ids := slices.Sorted(maps.Keys(changes))
	consumers, err := db.ConsumersByUUID(ctx, tx, ids)
	if err != nil || len(consumers) == 0 {
		return err
	}
	rows, err := db.AllocationsOf(ctx, tx, ids)
	if err != nil {
		return err
	}
	all := map[string]Allocations{}
	add := func(consumer, provider, class string, n int64) {
		if all[consumer] == nil {
			all[consumer] = Allocations{}
		}
		of := all[consumer]
		if of[provider] == nil {
			of[provider] = map[string]int64{}
		}
		if of[provider][class] += n; of[provider][class] <= 0 {
			delete(of[provider], class)
		}
		if len(of[provider]) == 0 {
			delete(of, provider)
		}
	}
	for _, row := range rows {
		add(row.ConsumerUUID, row.ProviderUUID, row.ResourceClass, row.Used)
	}
	var wanted []ConsumerChange
	for _, id := range ids {
		c := consumers[id]
		if c == nil {
			continue
		}
		for provider, resources := range changes[id] {
			for class, n := range resources {
				add(id, provider, class, n)
			}
		}
		wanted = append(wanted, ConsumerChange{Consumer: id, Project: c.ProjectID, User: c.UserID, Allocations: all[id]})
	}
	return s.allocate(ctx, tx, wanted)
}
