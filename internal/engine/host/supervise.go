package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// An engine that lived this long is taken for healthy: its next death is mended at once.
	healthyAfter = time.Minute
	// The wait before the second, third ... try doubles from the first to the last of these.
	firstPause = time.Second
	lastPause  = time.Minute
	// How often the length of the engines' logs is looked at.
	logsEvery = time.Hour
)

// Supervise starts engines of ours again when they die, until ctx ends. It sleeps in the kernel (pidfds and one
// inotify watch on the records), so it costs nothing while all is well. It follows what other processes do: an engine
// that "gostack up" starts is watched from then on, one that "gostack down" stops stays down.
func (h *Host) Supervise(ctx context.Context) error {
	if err := os.MkdirAll(h.recordDir(), 0o755); err != nil {
		return err
	}
	changes, stop, err := watchDirectory(h.recordDir())
	if err != nil {
		return err
	}
	var guards sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		stop()
		guards.Wait()
	}()
	s := &supervisor{Host: h, deaths: map[string]int{}}
	guarded := map[string]process{}
	logs := time.NewTicker(logsEvery)
	defer logs.Stop()
	for {
		for _, e := range h.engines {
			r, ours := h.recorded(e.Name)
			if !ours || r.PID == 0 || guarded[e.Name] == r.process {
				continue
			}
			guarded[e.Name] = r.process
			guards.Go(func() { s.guard(ctx, e, r.process) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-logs.C:
			if err := h.rotateLogs(ctx, maxLog); err != nil {
				h.log.Warn("an engine's log could not be put aside", "error", err)
			}
		case _, ok := <-changes:
			if !ok {
				return errors.New("the engines' records can no longer be watched")
			}
		}
	}
}

type supervisor struct {
	*Host
	mu     sync.Mutex
	deaths map[string]int // early deaths in a row, by engine
}

// guard waits for the death of one process and puts another in its place. It ends when that is done (the new one has a
// new guard), when somebody else did it, or with ctx.
func (s *supervisor) guard(ctx context.Context, e Engine, p process) {
	if err := p.wait(ctx); err != nil {
		if ctx.Err() == nil {
			s.log.Error("engine cannot be watched", "engine", e.Name, "error", err)
		}
		return
	}
	healthy := time.Since(p.since()) >= healthyAfter
	for {
		if r, ours := s.recorded(e.Name); !ours || r.process != p {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.pause(e.Name, healthy)):
		}
		healthy = false
		done, err := s.replace(ctx, e, p)
		if done || ctx.Err() != nil {
			return
		}
		s.log.Error("engine died and cannot be started again", "engine", e.Name, "error", err)
	}
}

// pause says how long to wait before the next try, and counts the death or failed try. One that was healthy before
// it died starts the count anew.
func (s *supervisor) pause(engine string, healthy bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if healthy {
		s.deaths[engine] = 0
	}
	n := s.deaths[engine]
	s.deaths[engine]++
	if n == 0 {
		return 0
	}
	return min(lastPause, firstPause<<min(n-1, 16))
}

// replace starts the engine again unless its record has changed meanwhile. done says that there is nothing left to do.
func (s *supervisor) replace(ctx context.Context, e Engine, p process) (done bool, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	if r, ours := s.recorded(e.Name); !ours || r.process != p {
		return true, nil
	}
	s.log.Warn("engine died, starting it again", "engine", e.Name, "pid", p.PID)
	if err := s.start(ctx, e); err != nil {
		return false, err
	}
	if err := s.waitReady(ctx, e); err != nil {
		return true, err
	}
	if err := s.settle(ctx, e); err != nil {
		s.log.Error("engine runs again but its settings do not hold", "engine", e.Name, "error", err)
	}
	return true, nil
}

// watchDirectory reports (at most one pending at a time) that files were renamed into a directory or removed from it.
func watchDirectory(dir string) (changes <-chan struct{}, stop func(), err error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, nil, fmt.Errorf("inotify: %w", err)
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO|unix.IN_DELETE); err != nil {
		unix.Close(fd)
		return nil, nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	file := os.NewFile(uintptr(fd), "inotify")
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		buffer := make([]byte, 4096)
		for {
			if _, err := file.Read(buffer); err != nil {
				return
			}
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}()
	return out, func() { file.Close() }, nil
}
