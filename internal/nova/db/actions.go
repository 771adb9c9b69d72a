package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Action is a row of nova_actions: something a user did to a server. It outlives the server.
type Action struct {
	bun.BaseModel `bun:"nova_actions,alias:a"`

	Seq         int64     `bun:"seq,pk,autoincrement"`
	ServerID    string    `bun:"server_id"`
	Action      string    `bun:"action"` // "create", "stop"
	RequestID   string    `bun:"request_id"`
	UserID      string    `bun:"user_id"`
	ProjectID   string    `bun:"project_id"`
	Message     *string   `bun:"message"` // "Error" when it failed
	OperationID *string   `bun:"operation_id"`
	StartedAt   time.Time `bun:"started_at"`
	UpdatedAt   time.Time `bun:"updated_at"`
}

// ActionEvent is a row of nova_action_events: a piece of an action's work.
type ActionEvent struct {
	bun.BaseModel `bun:"nova_action_events,alias:e"`

	Seq        int64      `bun:"seq,pk,autoincrement"`
	ActionSeq  int64      `bun:"action_seq"`
	Event      string     `bun:"event"` // "compute_stop_instance"
	Host       string     `bun:"host"`
	Result     *string    `bun:"result"`  // Success or Error
	Details    *string    `bun:"details"` // of a fault, for the owner
	Traceback  *string    `bun:"traceback"`
	StartedAt  time.Time  `bun:"started_at"`
	FinishedAt *time.Time `bun:"finished_at"`
}

// ActionFilter narrows a list of actions.
type ActionFilter struct {
	ServerID                    string
	ChangedSince, ChangedBefore *time.Time
	Marker                      string // request id
	Limit                       int
}

// ListActions returns a server's actions, newest first.
func ListActions(ctx context.Context, h bun.IDB, f ActionFilter) ([]*Action, error) {
	return list[Action](ctx, h, func(q *bun.SelectQuery) {
		q.Where("a.server_id = ?", f.ServerID).Order("a.seq DESC")
		if f.ChangedSince != nil {
			q.Where("a.updated_at >= ?", *f.ChangedSince)
		}
		if f.ChangedBefore != nil {
			q.Where("a.updated_at <= ?", *f.ChangedBefore)
		}
		if f.Marker != "" {
			q.Where("a.seq < (SELECT MIN(m.seq) FROM nova_actions AS m WHERE m.server_id = ? AND m.request_id = ?)", f.ServerID, f.Marker)
		}
		if f.Limit > 0 {
			q.Limit(int64(f.Limit))
		}
	})
}

// GetAction returns a server's action by request id.
func GetAction(ctx context.Context, h bun.IDB, serverID, requestID string) (*Action, error) {
	a := new(Action)
	return a, h.NewSelect().Model(a).Where("a.server_id = ?", serverID).Where("a.request_id = ?", requestID).Order("a.seq").Limit(1).Scan(ctx)
}

// ListActionEvents returns the events of an action, newest first.
func ListActionEvents(ctx context.Context, h bun.IDB, actionSeq int64) ([]*ActionEvent, error) {
	return list[ActionEvent](ctx, h, func(q *bun.SelectQuery) { q.Where("e.action_seq = ?", actionSeq).Order("e.seq DESC") })
}

// ContinueAction makes an action that an operation belongs to that of the operation which follows it.
func ContinueAction(ctx context.Context, tx store.Tx, operationID, next string) error {
	_, err := tx.NewUpdate().Model((*Action)(nil)).Set("operation_id = ?", next).Where("operation_id = ?", operationID).Exec(ctx)
	return err
}

// FinishAction ends the action of an operation and writes the one event that upstream's clients see for it.
func FinishAction(ctx context.Context, tx store.Tx, operationID string, e *ActionEvent) error {
	return finishAction(ctx, tx, e, func(q *bun.UpdateQuery) { q.Where("a.operation_id = ?", operationID) })
}

// FinishActionOn is FinishAction for one of the servers that an operation is about.
func FinishActionOn(ctx context.Context, tx store.Tx, operationID, serverID string, e *ActionEvent) error {
	return finishAction(ctx, tx, e, func(q *bun.UpdateQuery) {
		q.Where("a.operation_id = ?", operationID).Where("a.server_id = ?", serverID)
	})
}

// HandAction gives a server's action from one operation to the next.
func HandAction(ctx context.Context, tx store.Tx, serverID, from, to string) error {
	_, err := tx.NewUpdate().Model((*Action)(nil)).Set("operation_id = ?", to).Where("server_id = ?", serverID).Where("operation_id = ?", from).Exec(ctx)
	return err
}

func finishAction(ctx context.Context, tx store.Tx, e *ActionEvent, narrow func(*bun.UpdateQuery)) error {
	q := tx.NewUpdate().Model((*Action)(nil)).Set("updated_at = ?", e.FinishedAt).Returning("seq")
	if e.Result != nil && *e.Result == "Error" {
		q.Set("message = ?", "Error")
	}
	narrow(q)
	if err := q.Scan(ctx, &e.ActionSeq); store.IsNotFound(err) {
		return nil
	} else if err != nil {
		return err
	}
	return Insert(ctx, tx, e)
}

// AddActionEvent writes an event of the action of an operation; an operation that is nobody's action has none.
func AddActionEvent(ctx context.Context, tx store.Tx, operationID string, e *ActionEvent) error {
	a := new(Action)
	err := tx.NewSelect().Model(a).Where("a.operation_id = ?", operationID).Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	e.ActionSeq = a.Seq
	return Insert(ctx, tx, e)
}
