package driver

import (
	"context"
	"io"
)

// Snapshots takes the content of servers' root disks.
type Snapshots interface {
	// Snapshot writes a server's root disk, as it is at one moment, into a qcow2 file of its own on the host: while the
	// server runs, when it runs. name, a UUID, is how the file is asked for; one that is complete stays, a half one begins
	// anew. A guest that must be quiesced and cannot is ErrUnsupported.
	Snapshot(ctx context.Context, id, name string, quiesce Quiesce) error

	// OpenSnapshot opens what Snapshot wrote and says how many bytes it has. ErrNotFound when it is not there or not complete.
	OpenSnapshot(ctx context.Context, id, name string) (io.ReadCloser, int64, error)

	// DropSnapshot ends what still writes the file and removes it. One that is gone is success.
	DropSnapshot(ctx context.Context, id, name string) error
}

// Quiesce says whether a running guest writes its file systems out before it is taken.
type Quiesce string

// How a snapshot asks the guest's agent.
const (
	QuiesceNot  Quiesce = ""     // there is no agent
	QuiesceTry  Quiesce = "try"  // when it can (hw_qemu_guest_agent)
	QuiesceMust Quiesce = "must" // or no snapshot (os_require_quiesce)
)

// PropQuiesce is the image property that demands a quiet guest.
const PropQuiesce = "os_require_quiesce" // yes, no
