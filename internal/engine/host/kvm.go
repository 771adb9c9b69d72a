package host

import (
	"errors"
	"fmt"
	"os"
	"runtime"
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
	return unix.Close(vm)
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
