package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is one running process. Pid alone would not do: the kernel gives a pid again.
type process struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // clock ticks after boot, field 22 of /proc/PID/stat
}

// errGone says that the process is not there (any more).
var errGone = errors.New("no such process")

// find looks up a live process by pid. A zombie counts as gone.
func find(pid int) (process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, errGone
	}
	// The second field is the name in parentheses, and may itself hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return process{}, errGone
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return process{}, err
	}
	return process{pid, started}, nil
}

// alive tells whether this very process still runs.
func (p process) alive() bool {
	now, err := find(p.PID)
	return err == nil && now == p
}

// since is when the process was started.
func (p process) since() time.Time {
	const ticksPerSecond = 100 // USER_HZ, the same on every architecture Linux has for Go
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return time.Time{}
	}
	age := time.Duration(now.Nano()) - time.Duration(p.Started)*(time.Second/ticksPerSecond)
	return time.Now().Add(-age).Truncate(time.Second)
}

// runs tells whether the process runs the program, so that a stale pid file is not taken for a daemon.
func (p process) runs(program string) bool {
	name := filepath.Base(program)
	return p.command() == name[:min(len(name), 15)] // the kernel cuts names at 15
}

// command is the kernel's name of the process.
func (p process) command() string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID))
	return strings.TrimSpace(string(comm))
}

// wait returns when the process has ended (nil) or ctx has (its error). It sleeps on a pidfd (Linux 5.3), which works
// for processes that are not our children and costs nothing meanwhile.
func (p process) wait(ctx context.Context) error {
	fd, err := unix.PidfdOpen(p.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	defer file.Close()
	if !p.alive() { // the pidfd may be that of a later process with the same pid
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	err = conn.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return err == nil && n > 0
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// stop asks the process to end, insists after the grace time, and returns when it is gone.
func (p process) stop(ctx context.Context, grace time.Duration) error {
	if !p.alive() {
		return nil
	}
	if err := unix.Kill(p.PID, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	polite, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if err := p.wait(polite); err == nil || ctx.Err() != nil {
		return err
	}
	if p.alive() {
		if err := unix.Kill(p.PID, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return p.wait(ctx)
}
