// Package ops holds the image service's operations: imports of data and of locations, which go on after their requests were
// answered. Each is a table of steps that package saga runs; the rules are package glance's.
package ops

import (
	"context"
	"errors"
	"time"

	"gostack/internal/glance"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// Ops are the operations of one image service.
type Ops struct {
	glance *glance.Service
	engine *saga.Engine
}

var _ glance.Operations = (*Ops)(nil)

// New registers the operations with an engine and ties them to the service.
func New(svc *glance.Service, engine *saga.Engine) *Ops {
	o := &Ops{svc, engine}
	svc.SetOperations(o)
	saga.Register(engine, o.importImage())
	saga.Register(engine, o.addLocation())
	return o
}

// Start implements glance.Operations.
func (o *Ops) Start(ctx context.Context, tx store.Tx, in saga.Intent) (string, error) {
	return o.engine.Start(ctx, tx, in)
}

// Cancel implements glance.Operations.
func (o *Ops) Cancel(ctx context.Context, tx store.Tx, imageID string) error {
	return o.engine.Cancel(ctx, tx, saga.Resource{Type: glance.ImageResource, ID: imageID})
}

// Moving data takes as long as it takes; upstream sets no limit. workers is how many such operations run at once in a process
// (upstream's taskflow_executor.max_workers).
const (
	longest = 24 * time.Hour
	workers = 10
)

// final makes a failure of moving data the end of its operation, as upstream does; a process that stops is no failure.
func final(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return err
	}
	return saga.Permanent(err)
}
