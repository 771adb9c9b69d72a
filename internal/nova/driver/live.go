package driver

import (
	"context"
	"encoding/json"
	"net"
	"time"
)

// LiveService is the name under which hosts serve each other's migrations: the channels of ServeLive.
const LiveService = "nova-live"

// Channels opens a channel to the destination of a move, whose driver serves it (ServeLive). ctx bounds the opening.
type Channels func(ctx context.Context, header any) (net.Conn, error)

// Mover is a driver whose servers move to another host while they run.
//
// The control side leads. On the source LiveSource, on the destination LiveTarget say what there is to move and whether it fits;
// LivePrepare makes room on the destination; LiveStart begins, LiveState is asked until it has ended; then LiveArrive on the destination
// and LiveLeave on the source make it last, or LiveCancel on the destination takes away what came. Everything between the hosts passes
// through channels that the source opens to the destination's ServeLive with the ticket of the plan; no hypervisor listens on a network.
//
// A hypervisor never lets both copies run. Whoever leads the migration and lost it finds its end by asking both hosts for LiveState.
type Mover interface {
	// LiveSource describes a running server for its move, and leaves a probe where its disks are, by which a destination sees whether
	// it shares that storage. LiveUnprobe removes the probe.
	LiveSource(ctx context.Context, id string) (LiveSource, error)
	LiveUnprobe(ctx context.Context, probe string) error

	// LiveTarget says whether this host can take the server. What cannot be is CodeUnsupported.
	LiveTarget(ctx context.Context, id string, from LiveSource) (LiveTarget, error)

	// LivePrepare makes what the incoming server needs here: images, empty disks of the right sizes, and open ears for the ticket.
	LivePrepare(ctx context.Context, plan LivePlan) error

	// LiveStart begins the move on the source, through channels that open opens, and returns. Asked again for a move that is under way it does nothing.
	LiveStart(ctx context.Context, plan LivePlan, open Channels) error

	// LiveState says how a move is going, seen from this host, or, where there is none, what the host has of the server.
	LiveState(ctx context.Context, id string) (LiveState, error)

	// LiveAbort ends a move under way: the server goes on where it was. A move that is past the point of return is CodeBadState.
	LiveAbort(ctx context.Context, id string) error

	// LiveForce makes a move end soon: after-copy where the plan allows, else the server is paused until it has arrived.
	LiveForce(ctx context.Context, id string) error

	// LiveArrive ends a move on the destination: the disks are this host's now.
	LiveArrive(ctx context.Context, plan LivePlan) (LiveResult, error)

	// LiveLeave removes what a server that has moved away left on the source, but not what it shares with the destination.
	LiveLeave(ctx context.Context, plan LivePlan) error

	// LiveForget ends what the source still knows of a move that failed: its channels and its outcome.
	LiveForget(ctx context.Context, id string) error

	// LiveCancel removes from the destination what a move that failed brought.
	LiveCancel(ctx context.Context, plan LivePlan) error

	// ServeLive serves one channel of an incoming move until it ends. It calls accept when the header is good; an error before that tells
	// the peer, which is the host named so, why not.
	ServeLive(ctx context.Context, peer string, header json.RawMessage, accept func() (net.Conn, error)) error
}

// LiveSource is what a source says of a server that is to move.
type LiveSource struct {
	Dir     string     `json:"dir"`             // where servers' disks are
	Probe   string     `json:"probe"`           // name of the probe in it
	CPU     string     `json:"cpu,omitempty"`   // the guest's processor, in the hypervisor's words
	Virt    string     `json:"virt,omitempty"`  // "kvm", "qemu"
	Machine string     `json:"machine"`         // machine type
	Disks   []LiveDisk `json:"disks,omitempty"` // local ones, those that a move without shared storage copies
}

// Bytes is what a copy of the disks may take on the destination: all that they can hold, or (overCommit) what they hold now.
func (s LiveSource) Bytes(overCommit bool) (n int64) {
	for _, d := range s.Disks {
		if overCommit {
			n += d.Allocated
		} else {
			n += d.Size
		}
	}
	return n
}

// LiveDisk is a local disk of a server that moves.
type LiveDisk struct {
	File      string `json:"file"`      // name in the server's directory
	Format    string `json:"format"`    // qcow2, raw
	Size      int64  `json:"size"`      // bytes, as the guest sees it
	Allocated int64  `json:"allocated"` // bytes that it takes
	Image     string `json:"image,omitempty"`
	ReadOnly  bool   `json:"read_only,omitempty"` // copied as a file, before the move
}

// LiveTarget is what a destination answers.
type LiveTarget struct {
	Dir       string `json:"dir"`
	VNCListen string `json:"vnc_listen,omitempty"`
	SerialDir string `json:"serial_dir,omitempty"` // of the sockets of serial consoles
	Shared    bool   `json:"shared"`               // it sees the source's probe: the disks are on storage that both have
	FreeBytes int64  `json:"free_bytes"`           // of the file system with the servers' disks

	CPUs string `json:"cpus,omitempty"` // the processors that servers share, as "0-3"; empty: all
}

// LivePlan is a move that has been decided.
type LivePlan struct {
	ServerID string     `json:"server_id"`
	Ticket   string     `json:"ticket"`         // secret of this move
	Source   string     `json:"source"`         // host's name
	Dest     string     `json:"dest"`           // host's name
	Address  string     `json:"address"`        // of the destination's hostlink
	Spec     *GuestSpec `json:"spec,omitempty"` // for the destination
	Block    bool       `json:"block"`          // copy the disks; else they are shared
	Disks    []LiveDisk `json:"disks,omitempty"`
	Target   LiveTarget `json:"target"`
	Limits   LiveLimits `json:"limits"`
}

// LiveLimits say how long a move may take and what it may cost the guest.
type LiveLimits struct {
	// CompletionTimeout is for each GiB to move, at least two of them (upstream's live_migration_completion_timeout); 0: no end.
	CompletionTimeout time.Duration `json:"completion_timeout"`
	// ForceComplete says that a move that has used its time is forced to its end; else it is aborted.
	ForceComplete bool `json:"force_complete"`
	// PostCopy permits a forced end by running on the destination before all memory is there.
	PostCopy bool `json:"post_copy"`
	// Downtime is the longest pause at the end, reached in DowntimeSteps steps with DowntimeDelay for each GiB between them.
	Downtime      time.Duration `json:"downtime"`
	DowntimeSteps int           `json:"downtime_steps"`
	DowntimeDelay time.Duration `json:"downtime_delay"`
	// Bandwidth bounds the copy, in MiB/s; 0: none.
	Bandwidth int64 `json:"bandwidth,omitempty"`
}

// LivePhase is how far a move is.
type LivePhase string

// The phases.
const (
	LiveNone    LivePhase = ""        // no move is known here
	LiveRunning LivePhase = "running" // under way
	LiveDone    LivePhase = "done"    // the server runs on the destination
	LiveFailed  LivePhase = "failed"  // ended, and the server goes on where it was
	LiveBroken  LivePhase = "broken"  // the channel of a move past the point of return is lost: start it again
)

// LiveState is a host's view of a move.
type LiveState struct {
	Phase LivePhase `json:"phase"`
	Error string    `json:"error,omitempty"` // of a failure, for operators
	// Aborted: the failure was asked for, or the move took too long.
	Aborted  bool         `json:"aborted,omitempty"`
	PostCopy bool         `json:"post_copy,omitempty"` // past the point of return
	Progress LiveProgress `json:"progress"`
	// PausedMS is how long the source held an emulated server while its memory went, in milliseconds, once that has ended.
	PausedMS int64 `json:"paused_ms,omitempty"`
	// Here says that the host has a definition of the server, Power what the hypervisor says of it. A copy that waits for its memory
	// to arrive is neither running nor paused: NoState.
	Here  bool       `json:"here"`
	Power PowerState `json:"power"`
}

// LiveProgress counts bytes.
type LiveProgress struct {
	MemoryTotal     int64 `json:"memory_total"`
	MemoryProcessed int64 `json:"memory_processed"`
	MemoryRemaining int64 `json:"memory_remaining"`
	DiskTotal       int64 `json:"disk_total"`
	DiskProcessed   int64 `json:"disk_processed"`
	DiskRemaining   int64 `json:"disk_remaining"`
	ElapsedMS       int64 `json:"elapsed_ms"`
}

// LiveResult is what a move took.
type LiveResult struct {
	TotalMS    int64 `json:"total_ms"`
	DowntimeMS int64 `json:"downtime_ms"`
}
