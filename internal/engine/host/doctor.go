package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gostack/internal/engine/qemuimg"
)

// Level of a finding.
type Level string

const (
	OK       Level = "ok"
	Note     Level = "note"     // worth knowing
	Degraded Level = "degraded" // works, but slower, weaker or not for long
	Broken   Level = "broken"   // does not work until it is mended
)

// Finding is one thing that Doctor looked at.
type Finding struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	What  string `json:"what"`         // what was found, and what it means
	Do    string `json:"do,omitempty"` // what to do about it; empty when all is well
}

// check looks at one thing. A check that does not apply on this machine finds nothing.
type check struct {
	name string
	look func(context.Context) (level Level, what, do string)
}

// Doctor looks at what this machine has, lacks and could have, without changing anything. Everything it looks at is
// reported, good or bad, in a fixed order.
func (h *Host) Doctor(ctx context.Context) []Finding {
	checks := []check{
		{"user", checkUser},
		{"init system", h.checkInit},
		{"host name", checkHostname},
		{"processor", checkProcessor},
		{"memory", checkMemory},
		{"disk", h.checkDisk},
		{"control groups", checkControlGroups},
		{"tap devices", checkTap},
		{"open vswitch datapath", h.checkDatapath},
		{"external network", h.checkExternal},
		{"way out", h.checkWayOut},
		{"ovn southbound", h.checkSouthbound},
		{"qemu's user", h.checkQEMUUser},
		{"image sandbox", checkSandbox},
	}
	for _, e := range h.engines {
		checks = append(checks, check{e.Name, func(ctx context.Context) (Level, string, string) { return h.checkEngine(ctx, e) }})
	}
	var found []Finding
	for _, c := range checks {
		if level, what, do := c.look(ctx); what != "" {
			found = append(found, Finding{c.name, level, what, do})
		}
	}
	return found
}

func checkUser(context.Context) (Level, string, string) {
	if os.Geteuid() != 0 {
		return Broken, "not root: gostack cannot make bridges, start engines or read their sockets", "run it as root"
	}
	return OK, "root", ""
}

func (h *Host) checkInit(context.Context) (Level, string, string) {
	if h.units.booted() {
		return OK, "systemd runs the engines", ""
	}
	return OK, "none: gostack starts the engines itself and watches them", ""
}

func checkHostname(context.Context) (Level, string, string) {
	name := hostname()
	if name == "localhost" || strings.HasPrefix(name, "localhost.") {
		return Degraded, "this machine is called " + name + ", as many others: hosts of a cloud are told apart by name",
			"give it a name of its own (hostnamectl set-hostname NAME) before the first start"
	}
	return OK, name, ""
}

func checkProcessor(context.Context) (Level, string, string) {
	if err := checkKVM(); err != nil {
		return Degraded, "guests are emulated, many times slower than KVM: " + err.Error(),
			"on bare metal switch virtualization on in the firmware and load kvm_intel or kvm_amd; in a guest ask for nested virtualization; in a container pass /dev/kvm in"
	}
	return OK, "KVM works", ""
}

func checkMemory(context.Context) (Level, string, string) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "", "", ""
	}
	var total, available int64 // KiB
	for line := range strings.Lines(string(info)) {
		fmt.Sscanf(line, "MemTotal: %d kB", &total)
		fmt.Sscanf(line, "MemAvailable: %d kB", &available)
	}
	return memoryFinding(total>>10, available>>10)
}

// memoryFinding judges MiB of memory: engines and gostack take about 300, the smallest guest 200 more.
func memoryFinding(total, available int64) (Level, string, string) {
	what := fmt.Sprintf("%d MiB of %d MiB free", available, total)
	switch {
	case available < 512:
		return Broken, what + ": not enough for the engines and one guest", "free or add memory"
	case available < 2048:
		return Degraded, what + ": enough for one or two small guests", "free or add memory for more"
	}
	return OK, what, ""
}

func (h *Host) checkDisk(context.Context) (Level, string, string) {
	dir := h.opts.StateDir
	var fs unix.Statfs_t
	for unix.Statfs(dir, &fs) != nil {
		if dir == filepath.Dir(dir) {
			return "", "", ""
		}
		dir = filepath.Dir(dir)
	}
	if fs.Type == unix.TMPFS_MAGIC {
		return Degraded, h.opts.StateDir + " lies in memory: servers, images and the database are gone after a reboot",
			"put it on a disk, or choose another state directory in the configuration"
	}
	return diskFinding(h.opts.StateDir, int64(fs.Bavail)*fs.Bsize>>30)
}

func diskFinding(dir string, freeGiB int64) (Level, string, string) {
	what := fmt.Sprintf("%d GiB free below %s", freeGiB, dir)
	switch {
	case freeGiB < 2:
		return Broken, what + ": no room for an image and a guest's disk", "free some, or choose another state directory in the configuration"
	case freeGiB < 20:
		return Degraded, what + ": room for small guests only", "free some, or choose another state directory in the configuration"
	}
	return OK, what, ""
}

// checkControlGroups asks for what libvirt needs to give guests their share of processor and memory.
func checkControlGroups(context.Context) (Level, string, string) {
	const do = "mount the control groups writable (in a container: --cgroupns=private and a writable /sys/fs/cgroup)"
	if unix.Access("/sys/fs/cgroup", unix.W_OK) != nil {
		return Degraded, "not writable: guests cannot be kept from taking more than their share", do
	}
	have := map[string]bool{}
	if controllers, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		for _, c := range strings.Fields(string(controllers)) {
			have[c] = true
		}
	} else {
		entries, _ := os.ReadDir("/sys/fs/cgroup") // version 1: one hierarchy each
		for _, e := range entries {
			have[e.Name()] = true
		}
	}
	var missing []string
	for _, c := range []string{"cpu", "memory"} {
		if !have[c] {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		return Degraded, "no controller " + strings.Join(missing, ", ") + ": guests cannot be kept from taking more than their share", do
	}
	return OK, "guests get their share of processor and memory", ""
}

func checkTap(context.Context) (Level, string, string) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return Broken, "/dev/net/tun: " + err.Error() + ": no guest can have a network card",
			"load the module tun (modprobe tun); in a container pass /dev/net/tun in"
	}
	unix.Close(fd)
	return OK, "guests can have network cards", ""
}

func (h *Host) checkDatapath(context.Context) (Level, string, string) {
	if h.datapath() == "system" {
		return OK, "in the kernel", ""
	}
	if kernelSwitch() {
		return Note, "in ovs-vswitchd, as configured, although the kernel has one", ""
	}
	return Degraded, "the kernel has no Open vSwitch: packets pass through ovs-vswitchd, slower but with every feature",
		"load the module (modprobe openvswitch), which Debian's kernels have, then gostack down and gostack up"
}

func (h *Host) checkExternal(ctx context.Context) (Level, string, string) {
	if h.opts.Member {
		return h.checkProvider(ctx)
	}
	if err := h.addressIsFree(h.opts.ExternalBridge); err != nil {
		return Broken, err.Error(), "set neutron.external_cidr in the configuration before the first start"
	}
	what := fmt.Sprintf("%s on %s", h.opts.ExternalAddress, h.opts.ExternalBridge)
	if _, err := netlink.LinkByName(h.opts.ExternalBridge); err != nil {
		return OK, what + ", made by gostack up", ""
	}
	return OK, what, ""
}

// checkProvider looks whether a host's external bridge leads anywhere.
func (h *Host) checkProvider(ctx context.Context) (Level, string, string) {
	bridge := h.opts.ExternalBridge
	ports, err := vsctl(ctx, "list-ports", bridge)
	switch {
	case err != nil:
		return Note, fmt.Sprintf("bridge %s for %s is made by gostack up", bridge, h.opts.PhysicalNetwork), ""
	case !slices.ContainsFunc(strings.Fields(ports), func(p string) bool { return !strings.HasPrefix(p, "patch-") }):
		return Note, fmt.Sprintf("bridge %s leads to no network: floating IPs and provider networks on this host reach nothing outside", bridge),
			"ovs-vsctl add-port " + bridge + " DEVICE, with the device that is on the provider network"
	}
	return OK, fmt.Sprintf("bridge %s for %s", bridge, h.opts.PhysicalNetwork), ""
}

func (h *Host) checkWayOut(context.Context) (Level, string, string) {
	if h.opts.Member {
		return "", "", "" // the provider network's own router is the way out
	}
	forward, err := os.ReadFile(forwardSwitch)
	if err == nil && strings.TrimSpace(string(forward)) == "1" && h.made().Masquerade != "" {
		return OK, "guests reach the outside through this machine", ""
	}
	return Note, "guests with a floating IP are reached from this machine, but do not reach the outside",
		"ask for masquerading at gostack up if they should"
}

// checkQEMUUser sees whether the user that libvirt gives to guests' processes can reach their disks.
func (h *Host) checkQEMUUser(context.Context) (Level, string, string) {
	for dir := h.opts.StateDir; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o001 == 0 {
			return Broken, fmt.Sprintf("QEMU runs as a user of its own, which cannot pass through %s (%v) to the guests' disks", dir, info.Mode().Perm()),
				"chmod o+x " + dir
		}
	}
	return OK, "reaches the guests' disks", ""
}

func checkSandbox(context.Context) (Level, string, string) {
	if s := new(qemuimg.Tool).Sandbox(); !s.Namespaces || !s.OtherUser {
		return Degraded, "qemu-img cannot be fenced in fully here: an image made to break it could reach more than it should",
			"allow namespaces (in a container: more privileges), and run gostack as root"
	}
	return OK, "qemu-img runs fenced in, as another user and without a network", ""
}

func (h *Host) checkEngine(ctx context.Context, e Engine) (Level, string, string) {
	switch s := h.look(ctx, e); s.State {
	case Missing:
		return Broken, (&MissingError{e.Program, e.Package}).Error() + ": it " + e.Why, "scripts/install-engines, or apt install " + e.Package
	case Stopped:
		return Note, "does not run: it " + e.Why, "gostack up"
	default:
		if err := e.ready(ctx); err != nil {
			do := "look at its log"
			if s.Log != "" {
				do += " " + s.Log
			}
			return Broken, "runs but does not answer: " + err.Error(), do
		}
		return OK, "runs, started by " + s.By, ""
	}
}
