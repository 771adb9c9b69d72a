package nova

import (
	"encoding/json"

	"gostack/internal/nova/db"
)

// The kinds of operations that move servers which are off, or change their flavor.
const (
	KindResize   = "nova.server.resize"         // MoveState
	KindConfirm  = "nova.server.confirm_resize" // SettleState
	KindRevert   = "nova.server.revert_resize"  // SettleState
	KindEvacuate = "nova.server.evacuate"       // EvacuateState
	KindReset    = "nova.server.reset_state"    // ResetState
)

// MovedFlavor is a flavor as it was when a move began.
type MovedFlavor = db.MovedFlavor

// Site is a host with its hypervisor.
type Site struct {
	Host string `json:"host"`
	Node string `json:"node"`
	Zone string `json:"zone"`
}

// MoveState is what a resize or a cold migration begins with.
type MoveState struct {
	ServerID  string       `json:"server_id"`
	Migration string       `json:"migration"` // its uuid
	Resize    bool         `json:"resize"`
	Source    Site         `json:"source"`
	Old       MovedFlavor  `json:"old"`
	New       MovedFlavor  `json:"new"`
	Target    string       `json:"target,omitempty"` // the only host that an administrator wants
	Off       bool         `json:"off"`              // the server was not running, and will not be
	Progress  MoveProgress `json:"progress"`
}

// MoveProgress is what a move has found out on its way.
type MoveProgress struct {
	Choice     *Place   `json:"choice,omitempty"`
	Alternates []Place  `json:"alternates,omitempty"`
	Tried      []string `json:"tried,omitempty"`
	LastError  string   `json:"last_error,omitempty"`
	Details    string   `json:"details,omitempty"`
	Zone       string   `json:"zone,omitempty"` // of the choice
	Address    string   `json:"address,omitempty"`
	Alone      bool     `json:"alone,omitempty"` // the server's image is gone
	Aside      bool     `json:"aside,omitempty"` // the source may have put the server aside
	PortIDs    []string `json:"port_ids,omitempty"`
	Shared     bool     `json:"shared,omitempty"` // evacuation: the disks were there
	Fenced     bool     `json:"fenced,omitempty"` // evacuation: the source answered, and does not run the server
}

// MoveDetails is what a finished move keeps for the way back (Migration.Details).
type MoveDetails struct {
	Source Site `json:"source"`
	Dest   Site `json:"dest"`
	Off    bool `json:"off"`
}

// DetailsOf reads what a move has kept.
func DetailsOf(m *Migration) (d MoveDetails, err error) {
	return d, json.Unmarshal(m.Details, &d)
}

// SettleState is what the confirmation or the reversion of a resize begins with.
type SettleState struct {
	ServerID  string      `json:"server_id"`
	Migration string      `json:"migration"`
	Move      MoveDetails `json:"move"`
	Old       MovedFlavor `json:"old"`
	New       MovedFlavor `json:"new"`
	Dropped   bool        `json:"dropped,omitempty"` // the copy is gone: there is only one way left
	Back      bool        `json:"back,omitempty"`    // the rows say that the server is where it was
}

// EvacuateState is what an evacuation begins with.
type EvacuateState struct {
	ServerID  string       `json:"server_id"`
	Migration string       `json:"migration"`
	Source    Site         `json:"source"`
	Target    string       `json:"target,omitempty"`
	Force     bool         `json:"force,omitempty"`  // without the scheduler's filters
	Demand    *bool        `json:"demand,omitempty"` // onSharedStorage, up to 2.13: what must hold
	Off       bool         `json:"off"`              // the server stays off
	Was       string       `json:"was"`              // vm_state
	Progress  MoveProgress `json:"progress"`
}

// ResetState is what a reset of a server's state begins with.
type ResetState struct {
	ServerID string `json:"server_id"`
	Wanted   string `json:"wanted"` // vm_state
	Missing  bool   `json:"missing,omitempty"`
	Known    bool   `json:"known,omitempty"` // the host has answered
	Power    int    `json:"power,omitempty"`
	// Waiting says that a resize waits to be confirmed or reverted: there is more of the server on its old host.
	Waiting bool `json:"waiting,omitempty"`
}
