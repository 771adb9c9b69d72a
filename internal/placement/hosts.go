package placement

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// A HostInventory is what a compute host reports of itself.
type HostInventory struct {
	UUID string // of the compute node
	Name string // hypervisor host name

	// Inventories by resource class, usually VCPU, MEMORY_MB and DISK_GB. Zero fields get their defaults, and MaxUnit the
	// total. Classes that are not named here are removed, unless something is allocated from them or they are custom.
	Inventories map[string]Inventory

	// InitialRatios are the allocation ratios of classes that have none in Inventories, until an operator sets others.
	InitialRatios map[string]float64

	// Traits are those that the host can tell. Custom traits and others set by operators stay.
	Traits []string
}

// hostTraits are the prefixes of traits that a host reports itself; the rest of a provider's traits belongs to others.
var hostTraits = []string{"COMPUTE_", "HW_CPU_", "HW_ARCH_"}

// TraitComputeDisabled keeps new servers away from a host; nova sets it with the service's status, not the host itself.
const TraitComputeDisabled = "COMPUTE_STATUS_DISABLED"

// EnsureHost makes the provider of a host say what the host reports. It writes only what differs.
func (s *Service) EnsureHost(ctx context.Context, host HostInventory) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		row, err := db.ProviderByUUID(ctx, tx, host.UUID)
		if err != nil {
			return err
		}
		if row == nil {
			now := s.clock().Now()
			row = &db.Provider{UUID: host.UUID, Name: host.Name, RootUUID: host.UUID, CreatedAt: now, UpdatedAt: now}
			if err := s.insertHost(ctx, tx, row); err != nil {
				return err
			}
		}
		if row.Name != host.Name {
			row.Name, row.UpdatedAt = host.Name, s.clock().Now()
			if err := db.UpdateProvider(ctx, tx, row); err != nil {
				return err
			}
		}
		if err := s.ensureHostInventories(ctx, tx, row, host); err != nil {
			return err
		}
		return s.ensureHostTraits(ctx, tx, row, host.Traits)
	})
}

// insertHost adds the provider of a host, or refuses when another host has its name.
func (s *Service) insertHost(ctx context.Context, tx store.Tx, row *db.Provider) error {
	same, err := db.ProvidersNamed(ctx, tx, row.UUID, row.Name)
	if err != nil {
		return err
	}
	if len(same) > 0 {
		return Refusef(Conflict, "Conflicting resource provider name: %s already exists.", row.Name).With(CodeDuplicateName)
	}
	return db.InsertProvider(ctx, tx, row)
}

func (s *Service) ensureHostInventories(ctx context.Context, tx store.Tx, row *db.Provider, host HostInventory) error {
	have, err := db.Inventories(ctx, tx, row.UUID)
	if err != nil {
		return err
	}
	var changed []db.Inventory
	var gone []string
	for _, old := range have {
		if _, stays := host.Inventories[old.ResourceClass]; !stays && old.Used == 0 && !strings.HasPrefix(old.ResourceClass, CustomPrefix) {
			gone = append(gone, old.ResourceClass)
		}
	}
	for _, class := range sortedKeys(host.Inventories) {
		i := slices.IndexFunc(have, func(row db.Inventory) bool { return row.ResourceClass == class })
		reported := host.Inventories[class]
		switch {
		case reported.AllocationRatio != 0:
		case i >= 0:
			reported.AllocationRatio = have[i].AllocationRatio
		default:
			reported.AllocationRatio = host.InitialRatios[class]
		}
		want := s.inventoryRow(row.UUID, class, withDefaults(reported), 0)
		if i >= 0 {
			want.Used = have[i].Used
			same := want
			same.CreatedAt, same.UpdatedAt = have[i].CreatedAt, have[i].UpdatedAt
			if same == have[i] {
				continue
			}
		}
		changed = append(changed, want)
	}
	if len(changed)+len(gone) == 0 {
		return nil
	}
	if err := db.DeleteInventories(ctx, tx, row.UUID, gone); err != nil {
		return err
	}
	if err := db.SaveInventories(ctx, tx, changed); err != nil {
		return err
	}
	return s.bump(ctx, tx, row)
}

func withDefaults(i Inventory) Inventory {
	if i.MinUnit == 0 {
		i.MinUnit = 1
	}
	if i.MaxUnit == 0 {
		i.MaxUnit = max(i.Total, 1)
	}
	if i.StepSize == 0 {
		i.StepSize = 1
	}
	if i.AllocationRatio == 0 {
		i.AllocationRatio = 1
	}
	return i
}

func (s *Service) ensureHostTraits(ctx context.Context, tx store.Tx, row *db.Provider, reported []string) error {
	have, err := db.ProviderTraits(ctx, tx, row.UUID)
	if err != nil {
		return err
	}
	var want []string
	for _, name := range reported {
		if !IsStandardTrait(name) && !strings.HasPrefix(name, CustomPrefix) {
			continue // a newer driver may know more traits than we do
		}
		want = append(want, name)
	}
	if err := s.ensureCustomTraits(ctx, tx, want); err != nil {
		return err
	}
	for _, trait := range have {
		own := slices.ContainsFunc(hostTraits, func(prefix string) bool { return strings.HasPrefix(trait.Name, prefix) })
		if !own || trait.Name == TraitComputeDisabled {
			want = append(want, trait.Name)
		}
	}
	return s.changeTraits(ctx, tx, row, have, unique(want))
}

func (s *Service) ensureCustomTraits(ctx context.Context, tx store.Tx, names []string) error {
	var custom []string
	for _, name := range unique(names) {
		if strings.HasPrefix(name, CustomPrefix) {
			custom = append(custom, name)
		}
	}
	rows, err := db.TraitsByName(ctx, tx, custom)
	if err != nil {
		return err
	}
	for _, name := range custom {
		if slices.ContainsFunc(rows, func(row db.Trait) bool { return row.Name == name }) {
			continue
		}
		if err := db.InsertTrait(ctx, tx, &db.Trait{Name: name, CreatedAt: s.clock().Now()}); err != nil {
			return err
		}
	}
	return nil
}

// SetTrait gives a provider a standard trait or takes it away, in the caller's transaction. A provider that is gone is no error.
func (s *Service) SetTrait(ctx context.Context, tx store.Tx, uuid, trait string, on bool) error {
	row, err := db.ProviderByUUID(ctx, tx, uuid)
	if err != nil || row == nil {
		return err
	}
	rows, err := db.ProviderTraits(ctx, tx, uuid)
	if err != nil {
		return err
	}
	var names []string
	for _, row := range rows {
		if row.Name != trait {
			names = append(names, row.Name)
		}
	}
	if on {
		names = append(names, trait)
	}
	return s.changeTraits(ctx, tx, row, rows, names)
}

// SetMember puts a provider into an aggregate or takes it out, in the caller's transaction: nova's host aggregates are
// aggregates of placement with the same UUID. A provider that is gone is no error.
func (s *Service) SetMember(ctx context.Context, tx store.Tx, uuid, aggregate string, member bool) error {
	row, err := db.ProviderByUUID(ctx, tx, uuid)
	if err != nil || row == nil {
		return err
	}
	have, err := db.ProviderAggregates(ctx, tx, uuid)
	if err != nil || slices.Contains(have, aggregate) == member {
		return err
	}
	if member {
		err = db.ChangeAggregates(ctx, tx, uuid, []string{aggregate}, nil)
	} else {
		err = db.ChangeAggregates(ctx, tx, uuid, nil, []string{aggregate})
	}
	if err != nil {
		return err
	}
	return s.bump(ctx, tx, row)
}

// RemoveHost removes the provider of a host and those below it, in the caller's transaction. It is refused while something is allocated from
// any.
func (s *Service) RemoveHost(ctx context.Context, tx store.Tx, uuid string) error {
	tree, err := db.Tree(ctx, tx, uuid)
	if err != nil {
		return err
	}
	below := subtree(tree, uuid)
	for _, uuid := range below {
		used, err := db.HasAllocations(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if used {
			return Refusef(Conflict, "Unable to delete resource provider %s: Resource provider has allocations.", uuid).With(CodeProviderInUse)
		}
	}
	for _, uuid := range slices.Backward(below) {
		if err := db.DeleteProvider(ctx, tx, uuid); err != nil {
			return err
		}
	}
	return nil
}
