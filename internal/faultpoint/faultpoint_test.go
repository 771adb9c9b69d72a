package faultpoint

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The test runs itself as a child that passes three places and must die at the second pass of "b".
func TestDiesAtTheNamedPlace(t *testing.T) {
	if os.Getenv("FAULTPOINT_CHILD") != "" {
		Hit("a")
		Hit("b")
		_, _ = os.Stdout.WriteString("once ")
		Hit("b")
		_, _ = os.Stdout.WriteString("survived")
		return
	}
	list := filepath.Join(t.TempDir(), "places")
	c := exec.Command(os.Args[0], "-test.run=TestDiesAtTheNamedPlace")
	c.Env = append(os.Environ(), "FAULTPOINT_CHILD=1", "GOSTACK_FAULTPOINT=b#2", "GOSTACK_FAULTPOINT_LIST="+list)
	out, err := c.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("want death by SIGKILL, got %v", err)
	}
	if string(out) != "once " {
		t.Errorf("output %q", out)
	}
	b, err := os.ReadFile(list)
	if err != nil || strings.TrimSpace(string(b)) != "a\nb" {
		t.Errorf("places %q, %v", b, err)
	}
}
