package driver

import (
	"context"
	"io"
	"time"
)

// DisksService is the name under which hosts give each other the disks of servers that move while they are off.
const DisksService = "nova-disks"

// Resizer is the part of a driver that moves servers which are off: cold migration, resize, evacuation.
//
// A resize never changes what it may have to go back to. The source puts the server aside (SetAside) and keeps it so; the destination makes a copy
// (ExportDisks on the source, ImportDisks here) and grows that. Confirming drops what is aside (DropAside, or Destroy where the server is on another
// host now), reverting drops the copy (DropCopy) and takes back what is aside (Restore). Source and destination may be one host, or share a directory.
//
// move is the migration's UUID: what belongs to another move is never taken for this one's.
type Resizer interface {
	// SetAside powers the server off, like Stop with grace, removes its definition and keeps its files aside for the host named to.
	SetAside(ctx context.Context, id, move, to string, grace time.Duration) error

	// Restore takes the files back that SetAside put aside; Define and Start come after it. Nothing aside is no error.
	Restore(ctx context.Context, id, move string) error

	// DropAside removes what is aside. Nothing aside is no error.
	DropAside(ctx context.Context, id string) error

	// AsideFor answers for which host the files of a move are aside here: on the host that put them there, and on those that share
	// its directory. ErrNotFound when there are none.
	AsideFor(ctx context.Context, id, move string) (to string, err error)

	// ExportDisks writes the files that are aside. With alone, disks do not stand on the image of the cache any more: the image is gone.
	ExportDisks(ctx context.Context, id, move string, alone bool, to io.Writer) error

	// ImportDisks makes the server's disks of what ExportDisks wrote, which open opens, grown to the flavor of spec. Done before, it
	// does nothing.
	ImportDisks(ctx context.Context, spec GuestSpec, move string, open func(context.Context) (io.ReadCloser, error)) error

	// DropCopy removes what ImportDisks, PrepareDisks and Define made, and nothing that is aside.
	DropCopy(ctx context.Context, id string) error

	// AdoptDisks takes over the disks of a server whose host (from) is lost, and answers whether this host sees them: their storage is
	// shared. Leftovers of an earlier stay of the server are removed.
	AdoptDisks(ctx context.Context, id, move, from string) (shared bool, err error)

	// Abandon is the opposite: definition and own files go, adopted ones are the other host's again.
	Abandon(ctx context.Context, id, move string) error
}
