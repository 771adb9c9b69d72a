package libvirttest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

var openVSwitch struct {
	once sync.Once
	err  error
}

// NeedOpenVSwitch is Need, with Open vSwitch running and a bridge br-int of the
// userspace datapath.
func NeedOpenVSwitch(t testing.TB) {
	t.Helper()
	Need(t)
	for _, tool := range []string{"ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("GOSTACK_REQUIRE") == "all" {
				t.Fatalf("the test needs %s", tool)
			}
			t.Skipf("SKIPPED, NOT TESTED: the test needs %s", tool)
		}
	}
	openVSwitch.once.Do(func() { openVSwitch.err = startOpenVSwitch() })
	if openVSwitch.err != nil {
		t.Fatalf("Open vSwitch: %v", openVSwitch.err)
	}
}

func startOpenVSwitch() error {
	if err := os.MkdirAll("/run/openvswitch", 0o755); err != nil {
		return err
	}
	const db = "/etc/openvswitch/test.db"
	for _, args := range [][]string{
		{"ovsdb-tool", "create", db},
		{"ovsdb-server", "--remote=punix:/run/openvswitch/db.sock", "--pidfile", "--detach", "--no-chdir", "--log-file", db},
		{"ovs-vsctl", "--no-wait", "init"},
		{"ovs-vswitchd", "--pidfile", "--detach", "--no-chdir", "--log-file"},
		{"ovs-vsctl", "--timeout=120", "add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}
