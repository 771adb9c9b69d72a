package ops_test

import (
	"context"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/saga/sagatest"
)

// Those that TestPowerIsProved does not prove.
func TestAllPowerIsProved(t *testing.T) {
	for _, x := range []struct {
		before, action nova.PowerAction
		reboot         driver.RebootKind
		vm             string
		power          driver.PowerState
	}{
		{nova.ActStop, nova.ActStart, "", nova.Active, driver.Running},
		{"", nova.ActPause, "", nova.Paused, driver.Paused},
		{nova.ActPause, nova.ActUnpause, "", nova.Active, driver.Running},
		{"", nova.ActSuspend, "", nova.Suspended, driver.Suspended},
		{nova.ActSuspend, nova.ActResume, "", nova.Active, driver.Running},
		{"", nova.ActReboot, driver.RebootSoft, nova.Active, driver.Running},
	} {
		t.Run(string(x.action), func(t *testing.T) {
			t.Parallel()
			sagatest.Prove(t, nova.KindPower, proof(func(w *world) {
				srv := w.settled("proof")
				if x.before != "" {
					must(w.T, w.Nova.Power(context.Background(), w.caller, srv.ID, x.before, ""))
					w.Settled(srv.ID)
				}
			},
				onOnly(func(ctx context.Context, w *world, id string) error {
					return w.Nova.Power(ctx, w.caller, id, x.action, x.reboot)
				}),
				func(t *testing.T, w *world) { t.Helper(); w.Clean(t); w.one(t, x.vm, x.power) },
				// Power is not given back: what the host did is what its events say, so only the task must have gone.
				func(t *testing.T, w *world) { t.Helper(); w.Clean(t) }))
		})
	}
}
