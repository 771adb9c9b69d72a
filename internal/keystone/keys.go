package keystone

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/keystone/fernet"
	"gostack/internal/store"
)

// KeyRepository holds the Fernet keys: a staged one, the primary and older ones. fernet.Repository is one, a directory as upstream's; without
// one in the Options the keys are in the database, where every replica finds them.
type KeyRepository interface {
	// Setup makes the first keys where there are none, and tells whether it did.
	Setup() (created bool, err error)
	// Keys returns the keys to decrypt with, the primary first, and a number that changes with them.
	Keys() (keys []fernet.Key, generation uint64, err error)
	// Rotate makes the staged key the primary, stages a new one and removes the oldest above the number to keep.
	Rotate() error
}

// tableKeys is the key repository in the database. A replica that has not yet read a rotation loses nothing: the new primary is the key that was staged
// when it read last. A rotation is seen within the time in which generations are compared.
type tableKeys struct {
	s         *Service
	maxActive int
	from      string // a directory of keys that is taken over when there are none

	mu         sync.Mutex
	generation int64 // of the rows in keys; 0: none were read
	stale      bool
	keys       []fernet.Key
}

// keyPatience bounds how long a token waits for keys that must be read.
const keyPatience = 10 * time.Second

// Setup implements KeyRepository. Keys of a directory, if there is one, are taken over, so that tokens outlive the move.
func (k *tableKeys) Setup() (created bool, err error) {
	have, err := fernet.OpenRepository(k.from, k.maxActive).Numbered()
	if err != nil {
		return false, err
	}
	if len(have) == 0 {
		have = map[int]fernet.Key{}
		for _, n := range []int{0, 1} {
			if have[n], err = fernet.NewKey(); err != nil {
				return false, err
			}
		}
	}
	err = k.write(func(ctx context.Context, tx store.Tx) error {
		rows, err := db.ListFernetKeys(ctx, tx)
		if created = err == nil && len(rows) == 0; !created {
			return err
		}
		return k.replace(ctx, tx, have)
	})
	return created, err
}

// Rotate implements KeyRepository.
func (k *tableKeys) Rotate() error {
	fresh, err := fernet.NewKey()
	if err != nil {
		return err
	}
	return k.write(func(ctx context.Context, tx store.Tx) error {
		rows, err := db.ListFernetKeys(ctx, tx)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return errors.New("rotate: there are no keys yet; they are made when gostack starts")
		}
		have := map[int]fernet.Key{}
		for _, r := range rows {
			if have[int(r.Number)], err = fernet.ParseKey(r.Key); err != nil {
				return fmt.Errorf("fernet key %d: %w", r.Number, err)
			}
		}
		return k.replace(ctx, tx, fernet.Rotated(have, fresh, k.maxActive))
	})
}

func (k *tableKeys) write(fn func(ctx context.Context, tx store.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), keyPatience)
	defer cancel()
	return k.s.db.Write(ctx, fn)
}

func (k *tableKeys) replace(ctx context.Context, tx store.Tx, keys map[int]fernet.Key) error {
	rows := make([]*db.FernetKey, 0, len(keys))
	for n, key := range keys {
		rows = append(rows, &db.FernetKey{Number: int64(n), Key: key.Encode(), CreatedAt: k.s.clock.Now()})
	}
	if _, err := db.ReplaceFernetKeys(ctx, tx, rows); err != nil {
		return err
	}
	store.AfterCommit(ctx, k.changed)
	k.s.db.Announce(ctx, topic, "keys")
	return nil
}

// changed has the keys read again at their next use.
func (k *tableKeys) changed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stale = true
}

// noticed compares the generation in the database with that of the keys in memory.
func (k *tableKeys) noticed(generation int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stale = k.stale || generation != k.generation
}

// Keys implements KeyRepository.
func (k *tableKeys) Keys() ([]fernet.Key, uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.generation != 0 && !k.stale {
		return k.keys, uint64(k.generation), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), keyPatience)
	defer cancel()
	g, err := db.GetGenerations(ctx, k.s.db.Read(ctx))
	if err != nil {
		return nil, 0, fmt.Errorf("fernet keys: %w", err)
	}
	// The keys after the generation: newer ones than it says are read again, older ones never stay.
	rows, err := db.ListFernetKeys(ctx, k.s.db.Read(ctx))
	if err != nil {
		return nil, 0, fmt.Errorf("fernet keys: %w", err)
	}
	if len(rows) == 0 {
		return nil, 0, errors.New("there are no fernet keys in the database; they are made when gostack starts")
	}
	keys := make([]fernet.Key, len(rows))
	for i, r := range rows {
		if keys[len(rows)-1-i], err = fernet.ParseKey(r.Key); err != nil {
			return nil, 0, fmt.Errorf("fernet key %d: %w", r.Number, err)
		}
	}
	k.keys, k.generation, k.stale = keys, g.Keys, false
	return k.keys, uint64(k.generation), nil
}
