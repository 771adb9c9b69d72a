// Package daemon keeps `gostack run` going in the background on a machine where no init system does.
//
// It starts the program detached, remembers pid and start time in the run directory, and ends exactly that process. It knows nothing of
// what the program does.
package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Daemon is a program in the background.
type Daemon struct {
	Record string // file that remembers the process
	Log    string // file that takes its output, appended
	Argv   []string
}

type record struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // of the process, in clock ticks since boot: a reused pid has another
}

// Running returns the pid of the process that was started, or 0.
func (d *Daemon) Running() int {
	b, err := os.ReadFile(d.Record)
	if err != nil {
		return 0
	}
	var r record
	if json.Unmarshal(b, &r) != nil {
		return 0
	}
	if start, err := startTime(r.PID); err != nil || start != r.Start {
		return 0
	}
	return r.PID
}

// startTime is field 22 of /proc/PID/stat; the name in field 2 may hold blanks, so count from its closing parenthesis.
func startTime(pid int) (uint64, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	i := strings.LastIndexByte(string(b), ')')
	f := strings.Fields(string(b[i+1:]))
	if i < 0 || len(f) < 20 || f[0] == "Z" {
		return 0, fs.ErrNotExist
	}
	return strconv.ParseUint(f[19], 10, 64)
}

// Start runs the program unless it runs already, and reports whether it had to.
func (d *Daemon) Start() (started bool, err error) {
	if d.Running() != 0 {
		return false, nil
	}
	for _, f := range []string{d.Record, d.Log} {
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			return false, err
		}
	}
	log, err := os.OpenFile(d.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return false, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(d.Argv[0], d.Argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	go func() { _ = cmd.Wait() }() // no zombie while we live; init takes it over afterwards
	start, err := startTime(cmd.Process.Pid)
	if err != nil {
		return false, fmt.Errorf("%s ended at once; see %s", d.Argv[0], d.Log)
	}
	b, err := json.Marshal(record{cmd.Process.Pid, start})
	if err != nil {
		return false, err
	}
	return true, os.WriteFile(d.Record, b, 0o644)
}

// Stop ends the process: SIGTERM, then SIGKILL when ctx ends. It returns when the process is gone.
func (d *Daemon) Stop(ctx context.Context) error {
	pid := d.Running()
	if pid == 0 {
		return d.forget()
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	for d.Running() == pid {
		select {
		case <-ctx.Done():
			_ = syscall.Kill(pid, syscall.SIGKILL)
			ctx = context.Background()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return d.forget()
}

func (d *Daemon) forget() error {
	if err := os.Remove(d.Record); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
