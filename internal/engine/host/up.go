package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startDeadline   = 4 * time.Minute  // for a daemon to detach itself
	pidFileDeadline = 15 * time.Second // for its pid file, which is written before it detaches
	readyDeadline   = 4 * time.Minute  // for it to answer afterwards
	stopGrace       = 15 * time.Second // between SIGTERM and SIGKILL
)

// MissingError says that an engine's program is not installed.
type MissingError struct{ Program, Package string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed (Debian package %s)", e.Program, e.Package)
}

// Action is what Up would do about one engine.
type Action struct {
	Engine string
	Do     string // "start", "start by systemd", "leave alone", "install"
	Why    string
}

// Plan says what Up would do now, without doing it.
func (h *Host) Plan(ctx context.Context) []Action {
	var plan []Action
	for _, e := range h.engines {
		a := Action{e.Name, "start", e.Why}
		switch s := h.look(ctx, e); {
		case s.State == Running:
			a.Do = "leave alone"
		case s.State == Missing:
			a.Do = "install"
		case s.Unit != "":
			a.Do = "start by systemd"
		}
		plan = append(plan, a)
	}
	return plan
}

// Up starts what does not run, in order, waits until each engine answers, and sees to the settings that OVN and the
// external network need. It may be repeated at any time; what is right stays untouched. The error names the engine;
// errors.As finds a *MissingError.
func (h *Host) Up(ctx context.Context, progress Progress) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, e := range h.engines {
		if err := h.up(ctx, e, progress); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	if h.opts.Masquerade {
		return h.masquerade(ctx)
	}
	return nil
}

func (h *Host) up(ctx context.Context, e Engine, progress Progress) error {
	began := time.Now()
	s := h.look(ctx, e)
	switch {
	case s.State == Running:
		if err := h.waitReady(ctx, e); err != nil {
			return err
		}
		progress.say(e.Name, "running already", "started by "+s.By, time.Since(began))
		return h.settle(ctx, e)
	case s.State == Missing:
		return &MissingError{e.Program, e.Package}
	case s.Unit != "":
		progress.say(e.Name, "starting", e.Why, 0)
		if err := h.units.start(ctx, s.Unit); err != nil {
			return err
		}
		if err := h.remember(e.Name, record{Unit: s.Unit}); err != nil {
			return err
		}
	default:
		progress.say(e.Name, "starting", e.Why, 0)
		if err := h.start(ctx, e); err != nil {
			return err
		}
	}
	if err := h.waitReady(ctx, e); err != nil {
		return err
	}
	if err := h.settle(ctx, e); err != nil {
		return err
	}
	progress.say(e.Name, "started", e.Why, time.Since(began))
	return nil
}

// start starts the daemon detached from us and records its process. A record without a pid is written first: should
// we be killed in between, the daemon is still known to be ours.
func (h *Host) start(ctx context.Context, e Engine) error {
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	before, had := h.recorded(e.Name)
	if err := h.remember(e.Name, record{}); err != nil {
		return err
	}
	p, err := h.launch(ctx, e)
	if err != nil && had && before == (record{}) {
		// A gostack that was killed has left it starting, and two cannot run: then that one is ours.
		p, err = h.awaitPIDFile(ctx, e, err)
	}
	if err != nil {
		if had {
			return errors.Join(err, h.remember(e.Name, before))
		}
		return errors.Join(err, h.forget(e.Name))
	}
	return h.remember(e.Name, record{process: p})
}

// launch runs the program, which detaches itself and returns, and finds the daemon by its pid file.
func (h *Host) launch(ctx context.Context, e Engine) (process, error) {
	if err := os.MkdirAll(h.opts.LogDir, 0o755); err != nil {
		return process{}, err
	}
	if e.prepare != nil {
		if err := e.prepare(ctx); err != nil {
			return process{}, err
		}
	}
	// A file and not a pipe: a daemon that keeps it open must not hold us.
	said, err := os.Create(filepath.Join(h.opts.LogDir, e.Name+".start"))
	if err != nil {
		return process{}, err
	}
	defer os.Remove(said.Name())
	defer said.Close()
	cmd := exec.CommandContext(ctx, e.Program, e.Args...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "HOME=/root"}, e.Env...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C at our terminal is not for the engine
	if err := cmd.Run(); err != nil {
		words, _ := os.ReadFile(said.Name())
		return process{}, fmt.Errorf("%w: %s (more in %s)", err, strings.TrimSpace(string(words)), h.logFile(e.Name))
	}
	return h.awaitPIDFile(ctx, e, errors.New("it does not run"))
}

// awaitPIDFile waits a moment for the daemon that a pid file names. The given error says why there may be none.
func (h *Host) awaitPIDFile(ctx context.Context, e Engine, why error) (process, error) {
	ctx, cancel := context.WithTimeout(ctx, pidFileDeadline)
	defer cancel()
	for {
		if p, err := pidFileProcess(e); err == nil {
			return p, nil
		}
		select {
		case <-ctx.Done():
			return process{}, fmt.Errorf("no live process in %s: %w", e.PIDFile, why)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// waitReady returns when the engine answers.
func (h *Host) waitReady(ctx context.Context, e Engine) error {
	ctx, cancel := context.WithTimeout(ctx, readyDeadline)
	defer cancel()
	for {
		err := e.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("does not become ready: %w (see %s)", err, h.logFile(e.Name))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (h *Host) settle(ctx context.Context, e Engine) error {
	if e.settle == nil {
		return nil
	}
	return e.settle(ctx)
}
