package placement

import (
	"context"
	"maps"
	"slices"
	"strings"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// Allocations are amounts by provider UUID and resource class.
type Allocations map[string]map[string]int64

// A ConsumerChange replaces what one consumer has. Without allocations the consumer is removed.
type ConsumerChange struct {
	Consumer    string
	Project     string
	User        string
	Type        string // empty keeps the type it has
	Allocations Allocations

	// CheckGeneration compares Generation with the consumer's; nil means that the consumer must be new (microversion 1.28).
	CheckGeneration bool
	Generation      *int64
}

// UnknownOwner is project and user of consumers made before microversion 1.8 asked for them.
const UnknownOwner = "00000000-0000-0000-0000-000000000000"

// Allocate writes the allocations of consumers, all or none.
func (s *Service) Allocate(ctx context.Context, changes ...ConsumerChange) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error { return s.allocate(ctx, tx, changes) })
}

// allocation is the work of one allocate.
type allocation struct {
	changes     []ConsumerChange
	consumers   map[string]*db.Consumer
	old         []db.Allocation
	providers   map[string]*db.Provider
	inventories []db.Inventory
	before      []int64 // "used" of the inventories as they were read
}

// allocate replaces allocations in the caller's transaction. Seven statements at most, however many consumers there are.
func (s *Service) allocate(ctx context.Context, tx store.Tx, changes []ConsumerChange) error {
	work, err := s.readAllocation(ctx, tx, changes)
	if err != nil {
		return err
	}
	touched, err := work.verify()
	if err != nil {
		return err
	}
	return s.writeAllocation(ctx, tx, work, touched)
}

func (s *Service) readAllocation(ctx context.Context, tx store.Tx, changes []ConsumerChange) (*allocation, error) {
	work := &allocation{changes: changes}
	if err := work.readConsumers(ctx, tx); err != nil {
		return nil, err
	}
	var wanted, classes []string
	for _, change := range changes {
		for uuid, resources := range change.Allocations {
			wanted = append(wanted, uuid)
			classes = append(classes, sortedKeys(resources)...)
		}
	}
	if len(work.consumers) > 0 {
		var err error
		if work.old, err = db.AllocationsOf(ctx, tx, sortedKeys(work.consumers)); err != nil {
			return nil, err
		}
	}
	if err := checkClasses(ctx, tx, unique(classes)); err != nil {
		return nil, prefixed(err, Invalid, "Unable to allocate inventory%s: ", work.forConsumer())
	}
	for _, old := range work.old {
		wanted = append(wanted, old.ProviderUUID)
	}
	return work, work.readInventories(ctx, tx, wanted)
}

func (w *allocation) readInventories(ctx context.Context, tx store.Tx, providers []string) (err error) {
	w.inventories, err = db.Inventories(ctx, tx, unique(providers)...)
	for _, row := range w.inventories {
		w.before = append(w.before, row.Used)
	}
	return err
}

// changed returns the inventories whose sum is another now.
func (w *allocation) changed() []db.Inventory {
	var rows []db.Inventory
	for i, row := range w.inventories {
		if row.Used != w.before[i] {
			rows = append(rows, row)
		}
	}
	return rows
}

// readConsumers verifies the generations of the consumers and the existence of all providers.
func (w *allocation) readConsumers(ctx context.Context, tx store.Tx) (err error) {
	var uuids, wanted []string
	for _, change := range w.changes {
		uuids = append(uuids, change.Consumer)
		wanted = append(wanted, sortedKeys(change.Allocations)...)
	}
	if w.consumers, err = db.ConsumersByUUID(ctx, tx, uuids); err != nil {
		return err
	}
	if err := w.checkGenerations(); err != nil {
		return err
	}
	if w.providers, err = db.ProvidersByUUID(ctx, tx, unique(wanted)); err != nil {
		return err
	}
	for _, uuid := range wanted {
		if w.providers[uuid] == nil {
			return Refusef(Invalid, "Allocation for resource provider '%s' that does not exist.", uuid).doesNotFit()
		}
	}
	return nil
}

// forConsumer names the consumer in messages about one.
func (w *allocation) forConsumer() string {
	if len(w.changes) != 1 {
		return ""
	}
	return " for consumer " + w.changes[0].Consumer
}

func (w *allocation) checkGenerations() error {
	for _, change := range w.changes {
		if !change.CheckGeneration {
			continue
		}
		consumer, exists := w.consumers[change.Consumer]
		const conflict = "consumer generation conflict - expected %v but got %v"
		switch {
		case !exists && change.Generation != nil:
			return Refusef(Conflict, conflict, "null", *change.Generation).With(CodeConcurrentUpdate)
		case exists && change.Generation == nil:
			return Refusef(Conflict, conflict, consumer.Generation, "None").With(CodeConcurrentUpdate)
		case exists && *change.Generation != consumer.Generation:
			return Refusef(Conflict, conflict, consumer.Generation, *change.Generation).With(CodeConcurrentUpdate)
		}
	}
	return nil
}

func (w *allocation) inventory(provider, class string) *db.Inventory {
	i := slices.IndexFunc(w.inventories, func(row db.Inventory) bool {
		return row.ProviderUUID == provider && row.ResourceClass == class
	})
	if i < 0 {
		return nil
	}
	return &w.inventories[i]
}

// verify gives back what the consumers had, takes what they want, and refuses what does not fit. The rows of the
// inventories carry the new sums afterwards. It returns the UUIDs of the providers whose generation counts up.
func (w *allocation) verify() (touched []string, err error) {
	for _, old := range w.old {
		if row := w.inventory(old.ProviderUUID, old.ResourceClass); row != nil {
			row.Used -= old.Used
		}
	}
	for _, change := range w.changes {
		if len(change.Allocations) == 0 {
			for _, old := range w.old {
				if old.ConsumerUUID == change.Consumer {
					touched = append(touched, old.ProviderUUID)
				}
			}
		}
		for _, provider := range sortedKeys(change.Allocations) {
			touched = append(touched, provider)
			if err := w.take(provider, change.Allocations[provider]); err != nil {
				return nil, err
			}
		}
	}
	return unique(touched), nil
}

// take adds amounts to the sums of one provider (placement/objects/allocation.py, _check_capacity_exceeded).
func (w *allocation) take(provider string, resources map[string]int64) error {
	for _, class := range sortedKeys(resources) {
		amount := resources[class]
		row := w.inventory(provider, class)
		if row == nil {
			return Refusef(Conflict, "Unable to allocate inventory: Inventory for '%s' on resource provider '%s' invalid.",
				strings.Join(w.missing(provider, resources), ", "), provider).doesNotFit()
		}
		if !inventoryOf(*row).Accepts(amount) {
			return Refusef(Conflict, "Unable to allocate inventory: Unable to create allocation for '%s' on resource provider '%s'. "+
				"The requested amount would violate inventory constraints.", class, provider).doesNotFit()
		}
		row.Used += amount
		if float64(row.Used) > inventoryOf(*row).Limit() {
			refusal := Refusef(Conflict, "Unable to allocate inventory: Unable to create allocation for '%s' on resource provider '%s'. "+
				"The requested amount would exceed the capacity.", class, provider)
			return refusal.doesNotFit()
		}
	}
	return nil
}

func (w *allocation) missing(provider string, resources map[string]int64) []string {
	var classes []string
	for _, class := range sortedKeys(resources) {
		if w.inventory(provider, class) == nil {
			classes = append(classes, class)
		}
	}
	return classes
}

func (s *Service) writeAllocation(ctx context.Context, tx store.Tx, work *allocation, touched []string) error {
	now := s.clock().Now()
	var keep []db.Consumer
	var drop, all []string
	var rows []db.Allocation
	for _, change := range work.changes {
		all = append(all, change.Consumer)
		consumer := db.Consumer{UUID: change.Consumer, Type: change.Type, CreatedAt: now}
		if old := work.consumers[change.Consumer]; old != nil {
			consumer.Generation = old.Generation
			if change.Type == "" {
				consumer.Type = old.Type
			}
		}
		consumer.ProjectID, consumer.UserID, consumer.UpdatedAt = change.Project, change.User, now
		consumer.Generation++
		if len(change.Allocations) == 0 {
			drop = append(drop, change.Consumer)
			continue
		}
		keep = append(keep, consumer)
		for _, provider := range sortedKeys(change.Allocations) {
			for _, class := range sortedKeys(change.Allocations[provider]) {
				rows = append(rows, db.Allocation{
					ConsumerUUID: change.Consumer, ProviderUUID: provider, ResourceClass: class,
					Used: change.Allocations[provider][class], CreatedAt: now,
				})
			}
		}
	}
	if len(work.old) > 0 {
		if err := db.DeleteAllocations(ctx, tx, all); err != nil {
			return err
		}
	}
	if err := db.InsertAllocations(ctx, tx, rows); err != nil {
		return err
	}
	if err := db.SaveInventories(ctx, tx, work.changed()); err != nil {
		return err
	}
	if err := db.SaveConsumers(ctx, tx, keep); err != nil {
		return err
	}
	if len(work.consumers) > 0 {
		if err := db.DeleteConsumers(ctx, tx, drop); err != nil {
			return err
		}
	}
	var silent []string // what is given back changes no generation
	for _, row := range work.changed() {
		if !slices.Contains(touched, row.ProviderUUID) && !slices.Contains(silent, row.ProviderUUID) {
			silent = append(silent, row.ProviderUUID)
		}
	}
	if err := db.Touch(ctx, tx, silent); err != nil {
		return err
	}
	return db.BumpGenerations(ctx, tx, touched, now)
}

// DeleteAllocations removes a consumer and all that it has. Generations of providers do not count up.
func (s *Service) DeleteAllocations(ctx context.Context, consumer string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		found, err := s.release(ctx, tx, consumer)
		if err == nil && !found {
			err = Refusef(NotFound, "No allocations for consumer '%s'", consumer)
		}
		return err
	})
}

// release gives back all that a consumer has, and tells whether it had anything.
func (s *Service) release(ctx context.Context, tx store.Tx, consumer string) (found bool, err error) {
	work := &allocation{changes: []ConsumerChange{{Consumer: consumer}}}
	if work.old, err = db.AllocationsOf(ctx, tx, []string{consumer}); err != nil || len(work.old) == 0 {
		return false, err
	}
	work.consumers = map[string]*db.Consumer{consumer: {}}
	var providers []string
	for _, old := range work.old {
		providers = append(providers, old.ProviderUUID)
	}
	if err := work.readInventories(ctx, tx, providers); err != nil {
		return false, err
	}
	if _, err := work.verify(); err != nil {
		return false, err
	}
	return true, s.writeAllocation(ctx, tx, work, nil)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
