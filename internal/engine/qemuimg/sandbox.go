package qemuimg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// sandboxID is the user and group that qemu-img runs as. Debian's policy (9.2.2) reserves 65000-65533 and gives them to nobody.
const sandboxID = 65533

// Limits of one call. CPU time and deadline grow with the size of the disk that is copied.
const (
	memoryLimit = 1 << 30         // bytes of address space, as upstream's services set
	threadStack = 1 << 20         // bytes; up to 64 threads write at once when the disk is slow, and all must fit
	baseSeconds = 30              // CPU seconds of a call that copies nothing
	copyRate    = 20 << 20        // bytes copied in one CPU second, at the worst
	slackSize   = 64 << 20        // bytes of format overhead in an output file
	maxOutput   = 1 << 20         // bytes of standard output that are kept
	maxMessage  = 4 << 10         // bytes of standard error that are kept
	waitDelay   = 2 * time.Second // for the pipes after a kill
)

// namespaces are taken from the host; none of them is needed to read and write files.
const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

// Tool runs qemu-img. The zero value uses the programs found in the usual places. Safe for concurrent use.
type Tool struct {
	Program string // qemu-img; "" means /usr/bin/qemu-img

	once   sync.Once
	fenced bool // namespaces work here
}

// Sandbox says how strong the fence is on this host, for doctor.
type Sandbox struct {
	Namespaces bool // own network, PID, IPC, UTS and mount namespaces
	OtherUser  bool // another user id than ours
}

// Sandbox tries the fence once and reports it.
func (t *Tool) Sandbox() Sandbox {
	t.once.Do(func() {
		probe := exec.Command("/usr/bin/true")
		probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
		inUserNamespace(probe.SysProcAttr)
		t.fenced = probe.Run() == nil
	})
	return Sandbox{Namespaces: t.fenced, OtherUser: t.switchUser()}
}

func (t *Tool) switchUser() bool { return os.Geteuid() == 0 }

// inUserNamespace adds the user namespace without which somebody who is not root cannot have the others.
func inUserNamespace(attr *syscall.SysProcAttr) {
	if os.Geteuid() == 0 {
		return
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
}

// call is one run of qemu-img.
type call struct {
	tool    *Tool
	args    []string
	files   []*os.File
	copied  int64          // bytes of disk that are copied, at most
	length  int64          // length that the written file may have, in bytes, without format overhead
	created string         // new file, removed unless the call succeeds
	out     *os.File       // the same, open
	after   []func() error // give lent files back
}

func (t *Tool) call(args ...string) *call { return &call{tool: t, args: args} }

// argv is the command line: limits, then fewer privileges, then the tool. All three replace each other by exec.
func (c *call) argv() []string {
	seconds := baseSeconds + c.copied/copyRate
	argv := []string{
		"/usr/bin/prlimit", fmt.Sprintf("--as=%d", memoryLimit), fmt.Sprintf("--cpu=%d", seconds),
		fmt.Sprintf("--fsize=%d", c.fileLimit()), fmt.Sprintf("--stack=%d:", threadStack), "--core=0", "--nofile=64", "--",
		"/usr/bin/setpriv", "--no-new-privs", "--pdeathsig", "KILL", "--inh-caps=-all",
	}
	if c.tool.switchUser() {
		id := fmt.Sprint(sandboxID)
		argv = append(argv, "--bounding-set=-all", "--reuid", id, "--regid", id, "--clear-groups")
	}
	program := c.tool.Program
	if program == "" {
		program = "/usr/bin/qemu-img"
	}
	return append(append(argv, "--", program), c.args...)
}

// fileLimit bounds the highest offset that may be written or truncated to.
func (c *call) fileLimit() int64 { return c.length + c.length/8 + slackSize }

// run starts the tool and returns its standard output. The error holds the first line of its message.
func (c *call) run(ctx context.Context) ([]byte, error) {
	deadline := time.Duration(2*(baseSeconds+c.copied/copyRate)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	argv := c.argv()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	stdout, stderr := &bounded{limit: maxOutput}, &bounded{limit: maxMessage}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Dir, cmd.Env = "/", []string{"LC_ALL=C", "MALLOC_ARENA_MAX=1"} // an arena of its own would take each thread 64 MiB of addresses
	cmd.ExtraFiles = c.files
	cmd.WaitDelay = waitDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if c.tool.Sandbox().Namespaces {
		cmd.SysProcAttr.Cloneflags = namespaces
		inUserNamespace(cmd.SysProcAttr)
	}
	// The parent death signal follows the thread that forked: hold it until the child has ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, &Error{Verb: c.args[0], Message: firstLine(stderr.String()), Err: err}
	}
	if stdout.over {
		return nil, &Error{Verb: c.args[0], Message: "too much output", Err: errors.New("refused")}
	}
	return stdout.Bytes(), nil
}

// An Error is a failed call. Message is the tool's own words: for operators, not for tenants.
type Error struct {
	Verb, Message string
	Err           error
}

func (e *Error) Error() string { return "qemu-img " + e.Verb + ": " + e.Message + ": " + e.Err.Error() }

// Transient tells whether the machine had no room for another thread or more memory, which says nothing about the image.
func (e *Error) Transient() bool {
	return strings.Contains(e.Message, "Resource temporarily unavailable") || strings.Contains(e.Message, "Cannot allocate memory")
}

// Unwrap gives the cause: an *exec.ExitError, context.DeadlineExceeded, …
func (e *Error) Unwrap() error { return e.Err }

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// bounded keeps the first limit bytes written to it.
type bounded struct {
	bytes.Buffer
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := b.limit - b.Len()
	if len(p) > room {
		b.over = true
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
