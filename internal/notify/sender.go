package notify

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/bus"
	"gostack/internal/clock"
	"gostack/internal/store"
)

// The drivers, by oslo.messaging's names.
const (
	NoOp         = "noop"
	MessagingV2  = "messagingv2"
	topic        = "notifications"
	batchSize    = 200
	lookEvery    = 30 * time.Second // for events whose wake-up was lost with the process that wrote them
	keepFor      = 24 * time.Hour   // of events that the broker does not take; older ones are dropped so that the table does not grow for ever
	sendPatience = 5 * time.Second
)

// Options say what a Sender works with.
type Options struct {
	DB  *store.DB
	Bus bus.Bus
	// Driver is MessagingV2, or NoOp: then events are made only while somebody in this process subscribes.
	Driver string
	// Host names this process in publisher ids.
	Host  string
	Clock clock.Clock
	Log   *slog.Logger
	// Lead runs fn while this process is the replica that sends for all. Default: it always is.
	Lead func(ctx context.Context, name string, fn func(context.Context))
}

// Sender sends what services emit.
type Sender struct {
	Options
	subscribers atomic.Int64
	wake        chan struct{}
}

// New makes a sender and ties it to the database. Run makes it send.
func New(o Options) *Sender {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Lead == nil {
		o.Lead = func(ctx context.Context, _ string, fn func(context.Context)) { fn(ctx) }
	}
	s := &Sender{Options: o, wake: make(chan struct{}, 1)}
	o.DB.Attach(key{}, s)
	o.DB.Hear(topic, func(string) { s.Wake() })
	return s
}

// listening is a bus that knows whether anybody hears (the one in memory). A broker's consumers bind queues of their own.
type listening interface{ Listening() bool }

// live is s when somebody may hear, else nil.
func (s *Sender) live() *Sender {
	switch {
	case s == nil:
		return nil
	case s.subscribers.Load() > 0:
		return s
	case s.Driver != MessagingV2:
		return nil
	}
	if l, ok := s.Bus.(listening); ok && !l.Listening() {
		return nil
	}
	return s
}

// Subscribe gives every notification of the cloud from now on to f, in order: those of this process and, over a broker, those of all others.
// It switches notifications on.
func (s *Sender) Subscribe(f func(bus.Notification)) (stop func(), err error) {
	end, err := s.Bus.Subscribe(f)
	if err != nil {
		return nil, err
	}
	s.subscribers.Add(1)
	return func() {
		s.subscribers.Add(-1)
		end()
	}, nil
}

// Wake makes the sender look.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends, while this replica leads.
func (s *Sender) Run(ctx context.Context) {
	s.Lead(ctx, topic, func(ctx context.Context) {
		failures := 0
		for ctx.Err() == nil {
			more, err := s.sendBatch(ctx)
			pause := lookEvery
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				if failures++; failures == 1 {
					s.Log.WarnContext(ctx, "notifications cannot be sent; they wait", "error", err)
				}
				pause = min(time.Second<<min(failures-1, 5), lookEvery)
			case more:
				failures = 0
				continue
			default:
				failures = 0
			}
			t := time.NewTimer(pause)
			select {
			case <-ctx.Done():
			case <-t.C:
			case <-s.wakeUnless(err != nil):
			}
			t.Stop()
		}
	})
}

// wakeUnless is the wake-up, or while the bus is away nothing: a new event does not bring it back.
func (s *Sender) wakeUnless(away bool) <-chan struct{} {
	if away {
		return nil
	}
	return s.wake
}

// batcher is a bus that takes many notifications in one go.
type batcher interface {
	NotifyAll(ctx context.Context, list []bus.Notification) error
}

// sendBatch sends the oldest events and reports whether there may be more.
func (s *Sender) sendBatch(ctx context.Context) (more bool, err error) {
	var rows []*row
	if err := s.DB.Read(ctx).NewSelect().Model(&rows).Order("o.seq").Limit(batchSize).Scan(ctx); err != nil || len(rows) == 0 {
		return false, err
	}
	list := make([]bus.Notification, len(rows))
	seqs := make([]int64, len(rows))
	for i, r := range rows {
		list[i], seqs[i] = r.notification(), r.Seq
	}
	sending, cancel := context.WithTimeout(ctx, sendPatience+time.Duration(len(list))*50*time.Millisecond)
	defer cancel()
	if err := s.sendAll(sending, list); err != nil {
		return false, errors.Join(err, s.dropOld(ctx))
	}
	return len(rows) == batchSize, s.forget(ctx, seqs)
}

func (s *Sender) sendAll(ctx context.Context, list []bus.Notification) error {
	if b, ok := s.Bus.(batcher); ok {
		return b.NotifyAll(ctx, list)
	}
	for _, n := range list {
		if err := s.Bus.Notify(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sender) forget(ctx context.Context, seqs []int64) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := tx.NewDelete().Model((*row)(nil)).Where("seq IN (?)", bun.List(seqs)).Exec(ctx)
		return err
	})
}

// dropOld removes what has waited too long.
func (s *Sender) dropOld(ctx context.Context) error {
	var n int64
	err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		res, err := tx.NewDelete().Model((*row)(nil)).Where("created_at < ?", s.Clock.Now().Add(-keepFor)).Exec(ctx)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if n > 0 {
		s.Log.ErrorContext(ctx, "notifications that waited too long were dropped", "count", n, "after", keepFor.String())
	}
	return err
}

func (r *row) notification() bus.Notification {
	n := bus.Notification{
		EventType: r.EventType, Publisher: r.Publisher, Priority: r.Priority, Payload: json.RawMessage(r.Payload), MessageID: r.MessageID,
		Timestamp: r.CreatedAt, Service: r.Service, Versioned: r.Versioned, Context: map[string]any{},
	}
	_ = json.Unmarshal([]byte(r.Context), &n.Context) // written by row
	n.RequestID, _ = n.Context["request_id"].(string)
	n.Project, _ = n.Context["project_id"].(string)
	return n
}
