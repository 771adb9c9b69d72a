package host

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// From the kernel's include/uapi/linux/kvm.h.
const (
	kvmGetAPIVersion = 0xAE00
	kvmCreateVM      = 0xAE01
	kvmAPIVersion    = 12
)

// VirtType is "kvm" where the processor can run guests, else "qemu" (emulation).
func VirtType() string {
	if checkKVM() == nil {
		return "kvm"
	}
	return "qemu"
}

// checkKVM really makes a virtual machine (an empty one), because the device file alone says nothing: in containers
// and nested guests it is often there and does not work. The processor's flag is asked too, since some clouds offer a
// /dev/kvm that runs only their own paravirtual kernels.
func checkKVM() error {
	if runtime.GOARCH == "amd64" {
		cpu, err := os.ReadFile("/proc/cpuinfo")
		if err == nil && !hasVirtFlag(string(cpu)) {
			return errors.New("the processor has neither vmx (Intel) nor svm (AMD): switched off in the firmware, or this is a guest without nested virtualization")
		}
	}
	fd, err := unix.Open("/dev/kvm", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/kvm: %w", err)
	}
	defer unix.Close(fd)
	version, err := ioctl(fd, kvmGetAPIVersion)
	if err != nil {
		return fmt.Errorf("/dev/kvm: %w", err)
	}
	if version != kvmAPIVersion {
		return fmt.Errorf("/dev/kvm speaks version %d, not %d", version, kvmAPIVersion)
	}
	vm, err := ioctl(fd, kvmCreateVM)
	if err != nil {
		return fmt.Errorf("/dev/kvm makes no virtual machine: %w", err)
	}
	unix.Close(vm)
	return openToQEMU(fd)
}

// qemuUser is the user as which Debian's libvirt runs QEMU.
const qemuUser = "libvirt-qemu"

// openToQEMU tells whether QEMU's user may open the device as well. In a container the device often carries a group id of
// the outer system; libvirt then asks QEMU for its abilities anew at every call, which takes seconds.
func openToQEMU(fd int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("/dev/kvm: %w", err)
	}
	u, err := user.Lookup(qemuUser)
	if err != nil {
		return nil // libvirt is not installed, or not Debian's: another finding says so
	}
	groups, _ := u.GroupIds()
	groups = append(groups, u.Gid)
	if !mayOpen(stat.Mode, stat.Uid, stat.Gid, u.Uid, groups) {
		return fmt.Errorf("the user %s, as which guests run, may not open /dev/kvm (mode %o, group id %d): chgrp kvm /dev/kvm && chmod g+rw /dev/kvm",
			qemuUser, stat.Mode&0o777, stat.Gid)
	}
	return nil
}

// mayOpen is the kernel's rule for reading and writing a file.
func mayOpen(mode, owner, group uint32, uid string, gids []string) bool {
	switch {
	case uid == strconv.Itoa(int(owner)):
		return mode&0o600 == 0o600
	case slices.Contains(gids, strconv.Itoa(int(group))):
		return mode&0o060 == 0o060
	default:
		return mode&0o006 == 0o006
	}
}

func hasVirtFlag(cpuinfo string) bool {
	for line := range strings.Lines(cpuinfo) {
		if key, flags, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "flags" {
			for _, flag := range strings.Fields(flags) {
				if flag == "vmx" || flag == "svm" {
					return true
				}
			}
			return false
		}
	}
	return false
}

// ioctl issues a request whose argument is 0 and whose result is a number or a descriptor.
func ioctl(fd int, request uintptr) (int, error) {
	result, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(result), nil
}
