package saga

import (
	"context"
	"encoding/json"

	"gostack/internal/store"
)

// When an operation changed.
const (
	ChangeStarted = "started" // it was stored
	ChangeStep    = "step"    // Step was done
	ChangeTurned  = "turned"  // Step failed or the operation was cancelled: steps are undone from here, all of them or back to one
	ChangeDone    = "done"    // it ends as it should: OnDone comes next, which may start others
	ChangeUndone  = "undone"  // it ends undone: OnUndone comes next
)

// Change is what an observer is told of.
type Change struct {
	When, Step string
	r          *row
	state      []byte
}

// Kind is the operation's.
func (c *Change) Kind() string { return c.r.Kind }

// Operation is the one that changed.
func (c *Change) Operation() Operation { return c.r.operation() }

// State reads the operation's state into v.
func (c *Change) State(v any) error { return json.Unmarshal(c.state, v) }

// Rewound tells of ChangeTurned that the operation will go forward again.
func (c *Change) Rewound() bool { return c.r.RewindTo >= 0 }

// Observer hears of changes inside the transactions that record them. Its error makes the transaction fail: it returns none but the database's.
type Observer func(ctx context.Context, tx store.Tx, c *Change) error

// Observe makes f hear of every change of operations on a type of resource. To be called before Run.
func (e *Engine) Observe(resourceType string, f Observer) { e.observers[resourceType] = f }

func (e *Engine) tell(ctx context.Context, tx store.Tx, r *row, when, step string, state []byte) error {
	f := e.observers[r.ResourceType]
	if f == nil {
		return nil
	}
	return f(ctx, tx, &Change{when, step, r, state})
}
