// Package driver is the seam between Nova and whatever runs its servers.
//
// It holds the [Driver] interface and the plain types that pass through it.
// The types cross the bus as JSON, so they hold values only. A driver lives
// next to its hypervisor (libvirt, simulated); it never sees the database, and
// decides nothing: the control side says what shall be, the driver makes it so.
//
// Every method is keyed by the server's UUID and idempotent: a call repeated
// after a lost answer, a killed process or a restarted libvirtd finds the work
// done and says so. No method needs an earlier one to have run in the same
// process.
package driver

import (
	"context"
	"io"
	"time"
)

// Driver runs servers on one host.
//
// Methods that name a server answer [ErrNotFound] when the host does not have
// it, except Destroy, for which that is success.
type Driver interface {
	// Name is the driver's name as in the configuration: "libvirt", "simulated".
	Name() string

	// HostInfo describes the host: inventory, hypervisor, capabilities. It
	// asks the host anew each time.
	HostInfo(ctx context.Context) (HostInfo, error)

	// EnsureImage brings an image into the host's image cache, once for all
	// servers that boot from it. Content is checked against the image's hash,
	// format and limits before anything may use it.
	EnsureImage(ctx context.Context, image Image) error

	// PrepareDisks makes every disk that the server owns on this host: root
	// (an overlay on the cached image, grown to the flavor's size), ephemeral,
	// swap and config drive. A disk that exists is left as it is.
	PrepareDisks(ctx context.Context, spec GuestSpec) error

	// Define stores the server's definition without starting it. A running
	// server keeps running with its old definition until it is next started.
	Define(ctx context.Context, spec GuestSpec) error

	// Start powers the server on; from a suspended state it resumes.
	Start(ctx context.Context, id string) error

	// Stop powers the server off: with grace > 0 by the ACPI power button
	// first, pressed again from time to time, and by force when grace is over.
	Stop(ctx context.Context, id string, grace time.Duration) error

	// Reboot restarts the server. Soft asks the guest and, when it has not
	// gone down within grace, becomes hard. Hard cuts the power and starts
	// from the stored definition, whatever the state was before.
	Reboot(ctx context.Context, id string, kind RebootKind, grace time.Duration) error

	// Pause freezes the server in memory; Unpause lets it go on.
	Pause(ctx context.Context, id string) error
	Unpause(ctx context.Context, id string) error

	// Suspend writes the server's memory to disk and frees it; Resume starts
	// from there (or plainly, when nothing was written).
	Suspend(ctx context.Context, id string) error
	Resume(ctx context.Context, id string) error

	Snapshots
	Repairs
	Tags

	// Destroy removes everything of the server on this host: domain, saved
	// memory, firmware variables, disks, console log.
	Destroy(ctx context.Context, id string) error

	// AttachInterface plugs a NIC into the definition and, when it runs, into
	// the running server. DetachInterface is its opposite, keyed by port id.
	AttachInterface(ctx context.Context, id string, nic NIC) error
	DetachInterface(ctx context.Context, id, portID string) error

	Resizer

	// ConsoleLog answers the last lines of the serial console, what follows the last line feed being one; lines < 0 means all that is kept.
	ConsoleLog(ctx context.Context, id string, lines int) ([]byte, error)

	// Console answers where a console of the running server listens. A kind that the server does not have is [ErrUnsupported].
	Console(ctx context.Context, id string, kind ConsoleKind) (ConsoleAddress, error)

	// PowerState answers what the hypervisor says now.
	PowerState(ctx context.Context, id string) (PowerState, error)

	// Diagnostics answers counters of a running server.
	Diagnostics(ctx context.Context, id string) (Diagnostics, error)

	// List answers every server on this host that carries our mark, running or
	// not. Servers of others are never listed and never touched.
	List(ctx context.Context) ([]Guest, error)

	// Disks answers the ids of servers that have files on this host, whether
	// they have a definition or not, so that an audit can find leftovers.
	Disks(ctx context.Context) ([]DiskSet, error)

	// Events streams power state changes until ctx ends, when the channel is
	// closed. After every (re)connection to the hypervisor the state of each
	// listed server is sent once, so nothing that happened in between is lost.
	Events(ctx context.Context) (<-chan Event, error)
}

// ImageSource opens the content of an image. It is how a driver fills its
// cache; the caller closes what it gets.
type ImageSource func(ctx context.Context, image Image) (io.ReadCloser, error)

// RebootKind is how a reboot is done.
type RebootKind string

// The two kinds of reboot of the compute API.
const (
	RebootSoft RebootKind = "SOFT"
	RebootHard RebootKind = "HARD"
)

// ConsoleKind is a protocol of a console.
type ConsoleKind string

// The kinds of consoles.
const (
	ConsoleVNC    ConsoleKind = "vnc"    // RFB, what the noVNC page speaks
	ConsoleSPICE  ConsoleKind = "spice"  // what spice-html5 speaks
	ConsoleSerial ConsoleKind = "serial" // the bytes of the first serial port, both ways
)

// ConsoleAddress is where a console listens, as seen from the host itself: a TCP port, or a UNIX socket at Path.
type ConsoleAddress struct {
	Kind ConsoleKind `json:"kind"`
	Host string      `json:"host"`
	Port int         `json:"port"`
	Path string      `json:"path,omitempty"`
}
