// Package notify tells others what happened, in oslo.messaging's terms: who consumes OpenStack's notifications hears gostack's.
//
// A service says inside the transaction of a change what happened (Emit). Events wait in the table notify_outbox, written with the change by
// one statement, and are sent by one replica in their order: none is lost in a crash, none is sent for a change that was rolled back, and one
// that is sent twice has the same message id. Where nobody can hear, Sending is nil, nothing is rendered and no statement is run.
//
// The package owns the outbox and knows no event: services declare them.
package notify

import (
	"context"
	"embed"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gostack/internal/policy"
	"gostack/internal/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of the outbox.
var Migrations = store.Migrations{Service: "notify", FS: files}

// Priorities.
const (
	Info  = "info"
	Error = "error"
)

// Event is something that happened.
type Event struct {
	Service   string // whose: the exchange it is sent on
	Type      string // "port.create.end"
	Publisher string // "network.control-1"
	Priority  string // Info when empty
	Versioned bool   // of an object with a version (nova's), on topic versioned_notifications
	Payload   any    // goes through JSON
	// Caller is on whose behalf; nil is the caller of the request that ctx belongs to.
	Caller *policy.Caller
	// RequestID is the caller's when empty.
	RequestID string
}

type key struct{}

// Sending returns the sender of the database that ctx's transaction is on, or nil when nobody would hear: then there is nothing to render.
func Sending(ctx context.Context) *Sender {
	s, _ := store.Attached(ctx, key{}).(*Sender)
	return s.live()
}

// Of is Sending for who has no transaction.
func Of(db *store.DB) *Sender {
	s, _ := db.Attached(key{}).(*Sender)
	return s.live()
}

// Emit notes events to be sent when the transaction of ctx is committed, or at once outside one. All events of a transaction are written by
// one statement at its end.
func (s *Sender) Emit(ctx context.Context, events ...Event) error {
	if s == nil || len(events) == 0 {
		return nil
	}
	rows := make([]*row, len(events))
	for i := range events {
		r, err := s.row(ctx, &events[i])
		if err != nil {
			// An event that cannot be written down must not stop what it tells of.
			s.Log.ErrorContext(ctx, "a notification cannot be written", "event", events[i].Type, "error", err)
			continue
		}
		rows[i] = r
	}
	if !store.InWrite(ctx) {
		return s.DB.Write(ctx, func(ctx context.Context, _ store.Tx) error {
			s.collect(ctx, rows)
			return nil
		})
	}
	s.collect(ctx, rows)
	return nil
}

// batch is what one transaction emits.
type batch struct{ rows []*row }

func (s *Sender) collect(ctx context.Context, rows []*row) {
	b := store.PerWrite(ctx, key{}, func() any { return &batch{} }).(*batch) //nolint:forcetypeassert // ours
	first := len(b.rows) == 0
	for _, r := range rows {
		if r != nil {
			b.rows = append(b.rows, r)
		}
	}
	if !first || len(b.rows) == 0 {
		return
	}
	var flush func(ctx context.Context, tx store.Tx) error
	again := true
	flush = func(ctx context.Context, tx store.Tx) error {
		if again { // behind those who emit before the commit themselves
			again = false
			store.BeforeCommit(ctx, flush)
			return nil
		}
		rows := b.rows
		b.rows = nil
		if len(rows) == 0 {
			return nil
		}
		_, err := tx.NewInsert().Model(&rows).Exec(ctx)
		store.AfterCommit(ctx, s.Wake)
		s.DB.Announce(ctx, topic, "")
		return err
	}
	store.BeforeCommit(ctx, flush)
}

// row is an event that waits.
type row struct {
	bun.BaseModel `bun:"table:notify_outbox,alias:o"`

	Seq       int64 `bun:",pk,autoincrement"`
	MessageID string
	Service   string
	EventType string
	Publisher string
	Priority  string
	Versioned bool
	Payload   string
	Context   string
	CreatedAt time.Time
}

func (s *Sender) row(ctx context.Context, e *Event) (*row, error) {
	payload, err := json.Marshal(e.Payload)
	if err != nil {
		return nil, err
	}
	c := e.Caller
	if c == nil {
		c = policy.CallerOf(ctx)
	}
	request := e.RequestID
	if request == "" && c != nil {
		request = c.RequestID
	}
	told, err := json.Marshal(contextOf(c, request))
	if err != nil {
		return nil, err
	}
	r := &row{
		MessageID: uuid.NewString(), Service: e.Service, EventType: e.Type, Publisher: e.Publisher, Priority: e.Priority, Versioned: e.Versioned,
		Payload: string(payload), Context: string(told), CreatedAt: s.Clock.Now(),
	}
	if r.Priority == "" {
		r.Priority = Info
	}
	return r, nil
}

// contextOf is the request's context as oslo.context writes it. It holds no token.
func contextOf(c *policy.Caller, request string) map[string]any {
	m := map[string]any{"request_id": orNil(request)}
	if c == nil {
		return m
	}
	roles := c.Roles
	if roles == nil {
		roles = []string{}
	}
	for name, v := range map[string]string{
		"user": c.UserID, "user_id": c.UserID, "user_name": c.UserName, "user_domain": c.UserDomainID, "project_id": c.ProjectID, "tenant": c.ProjectID,
		"project_name": c.ProjectName, "project_domain": c.ProjectDomainID, "domain": c.DomainID, "system_scope": c.SystemScope,
	} {
		m[name] = orNil(v)
	}
	m["roles"], m["is_admin"] = roles, c.IsAdmin()
	return m
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
