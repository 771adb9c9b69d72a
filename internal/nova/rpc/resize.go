package rpc

import "gostack/internal/nova/driver"

// The calls to a host for moves of servers that are off.
const (
	SetAside    = "set_aside"    // SetAsideArgs
	Restore     = "restore"      // MoveRef
	DropAside   = "drop_aside"   // MoveRef
	ImportDisks = "import_disks" // ImportArgs
	DropCopy    = "drop_copy"    // MoveRef
	AdoptDisks  = "adopt_disks"  // AdoptArgs, answers AdoptReply
	Abandon     = "abandon"      // MoveRef
)

// EvacuationsDone is what a host reports when it has removed what was evacuated from it: EvacuationsDoneArgs.
const EvacuationsDone = "evacuations_done"

// MoveRef names a server and its migration.
type MoveRef struct {
	ServerID string `json:"server_id"`
	Move     string `json:"move"`
	StepID   string `json:"step_id,omitempty"`
}

// SetAsideArgs: power off within GraceSeconds, and put aside for host To, which may then fetch the disks.
type SetAsideArgs struct {
	ServerID     string `json:"server_id"`
	Move         string `json:"move"`
	To           string `json:"to"`
	GraceSeconds int    `json:"grace_seconds"`
	StepID       string `json:"step_id,omitempty"`
}

// ImportArgs: make the disks of a server of what its source has aside. Spec is the server as it shall be.
type ImportArgs struct {
	Spec    driver.GuestSpec `json:"spec"`
	Move    string           `json:"move"`
	Source  string           `json:"source"`  // host
	Address string           `json:"address"` // of the source's hostlink
	// Alone asks for a disk that needs no image: the server's image is gone.
	Alone  bool   `json:"alone,omitempty"`
	StepID string `json:"step_id,omitempty"`
}

// AdoptArgs: take over what host From, which is lost, has left on storage that is shared.
type AdoptArgs struct {
	ServerID string `json:"server_id"`
	Move     string `json:"move"`
	From     string `json:"from"`
}

// AdoptReply tells whether there was anything.
type AdoptReply struct {
	Shared bool `json:"shared"`
}

// Evacuation is a server that is run elsewhere now, or about to be: a host that was taken for dead must not run it.
type Evacuation struct {
	Migration string `json:"migration"`
	ServerID  string `json:"server_id"`
	// Done: the server is elsewhere for good, so what is here of it goes. Else its evacuation is under way, and it only must not run.
	Done bool `json:"done"`
}

// EvacuationsDoneArgs says that nothing is left on a host of these evacuations' servers.
type EvacuationsDoneArgs struct {
	Host       string   `json:"host"`
	Migrations []string `json:"migrations"`
}

// WithTickets implements NeedsImages.
func (i ImportArgs) WithTickets(issue func(image string) (string, error)) (any, error) {
	g, err := Guest{Spec: i.Spec}.WithTickets(issue)
	if err != nil {
		return nil, err
	}
	i.Spec = g.(Guest).Spec //nolint:forcetypeassert // its own type
	return i, nil
}
