package host

import (
	"context"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gostack/internal/engine/command"
	"gostack/test/machine"
)

// needEngines skips where the engines are not installed (or fails, under GOSTACK_REQUIRE=all).
func needEngines(t *testing.T) {
	t.Helper()
	for _, e := range New(Options{}).Engines() {
		if _, err := os.Stat(e.Program); err != nil {
			machine.Missing(t, (&MissingError{e.Program, e.Package}).Error())
		}
	}
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := command.Run(t.Context(), argv...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func up(t *testing.T, h *Host) map[string]Event {
	t.Helper()
	last := map[string]Event{}
	if err := h.Up(t.Context(), func(e Event) { last[e.Engine] = e }); err != nil {
		t.Fatal(err)
	}
	return last
}

func status(t *testing.T, h *Host, engine string) Status {
	t.Helper()
	all := h.Status(t.Context())
	i := slices.IndexFunc(all, func(s Status) bool { return s.Name == engine })
	if i < 0 {
		t.Fatalf("no engine %s", engine)
	}
	return all[i]
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within three minutes: %s", what)
		}
	}
}

// hasAddress tells whether a device of this machine holds the address.
func hasAddress(device, cidr string) bool {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return false
	}
	addresses, _ := link.Addrs()
	return link.Flags&net.FlagUp != 0 && slices.ContainsFunc(addresses, func(a net.Addr) bool { return a.String() == cidr })
}

// daemons lists the processes of engines that run in the machine. A zombie is its init's business.
func daemons(t *testing.T) []string {
	t.Helper()
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, file := range files {
		comm, _ := os.ReadFile(file)
		name := strings.TrimSpace(string(comm))
		if pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))); !exists(pid) {
			continue
		}
		if strings.HasPrefix(name, "ov") || strings.HasPrefix(name, "virt") || strings.HasPrefix(name, "libvirt") {
			found = append(found, name)
		}
	}
	return found
}

func exists(pid int) bool { _, err := find(pid); return err == nil }

// files are those that were made in this machine below the directories that engines and gostack write to.
func files(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range []string{"/etc", "/var/lib", "/var/log"} {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if machine.Own(path) {
				found[path] = true
			}
			return nil
		})
	}
	return found
}

// A bare machine gets all engines, working; a second Up changes nothing; Down and Purge leave it bare.
func TestUpDownPurge(t *testing.T) {
	needEngines(t)
	machine.Inside(t, func(t *testing.T) {
		before := files(t)
		h := New(Options{})
		for _, a := range h.Plan(t.Context()) {
			if a.Do != "start" || a.Why == "" {
				t.Errorf("plan of a bare machine: %+v", a)
			}
		}
		for engine, e := range up(t, h) {
			if e.Doing != "started" || e.Took == 0 {
				t.Errorf("%s: %+v", engine, e)
			}
		}
		first := h.Status(t.Context())
		for _, s := range first {
			if s.State != Running || s.By != ByGostack || !s.Ready || s.PID == 0 || time.Since(s.Since) > 10*time.Minute {
				t.Errorf("status %+v", s)
			}
		}

		run(t, "ovn-nbctl", "--wait=sb", "ls-add", "net1")
		if got := run(t, "ovn-sbctl", "--bare", "--columns=external_ids", "list", "Datapath_Binding"); !strings.Contains(got, "net1") {
			t.Errorf("northd did not bring the switch south: %q", got)
		}
		if got := run(t, "virsh", "-q", "-c", "qemu:///system", "uri"); got != "qemu:///system" {
			t.Errorf("virsh uri: %q", got)
		}
		if !hasAddress("br-ex", "172.24.4.1/24") {
			t.Error("br-ex does not have the external address")
		}
		facts := h.Facts(t.Context())
		if facts.Chassis == "" || facts.Chassis != facts.Hostname {
			t.Errorf("facts %+v", facts)
		}
		// ovn-controller registers the chassis and makes br-int with the datapath we asked for.
		eventually(t, "the chassis is registered", func() bool {
			return strings.Contains(run(t, "ovn-sbctl", "--bare", "--columns=name", "list", "Chassis"), facts.Chassis)
		})
		eventually(t, "br-int is there", func() bool {
			kind, err := command.Run(t.Context(), "ovs-vsctl", "--if-exists", "get", "Bridge", "br-int", "datapath_type")
			return err == nil && (kind == facts.Datapath || kind == `""`)
		})

		for engine, e := range up(t, h) {
			if e.Doing != "running already" {
				t.Errorf("second up: %s: %+v", engine, e)
			}
		}
		for i, s := range h.Status(t.Context()) {
			if s.PID != first[i].PID {
				t.Errorf("second up started %s again", s.Name)
			}
		}

		if err := h.Down(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if left := daemons(t); len(left) > 0 {
			t.Errorf("down left %v", left)
		}
		// What the operator had in OVN is there again after the next up.
		up(t, h)
		if got := run(t, "ovn-nbctl", "ls-list"); !strings.Contains(got, "net1") {
			t.Errorf("down lost the database: %q", got)
		}
		if !hasAddress("br-ex", "172.24.4.1/24") {
			t.Error("br-ex has no address after down and up")
		}

		if err := h.Purge(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if left := daemons(t); len(left) > 0 {
			t.Errorf("purge left %v", left)
		}
		after := files(t)
		maps.DeleteFunc(after, func(path string, _ bool) bool { return before[path] })
		for path := range after {
			if !strings.Contains(path, "libvirt") && !strings.Contains(path, "openvswitch") { // their own caches and empty directories
				t.Errorf("purge left %s", path)
			}
		}
		if links, _ := net.Interfaces(); slices.ContainsFunc(links, func(l net.Interface) bool { return strings.HasPrefix(l.Name, "br-") }) {
			t.Errorf("purge left %v", links)
		}
		for _, dir := range []string{"/run/gostack", "/var/lib/gostack", "/var/log/gostack"} {
			if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
				t.Errorf("purge left %s: %v", dir, left)
			}
		}
	})
}

// Engines that die come back with their settings; those stopped on purpose do not.
func TestSupervise(t *testing.T) {
	needEngines(t)
	machine.Inside(t, func(t *testing.T) {
		h := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Supervise(ctx) }()
		up(t, h) // from here on the supervisor follows what another "process" starts

		for _, engine := range []string{"ovs-vswitchd", "ovsdb-server", "ovn-nb", "ovn-northd", "ovn-controller", "libvirtd"} {
			pid := status(t, h, engine).PID
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, engine+" is back", func() bool {
				s := status(t, h, engine)
				return s.Ready && s.By == ByGostack && s.PID != pid
			})
		}
		eventually(t, "br-ex has its address again", func() bool { return hasAddress("br-ex", "172.24.4.1/24") })
		run(t, "ovn-nbctl", "--wait=hv", "--timeout=60", "sync")

		// Logs that are put aside are written anew.
		if err := h.rotateLogs(t.Context(), 1); err != nil {
			t.Error(err)
		}
		for _, e := range h.Engines() {
			if e.reopen != nil {
				run(t, "ls", h.logFile(e.Name), h.logFile(e.Name)+".1")
			}
		}

		if err := h.Down(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if left := daemons(t); len(left) > 0 {
			t.Errorf("still running or started again after down: %v", left)
		}
	})
}

// An Open vSwitch that somebody else runs is used as it is, and stays as it was.
func TestOthersEnginesAreLeftAlone(t *testing.T) {
	needEngines(t)
	machine.Inside(t, func(t *testing.T) {
		if err := os.MkdirAll("/run/openvswitch", 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, "ovsdb-tool", "create", "/etc/openvswitch/theirs.db", "/usr/share/openvswitch/vswitch.ovsschema")
		detached(t, "ovsdb-server", "/etc/openvswitch/theirs.db", "--remote=punix:"+ovsSocket, "--pidfile", "--detach", "--no-chdir")
		run(t, "ovs-vsctl", "--no-wait", "init", "--", "set", "Open_vSwitch", ".", "external_ids:system-id=theirs",
			"external_ids:ovn-bridge-mappings=physnet9:br-theirs", "--", "add-br", "br-theirs", "--", "set", "Bridge", "br-theirs", "datapath_type=netdev")
		theirs := run(t, "ovs-vsctl", "--no-wait", "get", "Open_vSwitch", ".", "external_ids")

		h := New(Options{})
		up(t, h)
		if s := status(t, h, "ovsdb-server"); s.By != ByOther || !s.Ready || s.PID == 0 {
			t.Errorf("status %+v", s)
		}
		if got := h.Facts(t.Context()).Chassis; got != "theirs" {
			t.Errorf("chassis %q, want the one that was set", got)
		}
		if got := run(t, "ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids:ovn-bridge-mappings"); got != `"physnet9:br-theirs,physnet1:br-ex"` {
			t.Errorf("bridge mappings %s", got)
		}
		eventually(t, "br-int is there", func() bool { exists, err := bridgeExists(t.Context(), "br-int"); return err == nil && exists })

		if err := h.Purge(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := run(t, "ovs-vsctl", "--no-wait", "get", "Open_vSwitch", ".", "external_ids"); got != theirs {
			t.Errorf("external_ids %s, were %s", got, theirs)
		}
		if got := run(t, "ovs-vsctl", "--no-wait", "list-br"); got != "br-theirs" {
			t.Errorf("bridges %q", got)
		}
		if left := daemons(t); !slices.Equal(left, []string{"ovsdb-server"}) {
			t.Errorf("running: %v, want only their ovsdb-server", left)
		}
	})
}

func TestMasquerade(t *testing.T) {
	needEngines(t)
	if _, err := exec.LookPath("iptables"); err != nil {
		machine.Missing(t, "iptables is not installed")
	}
	machine.Inside(t, func(t *testing.T) {
		h := New(Options{Masquerade: true})
		if err := os.WriteFile(forwardSwitch, []byte("0\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := h.masquerade(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		rules := func() string { return run(t, "iptables", "-t", "nat", "-S", "POSTROUTING") }
		forward := func() string { return run(t, "cat", forwardSwitch) }
		if h.made().Masquerade == "iptables" && strings.Count(rules(), "MASQUERADE") != 1 || forward() != "1" {
			t.Errorf("forward %s, rules:\n%s", forward(), rules())
		}
		if err := h.unmasquerade(t.Context(), h.made()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(rules(), "MASQUERADE") || forward() != "0" {
			t.Errorf("after: forward %s, rules:\n%s", forward(), rules())
		}
	})
}

// The external network must not swallow one that the machine already uses.
func TestExternalNetworkInUseIsRefused(t *testing.T) {
	needEngines(t)
	machine.Inside(t, func(t *testing.T) {
		run(t, "ip", "link", "add", "lan", "type", "bridge")
		run(t, "ip", "link", "set", "lan", "up")
		run(t, "ip", "address", "add", "172.24.0.7/16", "dev", "lan")
		err := New(Options{}).Up(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), "through lan") {
			t.Errorf("got %v", err)
		}
	})
}

// detached starts a daemon that detaches itself, without pipes it could keep open.
func detached(t *testing.T, argv ...string) {
	t.Helper()
	if err := exec.Command(argv[0], argv[1:]...).Run(); err != nil {
		t.Fatal(err)
	}
}
