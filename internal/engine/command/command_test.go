package command_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gostack/internal/engine/command"
)

func TestRunReturnsOutput(t *testing.T) {
	out, err := command.Run(t.Context(), "echo", "a; b", "$HOME")
	if err != nil || out != "a; b $HOME" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestRunErrorCarriesWhatTheProgramSaid(t *testing.T) {
	_, err := command.Run(t.Context(), "sh", "-c", "echo no such bridge >&2; exit 7")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 || !strings.Contains(err.Error(), "no such bridge") {
		t.Errorf("got %v", err)
	}
	if _, err := command.Run(t.Context(), "no-such-program-here"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestRunEndsAtTheDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := command.Run(ctx, "sleep", "600"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
