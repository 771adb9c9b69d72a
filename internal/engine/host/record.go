package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// record says that we started an engine. It lies in /run, so a reboot forgets it together with the process.
type record struct {
	process
	Unit string `json:"unit,omitempty"` // started through systemd: no process of ours, but ours to stop
}

func (h *Host) recordDir() string               { return filepath.Join(h.opts.RunDir, "engines") }
func (h *Host) recordFile(engine string) string { return filepath.Join(h.recordDir(), engine+".json") }

// recorded reads what we started under this name.
func (h *Host) recorded(engine string) (record, bool) {
	var r record
	data, err := os.ReadFile(h.recordFile(engine))
	if err != nil || json.Unmarshal(data, &r) != nil {
		return record{}, false
	}
	return r, true
}

func (h *Host) remember(engine string, r record) error {
	return writeJSON(h.recordFile(engine), r)
}

func (h *Host) forget(engine string) error {
	if err := os.Remove(h.recordFile(engine)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// pidFileProcess is the live process of an engine's pid file.
func pidFileProcess(e Engine) (process, error) {
	data, err := os.ReadFile(e.PIDFile)
	if err != nil {
		return process{}, errGone
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return process{}, errGone
	}
	p, err := find(pid)
	if err != nil || !p.runs(e.Program) {
		return process{}, errGone
	}
	return p, nil
}

// lock makes sure that one process at a time changes this machine's engines: two "gostack up", or one and the
// supervisor. It is released by the returned function, and by the kernel if we die.
func (h *Host) lock(ctx context.Context) (func(), error) {
	if err := os.MkdirAll(h.opts.RunDir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(h.opts.RunDir, "engines.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("another gostack is changing the engines: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// writeJSON replaces a file in one step.
func writeJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// The new name starts with a dot, so that a watcher of the directory sees only finished files.
	file, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = file.Write(append(data, '\n'))
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}
