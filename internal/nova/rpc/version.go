package rpc

import "fmt"

// The version of what is said over the bus. It grows when something is added that the other side must know of; what is only added to arguments and answers needs no
// new number, because unknown fields are ignored and missing ones are zero. The control side is upgraded first, so it understands agents of the release before.
const (
	Version = 2 // moves between hosts, disks set aside; 1 said no number
	Oldest  = 1
)

// CheckVersion is an error that says what to do when an agent speaks a version that this control side does not understand.
func CheckVersion(agent int) error {
	if agent == 0 {
		agent = 1
	}
	switch {
	case agent < Oldest:
		return fmt.Errorf("gostack on this host is too old for the control side: it speaks version %d, and versions %d to %d are understood; upgrade this host", agent, Oldest, Version)
	case agent > Version:
		return fmt.Errorf("gostack on this host is newer than the control side: it speaks version %d, and versions %d to %d are understood; upgrade the control side first", agent, Oldest, Version)
	}
	return nil
}
