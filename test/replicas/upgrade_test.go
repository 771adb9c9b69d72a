package replicas

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// previous builds the program of the newest commit before this one that builds. Without the project's history there is none, and the test is skipped; what it
// did is printed on standard error, also where nobody reads the test's own log.
func previous(t *testing.T) string {
	t.Helper()
	say := func(format string, args ...any) string {
		text := fmt.Sprintf(format, args...)
		fmt.Fprintf(os.Stderr, "%s: %s\n", t.Name(), text)
		return text
	}
	root := func() string {
		out, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
		if err != nil {
			t.Skip(say("NOT TESTED with the release before: this is no git repository (%v)", err))
		}
		return strings.TrimSpace(string(out))
	}()
	for back := 1; back <= 6; back++ {
		commit := cmp.Or(os.Getenv("GOSTACK_BEFORE"), fmt.Sprintf("HEAD~%d", back))
		out, err := exec.Command("git", "-C", root, "log", "-1", "--format=%h %s", commit).Output()
		if err != nil {
			break
		}
		dir := t.TempDir()
		tree := exec.Command("sh", "-c", `git -C "$0" archive "$1" go.mod go.sum cmd internal | tar -x -C "$2"`, root, commit, dir)
		if text, err := tree.CombinedOutput(); err != nil {
			t.Logf("%s: %v %s", commit, err, text)
			continue
		}
		bin := filepath.Join(dir, "gostack-before")
		cmd := exec.Command("go", "build", "-o", bin, "./cmd/gostack") // with the flags of the tests, whose dependencies are built already
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%s does not build: %s", commit, text[:min(len(text), 300)])
			continue
		}
		say("the release before is %s", bytes.TrimSpace(out))
		return bin
	}
	why := "git has no earlier commit that builds"
	if out, _ := exec.Command("git", "-C", root, "rev-parse", "--is-shallow-repository").Output(); string(bytes.TrimSpace(out)) == "true" {
		why = "this is a shallow clone without the commit before; git fetch --deepen=6 brings it"
	}
	t.Skip(say("NOT TESTED with the release before: %s", why))
	return ""
}

// TestTheReleaseBefore runs the program of the commit before this one beside this one, as in the middle of an upgrade: the control side is new, the host is old, and an
// old control process works on the tables that the new one has brought up to date.
func TestTheReleaseBefore(t *testing.T) {
	if testing.Short() {
		t.Skip("long: builds another version")
	}
	old := previous(t)
	c := newCloud(t, func(p *process) {
		if p.name != "control-1" {
			p.bin = old
		}
	})
	now, before := c.controls[0], c.controls[1]
	for i, p := range []*process{now, before} {
		other := c.controls[1-i]
		code, server := c.boot(p, "s-"+p.name)
		if code != http.StatusAccepted {
			t.Fatalf("boot on %s: %d", p.name, code)
		}
		c.await(other, server, "ACTIVE")
		for _, step := range []struct {
			action m
			then   string
		}{{m{"os-stop": nil}, "SHUTOFF"}, {m{"os-start": nil}, "ACTIVE"}, {m{"reboot": m{"type": "HARD"}}, "ACTIVE"}} {
			if code, answer := c.send(p, http.MethodPost, "/compute/v2.1/servers/"+server+"/action", step.action); code != http.StatusAccepted {
				t.Errorf("%v on %s: %d %s", step.action, p.name, code, answer)
			}
			c.await(other, server, step.then)
		}
		c.clean()
		if code, _ := c.send(p, http.MethodDelete, "/compute/v2.1/servers/"+server, nil); code != http.StatusNoContent {
			t.Errorf("delete: %d", code)
		}
		c.await(other, server, "gone")
	}
	c.clean()
}
