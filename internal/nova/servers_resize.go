package nova

import (
	"context"
	"encoding/json"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// The task_states of moves (nova/compute/task_states.py).
const (
	TaskResizePrep      = "resize_prep"
	TaskResizeMigrating = "resize_migrating"
	TaskResizeMigrated  = "resize_migrated"
	TaskResizeFinish    = "resize_finish"
	TaskResizeReverting = "resize_reverting"
	TaskRebuilding      = "rebuilding"
	taskSpawning        = "rebuild_spawning"
)

// Resize starts to give a server another flavor, on this host (when that is allowed) or another.
func (s *Service) Resize(ctx context.Context, c *policy.Caller, id, flavorID string, diskConfig string) error {
	flavor, flavorErr := s.Flavor(ctx, c, flavorID)
	if flavorErr == nil && flavor.Disabled {
		flavorErr = rest.NotFound("Flavor %s could not be found.", flavorID)
	}
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := s.movable(ctx, tx, srv, "resize"); err != nil {
			return err
		}
		if rest.IsNotFound(flavorErr) {
			return rest.BadRequest("Flavor %s could not be found.", flavorID)
		}
		if flavorErr != nil {
			return flavorErr
		}
		if err := resizable(srv, flavor); err != nil {
			return err
		}
		if err := s.pciFits(flavorCopy(flavor), srv.ImageID, srv.Image); err != nil {
			return err
		}
		if err := s.admitResize(ctx, tx, srv, flavor); err != nil {
			return err
		}
		if diskConfig != "" {
			if err := diskConfigFits(srv.ImageID, srv.Image.Properties, &diskConfig); err != nil {
				return err
			}
			srv.DiskConfig = diskConfig
		}
		return s.startMove(ctx, tx, c, srv, flavor, "", "resize")
	})
}

// Migrate starts to move a server to another host, or to the one named, with its flavor as it is.
func (s *Service) Migrate(ctx context.Context, c *policy.Caller, id, host string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := s.movable(ctx, tx, srv, "migrate"); err != nil {
			return err
		}
		if host != "" {
			if host == srv.Host {
				return rest.BadRequest("Cannot migrate to the host where the server exists.")
			}
			if _, err := db.GetComputeNodeOf(ctx, tx, host); store.IsNotFound(err) {
				return rest.BadRequest("Compute host %s could not be found.", host)
			} else if err != nil {
				return err
			}
		}
		return s.startMove(ctx, tx, c, srv, nil, host, "migrate")
	})
}

// movable refuses servers that cannot be moved now (nova/compute/api.py, resize).
func (s *Service) movable(ctx context.Context, tx store.Tx, srv *Server, action string) error {
	if err := Allowed(srv, action, Active, Stopped); err != nil {
		return err
	}
	if srv.OperationID != nil {
		return rest.Conflict("Cannot '%s' instance %s while an interface is being attached to it or detached from it", action, srv.ID)
	}
	sv, err := db.GetServiceOf(ctx, tx, BinaryCompute, srv.Host)
	if err != nil && !store.IsNotFound(err) {
		return err
	}
	if err != nil || !s.Up(sv) {
		return rest.Conflict("Service is unavailable at this time.")
	}
	return nil
}

// resizable refuses flavors that the server's disk or image does not allow. A smaller disk is refused by the hypervisor, as with upstream.
func resizable(srv *Server, f *Flavor) error {
	const gib = 1 << 30
	image := srv.Image
	switch {
	case f.ID == srv.FlavorID:
		return rest.BadRequest("When resizing, instances must change flavor!")
	case f.RootGB == 0 && srv.Flavor.RootGB != 0:
		return rest.BadRequest("Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.")
	case f.MemoryMB < image.MinRAMMB:
		return rest.BadRequest("Flavor's memory is too small for requested image.")
	case f.RootGB > 0 && image.MinDiskGB > f.RootGB:
		return rest.BadRequest("Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is %d bytes, minimum size is %d bytes.",
			f.RootGB*gib, image.MinDiskGB*gib)
	}
	return resizeFits(srv, f)
}

// admitResize counts what the server will take in addition to what it has.
func (s *Service) admitResize(ctx context.Context, tx store.Tx, srv *Server, f *Flavor) error {
	if s.Unified != nil { // until it is settled it holds what it has and what it will have
		larger := *srv
		larger.Flavor = flavorCopy(f)
		_, err := s.fits(ctx, srv.ProjectID, demand(&larger), true, 1, 1)
		return err
	}
	return s.admitMore(ctx, tx, srv, 0, max(0, f.VCPUs-srv.VCPUs), max(0, f.MemoryMB-srv.MemoryMB))
}

// admitMore refuses what is beyond the limits of a server's project, or of its user.
func (s *Service) admitMore(ctx context.Context, tx store.Tx, srv *Server, servers, cores, ram int64) error {
	bounds, err := s.bounds(ctx, tx, srv.ProjectID, srv.UserID)
	for _, b := range bounds {
		if err := within(b.limits, b.servers(servers, cores, ram)); err != nil {
			return err
		}
	}
	return err
}

// startMove stores the migration and begins the operation. From now on until the move is confirmed, reverted or undone the server counts
// with the larger of both flavors, so that neither way can go beyond the quota.
func (s *Service) startMove(ctx context.Context, tx store.Tx, c *policy.Caller, srv *Server, flavor *Flavor, target, action string) error {
	m := &Migration{UUID: s.newID(), ServerID: srv.ID, SourceCompute: srv.Host, SourceNode: srv.Node, Type: TypeMigration, Status: MovePreMigrating}
	m.OldFlavor = MovedFlavor{ID: srv.FlavorID, Flavor: srv.Flavor}
	m.NewFlavor = m.OldFlavor
	old, err := db.GetFlavor(ctx, tx, srv.FlavorID, "")
	if err == nil {
		m.OldFlavorSeq, m.NewFlavorSeq = &old.Seq, &old.Seq
	} else if !store.IsNotFound(err) {
		return err
	}
	if flavor != nil {
		m.Type, m.NewFlavorSeq, m.NewFlavor = TypeResize, &flavor.Seq, MovedFlavor{ID: flavor.ID, Flavor: flavorCopy(flavor)}
	}
	err = s.begin(ctx, tx, c, srv, work{action: action, task: TaskResizePrep, kind: KindResize, state: MoveState{
		ServerID: srv.ID, Migration: m.UUID, Resize: flavor != nil, Source: siteOf(srv), Old: m.OldFlavor, New: m.NewFlavor, Target: target, Off: srv.VMState == Stopped,
	}})
	if err != nil {
		return err
	}
	m.OperationID = srv.OperationID
	if err := s.addMigration(ctx, tx, c, m); err != nil {
		return err
	}
	srv.VCPUs, srv.MemoryMB = max(srv.VCPUs, m.NewFlavor.Flavor.VCPUs), max(srv.MemoryMB, m.NewFlavor.Flavor.MemoryMB)
	return db.UpdateServer(ctx, tx, srv, "operation_id", "task_state", "updated_at", "vcpus", "memory_mb", "disk_config")
}

func siteOf(srv *Server) Site {
	return Site{Host: srv.Host, Node: srv.Node, Zone: srv.AvailabilityZone}
}

// ConfirmResize starts to give up what a resized server could go back to.
func (s *Service) ConfirmResize(ctx context.Context, c *policy.Caller, id string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		return s.settleMove(ctx, tx, c, srv, work{action: "confirmResize", kind: KindConfirm}, MoveConfirming)
	})
}

// RevertResize starts to bring a resized server back to where and what it was.
func (s *Service) RevertResize(ctx context.Context, c *policy.Caller, id string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		return s.settleMove(ctx, tx, c, srv, work{action: "revertResize", task: TaskResizeReverting, kind: KindRevert}, MoveReverting)
	})
}

func (s *Service) settleMove(ctx context.Context, tx store.Tx, c *policy.Caller, srv *Server, w work, status string) error {
	if err := Allowed(srv, w.action, Resized); err != nil {
		return err
	}
	if srv.OperationID != nil { // a confirmation has no task
		return InvalidState(srv, w.action, "task_state", "resize_confirming")
	}
	m, err := finishedMove(ctx, tx, srv.ID)
	if err != nil {
		return err
	}
	if m == nil {
		return rest.BadRequest("Instance has not been resized.")
	}
	details, err := DetailsOf(m)
	if err != nil {
		return err
	}
	w.state = SettleState{ServerID: srv.ID, Migration: m.UUID, Move: details, Old: m.OldFlavor, New: m.NewFlavor}
	if err := s.beginOn(ctx, tx, c, srv, w); err != nil {
		return err
	}
	return db.SetMigration(ctx, tx, m.UUID, s.Now(), map[string]any{"status": status, "operation_id": deref(srv.OperationID)})
}

// finishedMove is the move that a server waits to have confirmed or reverted; nil when there is none.
func finishedMove(ctx context.Context, tx store.Tx, serverID string) (*Migration, error) {
	list, err := db.ListMigrations(ctx, tx, MigrationFilter{ServerID: serverID, Statuses: []string{MoveFinished}, Limit: 1})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// EncodeDetails is the opposite of DetailsOf.
func EncodeDetails(d MoveDetails) (json.RawMessage, error) { return json.Marshal(d) }
