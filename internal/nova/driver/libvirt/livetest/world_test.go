package livetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/nova/driver"
	"gostack/test/machine"
)

// world is two machines on one cable, each with libvirtd, Open vSwitch and a process that drives them.
type world struct {
	t    *testing.T
	dir  string
	a, b *node
}

type node struct {
	*machine.Machine
	t         *testing.T
	dir       string
	instances string
	stop      func()
	conn      *rpc.Client
}

// newWorld starts the machines. With shared, they have the directory of servers in common.
func newWorld(t *testing.T) *world {
	t.Helper()
	for _, tool := range []string{"libvirtd", "qemu-system-x86_64", "ovs-vswitchd", "busybox", "nsenter", "ethtool"} {
		if _, err := exec.LookPath(tool); err != nil {
			machine.Missing(t, "live migration needs "+tool)
		}
	}
	w := &world{t: t, dir: t.TempDir()}
	for dir := w.dir; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // QEMU's user must get through
			t.Fatal(err)
		}
	}
	w.images()
	w.a, w.b = w.node("a"), w.node("b")
	// One end in each machine, made from outside, where the process ids are known.
	w.run("nsenter", "-t", w.a.PID, "-n", "ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", w.b.PID)
	for _, n := range []*node{w.a, w.b} {
		n.start("/var/lib/gostack/instances")
		n.Run(t, "ip", "link", "set", "cable", "up")
		n.Run(t, "ethtool", "-K", "cable", "tx", "off")
		n.Run(t, "ovs-vsctl", "--timeout=120", "add-port", "br-int", "cable")
	}
	w.a.Run(t, "sh", "-ec", `ip netns add probe; ip link add probe0 type veth peer name eth0 netns probe; ip link set probe0 up
		ovs-vsctl --timeout=120 add-port br-int probe0; ip -n probe link set lo up; ip -n probe link set eth0 mtu 1400 up; ip -n probe addr add 10.1.0.60/24 dev eth0
		ip netns exec probe ethtool -K eth0 tx off >/dev/null; ethtool -K probe0 tx off >/dev/null`)
	return w
}

func (w *world) run(argv ...string) {
	w.t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		w.t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}

func (w *world) images() {
	w.t.Helper()
	dir := filepath.Join(w.dir, "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.run("bash", "../testdata/micro.sh", dir)
	for name, id := range map[string]string{"kernel": kernelID, "ramdisk": ramdiskID} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, id)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.run("qemu-img", "create", "-q", "-f", "qcow2", filepath.Join(dir, diskID), "4M")
}

func (w *world) node(name string) *node {
	w.t.Helper()
	n := &node{Machine: machine.Start(w.t), t: w.t, dir: filepath.Join(w.dir, name)}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// start starts the node's process, for servers in a directory.
func (n *node) start(instances string, environment ...string) {
	n.t.Helper()
	n.instances = instances
	cmd := n.Command(n.t.Context(), os.Args[0])
	cmd.Env = append(append(cmd.Env, hostVariable+"="+n.dir, dirVariable+"="+instances), environment...)
	log, err := os.Create(filepath.Join(n.dir, "log"))
	if err != nil {
		n.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	_ = os.Remove(filepath.Join(n.dir, "call.sock"))
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	n.stop = func() {
		_ = cmd.Process.Kill()
		<-done
		log.Close()
	}
	n.t.Cleanup(func() {
		if n.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			libvirtd, _ := n.Command(context.Background(), "tail", "-n", "8", "/var/log/libvirt/libvirtd.log").CombinedOutput()
			job, _ := n.Command(context.Background(), "sh", "-c", "virsh list --all; for d in $(virsh list --name); do virsh domjobinfo $d; done").CombinedOutput()
			n.t.Logf("%s\n%s\n%s\n%s", n.Name, text, libvirtd, job)
		}
		n.stop()
	})
	n.Eventually(n.t, patience, "the host's process answers", func() bool {
		select {
		case <-done:
			text, _ := os.ReadFile(log.Name())
			n.t.Fatalf("the host's process ended: %s", text)
		default:
		}
		conn, err := net.Dial("unix", filepath.Join(n.dir, "call.sock"))
		if err == nil {
			n.conn = jsonrpc.NewClient(conn)
		}
		return err == nil
	})
}

// again restarts the node's process with another directory of servers, or none of its memory.
func (n *node) again(instances string) {
	n.t.Helper()
	n.stop()
	n.start(instances, "GOSTACK_LIVE_AGAIN=1")
}

func (n *node) try(method string, args, reply any) error {
	if reply == nil {
		reply = new(Nothing)
	}
	return n.conn.Call("Host."+method, args, reply)
}

func (n *node) call(method string, args, reply any) {
	n.t.Helper()
	if err := n.try(method, args, reply); err != nil {
		log, _ := os.ReadFile(filepath.Join(n.dir, "log"))
		n.t.Fatalf("%s on %s: %v\n%s", method, n.Name, err, log)
	}
}

func (n *node) state(id string) driver.LiveState {
	n.t.Helper()
	var s driver.LiveState
	n.call("State", Move{ID: id}, &s)
	return s
}

func (n *node) console(id string) string {
	n.t.Helper()
	var text string
	n.call("Console", Move{ID: id}, &text)
	return text
}

// boot starts a server with a network card and a config drive and waits until it counts.
func (w *world) boot(on *node) driver.GuestSpec {
	w.t.Helper()
	s := driver.GuestSpec{
		ID: uuid.NewString(), Name: "mover", Project: driver.Ref{ID: "p1"}, User: driver.Ref{ID: "u1"},
		Flavor: driver.Flavor{Name: "m1.tiny", VCPUs: 1, MemoryMB: 96, RootGB: 1, SwapMB: 16},
		Image: &driver.Image{ID: diskID, DiskFormat: "qcow2", Properties: map[string]string{
			driver.PropKernelID: kernelID, driver.PropRamdiskID: ramdiskID, driver.PropCommandLine: "console=ttyS0 quiet panic=1 ip4=10.1.0.50/24",
		}},
		NICs:        []driver.NIC{{PortID: uuid.NewString(), MAC: "fa:16:3e:00:00:50", MTU: 1400, Bridge: "br-int"}},
		ConfigDrive: []driver.File{{Path: "openstack/latest/meta_data.json", Data: []byte(`{"name": "mover"}`)}},
	}
	on.call("Boot", s, nil)
	w.t.Cleanup(func() {
		for _, n := range []*node{w.a, w.b} {
			_ = n.try("Destroy", Move{ID: s.ID}, nil)
		}
	})
	w.a.Eventually(w.t, patience, "the guest counts", func() bool { return strings.Contains(on.console(s.ID), "TICK 1 ") })
	return s
}

// plan goes through the checks of a move.
func (w *world) plan(from, to *node, spec driver.GuestSpec, limits driver.LiveLimits) Move {
	w.t.Helper()
	m := Move{ID: spec.ID}
	from.call("Source", m, &m.From)
	var target driver.LiveTarget
	to.call("Target", m, &target)
	from.call("Unprobe", m, nil)
	m.Plan = driver.LivePlan{
		ServerID: spec.ID, Ticket: uuid.NewString(), Source: "source", Address: to.dir, Spec: &spec, Block: !target.Shared, Disks: m.From.Disks, Target: target, Limits: limits,
	}
	to.call("Prepare", m, nil)
	return m
}

// ended waits until the source says how a move went.
func (w *world) ended(from *node, m Move) driver.LiveState {
	w.t.Helper()
	var s driver.LiveState
	w.a.Eventually(w.t, patience, "the move has ended", func() bool {
		s = from.state(m.ID)
		return s.Phase != driver.LiveRunning
	})
	return s
}

// move moves a server and settles both hosts.
func (w *world) move(from, to *node, spec driver.GuestSpec, limits driver.LiveLimits) driver.LiveResult {
	w.t.Helper()
	m := w.plan(from, to, spec, limits)
	from.call("Begin", m, nil)
	s := w.ended(from, m)
	if s.Phase != driver.LiveDone || s.Here {
		log, _ := os.ReadFile(filepath.Join(from.dir, "log"))
		other, _ := os.ReadFile(filepath.Join(to.dir, "log"))
		w.t.Fatalf("the move ended with %+v\n%s\n%s\n%s", s, log, other, to.Run(w.t, "tail", "-n", "5", "/var/log/libvirt/libvirtd.log"))
	}
	if held := s.PausedMS > 0; held != (m.From.Virt != "kvm") {
		w.t.Errorf("%s guest, held for %d ms while its memory went", m.From.Virt, s.PausedMS)
	}
	var r driver.LiveResult
	to.call("Arrive", m, &r)
	from.call("Leave", m, nil)
	return r
}

// ticker is an established TCP connection to the guest, on which it counts.
type ticker struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	gaps chan time.Duration
	bad  chan string
}

// connect opens the connection and waits for the first number. A guest that has little of a busy machine's processor may be slower than the kernel
// waits for its address: then it is asked again.
func (w *world) connect() (k *ticker) {
	w.t.Helper()
	w.a.Eventually(w.t, patience, "the guest counts for who connects", func() (counts bool) {
		k, counts = w.dial()
		return counts
	})
	return k
}

func (w *world) dial() (*ticker, bool) {
	w.t.Helper()
	k := &ticker{t: w.t, gaps: make(chan time.Duration, 1), bad: make(chan string, 1)}
	k.cmd = w.a.Command(w.t.Context(), "ip", "netns", "exec", "probe", "busybox", "nc", "10.1.0.50", "7")
	var err error
	if k.in, err = k.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := k.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	first := make(chan bool, 1)
	go func() {
		var longest time.Duration
		last, count := time.Now(), 0
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			if err != nil || n != count+1 {
				k.bad <- fmt.Sprintf("after %d came %q", count, lines.Text())
				break
			}
			if count = n; n == 1 {
				first <- true
			} else {
				longest = max(longest, time.Since(last))
			}
			last = time.Now()
		}
		close(first)
		close(k.bad)
		k.gaps <- longest
	}()
	select {
	case counts := <-first:
		if !counts { // nc has ended without a number
			_ = k.cmd.Wait()
		}
		return k, counts
	case <-time.After(patience):
		w.t.Fatal("the guest takes the connection and does not count")
		return nil, false
	}
}

// close ends the connection, which must have lived until now without a number lost, and answers its longest silence.
func (k *ticker) close() time.Duration {
	k.t.Helper()
	select {
	case text := <-k.bad:
		k.t.Errorf("the TCP connection did not survive: %s", text)
	default:
	}
	_ = k.cmd.Process.Kill()
	_ = k.cmd.Wait()
	return <-k.gaps
}
