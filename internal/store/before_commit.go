package store

import "context"

// BeforeCommit runs fn in the transaction of ctx once its own work is done, before it is committed: what depends on all that a write did.
// Functions run in the order in which they came; they may add more. Outside a transaction nothing is run and false returned.
func BeforeCommit(ctx context.Context, fn func(ctx context.Context, tx Tx) error) bool {
	w := writeFrom(ctx)
	if w == nil {
		return false
	}
	w.before = append(w.before, fn)
	return true
}

// PerWrite returns what new made for key in the transaction of ctx, the same in the whole of it; nil outside one. A write that is run again
// begins with nothing.
func PerWrite(ctx context.Context, key any, fresh func() any) any {
	w := writeFrom(ctx)
	if w == nil {
		return nil
	}
	v, ok := w.values[key]
	if !ok {
		v = fresh()
		if w.values == nil {
			w.values = map[any]any{}
		}
		w.values[key] = v
	}
	return v
}

// Attach ties a value to the handle, for code that sees no more of the process than a transaction. It is meant for what is wired once, before
// the first write.
func (db *DB) Attach(key, value any) { db.attached.Store(key, value) }

// Attached returns what was tied to the handle, or nil.
func (db *DB) Attached(key any) any {
	v, _ := db.attached.Load(key)
	return v
}

// Attached returns what was tied to the database that ctx's transaction is on; nil outside one.
func Attached(ctx context.Context, key any) any {
	if w := writeFrom(ctx); w != nil {
		return w.db.Attached(key)
	}
	return nil
}

// finish runs what BeforeCommit collected.
func (w *writing) finish(ctx context.Context) error {
	for i := 0; i < len(w.before); i++ {
		if err := w.before[i](ctx, w.tx); err != nil {
			return err
		}
	}
	return nil
}
