package placement

import (
	"context"
	"errors"
	"maps"

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
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		rows, err := s.reshapeStart(ctx, tx, reshape)
		if err != nil {
			return err
		}
		if len(reshape.Consumers) > 0 {
			if err := s.allocate(ctx, tx, reshape.Consumers); err != nil {
				return err
			}
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

// reshapeStart verifies everything that can be verified at first, in the order in which upstream complains, and adds the new
// inventories to what the providers have.
func (s *Service) reshapeStart(ctx context.Context, tx store.Tx, reshape Reshape) (map[string]*db.Provider, error) {
	rows, err := db.ProvidersByUUID(ctx, tx, sortedKeys(reshape.Inventories))
	if err != nil {
		return nil, err
	}
	for _, uuid := range sortedKeys(reshape.Inventories) {
		generation := reshape.Inventories[uuid].Generation
		if rows[uuid] == nil {
			return nil, Refusef(Invalid, "Resource provider %s in inventories not found: No resource provider with uuid %s found", uuid, uuid).
				With(CodeProviderNotFound)
		}
		if rows[uuid].Generation != generation {
			return nil, Refusef(Conflict, "resource provider generation conflict for provider %s: actual: %d, given: %d",
				uuid, rows[uuid].Generation, generation).With(CodeConcurrentUpdate)
		}
	}
	if len(reshape.Consumers) > 0 {
		work := &allocation{changes: reshape.Consumers}
		if err := work.readConsumers(ctx, tx); err != nil {
			return nil, err
		}
	}
	for _, uuid := range sortedKeys(reshape.Inventories) {
		if err := s.reshapeAdd(ctx, tx, rows[uuid], reshape.Inventories[uuid].Inventories); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// reshapeAdd gives a provider new inventories and lets it keep the others for the time being.
func (s *Service) reshapeAdd(ctx context.Context, tx store.Tx, row *db.Provider, add map[string]Inventory) error {
	if len(add) == 0 {
		return nil
	}
	if err := checkClasses(ctx, tx, sortedKeys(add)); err != nil {
		return prefixed(err, Invalid, "malformed reshaper data: ")
	}
	have, err := db.Inventories(ctx, tx, row.UUID)
	if err != nil {
		return err
	}
	both := make(map[string]Inventory, len(have)+len(add))
	for _, old := range have {
		both[old.ResourceClass] = inventoryOf(old)
	}
	maps.Copy(both, add)
	return s.replaceInventories(ctx, tx, row, both)
}

// IsRefusal tells whether err is an Error, and returns it.
func IsRefusal(err error) (*Error, bool) {
	var refusal *Error
	ok := errors.As(err, &refusal)
	return refusal, ok
}
