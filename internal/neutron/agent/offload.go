package agent

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of the ethtool ioctl (linux/ethtool.h) that switch an offload.
const (
	setTxChecksum = 0x17
	setTSO        = 0x1f
	setGSO        = 0x24
)

// ethtoolValue is struct ethtool_value.
type ethtoolValue struct {
	command uint32
	value   uint32
}

// ethtoolRequest is struct ifreq with a pointer in its union.
type ethtoolRequest struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(uintptr(0))]byte
}

// checksumsInSoftware makes the kernel finish packets before it hands them to the device.
func checksumsInSoftware(device string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, command := range []uint32{setTSO, setGSO, setTxChecksum} {
		value := &ethtoolValue{command: command}
		req := ethtoolRequest{data: unsafe.Pointer(value)}
		copy(req.name[:unix.IFNAMSIZ-1], device)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
			return fmt.Errorf("switch off offload %#x of %s: %w", command, device, errno)
		}
	}
	return nil
}
