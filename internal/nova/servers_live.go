package nova

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"gostack/internal/nova/db"
	"gostack/internal/nova/rpc"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// LiveRequest is what a live migration is asked for with.
type LiveRequest struct {
	Host       string
	Force      bool  // up to 2.67: without the scheduler's filters
	Block      *bool // nil is "auto" (2.25)
	OverCommit bool  // up to 2.24: count what disks hold, not what they can
	// Wait returns refusals of the checks before the move (up to 2.33).
	Wait bool
}

// LiveMigrate starts to move a running server to another host.
func (s *Service) LiveMigrate(ctx context.Context, c *policy.Caller, id string, in LiveRequest) error {
	m := &Migration{UUID: s.newID(), ServerID: id, Type: TypeLiveMigration, Status: MoveAccepted}
	err := s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "os-migrateLive", Active, Paused); err != nil {
			return err
		}
		if srv.OperationID != nil {
			return rest.Conflict("Cannot 'os-migrateLive' instance %s while an interface is being attached to it or detached from it", id)
		}
		if in.Host != "" && !in.Force {
			if _, err := db.GetComputeNodeOf(ctx, tx, in.Host); store.IsNotFound(err) {
				return rest.BadRequest("Compute host %s could not be found.", in.Host)
			} else if err != nil {
				return err
			}
		}
		err := s.begin(ctx, tx, c, srv, work{action: "live-migration", task: TaskMigrating, kind: KindLive, state: LiveMoveState{
			ServerID: id, Migration: m.UUID, SourceHost: srv.Host, SourceNode: srv.Node, SourceZone: srv.AvailabilityZone, Target: in.Host, Force: in.Force, Block: in.Block, OverCommit: in.OverCommit,
		}})
		if err != nil {
			return err
		}
		m.SourceCompute, m.SourceNode, m.OperationID = srv.Host, srv.Node, srv.OperationID
		m.OldFlavor = db.MovedFlavor{ID: srv.FlavorID}
		m.NewFlavor = m.OldFlavor
		if f, err := db.GetFlavor(ctx, tx, srv.FlavorID, ""); err == nil {
			m.OldFlavorSeq, m.NewFlavorSeq = &f.Seq, &f.Seq
		} else if !store.IsNotFound(err) {
			return err
		}
		if err := s.addMigration(ctx, tx, c, m); err != nil {
			return err
		}
		srv.Progress = 0
		return db.UpdateServer(ctx, tx, srv, "operation_id", "task_state", "progress", "updated_at")
	}, notWithTPM("live-migration"))
	if err != nil || !in.Wait {
		return err
	}
	return s.checked(ctx, m)
}

// checkPatience is how long an old client waits for the checks of a live migration.
const checkPatience = 50 * time.Second

// checked waits until the checks of a live migration have passed, and answers a refusal as a bad request.
func (s *Service) checked(ctx context.Context, m *Migration) error {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		now, err := db.GetMigration(ctx, s.DB.Read(ctx), m.UUID)
		if err != nil {
			return err
		}
		switch now.Status {
		case MoveAccepted:
		case MoveError:
			err := s.Operations.Wait(ctx, *m.OperationID)
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return rest.BadRequest("%s", err)
		default:
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // it goes on
		case <-look.C:
		}
	}
}

// liveMove reads a server's live migration for an action on it that a lock forbids.
func (s *Service) liveMove(ctx context.Context, tx store.Tx, c *policy.Caller, id, number, action string, states ...string) (*Server, *Migration, error) {
	srv, err := s.serverFor(ctx, tx, c, id)
	if err != nil {
		return nil, nil, err
	}
	if err := Unlocked(c, srv); err != nil {
		return nil, nil, err
	}
	if srv.TaskState != TaskMigrating {
		state := srv.TaskState
		if state == "" {
			state = "None"
		}
		return nil, nil, InvalidState(srv, action, "task_state", state)
	}
	missing := rest.NotFound("Migration %s not found for instance %s", number, id)
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return nil, nil, missing
	}
	m, err := db.GetServerMigration(ctx, tx, id, n)
	if store.IsNotFound(err) {
		return nil, nil, missing
	}
	if err != nil {
		return nil, nil, err
	}
	if m.Type != TypeLiveMigration || !slices.Contains(states, m.Status) {
		return nil, nil, rest.BadRequest("Migration %s state of instance %s is %s. Cannot %s while the migration is in this state.", number, id, m.Status, action)
	}
	return srv, m, nil
}

// AbortLive ends a live migration: the server goes on where it was, unless it has arrived just now. queued says that one that has not
// begun may be ended too (2.65).
func (s *Service) AbortLive(ctx context.Context, c *policy.Caller, id, number string, queued bool) error {
	states := []string{MoveRunning}
	if queued {
		states = append(states, MoveQueued, MovePreparing)
	}
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, _, err := s.liveMove(ctx, tx, c, id, number, "abort live migration", states...)
		if err != nil {
			return err
		}
		if err := s.noteAction(ctx, tx, c, srv, "live_migration_cancel", nil); err != nil {
			return err
		}
		return s.Operations.Cancel(ctx, tx, id)
	})
}

// ForceLive brings a live migration that does not come to an end to its end.
func (s *Service) ForceLive(ctx context.Context, c *policy.Caller, id, number string) error {
	var m *Migration
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, found, err := s.liveMove(ctx, tx, c, id, number, "force_complete", MoveRunning)
		if err != nil {
			if rest.IsNotFound(err) && srv == nil {
				if _, srvErr := s.serverFor(ctx, tx, c, id); srvErr == nil {
					return rest.BadRequest("Migration %s not found for instance %s", number, id)
				}
			}
			return err
		}
		if srv.VMState != Active {
			return InvalidState(srv, "force_complete", "vm_state", srv.VMState)
		}
		m = found
		return s.noteAction(ctx, tx, c, srv, "live_migration_force_complete", nil)
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.Hosts.Call(ctx, m.SourceCompute, rpc.LiveForce, rpc.ServerRef{ServerID: id}, nil); err != nil {
		// As with upstream, whose API only passes the wish on: what comes of it is seen in the migration.
		s.log().WarnContext(ctx, "a live migration is not forced to its end", "server", id, "error", err)
	}
	return nil
}
