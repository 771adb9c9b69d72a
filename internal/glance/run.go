package glance

import (
	"context"
	"fmt"
	"time"
)

// reconcileEvery is how long an upload whose process died on another host, or a file that could not be removed, may wait
// at most after its lease has run out.
const reconcileEvery = time.Minute

// Start reconciles rows and files once and goes on doing so on a timer until Stop.
func (s *Service) Start(ctx context.Context) error {
	if _, err := s.Reconcile(ctx); err != nil {
		return fmt.Errorf("images cannot be compared with their files: %w", err)
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.stopped = make(chan struct{})
	go func() {
		defer close(s.stopped)
		tick := time.NewTicker(reconcileEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.cacheWakes():
				s.tendCache(ctx)
				continue
			case <-tick.C:
			}
			s.tendCache(ctx)
			if _, err := s.Reconcile(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("images cannot be compared with their files", "error", err)
			}
			if err := s.forgetTasks(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("tasks whose time is over are kept", "error", err)
			}
		}
	}()
	return nil
}

// cacheWakes says when there is something to do for the cache; never without one.
func (s *Service) cacheWakes() <-chan struct{} {
	if s.cache == nil {
		return nil
	}
	return s.cache.wake
}

func (s *Service) tendCache(ctx context.Context) {
	if err := s.TendCache(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("the image cache cannot be looked after", "error", err)
	}
}

// Stop ends the timer.
func (s *Service) Stop(ctx context.Context) error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	select {
	case <-s.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ready says whether images can be stored: it is nil, or names what is missing.
func (s *Service) Ready(context.Context) error {
	files := s.defaultStore().files
	free, err := files.Free()
	if err != nil {
		return fmt.Errorf("image directory: %w", err)
	}
	if free < lowSpace {
		return fmt.Errorf("image directory %s has only %d MiB left", files.Dir(), free>>20)
	}
	return nil
}

// lowSpace is when the image directory is as good as full, in bytes.
const lowSpace = 256 << 20
