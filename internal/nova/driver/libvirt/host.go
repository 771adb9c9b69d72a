package libvirt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	enginehost "gostack/internal/engine/host"
	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// capabilities is what this host's QEMU can, asked once.
type capabilities struct {
	virtType string // "kvm" or "qemu"
	arch     string
	emulator string
	machine  string // the default
	machines []string
	uefi     bool

	secureBoot bool // UEFI firmware with it
	tpms       struct{ models, versions []string }
	numa       *hardware.Host
	cpu        driver.CPUInfo
	hostCPU    string   // the same in libvirt's words
	archs      []string // all that can be emulated or run
	uid, gid   int      // as whom QEMU runs
}

// goArch maps Go's names of architectures to libvirt's.
var goArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}

func (d *Driver) capabilities(ctx context.Context) (*capabilities, error) {
	d.mu.Lock()
	known := d.caps
	d.mu.Unlock()
	if known != nil {
		return known, nil
	}
	text, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (string, error) { return l.ConnectGetCapabilities() })
	if err != nil {
		return nil, fmt.Errorf("capabilities of the host: %w", err)
	}
	var host libvirtxml.Caps
	if err := host.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("capabilities of the host: %w", err)
	}
	caps, err := d.choose(&host)
	if err != nil {
		return nil, err
	}
	text, err = libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (string, error) {
		return l.ConnectGetDomainCapabilities(rpc.OptString{caps.emulator}, rpc.OptString{caps.arch},
			rpc.OptString{caps.machine}, rpc.OptString{caps.virtType}, 0)
	})
	if err != nil {
		return nil, fmt.Errorf("capabilities of QEMU: %w", err)
	}
	var dom libvirtxml.DomainCaps
	if err := dom.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("capabilities of QEMU: %w", err)
	}
	if dom.OS != nil {
		for _, e := range dom.OS.Enums {
			caps.uefi = caps.uefi || (e.Name == "firmware" && slices.Contains(e.Values, "efi"))
		}
		if dom.OS.Loader != nil {
			for _, e := range dom.OS.Loader.Enums {
				caps.secureBoot = caps.secureBoot || caps.uefi && e.Name == "secure" && slices.Contains(e.Values, "yes")
			}
		}
	}
	caps.readTPMs(dom.Devices)
	caps.numa = d.numaOf(&host)
	d.mu.Lock()
	d.caps = caps
	d.mu.Unlock()
	return caps, nil
}

// choose picks emulator and virtualisation type for servers of the host's own
// architecture.
func (d *Driver) choose(host *libvirtxml.Caps) (*capabilities, error) {
	caps := &capabilities{arch: goArch[runtime.GOARCH]}
	kvm := false
	for _, g := range host.Guests {
		if g.OSType != "hvm" {
			continue
		}
		caps.archs = append(caps.archs, g.Arch.Name)
		if g.Arch.Name != caps.arch {
			continue
		}
		caps.emulator = g.Arch.Emulator
		for _, m := range g.Arch.Machines {
			caps.machines = append(caps.machines, m.Name)
		}
		for _, dom := range g.Arch.Domains {
			kvm = kvm || dom.Type == "kvm"
		}
	}
	if caps.emulator == "" {
		return nil, driver.Refuse(driver.CodeUnsupported, "libvirt has no emulator for %s", caps.arch)
	}
	for _, m := range []string{"q35", "virt", "pc"} {
		if slices.Contains(caps.machines, m) {
			caps.machine = m
			break
		}
	}
	// libvirt offers KVM where /dev/kvm can be opened; whether it works is
	// another question.
	kvm = kvm && enginehost.VirtType() == "kvm"
	switch {
	case d.VirtType == "kvm" && !kvm:
		return nil, driver.Refuse(driver.CodeUnsupported, "virt_type is kvm, but this host has no KVM")
	case d.VirtType == "kvm", d.VirtType == "" && kvm:
		caps.virtType = "kvm"
	default:
		caps.virtType = "qemu"
	}
	for _, m := range host.Host.SecModel {
		if m.Name == "dac" && len(m.Labels) > 0 {
			_, _ = fmt.Sscanf(m.Labels[0].Value, "+%d:+%d", &caps.uid, &caps.gid) // else root, who needs no permission
		}
	}
	if c := host.Host.CPU; c != nil {
		caps.hostCPU = hostCPU(c)
		caps.cpu = driver.CPUInfo{Arch: c.Arch, Model: c.Model, Vendor: c.Vendor, Features: []string{}}
		for _, f := range c.FeatureFlags {
			caps.cpu.Features = append(caps.cpu.Features, f.Name)
		}
		if t := c.Topology; t != nil {
			caps.cpu.Topology = driver.CPUTopology{Cells: 1, Sockets: t.Sockets, Cores: t.Cores, Threads: t.Threads}
		}
		if n := host.Host.NUMA; n != nil && n.Cells != nil {
			caps.cpu.Topology.Cells = max(1, len(n.Cells.Cells))
		}
	}
	return caps, nil
}

// HostInfo describes the host.
func (d *Driver) HostInfo(ctx context.Context) (driver.HostInfo, error) {
	caps, err := d.capabilities(ctx)
	if err != nil {
		return driver.HostInfo{}, err
	}
	type node struct {
		memory  uint64 // KiB
		cpus    int32
		version uint64
		running int
	}
	n, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (node, error) {
		var n node
		var err error
		if _, n.memory, n.cpus, _, _, _, _, _, err = l.NodeGetInfo(); err != nil {
			return n, err
		}
		if n.version, err = l.ConnectGetVersion(); err != nil {
			return n, err
		}
		doms, _, err := l.ConnectListAllDomains(1, rpc.ConnectListDomainsActive)
		n.running = len(doms)
		return n, err
	})
	if err != nil {
		return driver.HostInfo{}, fmt.Errorf("ask the host: %w", err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.Dir, &fs); err != nil {
		return driver.HostInfo{}, err
	}
	block := uint64(fs.Bsize)
	info := driver.HostInfo{
		Hostname:          d.Hostname,
		HostIP:            d.HostIP,
		HypervisorType:    strings.ToUpper(caps.virtType),
		HypervisorVersion: int(n.version),
		VirtType:          caps.virtType,
		VCPUs:             int(n.cpus),
		MemoryMB:          int(n.memory >> 10),
		DiskGB:            int(fs.Blocks * block >> 30),
		DiskGBFree:        int(fs.Bavail * block >> 30),
		DiskGBUsed:        int((fs.Blocks - fs.Bfree) * block >> 30),
		MemoryMBUsed:      usedMemoryMB(),
		CPU:               caps.cpu,
		Uptime:            uptime(),
		RunningServers:    n.running,
		Traits:            traits(caps),
		NUMA:              caps.numa,
	}
	if info.PCI, err = d.pciDevices(); err != nil {
		return info, fmt.Errorf("list the host's devices: %w", err)
	}
	shared, dedicated := d.split(hardware.Range(0, int(n.cpus)))
	info.VCPUs, info.PCPUs = len(shared), len(dedicated)
	for _, arch := range caps.archs {
		info.Supported = append(info.Supported, [3]string{arch, "qemu", "hvm"})
		if arch == caps.arch && caps.virtType == "kvm" {
			info.Supported = append(info.Supported, [3]string{arch, "kvm", "hvm"})
		}
	}
	return info, nil
}

// usedMemoryMB is what the host really uses, caches not counted.
func usedMemoryMB() int {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var total, available int
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			total, _ = strconv.Atoi(f[1])
		case "MemAvailable:":
			available, _ = strconv.Atoi(f[1])
		}
	}
	return (total - available) >> 10
}

// uptime is one line as uptime(1) prints it, without users.
func uptime() string {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return ""
	}
	seconds, _, _ := strings.Cut(string(text), " ")
	f, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return ""
	}
	up := time.Duration(f) * time.Second
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	l := strings.Fields(string(load))
	if len(l) < 3 {
		return ""
	}
	days := int(up.Hours()) / 24
	return fmt.Sprintf(" %s up %d days, %d:%02d,  1 user,  load average: %s, %s, %s", time.Now().Format("15:04:05"),
		days, int(up.Hours())%24, int(up.Minutes())%60, l[0], l[1], l[2])
}

// CPUInfoJSON is the processor as os-hypervisors shows it before 2.28.
func CPUInfoJSON(c driver.CPUInfo) string {
	text, err := json.Marshal(c)
	if err != nil {
		return "{}"
	}
	return string(text)
}

// readTPMs reads which modules libvirt can emulate. It lists models whether or not swtpm, which does it, is installed; versions only with it.
func (c *capabilities) readTPMs(l *libvirtxml.DomainCapsDevices) {
	if l == nil || l.TPM == nil || l.TPM.Supported != "yes" {
		return
	}
	emulated := false
	for _, e := range l.TPM.Enums {
		switch e.Name {
		case "model":
			c.tpms.models = e.Values
		case "backendVersion":
			c.tpms.versions = e.Values
		case "backendModel":
			emulated = slices.Contains(e.Values, "emulator")
		}
	}
	if _, err := exec.LookPath("swtpm"); err != nil || !emulated {
		c.tpms.models, c.tpms.versions = nil, nil
	}
}

func (c *capabilities) tpm(t hardware.TPM) bool {
	return slices.Contains(c.tpms.models, t.Model) && slices.Contains(c.tpms.versions, t.Version)
}
