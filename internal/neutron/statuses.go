package neutron

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/store"
)

// follow keeps port statuses true by the engine's events. An event only says which port to look at: what is stored is the
// engine's state at that time, so events that come late or in another order do no harm.
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
			ids := map[string]bool{}
			s.heard(e, ids)
			for more := true; more; {
				select {
				case e, ok := <-events:
					if more = ok; ok {
						s.heard(e, ids)
					}
				default:
					more = false
				}
			}
			s.refreshStatus(ctx, slices.Collect(maps.Keys(ids)))
		}
	}
}

func (s *Service) heard(e driver.Event, ports map[string]bool) {
	switch e.Kind {
	case driver.PortUp, driver.PortDown:
		ports[e.ID] = true
	case driver.Restarted:
		s.syncNow()
	}
}

// syncNow has everything compared soon.
func (s *Service) syncNow() {
	select {
	case s.resync <- struct{}{}:
	default:
	}
}

// refreshStatus stores what the engine says now about ports, one caller at a time, so that an older state never replaces a newer.
func (s *Service) refreshStatus(ctx context.Context, ids []string) {
	if len(ids) == 0 {
		return
	}
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	states, err := s.Backend.PortStates(ctx, ids)
	if err != nil {
		return // the engine is away; when it is back it says again what is up
	}
	if err := s.storeStatus(ctx, ids, states); err != nil && ctx.Err() == nil {
		s.Log.Warn("statuses of ports could not be stored; they will be read again", "error", err)
		time.AfterFunc(time.Second, s.syncNow)
	}
}

// storeStatus stores statuses where they differ. Ports of floating IPs have none; those of routers are realised by the engine
// itself and plugged nowhere.
func (s *Service) storeStatus(ctx context.Context, ids []string, states map[string]driver.PortState) error {
	rows, err := db.Find[db.Port](ctx, s.DB.Read(ctx), func(q *bun.SelectQuery) {
		q.Column("id", "status", "device_owner", "router_id").Where("t.id IN (?)", bun.List(ids))
	})
	if err != nil {
		return err
	}
	byStatus := map[string][]string{}
	for _, p := range rows {
		want := statusDown
		if states[p.ID].Up || p.RouterID != "" {
			want = statusActive
		}
		if p.DeviceOwner != ownerFloatingIP && p.Status != want {
			byStatus[want] = append(byStatus[want], p.ID)
		}
	}
	if len(byStatus) == 0 {
		return nil
	}
	return s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		for status, ids := range byStatus {
			if _, err := tx.NewUpdate().Model((*db.Port)(nil)).Set("status = ?", status).Where("id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}
