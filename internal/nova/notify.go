package nova

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/notify"
	"gostack/internal/nova/db"
	"gostack/internal/nova/notice"
	"gostack/internal/policy"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// Notifications says what is told to others, by upstream's names ([notifications] of nova.conf).
type Notifications struct {
	// Format is versioned, unversioned or both; empty is both.
	Format string
	// States is notify_on_state_change: vm_state, vm_and_task_state (empty), or none.
	States string
	// ImageURL is what an image's id is appended to in unversioned payloads.
	ImageURL string
}

func (n Notifications) versioned() bool   { return n.Format != "unversioned" }
func (n Notifications) unversioned() bool { return n.Format == "" || n.Format != "versioned" }

// WatchForNotifications makes all changes of Nova's rows known to those who hear (package notify). Nothing is done while nobody does.
func (s *Service) WatchForNotifications() { db.Watch(s.DB, watch{s}) }

// watch hears of changed rows and turns them into notifications at the end of the transaction, when it is known what came of all of them.
type watch struct{ s *Service }

// notes are what one transaction changes.
type notes struct {
	s      *Service
	sender *notify.Sender
	caller *policy.Caller
	rows   map[rowKey]*changedRow
	order  []*changedRow
}

type rowKey struct{ kind, key string }

// changedRow is a thing that changes in a transaction. old is nil when it was made there, now when it goes.
type changedRow struct {
	rowKey
	old, now any
	columns  []string
	notices  []ServerNotice
}

// kindOf says how a kind of row is read, and what its changes are told as.
type kindOf struct {
	load func(ctx context.Context, tx store.Tx, key string) (any, error)
	tell func(ctx context.Context, tx store.Tx, n *notes, r *changedRow) ([]notify.Event, error)
}

// notesOf returns the notes of ctx's transaction, or nil while nobody hears.
func (s *Service) notesOf(ctx context.Context) *notes {
	sender := notify.Sending(ctx)
	if sender == nil {
		return nil
	}
	fresh := false
	n, _ := store.PerWrite(ctx, watch{s}, func() any {
		fresh = true
		return &notes{s: s, sender: sender, rows: map[rowKey]*changedRow{}}
	}).(*notes)
	if fresh {
		store.BeforeCommit(ctx, n.flush)
	}
	if n.caller == nil {
		n.caller = policy.CallerOf(ctx)
	}
	return n
}

// Touched implements db.Watcher.
func (w watch) Touched(ctx context.Context, tx store.Tx, kind, key string, made bool, columns ...string) error {
	n := w.s.notesOf(ctx)
	if n == nil {
		return nil
	}
	_, err := n.touch(ctx, tx, kind, key, made, columns...)
	return err
}

// Deleted implements db.Watcher.
func (w watch) Deleted(ctx context.Context, _ store.Tx, srv *Server) error {
	if n := w.s.notesOf(ctx); n != nil {
		if r := n.rows[rowKey{db.WatchServer, srv.ID}]; r != nil {
			r.now = srv
		}
	}
	return nil
}

// touch notes that a row changes; the first time it is read as it was. nil is one that is not there.
func (n *notes) touch(ctx context.Context, tx store.Tx, kind, key string, made bool, columns ...string) (*changedRow, error) {
	k := rowKey{kind, key}
	if r := n.rows[k]; r != nil {
		r.columns = append(r.columns, columns...)
		return r, nil
	}
	r := &changedRow{rowKey: k, columns: columns}
	if !made {
		old, err := kinds(kind).load(ctx, tx, key)
		if store.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		r.old = old
	}
	n.rows[k] = r
	n.order = append(n.order, r)
	return r, nil
}

// flush tells of everything, once the transaction has done its work.
func (n *notes) flush(ctx context.Context, tx store.Tx) error {
	var events []notify.Event
	for _, r := range n.order {
		if r.now == nil {
			now, err := kinds(r.kind).load(ctx, tx, r.key)
			if err != nil && !store.IsNotFound(err) {
				return err
			}
			if err == nil {
				r.now = now
			}
		}
		told, err := kinds(r.kind).tell(ctx, tx, n, r)
		if err != nil {
			return err
		}
		events = append(events, told...)
	}
	return n.sender.Emit(ctx, events...)
}

// versioned makes a versioned event, of which there is none when only unversioned ones are wanted.
func (n *notes) versioned(typ, publisher string, payload *notice.Object) []notify.Event {
	if !n.s.Config.Notifications.versioned() {
		return nil
	}
	return []notify.Event{{
		Service: "nova", Type: typ, Publisher: publisher, Priority: priority(typ), Versioned: true, Payload: payload, Caller: n.caller,
	}}
}

func (n *notes) legacy(typ, publisher string, payload map[string]any) []notify.Event {
	if !n.s.Config.Notifications.unversioned() {
		return nil
	}
	return []notify.Event{{Service: "nova", Type: typ, Publisher: publisher, Priority: priority(typ), Payload: payload, Caller: n.caller}}
}

func priority(typ string) string {
	if strings.HasSuffix(typ, ".error") || typ == "compute.exception" {
		return notify.Error
	}
	return notify.Info
}

// from is the publisher of a process of this host.
func (n *notes) from(binary string) string { return binary + ":" + n.sender.Host }

// both are the events that begin and end what is over at once.
func (n *notes) both(typ, publisher string, before, after *notice.Object) []notify.Event {
	return slices.Concat(n.versioned(typ+".start", publisher, before), n.versioned(typ+".end", publisher, after))
}

// NoteCaching tells how far the images of an aggregate are: that it began, and what each host has at the end.
func (s *Service) NoteCaching(ctx context.Context, a *Aggregate, when string, state CacheState) error {
	n := s.notesOf(ctx)
	if n == nil {
		return nil
	}
	object, typ := notice.Aggregate(a), "aggregate.cache_images."
	switch when {
	case saga.ChangeStarted:
		return n.sender.Emit(ctx, n.versioned(typ+"start", n.from("nova-api"), object)...)
	case saga.ChangeDone, saga.ChangeUndone:
		var events []notify.Event
		var images []string
		for _, i := range state.Images {
			images = append(images, i.ID)
		}
		for i, host := range state.Hosts {
			p := notice.CacheProgress{Host: host, Index: i + 1, Total: len(state.Hosts), Cached: images}
			if slices.Contains(state.Failed, host) {
				p.Cached, p.Failed = nil, images
			}
			events = append(events, n.versioned(typ+"progress", n.from("nova-conductor"), notice.AggregateCache(a, p))...)
		}
		return n.sender.Emit(ctx, append(events, n.versioned(typ+"end", n.from("nova-conductor"), object)...)...)
	}
	return nil
}
