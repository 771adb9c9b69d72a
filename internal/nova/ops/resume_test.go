package ops_test

import (
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
)

// A host that lost its power comes back with its guests off. They stay off, as upstream leaves them, unless the host is told to resume those that ran.
func TestHostLosesPower(t *testing.T) {
	for _, resume := range []bool{false, true} {
		each(t, 1, func(t *testing.T, w *world) {
			ran, stopped := w.settled("ran"), w.settled("stopped")
			must(t, w.Nova.Power(t.Context(), w.caller, stopped.ID, nova.ActStop, ""))
			w.has(t, stopped.ID, nova.Stopped, driver.Shutdown)
			host := ran.Host
			w.Agents[host].Stop()
			must(t, w.Hosts[host].Stop(t.Context(), ran.ID, 0)) // nobody hears of it
			w.ResumeGuests = resume
			w.StartAgent(host)
			if resume {
				w.has(t, ran.ID, nova.Active, driver.Running)
				if on := w.running(t, ran.ID); len(on) != 1 {
					t.Errorf("runs on %v", on)
				}
			} else {
				must(t, w.Nova.SyncPowerStates(t.Context(), 0))
				w.has(t, ran.ID, nova.Stopped, driver.Shutdown)
			}
			w.has(t, stopped.ID, nova.Stopped, driver.Shutdown)
			w.Clean(t)
		})
	}
}
