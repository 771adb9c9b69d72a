package driver

import "context"

// Repairs are what is done to servers that do not run as they should.
type Repairs interface {
	// RenewDisks makes the disks of a server anew, as PrepareDisks makes those of a new one; what was on them is gone.
	// With keepEphemeral the ephemeral disks stay. A server that is not off is ErrBadState.
	RenewDisks(ctx context.Context, spec GuestSpec, keepEphemeral bool) error

	// DropRescue removes the disks that PrepareDisks has made for a rescue. The server must not run from them.
	DropRescue(ctx context.Context, id string) error

	// SetPassword has the agent in a running guest change a user's password. No agent to ask is ErrUnsupported, one that
	// does not answer ErrBadState.
	SetPassword(ctx context.Context, id, user, password string) error

	// InjectNMI sends a running guest a non-maskable interrupt, at which a kernel that is set up for it dumps its memory.
	InjectNMI(ctx context.Context, id string) error
}

// Rescue is what a server boots from instead of its own root disk.
type Rescue struct {
	Image Image `json:"image"`

	// Device (disk, cdrom, floppy) and Bus make it one more disk of that kind, after all others, which stay what they are
	// (stable device rescue). Without either it is the first disk, and the root disk becomes the second one.
	Device string `json:"device,omitempty"`
	Bus    string `json:"bus,omitempty"`
}

// Stable tells whether the server keeps the order of its own disks.
func (r *Rescue) Stable() bool { return r.Device != "" || r.Bus != "" }

// Image properties of images to rescue with.
const (
	PropRescueDevice = "hw_rescue_device" // disk, cdrom, floppy
	PropRescueBus    = "hw_rescue_bus"    // virtio, scsi, sata, ide, usb, fdc
)
