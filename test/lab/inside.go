package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gostack/test/machine"
)

// needed are the programs of a lab and the Debian packages that bring them.
var needed = [][2]string{
	{"/usr/sbin/libvirtd", "libvirt-daemon-system"},
	{"/usr/bin/qemu-system-x86_64", "qemu-system-x86"},
	{"/usr/sbin/ovs-vswitchd", "openvswitch-switch"},
	{"/usr/bin/ovn-northd", "ovn-central"},
	{"/usr/bin/ovn-controller", "ovn-host"},
	{"/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"},
	{"/usr/sbin/ethtool", "ethtool"},
}

// Missing names a program that a lab needs and this box does not have, with its package; empty when all is there.
func Missing() string {
	for _, n := range needed {
		if _, err := os.Stat(n[0]); err != nil {
			return fmt.Sprintf("%s is not installed (Debian package %s)", n[0], n[1])
		}
	}
	if _, err := os.Stat(filepath.Join(postgresBin(), "postgres")); err != nil {
		return "PostgreSQL is not installed (Debian package postgresql)"
	}
	return ""
}

// Run runs body in a lab that ends with the test. The test goes on in another process, inside the fabric.
func Run(t *testing.T, o Options, body func(t *testing.T, l *Lab)) {
	t.Helper()
	if why := Missing(); why != "" {
		machine.Missing(t, "NOT TESTED in a lab of several hosts: "+why)
	}
	machine.Inside(t, func(t *testing.T) {
		// The end of the fabric ends everything, and its directory takes all files with it.
		o.Dir = Dir(os.Getenv("GOSTACK_MACHINE"))
		if err := os.MkdirAll(o.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if o.Program == "" {
			o.Program = Build(t, o.Dir)
		}
		story, err := os.Create(filepath.Join(o.Dir, "story.log")) // for people who cannot wait for the end of the test
		if err != nil {
			t.Fatal(err)
		}
		defer story.Close()
		o.Out = io.MultiWriter(t.Output(), story)
		l, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				l.Autopsy(t.Output())
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		if err := l.Up(ctx); err != nil {
			t.Fatal(err)
		}
		body(t, l)
	})
}

// Dir is the directory of the lab whose fabric has the given name: it goes when the fabric goes.
func Dir(fabric string) string {
	machines := os.Getenv("GOSTACK_MACHINES")
	if machines == "" {
		machines = "/tmp/gostack-machines"
	}
	return filepath.Join(machines, fabric, "lab")
}

// Build makes the gostack binary in a directory.
func Build(t testing.TB, dir string) string {
	t.Helper()
	top, err := root()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "gostack")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/gostack")
	cmd.Dir, cmd.Env = top, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}
