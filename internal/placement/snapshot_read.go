package placement

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"gostack/internal/placement/db"
)

// Snapshot reads everything that placing a workload depends on: one statement when nothing has changed since the last snapshot, else three however many
// providers there are, of which only those that have changed are read anew. Its providers share maps and lists with other snapshots: who changes one copies it.
func (s *Service) Snapshot(ctx context.Context) (Snapshot, error) {
	k := &s.seen
	k.mu.Lock()
	defer k.mu.Unlock()
	q := s.DB.Read(ctx)
	mark, err := db.Mark(ctx, q)
	if err != nil {
		return Snapshot{}, err
	}
	whole := k.of == nil || time.Since(k.whole) > readWhole
	if mark != k.mark || whole {
		// What changes between these statements has another mark, and is read next time.
		if err := k.renew(ctx, s, whole); err != nil {
			return Snapshot{}, err
		}
		k.mark = mark
	}
	list := k.list
	list.Providers = slices.Clone(list.Providers)
	return list, nil
}

// readWhole is how often everything is read, whatever the revisions say: a replica of an older version may not have counted them up.
const readWhole = time.Minute

// readAll is how many providers may have changed before all are read.
const readAll = 500

// seen is what the last snapshot found.
type seen struct {
	mu    sync.Mutex
	mark  string
	whole time.Time // when everything was read
	of    map[string]seenProvider
	list  Snapshot
}

type seenProvider struct {
	revision int64
	Provider
}

// renew reads what has changed.
func (k *seen) renew(ctx context.Context, s *Service, whole bool) error {
	q := s.DB.Read(ctx)
	now := time.Now()
	revisions, err := db.Revisions(ctx, q) // before the rows: what is known is never older than its revision says
	if err != nil {
		return err
	}
	changed := []string{}
	for uuid, revision := range revisions {
		if at, known := k.of[uuid]; !known || at.revision != revision || whole {
			changed = append(changed, uuid)
		}
	}
	if whole || len(changed) > readAll {
		changed, whole = nil, true
	}
	rows, err := db.ReadSnapshot(ctx, q, changed)
	if err != nil {
		return err
	}
	of := make(map[string]seenProvider, len(revisions))
	for uuid, revision := range revisions {
		if at, known := k.of[uuid]; known && at.revision == revision && !whole {
			of[uuid] = at
		}
	}
	list := Snapshot{CustomTraits: map[string]bool{}, CustomResourceClasses: map[string]bool{}}
	for uuid, p := range providersOf(rows, &list) {
		if revision, there := revisions[uuid]; there { // else it came between two statements
			of[uuid] = seenProvider{revision, *p}
		}
	}
	// Databases collate differently; lookups here compare bytes.
	list.Providers = make([]Provider, 0, len(of))
	for _, uuid := range slices.Sorted(maps.Keys(of)) {
		list.Providers = append(list.Providers, of[uuid].Provider)
	}
	k.of, k.list = of, list
	if whole {
		k.whole = now
	}
	return nil
}

// providersOf makes providers of rows, and notes the custom names in list.
func providersOf(rows *db.Snapshot, list *Snapshot) map[string]*Provider {
	byUUID := make(map[string]*Provider, len(rows.Providers))
	for _, row := range rows.Providers {
		byUUID[row.UUID] = &Provider{
			UUID: row.UUID, Name: row.Name, Generation: row.Generation, Parent: row.ParentUUID, Root: row.RootUUID, Inventories: make(map[string]Inventory, 3),
		}
	}
	// Rows of a provider that came between two statements are left out: it is not in this snapshot.
	for _, row := range rows.Inventories {
		if p := byUUID[row.ProviderUUID]; p != nil {
			p.Inventories[row.ResourceClass] = inventoryOf(row)
		}
	}
	for _, label := range rows.Labels {
		p := byUUID[label.ProviderUUID]
		switch {
		case label.Kind == db.LabelCustomTrait:
			list.CustomTraits[label.Name] = true
		case label.Kind == db.LabelCustomClass:
			list.CustomResourceClasses[label.Name] = true
		case p != nil && label.Kind == db.LabelTrait:
			p.Traits = append(p.Traits, label.Name)
		case p != nil && label.Kind == db.LabelAggregate:
			p.Aggregates = append(p.Aggregates, label.Name)
		}
	}
	for _, p := range byUUID {
		slices.Sort(p.Traits)
		slices.Sort(p.Aggregates)
		p.Traits, p.Aggregates = slices.Clip(p.Traits), slices.Clip(p.Aggregates)
	}
	return byUUID
}
