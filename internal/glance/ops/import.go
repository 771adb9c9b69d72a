package ops

import (
	"context"

	"gostack/internal/glance"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type importRun = saga.Run[glance.Import]

// importImage brings an image's data into stores: from an address or from the staging directory, through the plugins, or from
// other stores.
func (o *Ops) importImage() *saga.Definition[glance.Import] {
	data := func(do func(context.Context, *glance.Import) error) func(context.Context, *importRun) error {
		return func(ctx context.Context, r *importRun) error {
			err := final(ctx, do(ctx, r.State))
			if saga.IsPermanent(err) {
				o.glance.ImportFailed(ctx, r.State, err)
			}
			return err
		}
	}
	return &saga.Definition[glance.Import]{
		Kind: glance.KindImport, Deadline: longest, Workers: workers,
		Steps: []saga.Step[glance.Import]{
			{
				Name: "begin",
				Save: func(ctx context.Context, tx store.Tx, r *importRun) error {
					return o.glance.ImportBegins(ctx, tx, r.State)
				},
			},
			{
				Name: "fetch", Deadline: longest,
				Do:   data(o.glance.ImportFetch),
				Undo: func(ctx context.Context, r *importRun) error { return o.glance.DropStaged(ctx, r.State) },
			},
			{
				Name: "convert", Deadline: longest,
				Do:   data(o.glance.ImportConvert),
				Undo: func(ctx context.Context, r *importRun) error { return o.glance.DropStaged(ctx, r.State) },
			},
			{
				Name: "store", Deadline: longest,
				Do:   data(o.glance.ImportStore),
				Undo: func(ctx context.Context, r *importRun) error { return o.glance.UnstoreImport(ctx, r.State) },
			},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *importRun) error {
			return o.glance.ImportDone(ctx, tx, r.State)
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *importRun) error {
			return o.glance.ImportUndone(ctx, tx, r.State)
		},
	}
}
