package rpc

import "gostack/internal/nova/driver"

// The calls to a host for moves of servers that run.
const (
	LiveSource  = "live_source"  // ServerRef, answers driver.LiveSource: on the source
	LiveUnprobe = "live_unprobe" // ProbeArgs: on the source
	LiveTarget  = "live_target"  // LiveTargetArgs, answers driver.LiveTarget: on the destination
	LivePrepare = "live_prepare" // LiveArgs: on the destination
	LiveStart   = "live_start"   // LiveArgs: on the source
	LiveState   = "live_state"   // ServerRef, answers driver.LiveState: on both
	LiveAbort   = "live_abort"   // ServerRef: on the source
	LiveForce   = "live_force"   // ServerRef: on the source
	LiveArrive  = "live_arrive"  // LiveArgs, answers driver.LiveResult: on the destination
	LiveLeave   = "live_leave"   // LiveArgs: on the source
	LiveForget  = "live_forget"  // ServerRef: on the source
	LiveCancel  = "live_cancel"  // LiveArgs: on the destination
)

// ProbeArgs names a probe.
type ProbeArgs struct {
	ServerID string `json:"server_id"`
	Probe    string `json:"probe"`
}

// LiveTargetArgs asks whether a host can take a server.
type LiveTargetArgs struct {
	ServerID string            `json:"server_id"`
	From     driver.LiveSource `json:"from"`
}

// LiveArgs is a move that has been decided.
type LiveArgs struct {
	ServerID string          `json:"server_id"`
	Plan     driver.LivePlan `json:"plan"`
	StepID   string          `json:"step_id,omitempty"`
}
