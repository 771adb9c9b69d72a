package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a daemon on a machine of the lab. Its methods may be called in any state: what is there already is not done again.
type Process struct {
	Name    string
	Machine *Machine

	argv    []string
	env     []string
	pidFile string // on the machine; empty: the lab writes one and detaches the process itself
	log     string // where it writes, when that is not the lab's choice
	json    bool   // the pid file is gostack's record of its process in the background
	later   bool   // not started with the machine, the first time
	stop    syscall.Signal
	// prepare runs before a start, settle when the process answers, ready says that it does.
	prepare, ready, settle func(context.Context) error
}

const (
	// RabbitMQ, the slowest, answers after six seconds on an idle box; eight machines that boot at once on a busy one take twenty times that.
	startTime = 6 * time.Minute
	stopTime  = 3 * time.Minute
)

// Log is the file on its machine that holds what it prints.
func (p *Process) Log() string {
	if p.log != "" {
		return p.log
	}
	return "/var/log/lab-" + p.Name + ".log"
}

func (p *Process) pidPath() string {
	if p.pidFile != "" {
		return p.pidFile
	}
	return "/run/lab-" + p.Name + ".pid"
}

// PID is the process id on its machine, 0 when it does not run.
func (p *Process) PID() int {
	if !p.Machine.Powered() {
		return 0
	}
	b, err := os.ReadFile(p.Machine.Path(p.pidPath()))
	if err != nil {
		return 0
	}
	var record struct{ PID int }
	if p.json {
		err = json.Unmarshal(b, &record)
	} else {
		record.PID, err = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	pid := record.PID
	if err != nil || pid == 0 || !p.Machine.alive(pid) {
		return 0
	}
	return pid
}

// Launch starts the process if it does not run, without waiting until it answers.
func (p *Process) Launch(ctx context.Context) error {
	if !p.Machine.Powered() {
		return fmt.Errorf("%s on %s: %w", p.Name, p.Machine.Name, errOff)
	}
	if p.PID() != 0 {
		return nil
	}
	if p.prepare != nil {
		if err := p.prepare(ctx); err != nil {
			return fmt.Errorf("%s on %s: %w", p.Name, p.Machine.Name, err)
		}
	}
	argv := p.argv
	if p.pidFile == "" {
		// The shell's process id becomes the program's.
		argv = append([]string{"setsid", "-f", "sh", "-c", `echo $$ >"$0"; log=$1; shift; exec "$@" >>"$log" 2>&1 </dev/null`, p.pidPath(), p.Log()}, p.argv...)
	}
	_, err := p.Machine.Run(ctx, append(append([]string{"env"}, p.env...), argv...)...)
	if err == nil {
		err = eventually(ctx, startTime, p.Name+" starts", func(context.Context) error {
			if p.PID() == 0 {
				return errors.New("it does not run: " + p.Tail(5))
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("%s on %s: %w", p.Name, p.Machine.Name, err)
	}
	return nil
}

// Start starts the process if it does not run and waits until it answers.
func (p *Process) Start(ctx context.Context) error {
	if err := p.Launch(ctx); err != nil {
		return err
	}
	if p.ready != nil {
		err := eventually(ctx, startTime, p.Name+" answers", func(ctx context.Context) error {
			err := p.ready(ctx)
			if err != nil && p.PID() == 0 {
				err = fmt.Errorf("it ended: %w", err)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s on %s: %w\n%s", p.Name, p.Machine.Name, err, p.Tail(10))
		}
	}
	if p.settle != nil {
		if err := p.settle(ctx); err != nil {
			return fmt.Errorf("%s on %s: %w", p.Name, p.Machine.Name, err)
		}
	}
	return nil
}

// Kill ends the process by SIGKILL and waits until it is gone. Nobody in the lab starts it again, unless gostack's own supervisor does.
func (p *Process) Kill(ctx context.Context) error { return p.end(ctx, syscall.SIGKILL) }

// Stop ends the process as an operator would.
func (p *Process) Stop(ctx context.Context) error {
	sig := p.stop
	if sig == 0 {
		sig = syscall.SIGTERM
	}
	return p.end(ctx, sig)
}

func (p *Process) end(ctx context.Context, sig syscall.Signal) error {
	pid := p.PID()
	if pid == 0 {
		return nil
	}
	if err := p.Machine.signal(ctx, pid, sig); err != nil {
		return err
	}
	return eventually(ctx, stopTime, fmt.Sprintf("%s on %s ends", p.Name, p.Machine.Name), func(context.Context) error {
		if p.Machine.alive(pid) {
			return fmt.Errorf("process %d lives", pid)
		}
		return nil
	})
}

// Freeze stops the process in its tracks: it lives and answers nobody until Thaw.
func (p *Process) Freeze(ctx context.Context) error { return p.mark(ctx, syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw(ctx context.Context) error { return p.mark(ctx, syscall.SIGCONT) }

func (p *Process) mark(ctx context.Context, sig syscall.Signal) error {
	if pid := p.PID(); pid != 0 {
		return p.Machine.signal(ctx, pid, sig)
	}
	return nil
}

// Tail is the end of its log.
func (p *Process) Tail(lines int) string {
	b, err := os.ReadFile(p.Machine.Path(p.Log()))
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
