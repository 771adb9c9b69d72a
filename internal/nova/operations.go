package nova

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/placement"
	"gostack/internal/policy"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// ServerResource is the type of servers in operations.
const ServerResource = "server"

// The kinds of operations on servers, defined in package ops, with the states that this package starts them with.
const (
	KindCreate = "nova.server.create" // CreateState
	KindDelete = "nova.server.delete" // DeleteState
	KindPower  = "nova.server.power"  // PowerState
	KindAttach = "nova.server.attach" // AttachState
	KindDetach = "nova.server.detach" // DetachState
)

// CreateState is what a creation begins with; the rest is in the server's row.
type CreateState struct {
	ServerID string            `json:"server_id"`
	Plan     []neutron.NICPlan `json:"plan,omitempty"`
	Progress CreateProgress    `json:"progress"`

	// Of an unshelving: Host is the only one wanted, Stay that the server has not left its host, Moving that the wishes of its creation
	// do not count.
	Host   string `json:"host,omitempty"`
	Stay   bool   `json:"stay,omitempty"`
	Moving bool   `json:"moving,omitempty"`
	// Image is what it waits in; Lost says that this is not there any more.
	Image *ImageCopy `json:"image,omitempty"`
	Lost  bool       `json:"lost,omitempty"`
}

// CreateProgress is what a creation has found out on its way.
type CreateProgress struct {
	Choice     *Place   `json:"choice,omitempty"`
	Alternates []Place  `json:"alternates,omitempty"`
	Tried      []string `json:"tried,omitempty"`   // hosts that failed
	Claimed    bool     `json:"claimed,omitempty"` // the choice has been made and claimed for several servers at once
	LastError  string   `json:"last_error,omitempty"`
	Blamed     int      `json:"blamed,omitempty"` // how many of Tried count as failed builds already
	PortIDs    []string `json:"port_ids,omitempty"`
	Details    string   `json:"details,omitempty"` // why no host was found, for operators
}

// ReservationResource is the type of requests for several servers in operations.
const ReservationResource = "reservation"

// KindPlace finds hosts for the servers of one request together. Its state is PlaceState.
const KindPlace = "nova.reservation.place"

// PlaceState is what the placing of several servers begins with. They belong to the operation until each has its own.
type PlaceState struct {
	Servers []string           `json:"servers"`
	Least   int                `json:"least"` // how many must find a host, or none gets one
	Plan    []neutron.NICPlan  `json:"plan,omitempty"`
	Places  map[string][]Place `json:"places,omitempty"` // the best first
	Details string             `json:"details,omitempty"`
}

// Place is a host with what a server takes from it.
type Place struct {
	Host        string                    `json:"host"`
	Node        string                    `json:"node"`
	Allocations map[string]map[string]int `json:"allocations"`
}

// DeleteState is what a deletion begins with.
type DeleteState struct {
	ServerID string `json:"server_id"`
}

// PowerAction is what a power operation does.
type PowerAction string

// The power actions, by the names that instance actions show.
const (
	ActStart   PowerAction = "start"
	ActStop    PowerAction = "stop"
	ActReboot  PowerAction = "reboot"
	ActPause   PowerAction = "pause"
	ActUnpause PowerAction = "unpause"
	ActSuspend PowerAction = "suspend"
	ActResume  PowerAction = "resume"

	// Deleting a server so that it can be restored turns it off; restoring it turns it on.
	ActSoftDelete PowerAction = "softDelete"
	ActRestore    PowerAction = "restore"
)

// PowerState is what a power operation begins with.
type PowerState struct {
	ServerID string            `json:"server_id"`
	Action   PowerAction       `json:"action"`
	Reboot   driver.RebootKind `json:"reboot,omitempty"`
}

// AttachState is what the attachment of an interface begins with.
type AttachState struct {
	ServerID string            `json:"server_id"`
	Plan     []neutron.NICPlan `json:"plan"`
	PortID   string            `json:"port_id,omitempty"`
	// Allocations are what the server takes for what the port asks for.
	Allocations placement.Allocations `json:"allocations,omitempty"`
}

// DetachState is what the detachment of an interface begins with.
type DetachState struct {
	ServerID string `json:"server_id"`
	PortID   string `json:"port_id"`
	// Allocations are what the server gives back, of what the port asked for; Given that it has.
	Allocations placement.Allocations `json:"allocations,omitempty"`
	Given       bool                  `json:"given,omitempty"`
}

// work is an operation to be begun on a server.
type work struct {
	action    string // as instance actions show it
	task      string // task_state while it runs; "" for none
	kind      string
	state     any
	supersede bool
}

// begin starts an operation, notes the action, and ties the server to the operation. The server's row is not written.
func (s *Service) begin(ctx context.Context, tx store.Tx, c *policy.Caller, srv *Server, w work) error {
	if err := s.tie(ctx, tx, c, srv, w); err != nil {
		return err
	}
	return s.noteAction(ctx, tx, c, srv, w.action, srv.OperationID)
}

// tie is begin for work that is a part of an action that has been noted.
func (s *Service) tie(ctx context.Context, tx store.Tx, c *policy.Caller, srv *Server, w work) error {
	id, err := s.Operations.Start(ctx, tx, saga.Intent{
		Kind: w.kind, Resource: saga.Resource{Type: ServerResource, ID: srv.ID}, State: w.state, Caller: c, RequestID: c.RequestID, Supersede: w.supersede,
	})
	if err != nil {
		return err
	}
	srv.OperationID, srv.TaskState, srv.UpdatedAt = &id, w.task, s.Now()
	return nil
}

// beginOn is begin for a server that is stored already: its row is written.
func (s *Service) beginOn(ctx context.Context, tx store.Tx, c *policy.Caller, srv *Server, w work) error {
	if err := s.begin(ctx, tx, c, srv, w); err != nil {
		return err
	}
	return db.UpdateServer(ctx, tx, srv, "operation_id", "task_state", "updated_at")
}

func (s *Service) noteAction(ctx context.Context, tx store.Tx, c *policy.Caller, srv *Server, action string, operation *string) error {
	for _, event := range actionNotices[action] {
		if err := s.NoteServer(ctx, tx, srv.ID, ServerNotice{Event: event}); err != nil {
			return err
		}
	}
	now := s.Now()
	return db.Insert(ctx, tx, &Action{
		ServerID: srv.ID, Action: action, RequestID: c.RequestID, UserID: c.UserID, ProjectID: c.ProjectID, OperationID: operation, StartedAt: now, UpdatedAt: now,
	})
}
