// Package scripts tests the shell scripts that a newcomer runs, with the programs they call replaced.
package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// install runs scripts/install-engines with a dpkg-query that knows the given packages, and an apt-get that must not run.
func install(t *testing.T, installed []string, args ...string) (out string, status int) {
	t.Helper()
	bin := t.TempDir()
	var lines strings.Builder
	for _, p := range installed {
		lines.WriteString("echo installed " + p + "\n")
	}
	for name, body := range map[string]string{
		"dpkg-query": lines.String() + "exit 1\n", // as the real one does when some packages are unknown
		"apt-get":    "echo apt-get was called >&2; exit 99\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("../../scripts/install-engines", args...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	said, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if strings.Contains(string(said), "apt-get was called") {
		t.Errorf("apt-get was called:\n%s", said)
	}
	return string(said), cmd.ProcessState.ExitCode()
}

func TestInstallEnginesSaysWhatIsMissingAndWhy(t *testing.T) {
	out, status := install(t, []string{"qemu-utils", "dosfstools"}, "--list", "engines")
	if status != 1 || !strings.Contains(out, "qemu-system-x86") || !strings.Contains(out, "runs the guests") {
		t.Errorf("status %d:\n%s", status, out)
	}
	for _, not := range []string{"qemu-utils ", "dosfstools ", "postgresql"} {
		if strings.Contains(out, not) {
			t.Errorf("%s is listed:\n%s", not, out)
		}
	}
}

func TestInstallEnginesWithNothingMissing(t *testing.T) {
	out, _ := install(t, nil, "--list", "lint")
	if !strings.Contains(out, "shellcheck") {
		t.Fatalf("the group lint: %s", out)
	}
	// Without --list: nothing missing means nothing done.
	if out, status := install(t, []string{"shellcheck"}, "lint"); status != 0 || !strings.Contains(out, "nothing is missing") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

func TestInstallEnginesRefusesAnUnknownGroup(t *testing.T) {
	if out, status := install(t, nil, "everything"); status != 2 || !strings.Contains(out, "engines client image") {
		t.Errorf("status %d:\n%s", status, out)
	}
}
