package nova

import (
	"context"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// softDelete starts to turn off a server that is deleted and can be restored. One that never ran, or that something is being done to, is
// deleted for good, as is one that had been deleted before.
func (s *Service) softDelete(ctx context.Context, c *policy.Caller, id string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if srv.TaskState == TaskDeleting {
			return nil
		}
		if srv.LaunchedAt == nil || srv.Host == "" || srv.OperationID != nil || srv.VMState == SoftDeleted || srv.VMState == InError {
			return s.beginOn(ctx, tx, c, srv, work{action: "delete", task: TaskDeleting, kind: KindDelete, state: DeleteState{ServerID: id}, supersede: true})
		}
		if err := s.begin(ctx, tx, c, srv, work{action: "delete", task: "soft-deleting", kind: KindPower, state: PowerState{ServerID: id, Action: ActSoftDelete}}); err != nil {
			return err
		}
		now := s.Now()
		srv.Kept.DeletedAt = &now
		return db.UpdateServer(ctx, tx, srv, "operation_id", "task_state", "updated_at", "kept")
	})
}

// Restore starts to bring a deleted server back.
func (s *Service) Restore(ctx context.Context, c *policy.Caller, id string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "restore", SoftDeleted); err != nil {
			return err
		}
		// What can be restored holds no quota.
		if err := s.admitRestored(ctx, tx, srv); err != nil {
			return err
		}
		return s.beginOn(ctx, tx, c, srv, work{action: "restore", task: "restoring", kind: KindPower, state: PowerState{ServerID: id, Action: ActRestore}})
	})
}

// Reclaim deletes for good the servers that were deleted longer ago than they can be restored.
func (s *Service) Reclaim(ctx context.Context) error {
	list, err := db.ListServers(ctx, s.DB.Read(ctx), ServerFilter{States: []StateCondition{{VM: SoftDeleted}}})
	if err != nil {
		return err
	}
	for _, srv := range list {
		at := srv.Kept.DeletedAt
		if srv.OperationID != nil || at != nil && s.Now().Before(at.Add(s.Config.ReclaimInterval)) {
			continue
		}
		if err := s.Delete(ctx, Keeper, srv.ID); err != nil && !rest.IsNotFound(err) {
			return err
		}
	}
	return nil
}
