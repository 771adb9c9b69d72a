// Package rpc holds what Nova's control side and the agents of its hosts say to each other over the bus: names of topics
// and methods, and the arguments, as plain values. It has no logic.
//
// Calls that change something may carry a StepID, which names the step of the operation that asks. A host that has done a step
// remembers it, and answers a late repetition with success without doing anything, whatever has happened since.
//
// Calls to a host go to topic nova-compute on that host, served by nova/agent; every one is idempotent and may be
// repeated. What hosts report goes to topic nova-conductor, served by package nova; a report is about the host that
// sends it, and about nothing else.
package rpc

import (
	"time"

	"gostack/internal/nova/driver"
)

// The topics.
const (
	ComputeTopic   = "nova-compute"
	ConductorTopic = "nova-conductor"
)

// The calls to a host. The name of the server's id is always "server_id".
const (
	EnsureImage     = "ensure_image"     // driver.Image
	PrepareDisks    = "prepare_disks"    // Guest
	Define          = "define"           // Guest
	Start           = "start"            // ServerRef
	Stop            = "stop"             // StopArgs
	Reboot          = "reboot"           // RebootArgs
	Pause           = "pause"            // ServerRef
	Unpause         = "unpause"          // ServerRef
	Suspend         = "suspend"          // ServerRef
	Resume          = "resume"           // ServerRef
	Destroy         = "destroy"          // ServerRef
	AttachInterface = "attach_interface" // NICArgs
	DetachInterface = "detach_interface" // NICArgs
	ConsoleLog      = "console_log"      // ConsoleLogArgs, answers ConsoleLogReply
	TaggedDevices   = "tagged_devices"   // Guest, answers TaggedReply
	Console         = "console"          // ConsoleArgs, answers driver.ConsoleAddress
	PowerState      = "power_state"      // ServerRef, answers PowerStateReply
	Diagnostics     = "diagnostics"      // ServerRef, answers driver.Diagnostics
	List            = "list"             // nothing, answers ListReply
	Audit           = "audit"            // nothing, answers AuditReply
)

// MembersChanged goes to all hosts when one was removed: they ask control at once whom to refuse.
const MembersChanged = "members_changed" // nothing

// ReportNow asks a host to describe itself now rather than within a minute: it hears what it has to give up.
const ReportNow = "report_now" // nothing

// StepUndone is the step that takes away what an operation made on a host; no other step of that operation is done there afterwards, so that
// what comes late makes nothing anew.
const StepUndone = "undone"

// Streams of hostlink that a host's agent serves.
const ConsoleStream = "console" // ConsoleArgs: what the server's console of that kind, without one VNC, speaks; for control alone

// What hosts report.
const (
	HostUp      = "host_up"      // HostUpArgs, answers HostUpReply: at start, on change, and once a minute
	Heartbeat   = "heartbeat"    // HeartbeatArgs: every ten seconds
	PowerEvents = "power_events" // PowerEventsArgs
)

// HostInfo is what a host says of itself.
type HostInfo = driver.HostInfo

// Guest is a server to prepare or define on a host.
type Guest struct {
	Spec   driver.GuestSpec `json:"spec"`
	StepID string           `json:"step_id,omitempty"`
}

// ServerRef names a server.
type ServerRef struct {
	ServerID string `json:"server_id"`
	StepID   string `json:"step_id,omitempty"`
}

// StopArgs: power off, by the guest's own will within GraceSeconds, by force afterwards.
type StopArgs struct {
	ServerID     string `json:"server_id"`
	GraceSeconds int    `json:"grace_seconds"`
	StepID       string `json:"step_id,omitempty"`
}

// RebootArgs restarts a server.
type RebootArgs struct {
	ServerID     string            `json:"server_id"`
	Kind         driver.RebootKind `json:"kind"`
	GraceSeconds int               `json:"grace_seconds"`
	StepID       string            `json:"step_id,omitempty"`
}

// NICArgs attaches a NIC, or detaches the one with NIC.PortID.
type NICArgs struct {
	ServerID string     `json:"server_id"`
	NIC      driver.NIC `json:"nic"`
	StepID   string     `json:"step_id,omitempty"`
}

// ConsoleLogArgs asks for the last lines of the serial console; below 0 for all.
type ConsoleLogArgs struct {
	ServerID string `json:"server_id"`
	Lines    int    `json:"lines"`
}

// ConsoleLogReply is the console's text.
type ConsoleLogReply struct {
	Output []byte `json:"output"`
}

// TaggedReply is where a defined server's tagged devices are.
type TaggedReply struct {
	Devices []driver.TaggedDevice `json:"devices"`
}

// ConsoleArgs asks where a console listens, or for what it speaks.
type ConsoleArgs struct {
	ServerID string             `json:"server_id"`
	Kind     driver.ConsoleKind `json:"kind"`
}

// PowerStateReply is a power state.
type PowerStateReply struct {
	State driver.PowerState `json:"state"`
}

// ListReply is every server that a host has.
type ListReply struct {
	Guests []driver.Guest `json:"guests"`
}

// AuditReply is everything that a host has: servers with a definition, and servers with files.
type AuditReply struct {
	Guests []driver.Guest   `json:"guests"`
	Disks  []driver.DiskSet `json:"disks"`
}

// HostUpArgs introduces a host, or tells what has changed on it.
type HostUpArgs struct {
	Host string   `json:"host"`
	Info HostInfo `json:"info"`
	RPC  int      `json:"rpc,omitempty"` // Version of the agent
	// Resume are servers that are off here and shall be started if they ran (resume_guests_state_on_host_boot); only when the host introduces itself.
	Resume []string `json:"resume,omitempty"`
}

// HostUpReply tells a host who it is.
type HostUpReply struct {
	NodeID string `json:"node_id"` // of the compute node and its resource provider
	// Servers are those that the control side knows on the host, for adoption and audit.
	Servers []string `json:"servers"`
	// Evacuations are the servers that the host must not run any more.
	Evacuations []Evacuation `json:"evacuations,omitempty"`
}

// HeartbeatArgs says that a host lives.
type HeartbeatArgs struct {
	Host string    `json:"host"`
	At   time.Time `json:"at"`
}

// PowerEventsArgs are power state changes on a host, in order.
type PowerEventsArgs struct {
	Host   string         `json:"host"`
	Events []driver.Event `json:"events"`
}
