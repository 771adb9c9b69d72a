package placement

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// Limits and defaults of an inventory (placement/handlers/inventory.py).
const (
	MaxInt             = 0x7FFFFFFF
	MaxAllocationRatio = 3.40282e+38
)

// DefaultInventory holds what a client need not say.
var DefaultInventory = Inventory{MinUnit: 1, MaxUnit: MaxInt, StepSize: 1, AllocationRatio: 1}

// Inventories returns a provider and its inventories by class.
func (s *Service) Inventories(ctx context.Context, uuid string) (*ResourceProvider, map[string]Inventory, error) {
	q := s.DB.Read(ctx)
	row, err := provider(ctx, q, uuid)
	if err != nil {
		return nil, nil, err
	}
	rows, err := db.Inventories(ctx, q, uuid)
	inventories := make(map[string]Inventory, len(rows))
	for _, row := range rows {
		inventories[row.ResourceClass] = inventoryOf(row)
	}
	return row, inventories, err
}

// A CapacityRule tells how much of an inventory may be reserved.
type CapacityRule bool

// From microversion 1.26 on everything may be reserved.
const (
	SomethingLeft CapacityRule = false
	AllReserved   CapacityRule = true
)

func (rule CapacityRule) check(uuid, class string, inventory Inventory) error {
	capacity := inventory.Capacity()
	switch {
	case rule == AllReserved && capacity < 0:
		return Refusef(Invalid, "Invalid inventory for '%s' on resource provider '%s'. The reserved value is greater than total.", class, uuid)
	case rule == SomethingLeft && capacity <= 0:
		return Refusef(Invalid, "Invalid inventory for '%s' on resource provider '%s'. The reserved value is greater than or equal to total.", class, uuid)
	}
	return nil
}

// SetInventories replaces all inventories of a provider; the generation must be the present one.
func (s *Service) SetInventories(ctx context.Context, uuid string, generation int64, want map[string]Inventory, rule CapacityRule,
) (*ResourceProvider, error) {
	return s.changeProvider(ctx, uuid, func(ctx context.Context, tx store.Tx, row *ResourceProvider) error {
		if row.Generation != generation {
			return Refusef(Conflict, "resource provider generation conflict").With(CodeConcurrentUpdate)
		}
		for class, inventory := range want {
			if err := rule.check(uuid, class, inventory); err != nil {
				return prefixed(err, Invalid, "Unable to update inventory for resource provider %s: ", uuid)
			}
		}
		if err := checkClasses(ctx, tx, sortedKeys(want)); err != nil {
			return prefixed(err, Invalid, "Unknown resource class in inventory for resource provider %s: ", uuid)
		}
		return prefixed(s.replaceInventories(ctx, tx, row, want), Conflict, "update conflict: ")
	})
}

// replaceInventories writes the inventories of a provider and counts its generation up. What is in use stays.
func (s *Service) replaceInventories(ctx context.Context, tx store.Tx, row *ResourceProvider, want map[string]Inventory) error {
	have, err := db.Inventories(ctx, tx, row.UUID)
	if err != nil {
		return err
	}
	used := map[string]int64{}
	var gone, inUse []string
	for _, old := range have {
		used[old.ResourceClass] = old.Used
		if _, stays := want[old.ResourceClass]; !stays {
			gone = append(gone, old.ResourceClass)
			if old.Used > 0 {
				inUse = append(inUse, old.ResourceClass)
			}
		}
	}
	if len(inUse) > 0 {
		return inventoryInUse(inUse, row.UUID)
	}
	if err := db.DeleteInventories(ctx, tx, row.UUID, gone); err != nil {
		return err
	}
	rows := make([]db.Inventory, 0, len(want))
	for _, class := range sortedKeys(want) {
		rows = append(rows, s.inventoryRow(row.UUID, class, want[class], used[class]))
	}
	if err := db.SaveInventories(ctx, tx, rows); err != nil {
		return err
	}
	return s.bump(ctx, tx, row)
}

func inventoryInUse(classes []string, uuid string) *Error {
	return Refusef(Conflict, "Inventory for '%s' on resource provider '%s' in use.", strings.Join(classes, ", "), uuid).
		With(CodeInventoryInUse)
}

func (s *Service) inventoryRow(uuid, class string, i Inventory, used int64) db.Inventory {
	now := s.clock().Now()
	return db.Inventory{
		ProviderUUID: uuid, ResourceClass: class,
		Total: i.Total, Reserved: i.Reserved, MinUnit: i.MinUnit, MaxUnit: i.MaxUnit, StepSize: i.StepSize,
		AllocationRatio: i.AllocationRatio, Used: used, CreatedAt: now, UpdatedAt: now,
	}
}

// AddInventory adds the inventory of one class to a provider.
func (s *Service) AddInventory(ctx context.Context, uuid, class string, inventory Inventory, rule CapacityRule) (*ResourceProvider, error) {
	return s.changeProvider(ctx, uuid, func(ctx context.Context, tx store.Tx, row *ResourceProvider) error {
		err := rule.check(uuid, class, inventory)
		if err == nil {
			err = checkClasses(ctx, tx, []string{class})
		}
		if err != nil {
			return prefixed(err, Invalid, "Unable to create inventory for resource provider %s: ", uuid)
		}
		have, err := db.Inventories(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if hasClass(have, class) {
			return Refusef(Conflict, "Update conflict: Inventory for '%s' on resource provider '%s' exists already.", class, uuid).
				With(CodeConcurrentUpdate)
		}
		if err := db.SaveInventories(ctx, tx, []db.Inventory{s.inventoryRow(uuid, class, inventory, 0)}); err != nil {
			return err
		}
		return s.bump(ctx, tx, row)
	})
}

// UpdateInventory changes the inventory of one class of a provider; the generation must be the present one.
func (s *Service) UpdateInventory(ctx context.Context, uuid, class string, generation int64, inventory Inventory, rule CapacityRule,
) (*ResourceProvider, error) {
	return s.changeProvider(ctx, uuid, func(ctx context.Context, tx store.Tx, row *ResourceProvider) error {
		if row.Generation != generation {
			return Refusef(Conflict, "resource provider generation conflict").With(CodeConcurrentUpdate)
		}
		if err := rule.check(uuid, class, inventory); err != nil {
			return prefixed(err, Invalid, "Unable to update inventory for resource provider %s: ", uuid)
		}
		if err := checkClasses(ctx, tx, []string{class}); err != nil {
			return err
		}
		have, err := db.Inventories(ctx, tx, uuid)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(have, func(row db.Inventory) bool { return row.ResourceClass == class })
		if i < 0 {
			return Refusef(Invalid, "No inventory record with resource class for resource provider %s: No inventory of class %s found.", uuid, class)
		}
		if err := db.SaveInventories(ctx, tx, []db.Inventory{s.inventoryRow(uuid, class, inventory, have[i].Used)}); err != nil {
			return err
		}
		return s.bump(ctx, tx, row)
	})
}

// DeleteInventory removes the inventory of one class, when nothing is allocated from it.
func (s *Service) DeleteInventory(ctx context.Context, uuid, class string) error {
	_, err := s.changeProvider(ctx, uuid, func(ctx context.Context, tx store.Tx, row *ResourceProvider) error {
		have, err := db.Inventories(ctx, tx, uuid)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(have, func(row db.Inventory) bool { return row.ResourceClass == class })
		if i < 0 {
			return Refusef(NotFound, "No inventory of class %s found for delete: No inventory of class %s found for delete", class, class)
		}
		if have[i].Used > 0 {
			refusal := inventoryInUse([]string{class}, uuid).With(CodeConcurrentUpdate)
			return prefixed(refusal, Conflict, "Unable to delete inventory of class %s: ", class)
		}
		if err := db.DeleteInventories(ctx, tx, uuid, []string{class}); err != nil {
			return err
		}
		return s.bump(ctx, tx, row)
	})
	return err
}

// DeleteInventories removes all inventories of a provider, when nothing is allocated from any.
func (s *Service) DeleteInventories(ctx context.Context, uuid string) error {
	_, err := s.changeProvider(ctx, uuid, func(ctx context.Context, tx store.Tx, row *ResourceProvider) error {
		return s.replaceInventories(ctx, tx, row, nil)
	})
	return err
}

// changeProvider runs change in a transaction, on a provider that exists.
func (s *Service) changeProvider(ctx context.Context, uuid string, change func(context.Context, store.Tx, *ResourceProvider) error,
) (*ResourceProvider, error) {
	var row *ResourceProvider
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		var err error
		if row, err = provider(ctx, tx, uuid); err != nil {
			return err
		}
		return change(ctx, tx, row)
	})
	return row, err
}

func hasClass(rows []db.Inventory, class string) bool {
	return slices.ContainsFunc(rows, func(row db.Inventory) bool { return row.ResourceClass == class })
}
