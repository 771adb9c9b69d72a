package nova

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// ConfirmEvery is how often resizes are looked for that have waited long enough (upstream's _poll_unconfirmed_resizes).
const ConfirmEvery = time.Minute

// ConfirmOverdue starts the confirmation of resizes that nobody has confirmed or reverted within Config.ResizeConfirmWindow.
func (s *Service) ConfirmOverdue(ctx context.Context) error {
	window := s.Config.ResizeConfirmWindow
	if window <= 0 {
		return nil
	}
	before := s.Now().Add(-window)
	list, err := db.ListMigrations(ctx, s.DB.Read(ctx), MigrationFilter{Statuses: []string{MoveFinished}, ChangedBefore: &before})
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range list {
		c := policy.Internal()
		c.ProjectID, c.RequestID = deref(m.ProjectID), "req-"+uuid.NewString()
		err := s.ConfirmResize(ctx, c, m.ServerID)
		var refused *rest.Error
		if err != nil && !errors.As(err, &refused) { // one that is under way, or gone, needs nothing
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// leaveMoves refuses to forget a host while moves from or to it are under way, and gives back what evacuations still hold there. Their rows stay: a
// host of that name that comes back after all must still find out.
func (s *Service) leaveMoves(ctx context.Context, tx store.Tx, host string) error {
	list, err := db.ListMigrations(ctx, tx, MigrationFilter{
		Host: host, NotStatuses: []string{MoveAccepted, MoveConfirmed, MoveReverted, MoveError, MoveFailed, MoveCompleted, MoveCancelled},
	})
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.Status != MoveDone {
			return rest.Conflict("Unable to delete compute service that has in-progress migrations. Complete the migrations first.")
		}
		if m.SourceCompute == host && s.Placement != nil {
			if err := s.Placement.Release(ctx, tx, m.UUID); err != nil {
				return err
			}
		}
	}
	return nil
}
