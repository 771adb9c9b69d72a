package glance

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"gostack/internal/glance/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Task and TaskFilter are tasks as their rows have them.
type (
	Task       = db.Task
	TaskFilter = db.TaskFilter
)

// TaskSortKeys are what lists of tasks are ordered by.
var TaskSortKeys = db.TaskSortColumns

// Statuses and types of tasks (https://docs.openstack.org/glance/latest/admin/tasks.html).
const (
	TaskPending    = "pending"
	TaskProcessing = "processing"
	TaskSuccess    = "success"
	TaskFailure    = "failure"

	TaskImport         = "import"           // POST /v2/tasks
	TaskImageImport    = "api_image_import" // POST /v2/images/{id}/import
	TaskLocationImport = "location_import"  // POST /v2/images/{id}/locations
)

// taskLife is how long a task that ended is kept (upstream's task_time_to_live).
const taskLife = 48 * time.Hour

// Task returns a task if c may see it; a 404 otherwise.
func (s *Service) Task(ctx context.Context, c *policy.Caller, id string) (*Task, error) {
	t, err := db.GetTask(ctx, s.db.Read(ctx), scope(c), id)
	if store.IsNotFound(err) || err == nil && t.ExpiresAt != nil && !t.ExpiresAt.After(s.clock.Now()) {
		return nil, rest.NotFound("Task not found with ID %s", id)
	}
	return t, err
}

// Tasks lists a page of tasks behind marker ("": from the start).
func (s *Service) Tasks(ctx context.Context, c *policy.Caller, f TaskFilter, by Sort, marker string, limit int) ([]Task, error) {
	var after *Task
	if marker != "" {
		var err error
		if after, err = s.Task(ctx, c, marker); rest.IsNotFound(err) {
			return nil, rest.BadRequest("Task not found with ID %s", marker)
		} else if err != nil {
			return nil, err
		}
	}
	if limit == 0 {
		return []Task{}, nil
	}
	return db.ListTasks(ctx, s.db.Read(ctx), scope(c), f, by, after, s.clock.Now(), limit)
}

// ImageTasks lists the tasks of an image that its reader may see, newest first.
func (s *Service) ImageTasks(ctx context.Context, c *policy.Caller, imageID string) ([]Task, error) {
	return db.ListTasks(ctx, s.db.Read(ctx), scope(c), TaskFilter{ImageID: imageID}, Sort{Column: "created_at"}, nil, s.clock.Now(), madeLimit)
}

// newTask makes a task that has not begun.
func (s *Service) newTask(ctx context.Context, c *policy.Caller, kind, imageID string, input any) (*Task, error) {
	text, err := json.Marshal(input)
	now := s.clock.Now()
	t := &Task{
		ID: uuid.NewString(), Type: kind, Status: TaskPending, ImageID: imageID, RequestID: rest.RequestID(ctx), Input: string(text), CreatedAt: now, UpdatedAt: now,
	}
	if c != nil {
		t.Owner, t.UserID = c.ProjectID, c.UserID
	}
	return t, err
}

// taskGoes changes a task in tx: its status, and its message unless that is "". A task that is gone is no error.
func (s *Service) taskGoes(ctx context.Context, tx store.Tx, id, status, message string, result any) error {
	t, err := db.GetTask(ctx, tx, db.Scope{All: true}, id)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	t.Status, t.UpdatedAt = status, s.clock.Now()
	if message != "" {
		t.Message = message
	}
	if result != nil {
		text, err := json.Marshal(result)
		if err != nil {
			return err
		}
		t.Result = string(text)
	}
	if status == TaskSuccess || status == TaskFailure {
		until := t.UpdatedAt.Add(taskLife)
		t.ExpiresAt = &until
	}
	return db.SaveTask(ctx, tx, t)
}

// forgetTasks removes the tasks whose time is over.
func (s *Service) forgetTasks(ctx context.Context) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := db.DeleteExpiredTasks(ctx, tx, s.clock.Now())
		return err
	})
}
