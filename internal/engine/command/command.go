// Package command runs external programs: argv only (never a shell), always with a deadline, with the
// program's own words in the error. It is the one place from which gostack starts programs that end by themselves.
package command

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Deadline bounds a command whose context has no deadline.
const Deadline = 60 * time.Second

// Run runs a program and returns its standard output without the trailing newline. The error names the
// program and carries what it wrote to standard error; it wraps *exec.ExitError, exec.ErrNotFound or the
// context's error.
func Run(ctx context.Context, argv ...string) (string, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Deadline)
		defer cancel()
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second // a grandchild that holds the pipes open must not hold us
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", ctx.Err(), err)
		}
		if said := strings.TrimSpace(stderr.String()); said != "" {
			return "", fmt.Errorf("%s: %w: %s", argv[0], err, said)
		}
		return "", fmt.Errorf("%s: %w", argv[0], err)
	}
	return strings.TrimRight(stdout.String(), "\n"), nil
}
