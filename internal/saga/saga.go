// Package saga runs durable operations: work of several steps that ends, whatever dies on the way.
//
// A Definition is a table of named steps with Do, Undo and the row changes that belong to them. An operation is stored by
// Start in the transaction of the request that wants it, and from then on some worker owns it: a lease that is not renewed
// lets another worker resume at the last finished step. A step is retried until its deadline; then, or at a Permanent error,
// the steps done so far are undone in reverse; a Rewind undoes back to a named step and goes on from there. Operations on one
// resource run one after the other, in the order they were started.
//
// The package owns its tables and the timeline that `gostack why` prints. It knows no service. Do and Undo must be
// idempotent: after a crash they are called again.
package saga

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gostack/internal/policy"
	"gostack/internal/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of operations. Services whose rows point to operations migrate after it.
var Migrations = store.Migrations{Service: "saga", FS: files}

// Resource is what an operation is about.
type Resource struct{ Type, ID string }

// Operation is what a step may know of the operation it belongs to.
type Operation struct {
	ID        string
	Kind      string
	Resource  Resource
	Caller    *policy.Caller
	RequestID string
	Attempt   int    // of this step, from 1
	Cause     string // why it is being undone, for Undo and OnUndone
	Canceled  bool   // by Intent.Supersede or Cancel
	Created   time.Time
}

// Run is an operation under way, with its state. What a step changes in State is saved when the step is.
type Run[S any] struct {
	Operation
	State *S
	host  string
	note  string
}

// At tells the timeline on which host the step works.
func (r *Run[S]) At(host string) { r.host = host }

// Note adds a detail to the step's line in the timeline, for operators.
func (r *Run[S]) Note(format string, args ...any) { r.note = fmt.Sprintf(format, args...) }

// Step is one node of a definition.
type Step[S any] struct {
	Name string
	// Do does the outside work; nil when the step is row changes only. ctx ends at the step's deadline, when the operation
	// is cancelled and when the process stops. Errors: see Permanent, Rewind and Wait; any other is retried.
	Do func(ctx context.Context, r *Run[S]) error
	// Save changes rows in the transaction that records the step as done. Its errors count like Do's.
	Save func(ctx context.Context, tx store.Tx, r *Run[S]) error
	// Undo removes what Do may have done, in whole or in part. It must succeed when there is nothing to remove.
	Undo func(ctx context.Context, r *Run[S]) error
	// UndoSave changes rows in the transaction that records the step as undone.
	UndoSave func(ctx context.Context, tx store.Tx, r *Run[S]) error
	// Skip tells from the state that there is nothing for the step to do: it is passed over without being recorded. The first step is
	// never skipped. Undo and UndoSave are called all the same.
	Skip func(s *S) bool
	// Deadline from the step's first attempt; default one minute.
	Deadline time.Duration
	// Retry is the pause after the first failure, doubled at each further one up to RetryMax. Defaults 100 ms and 5 s.
	Retry, RetryMax time.Duration
}

// Definition is a kind of operation.
type Definition[S any] struct {
	Kind  string // "nova.server.create"
	Steps []Step[S]
	// Deadline of the whole way forward; default one hour. Undoing has as long again.
	Deadline time.Duration
	// Workers bounds how many operations of the kind run at once in this process; default 32.
	Workers int
	// OnDone ends a success, in the transaction that records the last step. It clears references to the operation.
	OnDone func(ctx context.Context, tx store.Tx, r *Run[S]) error
	// OnUndone ends a failure, after all steps have been undone. It clears references to the operation.
	OnUndone func(ctx context.Context, tx store.Tx, r *Run[S]) error
	// NoCancel makes the operation deaf to Supersede and Cancel: a deletion goes on.
	NoCancel bool
}

// Intent is an operation to be started.
type Intent struct {
	Kind      string
	Resource  Resource
	State     any // the definition's S
	Caller    *policy.Caller
	RequestID string
	// Supersede cancels the operations that are under way or waiting on the same resource: deletion beats creation. The new one
	// starts when they have ended.
	Supersede bool
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error that no retry will heal: the operation is undone at once.
func Permanent(err error) error { return permanent{err} }

// IsPermanent tells whether err is marked by Permanent.
func IsPermanent(err error) bool { var p permanent; return errors.As(err, &p) }

type rewind struct {
	error
	to string
}

func (r rewind) Unwrap() error { return r.error }

// Rewind marks an error after which another way may succeed: the steps back to and including the named one are undone,
// then the operation goes forward from it. The state must have been changed so that it does not choose the same way.
func Rewind(to string, err error) error { return rewind{err, to} }

type wait struct {
	after  time.Duration
	reason string
}

func (w wait) Error() string { return w.reason }

// Wait says that the step is not at fault but not ready either: it is called again after d (sooner by Engine.Kick), until its deadline.
func Wait(d time.Duration, reason string) error { return wait{d, reason} }

// definition is a Definition without its type parameter.
type definition interface {
	kind() string
	size() int
	limits() (deadline time.Duration, workers int, noCancel bool)
	step(i int) stepLimits
	index(step string) int
	// after is the next step after i that is not skipped in this state.
	after(i int, state []byte) (int, error)
	// do and undo run the outside part of step i and give back the new state.
	do(ctx context.Context, op Operation, i int, state []byte) (outcome, error)
	undo(ctx context.Context, op Operation, i int, state []byte) (outcome, error)
	// save and undoSave run the row part, ended the last row changes.
	save(ctx context.Context, tx store.Tx, op Operation, i int, state []byte) ([]byte, error)
	undoSave(ctx context.Context, tx store.Tx, op Operation, i int, state []byte) ([]byte, error)
	ended(ctx context.Context, tx store.Tx, op Operation, done bool, state []byte) error
}

type stepLimits struct {
	name                      string
	deadline, retry, retryMax time.Duration
}

type outcome struct {
	state      []byte
	host, note string
}

// explain is a failure's line in the timeline: the error and the step's own note.
func (o outcome) explain(err error) string {
	if o.note == "" {
		return err.Error()
	}
	return err.Error() + " (" + o.note + ")"
}

func (d *Definition[S]) kind() string { return d.Kind }
func (d *Definition[S]) size() int    { return len(d.Steps) }

func (d *Definition[S]) limits() (time.Duration, int, bool) {
	return or(d.Deadline, time.Hour), or(d.Workers, 32), d.NoCancel
}

func (d *Definition[S]) step(i int) stepLimits {
	s := &d.Steps[i]
	return stepLimits{s.Name, or(s.Deadline, time.Minute), or(s.Retry, 100*time.Millisecond), or(s.RetryMax, 5*time.Second)}
}

func or[T comparable](v, absent T) T {
	var zero T
	if v == zero {
		return absent
	}
	return v
}

func (d *Definition[S]) after(i int, state []byte) (int, error) {
	var s *S
	for i++; i < len(d.Steps) && d.Steps[i].Skip != nil; i++ {
		if s == nil {
			s = new(S)
			if err := json.Unmarshal(state, s); err != nil {
				return i, err
			}
		}
		if !d.Steps[i].Skip(s) {
			break
		}
	}
	return i, nil
}

func (d *Definition[S]) index(step string) int {
	for i := range d.Steps {
		if d.Steps[i].Name == step {
			return i
		}
	}
	return -1
}

func (d *Definition[S]) run(op Operation, state []byte) (*Run[S], error) {
	r := &Run[S]{Operation: op, State: new(S)}
	if err := json.Unmarshal(state, r.State); err != nil {
		return nil, Permanent(fmt.Errorf("the saved state does not read: %w", err))
	}
	return r, nil
}

func (d *Definition[S]) outside(ctx context.Context, op Operation, state []byte, f func(context.Context, *Run[S]) error) (outcome, error) {
	if f == nil {
		return outcome{state: state}, nil
	}
	r, err := d.run(op, state)
	if err != nil {
		return outcome{state: state}, err
	}
	ctx = policy.WithCaller(ctx, op.Caller)
	err = guard(func() error { return f(ctx, r) })
	after, jsonErr := json.Marshal(r.State)
	if jsonErr != nil {
		return outcome{state: state}, Permanent(jsonErr)
	}
	return outcome{after, r.host, r.note}, err
}

func (d *Definition[S]) rows(ctx context.Context, tx store.Tx, op Operation, state []byte, f func(context.Context, store.Tx, *Run[S]) error) ([]byte, error) {
	if f == nil {
		return state, nil
	}
	r, err := d.run(op, state)
	if err != nil {
		return state, err
	}
	ctx = policy.WithCaller(ctx, op.Caller)
	if err := guard(func() error { return f(ctx, tx, r) }); err != nil {
		return state, err
	}
	return json.Marshal(r.State)
}

func (d *Definition[S]) do(ctx context.Context, op Operation, i int, state []byte) (outcome, error) {
	return d.outside(ctx, op, state, d.Steps[i].Do)
}

func (d *Definition[S]) undo(ctx context.Context, op Operation, i int, state []byte) (outcome, error) {
	return d.outside(ctx, op, state, d.Steps[i].Undo)
}

func (d *Definition[S]) save(ctx context.Context, tx store.Tx, op Operation, i int, state []byte) ([]byte, error) {
	return d.rows(ctx, tx, op, state, d.Steps[i].Save)
}

func (d *Definition[S]) undoSave(ctx context.Context, tx store.Tx, op Operation, i int, state []byte) ([]byte, error) {
	return d.rows(ctx, tx, op, state, d.Steps[i].UndoSave)
}

func (d *Definition[S]) ended(ctx context.Context, tx store.Tx, op Operation, done bool, state []byte) error {
	f := d.OnUndone
	if done {
		f = d.OnDone
	}
	_, err := d.rows(ctx, tx, op, state, f)
	return err
}

// guard turns a panic in a step into a permanent error: the operation is undone, the process lives on.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Permanent(fmt.Errorf("panic: %v", p))
		}
	}()
	return f()
}
