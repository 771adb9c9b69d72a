package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"gostack/test/freeport"
	"gostack/test/lab"
)

// Simulated is a cloud of one child process with simulated hosts, on SQLite. Nothing in it is real but gostack, which dies often.
type Simulated struct {
	program, dir, url string
	hosts             int

	life   sync.Mutex // one start or end at a time
	mu     sync.Mutex
	child  *exec.Cmd
	exited chan struct{}
	down   bool // on purpose; else a child that ends is followed by another
}

// NewSimulated starts it in a directory.
func NewSimulated(ctx context.Context, program, dir string, hosts int) (*Simulated, error) {
	address, err := freeport.Address()
	if err != nil {
		return nil, err
	}
	s := &Simulated{program: program, dir: dir, url: "http://" + address, hosts: hosts}
	config := fmt.Sprintf("host: simulated\nstate_dir: %[1]s/state\nrun_dir: %[1]s/run\nlog_dir: %[1]s/log\nlisten: %[2]s\nlog_level: warn\nkeystone: {bcrypt_cost: 4}\nnova: {compute_driver: simulated, simulated_hosts: %[3]d}\n", dir, address, hosts)
	if err := os.WriteFile(s.config(), []byte(config), 0o600); err != nil {
		return nil, err
	}
	if err := s.start(""); err != nil {
		return nil, err
	}
	return s, s.answers(ctx)
}

func (s *Simulated) config() string { return filepath.Join(s.dir, "gostack.yaml") }
func (s *Simulated) places() string { return filepath.Join(s.dir, "places") }

// Log is what the child said.
func (s *Simulated) Log() string { return filepath.Join(s.dir, "out.log") }

// start starts the child; it will die by itself at the place, if one is given.
func (s *Simulated) start(place string) error {
	s.life.Lock()
	defer s.life.Unlock()
	return s.launch(place)
}

func (s *Simulated) launch(place string) error {
	log, err := os.OpenFile(s.Log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.program, "run", "all", "--config", s.config())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "GOSTACK_FAULTPOINT_LIST="+s.places())
	if place != "" {
		cmd.Env = append(cmd.Env, "GOSTACK_FAULTPOINT="+place)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	exited := make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal follows the thread that started the child
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(exited)
			s.life.Lock()
			defer s.life.Unlock()
			if !s.down && s.child == cmd {
				_ = s.launch("") // one that cannot start is seen by everybody who asks it something
			}
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.mu.Lock()
	s.child, s.exited, s.down = cmd, exited, false
	s.mu.Unlock()
	return nil
}

// Kill ends the child at once.
func (s *Simulated) Kill() {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	child, exited := s.child, s.exited
	s.down = true
	s.mu.Unlock()
	_ = child.Process.Kill()
	<-exited
}

func (s *Simulated) answers(ctx context.Context) error {
	for end := time.Now().Add(5 * time.Minute); ; {
		resp, err := http.Get(s.url + "/v3")
		if err == nil {
			return resp.Body.Close()
		}
		s.mu.Lock()
		exited := s.exited
		s.mu.Unlock()
		select {
		case <-exited:
			b, _ := os.ReadFile(s.Log())
			return fmt.Errorf("gostack does not start: %s", b[max(0, len(b)-1000):])
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			return err
		}
	}
}

// again waits until the child, or one of those that follow it, answers. Before that it is not hurt again: on a busy box one that is killed twice
// a second would never come to its work.
func (s *Simulated) again(ctx context.Context) error {
	for end := time.Now().Add(5 * time.Minute); ; {
		resp, err := http.Get(s.url + "/v3")
		if err == nil {
			return resp.Body.Close()
		}
		if time.Now().After(end) {
			return err
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// Hosts is how many it plays.
func (s *Simulated) Hosts() int { return s.hosts }

// Endpoint is the child's address.
func (s *Simulated) Endpoint() string { return s.url }

// AdminPassword is read from the file of the first start.
func (s *Simulated) AdminPassword() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "state", "keystone", "admin-password"))
	return strings.TrimSpace(string(b))
}

// Image is an empty disk: nobody boots it.
func (s *Simulated) Image() (io.ReadSeeker, error) { return haltingImage() }

// Faults are the ways in which the child dies.
func (s *Simulated) Faults() []Fault {
	restart := func(ctx context.Context) error {
		if err := s.start(""); err != nil {
			return err
		}
		return s.again(ctx)
	}
	return []Fault{
		{Name: "gostack killed", Weight: 2, Lasts: 200 * time.Millisecond, Do: func(context.Context, *rand.Rand) (func(context.Context) error, error) {
			s.Kill()
			return restart, nil
		}},
		{Name: "gostack killed at a step", Weight: 4, Do: func(ctx context.Context, rnd *rand.Rand) (func(context.Context) error, error) {
			b, _ := os.ReadFile(s.places())
			places := strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' }) // names of steps have blanks
			if len(places) == 0 {
				return nil, errNoDamage
			}
			place := fmt.Sprintf("%s#%d", places[rnd.IntN(len(places))], 1+rnd.IntN(2))
			s.Kill()
			if err := s.start(place); err != nil {
				return nil, err
			}
			s.mu.Lock()
			exited := s.exited
			s.mu.Unlock()
			if err := s.again(ctx); err != nil { // it, or the next when the place was reached already
				return nil, err
			}
			select {
			case <-exited: // another is started, now or when the place is reached later
				return s.again, nil
			case <-time.After(1500 * time.Millisecond):
				return nil, errNoDamage
			}
		}},
		{Name: "gostack frozen", Weight: 1, Lasts: 500 * time.Millisecond, Do: func(context.Context, *rand.Rand) (func(context.Context) error, error) {
			s.mu.Lock()
			child := s.child
			s.mu.Unlock()
			if child.Process.Signal(syscall.SIGSTOP) != nil {
				return nil, errNoDamage // it has just died at a place
			}
			return func(context.Context) error {
				if err := child.Process.Signal(syscall.SIGCONT); !errors.Is(err, os.ErrProcessDone) {
					return err
				}
				return nil // it was about to die at a place when it was stopped
			}, nil
		}},
	}
}

// Why runs gostack why.
func (s *Simulated) Why(ctx context.Context, id string) string {
	out, _ := exec.CommandContext(ctx, s.program, "why", id, "--config", s.config()).CombinedOutput()
	return string(out)
}

// Audit runs gostack audit.
func (s *Simulated) Audit(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, s.program, "audit", "-o", "json", "--config", s.config()).Output()
	return lab.AuditFindings(out, err)
}
