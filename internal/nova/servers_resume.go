package nova

import (
	"context"

	"github.com/google/uuid"

	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// ResumeGuests starts servers that are off on a host which has come back, if they ran when they were last heard of: each by a hard reboot, as upstream's
// resume_guests_state_on_host_boot does. Others are left alone.
func (s *Service) ResumeGuests(ctx context.Context, host string, off []string) error {
	for _, id := range off {
		err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
			srv, err := db.GetServer(ctx, tx, id)
			if store.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return err
			}
			if srv.Host != host || srv.OperationID != nil || srv.VMState != Active || srv.PowerState != int(driver.Running) {
				return nil
			}
			c := policy.Internal()
			c.ProjectID, c.RequestID = srv.ProjectID, "req-"+uuid.NewString()
			return s.beginOn(ctx, tx, c, srv, work{
				action: string(ActReboot), task: hardReboot.task, kind: KindPower, state: PowerState{ServerID: id, Action: ActReboot, Reboot: driver.RebootHard},
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
