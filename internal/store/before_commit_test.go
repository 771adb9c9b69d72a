package store_test

import (
	"context"
	"errors"
	"testing"

	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func TestBeforeCommit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		type key struct{}
		db.Attach(key{}, "wired")
		var order []string
		write := func(end error) error {
			return db.Write(t.Context(), func(ctx context.Context, _ store.Tx) error {
				order = nil
				made := store.PerWrite(ctx, key{}, func() any { return new(int) }).(*int)
				*made++
				store.BeforeCommit(ctx, func(ctx context.Context, tx store.Tx) error {
					order = append(order, "before")
					if n := store.PerWrite(ctx, key{}, func() any { return new(int) }).(*int); *n != 1 {
						t.Errorf("the value of this write is %d", *n)
					}
					if _, err := tx.NewRaw("SELECT 1").Exec(ctx); err != nil {
						return err
					}
					store.BeforeCommit(ctx, func(context.Context, store.Tx) error { order = append(order, "later"); return end })
					return nil
				})
				store.AfterCommit(ctx, func() { order = append(order, "after") })
				order = append(order, store.Attached(ctx, key{}).(string))
				return nil
			})
		}
		if err := write(nil); err != nil || len(order) != 4 || order[0] != "wired" || order[1] != "before" || order[2] != "later" || order[3] != "after" {
			t.Errorf("%v, %v", order, err)
		}
		refused := errors.New("no")
		if err := write(refused); !errors.Is(err, refused) || len(order) != 3 {
			t.Errorf("%v, %v", order, err)
		}
		if store.BeforeCommit(t.Context(), nil) || store.Attached(t.Context(), key{}) != nil || store.PerWrite(t.Context(), key{}, nil) != nil {
			t.Error("there is a transaction where there is none")
		}
	})
}
