package ops_test

import (
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
)

// TestHardRebootTakesOver has a hard reboot end what hangs: it is what an operator tries when a pause does not come to an end.
func TestHardRebootTakesOver(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("web")
		for _, x := range []struct {
			action nova.PowerAction
			first  nova.PowerAction
			task   string
		}{
			{nova.ActPause, "", "pausing"},
			{nova.ActUnpause, nova.ActPause, "unpausing"},
			{nova.ActSuspend, "", "suspending"},
			{nova.ActResume, nova.ActSuspend, "resuming"},
		} {
			if x.first != "" {
				must(t, w.Nova.Power(ctx, w.caller, srv.ID, x.first, ""))
				w.Settled(srv.ID)
			}
			w.Agents[srv.Host].Stop()
			must(t, w.Nova.Power(ctx, w.caller, srv.ID, x.action, ""))
			says(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActReboot, driver.RebootSoft), "")
			must(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActReboot, driver.RebootHard))
			novatest.Until(t, "the reboot has taken over", func() bool {
				now, err := db.GetServer(ctx, w.DB.Read(ctx), srv.ID)
				return err == nil && now.TaskState == "rebooting_hard"
			})
			w.StartAgent(srv.Host)
			w.has(t, srv.ID, nova.Active, driver.Running)
		}
		w.Agents[srv.Host].Stop()
		must(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActStop, ""))
		says(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActReboot, driver.RebootHard), "Cannot 'reboot' instance "+srv.ID+" while it is in task_state powering-off")
		w.StartAgent(srv.Host)
		w.has(t, srv.ID, nova.Stopped, driver.Shutdown)
		w.Clean(t)
	})
}
