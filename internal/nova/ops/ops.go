// Package ops holds Nova's operations: what has to be done, on hosts and in rows, until a server is what its owner asked for.
//
// Each is a table of steps that package saga runs. Steps on hosts send one repeatable call over the bus; rows change only in
// the transaction that records a step. An operation that fails unwinds, and leaves a server that says why; one whose host
// fails goes to the next host.
package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/scheduler"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// Ops are the operations of one Nova.
type Ops struct {
	Nova      *nova.Service
	Engine    *saga.Engine
	Scheduler scheduler.Config
	Log       *slog.Logger

	places  places
	known   known
	mu      sync.Mutex
	waiting map[string]chan struct{} // by operation
}

var _ nova.Operations = (*Ops)(nil)

// New registers the operations with an engine and ties them to the service.
func New(svc *nova.Service, engine *saga.Engine, cfg scheduler.Config) *Ops {
	o := &Ops{Nova: svc, Engine: engine, Scheduler: cfg, Log: slog.Default(), waiting: map[string]chan struct{}{}}
	svc.Operations = o
	saga.Register(engine, o.create())
	saga.Register(engine, o.remove())
	saga.Register(engine, o.power())
	saga.Register(engine, o.resize())
	saga.Register(engine, o.confirm())
	saga.Register(engine, o.revert())
	saga.Register(engine, o.evacuate())
	saga.Register(engine, o.reset())
	saga.Register(engine, o.attach())
	saga.Register(engine, o.detach())
	saga.Register(engine, o.liveMigrate())
	saga.Register(engine, o.cacheImages())
	saga.Register(engine, o.placeServers())
	saga.Register(engine, o.createImage())
	saga.Register(engine, o.rebuild())
	saga.Register(engine, o.rescue())
	saga.Register(engine, o.unrescue())
	saga.Register(engine, o.shelve())
	saga.Register(engine, o.offload())
	saga.Register(engine, o.unshelve())
	saga.Register(engine, o.password())
	saga.Register(engine, o.nmi())
	o.tellOthers()
	return o
}

// Start implements nova.Operations.
func (o *Ops) Start(ctx context.Context, tx store.Tx, in saga.Intent) (string, error) {
	return o.Engine.Start(ctx, tx, in)
}

// Cancel implements nova.Operations.
func (o *Ops) Cancel(ctx context.Context, tx store.Tx, serverID string) error {
	return o.Engine.Cancel(ctx, tx, saga.Resource{Type: nova.ServerResource, ID: serverID})
}

// Kick implements nova.Operations.
func (o *Ops) Kick(ctx context.Context, serverID string) error {
	return o.Engine.Kick(ctx, saga.Resource{Type: nova.ServerResource, ID: serverID})
}

// waitPoll is how often Wait looks for an operation that another process may run.
const waitPoll = 500 * time.Millisecond

// Wait implements nova.Operations.
func (o *Ops) Wait(ctx context.Context, id string) error {
	o.mu.Lock()
	ch := o.waiting[id]
	if ch == nil {
		ch = make(chan struct{})
		o.waiting[id] = ch
	}
	o.mu.Unlock()
	defer o.ended(id)
	poll := time.NewTicker(waitPoll)
	defer poll.Stop()
	for {
		stories, err := o.Engine.Stories(ctx, id, 1)
		if err != nil {
			return err
		}
		if len(stories) == 1 && !stories[0].FinishedAt.IsZero() {
			if stories[0].Outcome == "done" {
				return nil
			}
			return errors.New(stories[0].Cause)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ch:
		case <-poll.C:
		}
		o.mu.Lock()
		if o.waiting[id] == nil { // it was closed: look once more, then rely on the poll
			ch = nil
		}
		o.mu.Unlock()
	}
}

// ended wakes who waits for an operation.
func (o *Ops) ended(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ch := o.waiting[id]; ch != nil {
		close(ch)
		delete(o.waiting, id)
	}
}

// server reads the server of an operation. A server that is gone is nil: there is nothing left to do.
func (o *Ops) server(ctx context.Context, id string) (*nova.Server, error) {
	srv, err := db.GetServer(ctx, o.Nova.DB.Read(ctx), id)
	if store.IsNotFound(err) {
		return nil, nil
	}
	return srv, err
}

// look asks the host of a server whose operation has ended what became of the guest: it may have changed by itself meanwhile, and such
// news is not heard while an operation holds the server. A host that does not answer tells it when it returns.
func (o *Ops) look(srv *nova.Server) {
	if srv == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := o.Nova.ComparePower(ctx, srv); err != nil {
		o.Log.DebugContext(ctx, "a server's power state is not known", "server", srv.ID, "error", err)
	}
}

// settle ends an operation in the server's row: change sets what has come of it. A row that belongs to a later operation keeps its
// task; one that is gone is left alone.
func (o *Ops) settle(ctx context.Context, tx store.Tx, op saga.Operation, change func(srv *nova.Server) []string) error {
	var settled *nova.Server
	store.AfterCommit(ctx, func() {
		o.ended(op.ID)
		o.known.forget(op.ID)
		o.look(settled)
	})
	srv, err := db.GetServer(ctx, tx, op.Resource.ID)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if srv.OperationID == nil || *srv.OperationID != op.ID {
		return nil
	}
	columns := append(change(srv), "operation_id", "task_state", "updated_at")
	srv.OperationID, srv.TaskState, srv.UpdatedAt = nil, "", o.Nova.Now()
	settled = srv
	return db.UpdateServer(ctx, tx, srv, columns...)
}

// finishAction writes the end of the user's action.
func (o *Ops) finishAction(ctx context.Context, tx store.Tx, op saga.Operation, event, host string, failure string) error {
	return db.FinishAction(ctx, tx, op.ID, o.actionEvent(op, event, host, failure))
}

// actionEvent is the one event of an action that upstream's clients see.
func (o *Ops) actionEvent(op saga.Operation, event, host, failure string) *nova.ActionEvent {
	now := o.Nova.Now()
	e := &nova.ActionEvent{Event: event, Host: host, StartedAt: op.Created, FinishedAt: &now}
	result := "Success"
	if failure != "" {
		result = "Error"
		message := tenantText(failure)
		e.Details, e.Traceback = &message, &failure
	}
	e.Result = &result
	return e
}

// fault is why a server is in error: text for its owner, and everything for operators.
func (o *Ops) fault(op saga.Operation, details string) *nova.Fault {
	f := &nova.Fault{Code: 500, Message: tenantText(op.Cause), Details: op.Cause, At: o.Nova.Now()}
	if details != "" {
		f.Details = fmt.Sprintf("%s\n%s", op.Cause, details)
	}
	return f
}
