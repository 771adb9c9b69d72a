package daemon

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestStartOnceStopAll(t *testing.T) {
	dir := t.TempDir()
	d := &Daemon{Record: filepath.Join(dir, "run", "r.json"), Log: filepath.Join(dir, "log", "out"), Argv: []string{"/bin/sh", "-c", "echo up; exec sleep 1000"}}
	if started, err := d.Start(); !started || err != nil {
		t.Fatal(started, err)
	}
	pid := d.Running()
	for b, _ := os.ReadFile(d.Log); !strings.Contains(string(b), "up"); b, _ = os.ReadFile(d.Log) {
		time.Sleep(time.Millisecond)
	}
	if started, err := d.Start(); started || err != nil || d.Running() != pid {
		t.Errorf("started twice: %v %v", started, err)
	}
	if err := d.Stop(context.Background()); err != nil || d.Running() != 0 {
		t.Errorf("stop: %v", err)
	}
	if err := d.Stop(context.Background()); err != nil {
		t.Errorf("stop again: %v", err)
	}
	if b, err := os.ReadFile(d.Log); err != nil || strings.TrimSpace(string(b)) != "up" {
		t.Errorf("log %q %v", b, err)
	}
}

func TestDeafProcessIsKilled(t *testing.T) {
	dir := t.TempDir()
	d := &Daemon{Record: filepath.Join(dir, "r.json"), Log: filepath.Join(dir, "out"), Argv: []string{"/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"}}
	if _, err := d.Start(); err != nil {
		t.Fatal(err)
	}
	for b, _ := os.ReadFile(d.Log); !strings.Contains(string(b), "deaf"); b, _ = os.ReadFile(d.Log) {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := d.Stop(ctx); err != nil || d.Running() != 0 {
		t.Error(err)
	}
}

// A process of a program that was replaced, or that has not read its configuration as it is now, is told from one that is as it would be started.
func TestOutdated(t *testing.T) {
	dir := t.TempDir()
	program, settings := filepath.Join(dir, "program"), filepath.Join(dir, "settings")
	install := func() {
		if out, err := exec.Command("install", "/bin/sleep", program).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	install()
	d := &Daemon{Record: filepath.Join(dir, "r.json"), Log: filepath.Join(dir, "out"), Argv: []string{program, "1000"}}
	if d.Outdated(settings) {
		t.Error("outdated before it was started")
	}
	if _, err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	if d.Outdated(settings) { // which is not there, and need not be
		t.Error("outdated at once")
	}
	if err := os.WriteFile(settings, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	begun, err := os.Stat(d.Record)
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{-time.Second, 0, time.Second} {
		if err := os.Chtimes(settings, time.Time{}, begun.ModTime().Add(after)); err != nil {
			t.Fatal(err)
		}
		if got, want := d.Outdated(settings), after > 0; got != want {
			t.Errorf("settings changed %v after the start: outdated %v", after, got)
		}
	}
	t.Setenv("OTHER", "1")
	if d.Outdated() {
		t.Error("another variable is not about the program")
	}
	d.Environment = []string{"OTHER"}
	if !d.Outdated() {
		t.Error("a setting in the environment is not noticed")
	}
	d.Environment = nil
	install()
	if !d.Outdated() {
		t.Error("another program is not noticed")
	}
}

// A pid that now belongs to somebody else is not ours to stop.
func TestReusedPidIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	d := &Daemon{Record: filepath.Join(dir, "r.json")}
	if err := os.WriteFile(d.Record, []byte(`{"pid": 1, "start": 123456789}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if d.Running() != 0 {
		t.Error("process 1 was taken for ours")
	}
}

// A process is a zombie before its last thread has ended; what that thread holds is not free before.
func TestKilledProcessThatLingers(t *testing.T) {
	dir := t.TempDir()
	end, over := filepath.Join(dir, "end"), filepath.Join(dir, "over")
	lingers := `import ctypes, os, sys, threading, time
def linger():
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.01)
    time.sleep(1)
threading.Thread(target=linger).start()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
ctypes.CDLL(None).pthread_exit(None)`
	d := &Daemon{Record: filepath.Join(dir, "r.json"), Log: filepath.Join(dir, "out"), Argv: []string{"python3", "-c", lingers, end, over}}
	if _, err := d.Start(); err != nil {
		t.Fatal(err)
	}
	pid := d.Running()
	tell := func(name string) {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tell(end)
	for d.Running() != 0 {
		time.Sleep(time.Millisecond)
	}
	threads := func() int {
		files, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*"))
		return len(files)
	}
	if threads() < 2 {
		t.Fatal("the process does not linger; the test shows nothing")
	}
	tell(over) // and a second later it has left
	d.Argv = []string{"sleep", "1000"}
	if started, err := d.Start(); !started || err != nil {
		t.Fatal(started, err)
	}
	if n := threads(); n > 1 {
		t.Errorf("the next one was started while %d threads of the last one lived", n)
	}
	if err := d.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
