package neutron

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/store"
)

// Run makes the realiser work until ctx ends: everything is compared with the engine once, changes are realised as they
// come, port statuses follow the engine, and everything is compared again from time to time.
func (s *Service) Run(ctx context.Context) error {
	r := s.realiser
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	if r.ctx != nil {
		r.mu.Unlock()
		return errors.New("neutron: the realiser runs already")
	}
	r.ctx = ctx
	r.mu.Unlock()
	var own sync.WaitGroup
	own.Go(func() { r.settle(ctx) })
	own.Go(func() { r.retry(ctx) })
	own.Go(func() { s.follow(ctx) })
	own.Go(func() { s.keepInSync(ctx) })
	r.scan(ctx, 0)
	<-ctx.Done()
	r.mu.Lock()
	r.ctx = nil
	r.mu.Unlock()
	own.Wait()
	r.work.Wait()
	return nil
}

// keepInSync compares everything when the engine answers first, and from time to time.
func (s *Service) keepInSync(ctx context.Context) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		case <-s.resync:
		}
		if err := s.Backend.Ready(ctx); err != nil {
			wait.Reset(time.Second)
			continue
		}
		report, err := s.Sync(ctx, true)
		switch {
		case err != nil && ctx.Err() == nil:
			s.Log.Warn("the network engine could not be compared with the database", "error", err)
			wait.Reset(10 * time.Second)
			continue
		case len(report.Differences) > 0:
			s.Log.Info("the network engine differed from the database", "differences", len(report.Differences), "first", report.Differences[0])
		}
		wait.Reset(s.SyncEvery)
	}
}

// Sync compares the engine with the whole database, and with repair makes it equal.
func (s *Service) Sync(ctx context.Context, repair bool) (driver.Report, error) {
	want, err := s.desired(ctx, selection{all: true})
	if err != nil {
		return driver.Report{}, err
	}
	want.Recheck = func(ctx context.Context, kind, id string) (driver.Desired, error) {
		return s.desired(ctx, selection{ids: map[string][]string{kind: {id}}})
	}
	return s.Backend.Sync(ctx, want, repair)
}

// Audit returns how the engine differs from the database, but for changes that are on their way: those are noted, or gone at
// a second look.
func (s *Service) Audit(ctx context.Context, repair bool) ([]driver.Difference, error) {
	found, err := s.audit(ctx, repair)
	if err != nil || len(found) == 0 || repair {
		return found, err
	}
	again, err := s.audit(ctx, false)
	return slices.DeleteFunc(found, func(d driver.Difference) bool { return !slices.Contains(again, d) }), err
}

func (s *Service) audit(ctx context.Context, repair bool) ([]driver.Difference, error) {
	report, err := s.Sync(ctx, repair)
	if err != nil {
		return nil, err
	}
	rows, err := db.AllPending(ctx, s.DB.Read(ctx))
	if err != nil {
		return nil, err
	}
	pending := map[key]bool{}
	for _, p := range rows {
		pending[key{p.ResourceType, p.ResourceID}] = true
	}
	return slices.DeleteFunc(report.Differences, func(d driver.Difference) bool { return pending[key{d.Kind, d.ID}] }), nil
}

// follow keeps port statuses true by the engine's events.
func (s *Service) follow(ctx context.Context) {
	for ctx.Err() == nil {
		events, err := s.Backend.Events(ctx)
		if err != nil {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		for e := range events {
			changes := map[string]string{}
			note := func(e driver.Event) {
				switch e.Kind {
				case driver.PortUp:
					changes[e.ID] = statusActive
				case driver.PortDown:
					changes[e.ID] = statusDown
				case driver.Restarted:
					select {
					case s.resync <- struct{}{}:
					default:
					}
				}
			}
			note(e)
			for more := true; more; {
				select {
				case e, ok := <-events:
					if more = ok; ok {
						note(e)
					}
				default:
					more = false
				}
			}
			s.setStatus(ctx, changes)
		}
	}
}

// setStatus stores statuses of ports where they differ. Ports of floating IPs have none.
func (s *Service) setStatus(ctx context.Context, status map[string]string) {
	if len(status) == 0 {
		return
	}
	ids := make([]string, 0, len(status))
	for id := range status {
		ids = append(ids, id)
	}
	rows, err := db.Find[db.Port](ctx, s.DB.Read(ctx), func(q *bun.SelectQuery) {
		q.Column("id", "status", "device_owner", "router_id").Where("t.id IN (?)", bun.List(ids))
	})
	byStatus := map[string][]string{}
	for _, p := range rows {
		want := status[p.ID]
		if p.RouterID != "" {
			want = statusActive // realised by the engine itself, nothing is plugged
		}
		if p.DeviceOwner != ownerFloatingIP && p.Status != want {
			byStatus[want] = append(byStatus[want], p.ID)
		}
	}
	if err == nil && len(byStatus) > 0 {
		err = s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			for st, ids := range byStatus {
				if _, err := tx.NewUpdate().Model((*db.Port)(nil)).Set("status = ?", st).Where("id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("statuses of ports could not be stored", "error", err)
	}
}
