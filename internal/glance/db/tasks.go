package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Task is work on an image that goes on after its request was answered. Input and Result are JSON, Result "" when there is none.
type Task struct {
	bun.BaseModel `bun:"table:glance_tasks,alias:t"`
	ID            string `bun:",pk"`
	Type          string
	Status        string
	Owner         string // project id
	ImageID       string
	UserID        string
	RequestID     string
	Input         string
	Result        string
	Message       string
	ExpiresAt     *time.Time
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// TaskFilter limits a list of tasks. Zero fields do not limit.
type TaskFilter struct {
	Status, Type, Owner, ImageID string
}

// TaskSortColumns are the columns that lists of tasks are ordered by.
var TaskSortColumns = []string{"created_at", "updated_at", "id", "type", "status", "expires_at"}

// owned limits q to the scope's own project.
func (s Scope) owned(q *bun.SelectQuery) *bun.SelectQuery {
	if s.All {
		return q
	}
	return q.Where("t.owner = ?", s.Project)
}

// GetTask returns a task, or an error that store.IsNotFound knows.
func GetTask(ctx context.Context, idb bun.IDB, s Scope, id string) (*Task, error) {
	var t Task
	if err := s.owned(idb.NewSelect().Model(&t)).Where("t.id = ?", id).Scan(ctx); err != nil {
		return nil, err
	}
	return &t, nil
}

// ListTasks returns a page of tasks that have not expired behind marker (nil: from the start). One statement.
func ListTasks(ctx context.Context, idb bun.IDB, s Scope, f TaskFilter, by Sort, marker *Task, now time.Time, limit int) ([]Task, error) {
	list := []Task{}
	q := s.owned(idb.NewSelect().Model(&list)).Where("(t.expires_at IS NULL OR t.expires_at > ?)", now)
	for column, value := range map[string]string{"status": f.Status, "type": f.Type, "owner": f.Owner, "image_id": f.ImageID} {
		if value != "" {
			q = q.Where("t.? = ?", bun.Ident(column), value)
		}
	}
	column, op, dir := bun.Ident("t."+by.Column), bun.Safe(">"), bun.Safe("ASC")
	if by.Desc {
		op, dir = "<", "DESC"
	}
	if marker != nil {
		value := map[string]any{
			"created_at": marker.CreatedAt, "updated_at": marker.UpdatedAt, "id": marker.ID, "type": marker.Type, "status": marker.Status, "expires_at": marker.ExpiresAt,
		}[by.Column]
		q = q.Where("(? ? ? OR ? = ? AND t.id ? ?)", column, op, value, column, value, op, marker.ID)
	}
	return list, q.OrderExpr("? ?, t.id ?", column, dir, dir).Limit(int64(limit)).Scan(ctx)
}

// InsertTask adds a task.
func InsertTask(ctx context.Context, tx store.Tx, t *Task) error {
	_, err := tx.NewInsert().Model(t).Exec(ctx)
	return err
}

// SaveTask writes what changes in a task's life.
func SaveTask(ctx context.Context, tx store.Tx, t *Task) error {
	_, err := tx.NewUpdate().Model(t).WherePK().Column("status", "result", "message", "expires_at", "image_id", "updated_at").Exec(ctx)
	return err
}

// DeleteExpiredTasks removes the tasks that have expired and returns how many they were.
func DeleteExpiredTasks(ctx context.Context, tx store.Tx, now time.Time) (int64, error) {
	res, err := tx.NewDelete().Model((*Task)(nil)).Where("expires_at <= ?", now).Exec(ctx)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
