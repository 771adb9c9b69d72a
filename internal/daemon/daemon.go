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
	"slices"
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
	// Environment are the names of variables that say how the program works.
	Environment []string
}

type record struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // of the process, in clock ticks since boot: a reused pid has another
}

// Running returns the pid of the process that was started, or 0.
func (d *Daemon) Running() int {
	pid, state := d.find()
	if state == zombie {
		return 0
	}
	return pid
}

const zombie = "Z"

// find returns the remembered process and its state, or 0.
func (d *Daemon) find() (pid int, state string) {
	b, err := os.ReadFile(d.Record)
	if err != nil {
		return 0, ""
	}
	var r record
	if json.Unmarshal(b, &r) != nil {
		return 0, ""
	}
	state, start, err := stat(filepath.Join("/proc", strconv.Itoa(r.PID), "stat"))
	if err != nil || start != r.Start {
		return 0, ""
	}
	return r.PID, state
}

// stat is the state and the start time of a process or a thread: fields 3 and 22 of its file in /proc. The name in field 2 may hold blanks,
// so count from its closing parenthesis.
func stat(name string) (state string, start uint64, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", 0, err
	}
	i := strings.LastIndexByte(string(b), ')')
	f := strings.Fields(string(b[i+1:]))
	if i < 0 || len(f) < 20 {
		return "", 0, fs.ErrNotExist
	}
	start, err = strconv.ParseUint(f[19], 10, 64)
	return f[0], start, err
}

// patience is how long a killed process may take to leave.
const patience = 30 * time.Second

// left waits until a killed process has left. One of its threads may still wait for the disk while the process itself is a zombie already;
// until that thread has ended too, the process holds its sockets and locks.
func (d *Daemon) left() error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		pid, state := d.find()
		if state != zombie {
			return nil
		}
		threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "stat"))
		if err != nil || !slices.ContainsFunc(threads, func(name string) bool {
			state, _, err := stat(name)
			return err == nil && state != zombie && state != "X"
		}) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("process %d was killed and does not leave: one of its threads waits, for a disk perhaps; see /proc/%d/task/*/stack", pid, pid)
		}
	}
}

// Outdated tells whether the process that runs is of another program than one started now, because the file has been replaced (an upgrade, a new
// build), has not read what one of the files says since then, or was started with other values of the variables in Environment.
func (d *Daemon) Outdated(files ...string) bool {
	pid := d.Running()
	begun, err := os.Stat(d.Record) // written at the start
	if pid == 0 || err != nil {
		return false
	}
	runs, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	now, errNow := os.Stat(d.Argv[0])
	if err == nil && errNow == nil && !os.SameFile(runs, now) {
		return true
	}
	if then, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ")); err == nil {
		if !slices.Equal(d.settings(strings.Split(string(then), "\x00")), d.settings(os.Environ())) {
			return true
		}
	}
	return slices.ContainsFunc(files, func(name string) bool {
		f, err := os.Stat(name)
		return err == nil && f.ModTime().After(begun.ModTime())
	})
}

// settings are the variables among all that say how the program works, sorted.
func (d *Daemon) settings(all []string) []string {
	var out []string
	for _, v := range all {
		if name, _, _ := strings.Cut(v, "="); slices.Contains(d.Environment, name) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

// Start runs the program unless it runs already, and reports whether it had to.
func (d *Daemon) Start() (started bool, err error) {
	if d.Running() != 0 {
		return false, nil
	}
	if err := d.left(); err != nil {
		return false, err
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
	state, start, err := stat(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "stat"))
	if err != nil || state == zombie {
		return false, fmt.Errorf("%s ended at once; see %s", d.Argv[0], d.Log)
	}
	b, err := json.Marshal(record{cmd.Process.Pid, start})
	if err != nil {
		return false, err
	}
	// Whole or not at all: who looks at this moment must not find half of it and take the process for ended.
	if err := os.WriteFile(d.Record+".new", b, 0o644); err != nil {
		return true, err
	}
	return true, os.Rename(d.Record+".new", d.Record)
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
	return errors.Join(d.left(), d.forget())
}

func (d *Daemon) forget() error {
	if err := os.Remove(d.Record); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
