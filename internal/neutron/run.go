package neutron

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
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
	own.Go(func() { s.Lead(ctx, "neutron-sync", s.keepInSync) })
	if s.Placement != nil {
		own.Go(func() { s.Lead(ctx, "neutron-placement", s.tellPlacement) })
	}
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
		var ids []string
		err = s.DB.Read(ctx).NewSelect().Model((*db.Port)(nil)).Column("id").Where("t.device_owner <> ?", ownerFloatingIP).Scan(ctx, &ids)
		if err == nil {
			s.refreshStatus(ctx, ids)
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
