package nova

import (
	"context"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// ResetServerState sets what state a server is in, cancels what is under way on it, and finds out from its host what is true.
func (s *Service) ResetServerState(ctx context.Context, c *policy.Caller, id, state string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, err := s.serverFor(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if srv.TaskState == TaskDeleting { // deletion beats everything
			return InvalidState(srv, "os-resetState", "task_state", srv.TaskState)
		}
		operation, err := s.Operations.Start(ctx, tx, saga.Intent{
			Kind: KindReset, Resource: saga.Resource{Type: ServerResource, ID: id}, State: ResetState{ServerID: id, Wanted: state}, Caller: c, RequestID: c.RequestID, Supersede: true,
		})
		if err != nil {
			return err
		}
		srv.VMState, srv.TaskState, srv.OperationID, srv.UpdatedAt = state, "", &operation, s.Now()
		return db.UpdateServer(ctx, tx, srv, "vm_state", "task_state", "operation_id", "updated_at")
	})
}
