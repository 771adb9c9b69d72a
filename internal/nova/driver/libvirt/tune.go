package libvirt

import (
	"os"
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// finish puts into a definition what flavor and image ask beyond a plain guest: quotas, places on the host, features, devices.
func (d *Driver) finish(caps *capabilities, spec driver.GuestSpec, def *libvirtxml.Domain) error {
	w := driver.WishOf(spec.Flavor, spec.Image)
	for _, part := range []func(*capabilities, driver.GuestSpec, hardware.Wish, *libvirtxml.Domain) error{
		d.processors, d.quotas, d.places, d.memory, features, timers, extraDevices,
	} {
		if err := part(caps, spec, w, def); err != nil {
			if text, conflict := hardware.IsConflict(err); conflict {
				return driver.Refuse(driver.CodeUnsupported, "%s", text)
			}
			return err
		}
	}
	return nil
}

// processors arranges the guest's processors in sockets, cores and threads, and sizes their addresses.
func (d *Driver) processors(caps *capabilities, spec driver.GuestSpec, w hardware.Wish, def *libvirtxml.Domain) error {
	threads := 0
	if spec.NUMA != nil {
		for _, cell := range spec.NUMA.Cells {
			if cell.PerCore > 0 && (threads == 0 || cell.PerCore < threads) {
				threads = cell.PerCore
			}
		}
	}
	t, err := w.CPUTopology(threads)
	if err != nil {
		return err
	}
	def.CPU.Topology = &libvirtxml.DomainCPUTopology{Sockets: t.Sockets, Cores: t.Cores, Threads: t.Threads}
	space, err := w.AddressSpace()
	if err != nil || space == nil {
		return err
	}
	if caps.virtType != "kvm" {
		return driver.Refuse(driver.CodeUnsupported, "The size of physical addresses can be chosen with KVM only.")
	}
	def.CPU.MaxPhysAddr = &libvirtxml.DomainCPUMaxPhysAddr{Mode: space.Mode, Bits: uint(space.Bits)}
	return nil
}

// ioQuotas are the limits of disks: each by its name in quota:disk_NAME.
func ioQuotas(specs map[string]string) *libvirtxml.DomainDiskIOTune {
	t := libvirtxml.DomainDiskIOTune{}
	for name, to := range map[string]*uint64{
		"read_bytes_sec": &t.ReadBytesSec, "write_bytes_sec": &t.WriteBytesSec, "total_bytes_sec": &t.TotalBytesSec,
		"read_iops_sec": &t.ReadIopsSec, "write_iops_sec": &t.WriteIopsSec, "total_iops_sec": &t.TotalIopsSec,
		"read_bytes_sec_max": &t.ReadBytesSecMax, "write_bytes_sec_max": &t.WriteBytesSecMax, "total_bytes_sec_max": &t.TotalBytesSecMax,
		"read_iops_sec_max": &t.ReadIopsSecMax, "write_iops_sec_max": &t.WriteIopsSecMax, "total_iops_sec_max": &t.TotalIopsSecMax,
		"read_bytes_sec_max_length": &t.ReadBytesSecMaxLength, "write_bytes_sec_max_length": &t.WriteBytesSecMaxLength, "total_bytes_sec_max_length": &t.TotalBytesSecMaxLength,
		"read_iops_sec_max_length": &t.ReadIopsSecMaxLength, "write_iops_sec_max_length": &t.WriteIopsSecMaxLength, "total_iops_sec_max_length": &t.TotalIopsSecMaxLength,
		"size_iops_sec": &t.SizeIopsSec,
	} {
		*to = uint64(driver.Quota(specs, "disk_"+name))
	}
	if t == (libvirtxml.DomainDiskIOTune{}) {
		return nil
	}
	return &t
}

// quotas limits processor time and disks. quota:memory_* and the other limits that VMware knows mean nothing to libvirt, as upstream.
func (d *Driver) quotas(_ *capabilities, spec driver.GuestSpec, _ hardware.Wish, def *libvirtxml.Domain) error {
	specs := spec.Flavor.ExtraSpecs
	shares, period, quota := driver.Quota(specs, "cpu_shares"), driver.Quota(specs, "cpu_period"), driver.Quota(specs, "cpu_quota")
	if shares > 0 || period > 0 || quota > 0 {
		if !d.cpuControl() {
			return driver.Refuse(driver.CodeUnsupported, "Requested CPU control policy not supported by host")
		}
		tune := cpuTune(def)
		if shares > 0 {
			tune.Shares = &libvirtxml.DomainCPUTuneShares{Value: uint(shares)}
		}
		if period > 0 {
			tune.Period = &libvirtxml.DomainCPUTunePeriod{Value: uint64(period)}
		}
		if quota > 0 {
			tune.Quota = &libvirtxml.DomainCPUTuneQuota{Value: int64(quota)}
		}
	}
	if io := ioQuotas(specs); io != nil {
		for i := range def.Devices.Disks {
			if k := &def.Devices.Disks[i]; k.ReadOnly == nil && k.Device == "disk" {
				k.IOTune = io
			}
		}
	}
	return nil
}

func cpuTune(def *libvirtxml.Domain) *libvirtxml.DomainCPUTune {
	if def.CPUTune == nil {
		def.CPUTune = &libvirtxml.DomainCPUTune{}
	}
	return def.CPUTune
}

// cpuControl tells whether the host's cgroups can share out processor time (nova/virt/libvirt/host.py, is_cpu_control_policy_capable).
func (d *Driver) cpuControl() bool {
	if d.CPUControl != nil {
		return d.CPUControl()
	}
	if text, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return slices.Contains(strings.Fields(string(text)), "cpu")
	}
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if f := strings.Fields(line); len(f) > 3 && f[2] == "cgroup" && slices.Contains(strings.Split(f[3], ","), "cpu") {
			return true
		}
	}
	return false
}

// memory says of what pages the guest's memory is, and whether it stays there.
func (d *Driver) memory(caps *capabilities, spec driver.GuestSpec, w hardware.Wish, def *libvirtxml.Domain) error {
	if encrypted, err := w.MemoryEncryption(); err != nil || encrypted {
		if err == nil {
			err = driver.Refuse(driver.CodeUnsupported, "This host cannot encrypt a guest's memory.")
		}
		return err
	}
	locked, err := w.LockedMemory()
	if err != nil {
		return err
	}
	realtime, err := w.Realtime()
	if err != nil {
		return err
	}
	back := libvirtxml.DomainMemoryBacking{}
	if spec.NUMA != nil {
		back.MemoryHugePages = hugePages(caps, spec.NUMA)
	}
	if locked || realtime != nil {
		back.MemoryLocked = &libvirtxml.DomainMemoryLocked{}
	}
	if realtime != nil {
		back.MemoryNosharepages = &libvirtxml.DomainMemoryNosharepages{}
	}
	if back != (libvirtxml.DomainMemoryBacking{}) {
		def.MemoryBacking = &back
	}
	return nil
}

// hugePages lists the guest's cells by size of page, those of the host's smallest left out: they are what a guest has anyway.
func hugePages(caps *capabilities, g *hardware.Guest) *libvirtxml.DomainMemoryHugepages {
	cells := map[int][]int{}
	for i, cell := range g.Cells {
		if cell.PageKB > caps.smallPages() {
			cells[cell.PageKB] = append(cells[cell.PageKB], i)
		}
	}
	if len(cells) == 0 {
		return nil
	}
	pages := &libvirtxml.DomainMemoryHugepages{}
	for _, size := range sortedSizes(cells) {
		pages.Hugepages = append(pages.Hugepages, libvirtxml.DomainMemoryHugepage{Size: uint(size), Unit: "KiB", Nodeset: hardware.NewCPUSet(cells[size]...).String()})
	}
	return pages
}

func sortedSizes(cells map[int][]int) (sizes []int) {
	for size := range cells {
		sizes = append(sizes, size)
	}
	slices.Sort(sizes)
	return sizes
}
