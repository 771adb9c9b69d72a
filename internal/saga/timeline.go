package saga

import (
	"context"
	"time"

	"gostack/internal/store"
)

// Story is an operation, live or ended, with its timeline.
type Story struct {
	ID           string    `json:"id"`
	Kind         string    `json:"kind"`
	ResourceType string    `json:"resource_type"`
	ResourceID   string    `json:"resource_id"`
	ProjectID    string    `json:"project_id"`
	UserID       string    `json:"user_id"`
	RequestID    string    `json:"request_id"`
	Outcome      string    `json:"outcome"` // running, undoing, waiting, done, undone, failed
	Step         string    `json:"step,omitempty"`
	Cause        string    `json:"cause,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	FinishedAt   time.Time `json:"finished_at,omitzero"`
	Deadline     time.Time `json:"deadline,omitzero"`
	Events       []Event   `json:"events"`
}

// Event is one line of a timeline.
type Event struct {
	At       time.Time     `json:"at"`
	Step     string        `json:"step"`
	Event    string        `json:"event"`
	Attempt  int           `json:"attempt"`
	Host     string        `json:"host,omitempty"`
	Worker   string        `json:"worker,omitempty"` // the control process
	Duration time.Duration `json:"duration"`
	Detail   string        `json:"detail,omitempty"`
}

// Stories returns the operations of a resource, of a request or with an operation's id, oldest first, at most limit.
// It costs three statements.
func (e *Engine) Stories(ctx context.Context, id string, limit int) ([]Story, error) {
	var live []row
	var ended []historyRow
	db := e.db.Read(ctx)
	if err := db.NewSelect().Model(&live).Where("resource_id = ? OR request_id = ? OR id = ?", id, id, id).Order("seq").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, err
	}
	err := db.NewSelect().Model(&ended).Where("resource_id = ? OR request_id = ? OR id = ?", id, id, id).Order("created_at DESC").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, err
	}
	var stories []Story
	for i := len(ended) - 1; i >= 0; i-- {
		h := &ended[i]
		stories = append(stories, Story{
			ID: h.ID, Kind: h.Kind, ResourceType: h.ResourceType, ResourceID: h.ResourceID, ProjectID: h.ProjectID, UserID: h.UserID,
			RequestID: h.RequestID, Outcome: h.Outcome, Cause: h.Cause, CreatedAt: h.CreatedAt, FinishedAt: h.FinishedAt,
		})
	}
	for i := range live {
		stories = append(stories, e.story(&live[i]))
	}
	return stories, events(ctx, e.db, stories)
}

func (e *Engine) story(r *row) Story {
	s := Story{
		ID: r.ID, Kind: r.Kind, ResourceType: r.ResourceType, ResourceID: r.ResourceID, ProjectID: r.ProjectID, UserID: r.operation().Caller.UserID,
		RequestID: r.RequestID, Outcome: "waiting", Cause: r.Cause, CreatedAt: r.CreatedAt, Deadline: r.Deadline,
	}
	switch {
	case r.Phase == undoing:
		s.Outcome = "undoing"
	case r.LeaseOwner != "":
		s.Outcome = "running"
	}
	if d := e.defs[r.Kind]; d != nil && r.Step < d.size() {
		s.Step = d.step(r.Step).name
	}
	return s
}

func events(ctx context.Context, db *store.DB, stories []Story) error {
	if len(stories) == 0 {
		return nil
	}
	ids := make([]string, len(stories))
	at := map[string]*Story{}
	for i := range stories {
		ids[i] = stories[i].ID
		at[ids[i]] = &stories[i]
	}
	var rows []eventRow
	if err := db.Read(ctx).NewSelect().Model(&rows).Where("operation_id IN (?)", in(ids)).Order("id").Scan(ctx); err != nil {
		return err
	}
	for _, r := range rows {
		s := at[r.OperationID]
		s.Events = append(s.Events, Event{r.At, r.Step, r.Event, r.Attempt, r.Host, r.Worker, time.Duration(r.DurationUS) * time.Microsecond, r.Detail})
	}
	return nil
}

// Overdue returns live operations whose deadline for going forward and for undoing has passed: there should be none.
func (e *Engine) Overdue(ctx context.Context) ([]Story, error) {
	var rows []row
	now := e.opts.Clock.Now()
	err := e.db.Read(ctx).NewSelect().Model(&rows).Where("deadline < ?", now.Add(-time.Hour)).Where("step_deadline < ?", now).Order("seq").Scan(ctx)
	if err != nil {
		return nil, err
	}
	stories := make([]Story, len(rows))
	for i := range rows {
		stories[i] = e.story(&rows[i])
	}
	return stories, nil
}

// Purge removes the history of operations that ended before t, at most a thousand at once, and returns how many went.
func (e *Engine) Purge(ctx context.Context, t time.Time) (n int, err error) {
	err = e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		var ids []string
		if err := tx.NewSelect().Model((*historyRow)(nil)).Column("id").Where("finished_at < ?", t).Limit(1000).Scan(ctx, &ids); err != nil {
			return err
		}
		if n = len(ids); n == 0 {
			return nil
		}
		if _, err := tx.NewDelete().Model((*eventRow)(nil)).Where("operation_id IN (?)", in(ids)).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewDelete().Model((*historyRow)(nil)).Where("id IN (?)", in(ids)).Exec(ctx)
		return err
	})
	return n, err
}
