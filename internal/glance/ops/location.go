package ops

import (
	"context"
	"time"

	"gostack/internal/glance"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// addedLocation is a location that is being added, and what its steps have learned.
type addedLocation struct {
	glance.LocationImport
	At      glance.Location
	Size    int64
	Message string // why it fails
}

type locationRun = saga.Run[addedLocation]

// addLocation gives a queued image the data at an address, and reads it to say what its hash is.
func (o *Ops) addLocation() *saga.Definition[addedLocation] {
	failed := func(ctx context.Context, r *locationRun, err error) error {
		if err = final(ctx, err); saga.IsPermanent(err) {
			r.State.Message = glance.TaskText(err)
		}
		return err
	}
	return &saga.Definition[addedLocation]{
		Kind: glance.KindLocation, Deadline: longest, Workers: workers,
		Steps: []saga.Step[addedLocation]{
			{
				Name: "place", Deadline: 2 * time.Minute,
				Do: func(ctx context.Context, r *locationRun) (err error) {
					r.State.At, r.State.Size, err = o.glance.NewLocation(ctx, r.State.URL, nil)
					return failed(ctx, r, err)
				},
				Save: func(ctx context.Context, tx store.Tx, r *locationRun) error {
					return o.glance.LocationPlace(ctx, tx, &r.State.LocationImport, r.State.At, r.State.Size)
				},
			},
			{
				Name: "hash", Deadline: longest,
				Do: func(ctx context.Context, r *locationRun) error {
					return failed(ctx, r, o.glance.LocationHash(ctx, &r.State.LocationImport))
				},
			},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *locationRun) error {
			return o.glance.LocationDone(ctx, tx, &r.State.LocationImport)
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *locationRun) error {
			return o.glance.LocationUndone(ctx, tx, &r.State.LocationImport, r.State.Message)
		},
	}
}
