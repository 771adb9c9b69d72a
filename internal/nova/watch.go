package nova

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gostack/internal/bus"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// How often the control side looks at its hosts (upstream's report_interval and sync_power_state_interval).
const (
	WatchEvery = 10 * time.Second
	SyncEvery  = 10 * time.Minute
)

// Watch remembers which hosts were up when it last looked, to tell when that changes. One replica watches at a time.
type Watch struct {
	service *Service
	up      map[string]bool
}

// NewWatch makes a watch that has not looked yet.
func (s *Service) NewWatch() *Watch { return &Watch{service: s, up: map[string]bool{}} }

// Change is a host that went down or came back.
type Change struct {
	Host    string
	Up      bool
	Servers int64 // that are on it
}

// Look tells which hosts have gone down or come back since the last look, and writes it to the log. At the first look it tells those that are down.
func (w *Watch) Look(ctx context.Context) ([]Change, error) {
	s := w.service
	h := s.DB.Read(ctx)
	services, err := db.ListServices(ctx, h, BinaryCompute, "")
	if err != nil {
		return nil, err
	}
	now := make(map[string]bool, len(services))
	var changes []Change
	for _, sv := range services {
		up := s.Up(sv)
		now[sv.Host] = up
		if was, known := w.up[sv.Host]; known && was == up || !known && up {
			continue
		}
		n, err := db.CountServers(ctx, h, ServerFilter{Equal: map[string]any{"host": sv.Host}})
		if err != nil {
			return nil, err
		}
		changes = append(changes, Change{sv.Host, up, n})
		if up {
			s.log().InfoContext(ctx, "compute host is back", "host", sv.Host, "servers", n)
			continue
		}
		s.log().WarnContext(ctx, "compute host is down: it gets no servers, and those on it cannot be changed until it is back or they are evacuated",
			"host", sv.Host, "last_seen", sv.LastSeenAt, "forced", sv.ForcedDown, "servers", n)
	}
	w.up = now
	return changes, nil
}

// SyncPowerStates asks every host that is up what its servers do and makes rows follow; what was deleted while a host could not be told is removed from
// it. News comes by itself within a moment; this is for what was lost. Hosts are asked one after the other, spread over a while when there are
// many, so that neither they nor the database notice.
func (s *Service) SyncPowerStates(ctx context.Context, over time.Duration) error {
	services, err := db.ListServices(ctx, s.DB.Read(ctx), BinaryCompute, "")
	if err != nil {
		return err
	}
	var up []string
	for _, sv := range services {
		if s.Up(sv) {
			up = append(up, sv.Host)
		}
	}
	var errs []error
	for _, host := range up {
		if err := s.syncHost(ctx, host); err != nil && !errors.Is(err, bus.ErrUnroutable) {
			errs = append(errs, fmt.Errorf("host %s: %w", host, err))
		}
		if over <= 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(2*over/time.Duration(len(up)) + 1)):
		}
	}
	return errors.Join(errs...)
}

// syncHost compares one host.
func (s *Service) syncHost(ctx context.Context, host string) error {
	var have rpc.ListReply
	if err := s.Hosts.Call(ctx, host, rpc.List, struct{}{}, &have); err != nil {
		return err
	}
	rows, err := db.ServersOnHost(ctx, s.DB.Read(ctx), host)
	if err != nil {
		return err
	}
	expected := make(map[string]*Server, len(rows))
	for _, srv := range rows {
		expected[srv.ID] = srv
	}
	var events []driver.Event
	foreign := false
	for _, g := range have.Guests {
		if expected[g.ID] == nil {
			foreign = true
			continue
		}
		events = append(events, driver.Event{ServerID: g.ID, State: g.State, At: s.Now()})
		delete(expected, g.ID)
	}
	for id, srv := range expected {
		if srv.VMState == Active || srv.VMState == Paused || srv.VMState == Stopped {
			events = append(events, driver.Event{ServerID: id, Gone: true, At: s.Now()})
		}
	}
	err = s.PowerEvents(ctx, host, events)
	if foreign {
		err = errors.Join(err, s.cleanHost(ctx, host))
	}
	return err
}
