package ops_test

import (
	"testing"

	"gostack/internal/bus"
	"gostack/internal/bus/flaky"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// TestOverABadBus lives servers' lives over a bus that loses 30 % of messages, repeats 10 % and delivers the rest out of order. Only
// latency may differ: the tests are the same.
func TestOverABadBus(t *testing.T) {
	good, all := transport, databases
	t.Cleanup(func() { transport, databases = good, all })
	databases = func(t *testing.T, fn func(t *testing.T, d *store.DB), sets ...store.Migrations) {
		fn(t, storetest.Either(t, sets...))
	}
	var seed uint64
	transport = func(t *testing.T) bus.Bus {
		seed++
		b := flaky.New(bus.NewMemory(), flaky.Bad(seed))
		t.Cleanup(func() {
			b.Wait()
			sent, lost, repeated := b.Counts()
			t.Logf("seed %d: %d messages, %d lost, %d repeated", seed, sent, lost, repeated)
		})
		return b
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"life", TestLifeOfAServer},
		{"delete beats create", TestDeleteBeatsCreate},
		{"no valid host", TestNoValidHost},
		{"next host", TestNextHostWhenOneFails},
		{"host away", TestHostThatWasAway},
		{"power", TestPowerFollowsTheHost},
		{"many at once", TestManyAtOnce},
		{"interfaces", TestInterfaces},
		{"create image", TestCreateImage},
		{"backups", TestBackupRotation},
		{"rebuild", TestRebuild},
		{"rescue", TestRescue},
		{"shelve", TestShelve},
		{"shelve later", TestShelvedLater},
		{"resize", TestResizeRevertedAndConfirmed},
		{"migrate", TestMigrateThere},
		{"delete beats resize", TestDeleteBeatsResize},
		{"evacuate", TestEvacuatedHostComesBack},
		{"live migrate", TestLiveMigrationOnSharedStorage},
		{"live abort", TestLiveMigrationAborted},
		{"live outlives agents", TestLiveMigrationOutlivesItsAgents},
		{"reset", TestResetKeepsAResizeWaiting},
		{"soft delete", TestSoftDelete},
	} {
		t.Run(test.name, test.run)
	}
}
