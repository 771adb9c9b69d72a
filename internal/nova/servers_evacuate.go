package nova

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/nova/db"
	"gostack/internal/nova/rpc"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// EvacuateRequest is how a server shall leave a host that is lost.
type EvacuateRequest struct {
	Host     string // the only destination; "" is any
	Force    bool   // without the scheduler's filters
	Shared   *bool  // onSharedStorage: what must hold; nil: as it is
	Password string // new administrator's password, for a server that is made anew
	StayOff  bool   // microversion 2.95
}

// Evacuate starts to run a server on another host because its own is lost. A host that reports is not lost. A lock does not forbid
// it, as upstream's does not: it is for the cloud's keepers alone.
func (s *Service) Evacuate(ctx context.Context, c *policy.Caller, id string, in EvacuateRequest) error {
	return s.changeLocked(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := notWithTPM("evacuate")(srv); err != nil {
			return err
		}
		if in.Host != "" {
			if _, err := db.GetServiceOf(ctx, tx, BinaryCompute, in.Host); store.IsNotFound(err) {
				return rest.NotFound("Compute host %s not found.", in.Host)
			} else if err != nil {
				return err
			}
			if in.Host == srv.Host {
				return rest.BadRequest("The target host can't be the same one.")
			}
		}
		now := *srv
		if !evacuationWaits(srv.TaskState) {
			now.TaskState = ""
		}
		if err := Allowed(&now, "evacuate", Active, Stopped, InError); err != nil {
			return err
		}
		if srv.Host == "" {
			return rest.Conflict("Instance %s is not ready", srv.ID)
		}
		if leaving, err := s.leaving(ctx, tx, srv); err != nil {
			return err
		} else if leaving {
			return InvalidState(srv, "evacuate", "task_state", srv.TaskState)
		}
		source, err := db.GetServiceOf(ctx, tx, BinaryCompute, srv.Host)
		if err != nil && !store.IsNotFound(err) {
			return err
		}
		if err == nil && s.Up(source) {
			return rest.BadRequest("Compute service of %s is still in use.", srv.Host)
		}
		m := &Migration{
			UUID: s.newID(), ServerID: srv.ID, SourceCompute: srv.Host, SourceNode: srv.Node, DestCompute: in.Host, Type: TypeEvacuation, Status: MoveAccepted,
			OldFlavor: MovedFlavor{ID: srv.FlavorID, Flavor: srv.Flavor}, NewFlavor: MovedFlavor{ID: srv.FlavorID, Flavor: srv.Flavor},
		}
		if f, err := db.GetFlavor(ctx, tx, srv.FlavorID, ""); err == nil {
			m.OldFlavorSeq, m.NewFlavorSeq = &f.Seq, &f.Seq
		} else if !store.IsNotFound(err) {
			return err
		}
		if err := s.begin(ctx, tx, c, srv, work{action: "evacuate", task: TaskRebuilding, kind: KindEvacuate, supersede: true, state: EvacuateState{
			ServerID: id, Migration: m.UUID, Source: siteOf(srv), Target: in.Host, Force: in.Force, Demand: in.Shared, Off: in.StayOff || srv.VMState == Stopped, Was: srv.VMState,
		}}); err != nil {
			return err
		}
		m.OperationID = srv.OperationID
		if err := s.addMigration(ctx, tx, c, m); err != nil {
			return err
		}
		if srv.ConfigDrive { // the only way by which a guest hears of it
			srv.Requested.AdminPass = in.Password
		}
		return db.UpdateServer(ctx, tx, srv, "operation_id", "task_state", "updated_at", "requested")
	})
}

// evacuationWaits tells whether a task has to end before its server is evacuated: what moves the server or deletes it knows by itself what to do about a
// host that is lost. Any other task, which may wait for that host for ever, gives way (upstream bug 1978983).
func evacuationWaits(task string) bool {
	return task == TaskMigrating || task == TaskDeleting || task == "soft-deleting" || strings.HasPrefix(task, "resize_")
}

// leaving tells whether an evacuation of a server is under way already.
func (s *Service) leaving(ctx context.Context, tx store.Tx, srv *Server) (bool, error) {
	if srv.OperationID == nil {
		return false, nil
	}
	list, err := db.ListMigrations(ctx, tx, MigrationFilter{ServerID: srv.ID, Type: TypeEvacuation, Statuses: []string{MoveAccepted, MovePreMigrating}})
	return slices.ContainsFunc(list, func(m *Migration) bool { return deref(m.OperationID) == *srv.OperationID }), err
}

// fencing are the states of an evacuation from which on, until its source has given the server up, the source must not run it.
var fencing = []string{MoveAccepted, MovePreMigrating, MoveDone}

// evacuationsFrom are the servers that a host must not run any more. One that has come back to it is its own again.
func (s *Service) evacuationsFrom(ctx context.Context, tx store.Tx, host string) ([]rpc.Evacuation, error) {
	list, err := db.ListMigrations(ctx, tx, MigrationFilter{SourceCompute: host, Type: TypeEvacuation, Statuses: fencing})
	if err != nil {
		return nil, err
	}
	var out []rpc.Evacuation
	for _, m := range list {
		out = append(out, rpc.Evacuation{Migration: m.UUID, ServerID: m.ServerID, Done: m.Status == MoveDone})
	}
	return out, nil
}

// evacuationsDone takes that a host has given up servers: nothing is theirs there any more.
func (s *Service) evacuationsDone(ctx context.Context, host string, migrations []string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		for _, uuid := range migrations {
			m, err := db.GetMigration(ctx, tx, uuid)
			if store.IsNotFound(err) {
				continue
			}
			if err != nil {
				return err
			}
			if m.SourceCompute != host || m.Type != TypeEvacuation || m.Status != MoveDone {
				continue
			}
			if err := s.Placement.Release(ctx, tx, uuid); err != nil {
				return err
			}
			if err := db.SetMigration(ctx, tx, uuid, s.Now(), map[string]any{"status": MoveCompleted}); err != nil {
				return err
			}
		}
		return nil
	})
}
