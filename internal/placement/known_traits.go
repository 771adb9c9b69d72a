package placement

import (
	"slices"
	"sync"
	"time"

	"gostack/internal/placement/db"
)

// knownTraits are the traits of providers as snapshots have read them. A change of traits counts the provider's generation up, so
// those of a known generation are known.
type knownTraits struct {
	mu sync.Mutex
	of traitsOf // replaced, never changed
}

// traitsOf are traits by provider.
type traitsOf map[string]traitsAt

func (k *knownTraits) now() traitsOf {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.of
}

func (k *knownTraits) keep(of traitsOf) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of = of
}

type traitsAt struct {
	generation int64
	made       time.Time // a provider of the same UUID may be a new one
	traits     []string  // sorted; never changed
}

func (k traitsAt) holds(row *db.Provider) bool {
	return k.traits != nil && k.generation == row.Generation && k.made.Equal(row.CreatedAt)
}

// changed names the providers whose traits are not known.
func (of traitsOf) changed(rows []db.Provider) []string {
	var some []string
	for i := range rows {
		if !of[rows[i].UUID].holds(&rows[i]) {
			some = append(some, rows[i].UUID)
		}
	}
	return some
}

// complete gives a snapshot the traits that were not read for it, and returns all as they are known now. Rows were read after the
// generations, so what is known is never older than its generation says.
func (of traitsOf) complete(rows *db.Snapshot, snapshot *Snapshot) traitsOf {
	known := make(traitsOf, len(rows.Providers))
	for i := range rows.Providers {
		row, p := &rows.Providers[i], &snapshot.Providers[i]
		at := of[row.UUID]
		if !at.holds(row) {
			slices.Sort(p.Traits)
			at = traitsAt{row.Generation, row.CreatedAt, append([]string{}, p.Traits...)}
		}
		p.Traits = slices.Clip(at.traits)
		known[row.UUID] = at
	}
	return known
}
