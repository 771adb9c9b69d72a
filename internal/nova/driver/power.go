package driver

import "time"

// PowerState is Nova's number for what the hypervisor says of a server
// (OS-EXT-STS:power_state).
type PowerState int

// The power states of the compute API.
const (
	NoState   PowerState = 0
	Running   PowerState = 1
	Paused    PowerState = 3
	Shutdown  PowerState = 4
	Crashed   PowerState = 6
	Suspended PowerState = 7
)

// String is the state's name as in upstream's notifications.
func (s PowerState) String() string {
	switch s {
	case Running:
		return "running"
	case Paused:
		return "paused"
	case Shutdown:
		return "shutdown"
	case Crashed:
		return "crashed"
	case Suspended:
		return "suspended"
	default:
		return "pending"
	}
}

// Event says that a server's power state is (now) State.
type Event struct {
	ServerID string     `json:"server_id"`
	State    PowerState `json:"state"`
	Gone     bool       `json:"gone,omitempty"` // the definition was removed
	Detail   string     `json:"detail,omitempty"`
	At       time.Time  `json:"at"`
}

// Guest is a server that a host has.
type Guest struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Project string     `json:"project,omitempty"`
	State   PowerState `json:"state"`
	PortIDs []string   `json:"port_ids,omitempty"`
	VCPUs   int        `json:"vcpus,omitempty"`
	MemMB   int        `json:"memory_mb,omitempty"`
}

// DiskSet is the files of one server on a host.
type DiskSet struct {
	ID    string    `json:"id"`
	Bytes int64     `json:"bytes"` // as allocated on the file system
	Since time.Time `json:"since"` // youngest change
	// Aside: they are what a move put aside, kept until it is confirmed or reverted. The server may have others here as well.
	Aside bool `json:"aside,omitempty"`
}
