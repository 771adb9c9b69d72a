package saga

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/policy"
	"gostack/internal/store"
)

const (
	forward = "forward"
	undoing = "undo"
)

// row is a live operation.
type row struct {
	bun.BaseModel `bun:"table:saga_operations,alias:o"`
	Seq           int64 `bun:",pk,autoincrement"`
	ID            string
	Kind          string
	ResourceType  string
	ResourceID    string
	ProjectID     string
	RequestID     string
	Caller        string
	State         string
	Phase         string
	Step          int
	RewindTo      int // the step to go forward from after undoing, or -1
	Attempt       int // failed attempts at the step
	Cancel        bool
	Cause         string
	Failed        bool // an undo was given up
	RunAfter      time.Time
	StepDeadline  time.Time
	Deadline      time.Time
	LeaseOwner    string
	LeaseUntil    time.Time
	Kicked        bool `bun:",nullzero,default:false"` // while a worker had it: it must not go to sleep
	CreatedAt     time.Time
}

type historyRow struct {
	bun.BaseModel `bun:"table:saga_history"`
	ID            string `bun:",pk"`
	Kind          string
	ResourceType  string
	ResourceID    string
	ProjectID     string
	RequestID     string
	UserID        string
	Outcome       string
	Cause         string
	CreatedAt     time.Time
	FinishedAt    time.Time
}

type eventRow struct {
	bun.BaseModel `bun:"table:saga_events"`
	ID            int64 `bun:",pk,autoincrement"`
	OperationID   string
	At            time.Time
	Step          string
	Event         string
	Attempt       int
	Host          string
	Worker        string
	DurationUS    int64 `bun:"duration_us"`
	Detail        string
}

// The kinds of events in a timeline.
const (
	EventDone    = "done"
	EventRetry   = "retry"
	EventFailed  = "failed"
	EventUndone  = "undone"
	EventGaveUp  = "gave up undoing"
	EventRewind  = "rewind"
	EventCancel  = "cancelled"
	EventResumed = "resumed"
)

func (r *row) operation() Operation {
	op := Operation{
		ID: r.ID, Kind: r.Kind, Resource: Resource{r.ResourceType, r.ResourceID}, RequestID: r.RequestID,
		Attempt: r.Attempt + 1, Cause: r.Cause, Canceled: r.Cancel, Created: r.CreatedAt, Caller: &policy.Caller{},
	}
	_ = json.Unmarshal([]byte(r.Caller), op.Caller)
	return op
}

// own updates a row that this process holds the lease of, and reports whether it still does.
func own(ctx context.Context, tx store.Tx, r *row, owner string, columns ...string) (bool, error) {
	res, err := tx.NewUpdate().Model(r).Column(columns...).Where("id = ?", r.ID).Where("lease_owner = ?", owner).Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

func insertEvent(ctx context.Context, tx store.Tx, e *eventRow) error {
	_, err := tx.NewInsert().Model(e).Exec(ctx)
	return err
}

// finish moves a live row to the history.
func finish(ctx context.Context, tx store.Tx, r *row, outcome string, now time.Time) error {
	if _, err := tx.NewDelete().Model(r).Where("id = ?", r.ID).Exec(ctx); err != nil {
		return err
	}
	_, err := tx.NewInsert().Model(&historyRow{
		ID: r.ID, Kind: r.Kind, ResourceType: r.ResourceType, ResourceID: r.ResourceID, ProjectID: r.ProjectID, RequestID: r.RequestID,
		UserID: r.operation().Caller.UserID, Outcome: outcome, Cause: r.Cause, CreatedAt: r.CreatedAt, FinishedAt: now,
	}).Exec(ctx)
	return err
}
