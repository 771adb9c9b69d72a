package machine

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// nameVariable tells a process in a machine the machine's name.
const nameVariable = "GOSTACK_MACHINE"

// Own tells, in a machine, whether a file below its /etc, /var, /root or /home was made there. Others are seen through from the outside, where they
// come and go: a package is installed, a log is put aside.
func Own(file string) bool {
	disk := filepath.Join(cmp.Or(os.Getenv("GOSTACK_MACHINES"), "/tmp/gostack-machines"), os.Getenv(nameVariable), "disk")
	for _, layer := range []string{"upper", "own"} { // see scripts/machine
		if _, err := os.Lstat(filepath.Join(disk, layer, file)); err == nil {
			return true
		}
	}
	return false
}

// Inside runs body in a machine of its own: the test binary runs this one test again in there, so body may
// use the engines' sockets, the network and the files of the machine as its own. What the inner test prints,
// and whether it fails or skips, becomes this test's.
func Inside(t *testing.T, body func(t *testing.T)) {
	t.Helper()
	if os.Getenv(nameVariable) != "" {
		body(t)
		return
	}
	m := Start(t)
	args := []string{os.Args[0], "-test.v", "-test.count=1", "-test.run=" + pattern(t.Name())}
	if end, ok := t.Deadline(); ok {
		args = append(args, fmt.Sprintf("-test.timeout=%s", time.Until(end).Round(time.Second)))
	}
	out, err := m.Try(t, args...)
	t.Log("in machine " + m.Name + ":\n" + out)
	switch {
	case err != nil:
		t.Errorf("in machine %s: %v", m.Name, err)
	case strings.Contains(out, "no tests to run"):
		t.Error("the test did not run in the machine")
	case strings.Contains(out, "--- SKIP: "+t.Name()+" "):
		t.Skip("skipped in the machine, see above")
	}
}

// pattern is the -test.run expression that matches exactly one test or subtest.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}
