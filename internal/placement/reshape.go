package placement

import (
	"context"
	"errors"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// A Reshape moves inventories between providers together with what is allocated from them, all or nothing.
type Reshape struct {
	Inventories map[string]ProviderInventories // by provider UUID
	Consumers   []ConsumerChange
}

// ProviderInventories are all inventories that a provider shall have, and the generation it must have.
type ProviderInventories struct {
	Generation  int64
	Inventories map[string]Inventory
}

// Reshape does what POST /reshaper asks: in between, the providers have both the old and the new inventories.
func (s *Service) Reshape(ctx context.Context, reshape Reshape) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		rows, err := s.reshapeStart(ctx, tx, reshape)
		if err != nil {
			return err
		}
		if err := s.allocate(ctx, tx, reshape.Consumers); err != nil {
			return err
		}
		for _, uuid := range sortedKeys(rows) {
			err := s.replaceInventories(ctx, tx, rows[uuid], reshape.Inventories[uuid].Inventories)
			if err != nil {
				return prefixed(err, Conflict, "update conflict: ")
			}
		}
		return nil
	})
}

// reshapeStart verifies the providers and adds the new inventories to what they have.
func (s *Service) reshapeStart(ctx context.Context, tx store.Tx, reshape Reshape) (map[string]*db.Provider, error) {
	rows, err := db.ProvidersByUUID(ctx, tx, sortedKeys(reshape.Inventories))
	if err != nil {
		return nil, err
	}
	for _, uuid := range sortedKeys(reshape.Inventories) {
		want := reshape.Inventories[uuid]
		row := rows[uuid]
		if row == nil {
			return nil, Refusef(Invalid, "Resource provider %s in inventories not found: No resource provider with uuid %s found", uuid, uuid).
				With(CodeProviderNotFound)
		}
		if row.Generation != want.Generation {
			return nil, Refusef(Conflict, "resource provider generation conflict for provider %s: actual: %d, given: %d",
				uuid, row.Generation, want.Generation).With(CodeConcurrentUpdate)
		}
		if err := checkClasses(ctx, tx, sortedKeys(want.Inventories)); err != nil {
			return nil, prefixed(err, Invalid, "malformed reshaper data: ")
		}
		have, err := db.Inventories(ctx, tx, uuid)
		if err != nil {
			return nil, err
		}
		both := make(map[string]Inventory, len(have)+len(want.Inventories))
		for _, old := range have {
			both[old.ResourceClass] = inventoryOf(old)
		}
		for class, inventory := range want.Inventories {
			both[class] = inventory
		}
		if len(want.Inventories) == 0 {
			continue
		}
		if err := s.replaceInventories(ctx, tx, row, both); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// IsRefusal tells whether err is an Error, and returns it.
func IsRefusal(err error) (*Error, bool) {
	var refusal *Error
	ok := errors.As(err, &refusal)
	return refusal, ok
}
