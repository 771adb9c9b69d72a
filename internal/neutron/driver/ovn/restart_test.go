package ovn

import (
	"testing"

	"github.com/google/uuid"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/test/machine"
)

func TestEnginesDieAndComeBack(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		s, ctx := newScene(t)
		s.address(t)
		s.s1.Reaches(t, "10.6.2.10")
		events, err := s.b.Events(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wait := func(kind driver.EventKind, id string) driver.Event {
			t.Helper()
			for {
				select {
				case e := <-events:
					if e.Kind == kind && e.ID == id {
						return e
					}
				case <-ctx.Done():
					t.Fatalf("no %s of %s", kind, id)
				}
			}
		}
		wait(driver.ChassisUp, s.host.Name)
		if e := wait(driver.PortUp, s.server.ID); e.Host != s.host.Name {
			t.Errorf("port is on %q", e.Host)
		}

		// Killed, the controller leaves flows and bindings; traffic goes on, and new ports work after it is back.
		s.host.KillController(t)
		s.s1.Reaches(t, "10.6.1.11")
		late := s.peer
		late.ID, late.MAC = uuid.NewString(), "fa:16:3e:00:00:12"
		late.FixedIPs = []driver.FixedIP{{SubnetID: s.aSub.ID, Address: addr("10.6.1.12"), CIDR: s.aSub.CIDR}}
		if err := s.b.EnsurePort(ctx, late); err != nil {
			t.Fatal(err)
		}
		guest := s.host.Plug(t, "late", late.ID, late.MAC)
		guest.Address(t, "10.6.1.12/24", "10.6.1.1")
		s.host.StartController(t)
		if err := s.b.WaitPortUp(ctx, late.ID); err != nil {
			t.Fatal(err)
		}
		wait(driver.PortUp, late.ID)
		s.s1.Reaches(t, "10.6.1.12")

		// Databases killed and started again: the backend reconnects by itself, callers meanwhile wait.
		for _, db := range []string{"nb", "sb"} {
			s.host.KillDB(t, db)
		}
		done := make(chan error, 1)
		late.Name = "renamed"
		go func() { done <- s.b.EnsurePort(ctx, late) }()
		for _, db := range []string{"nb", "sb"} {
			s.host.StartDB(t, db)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		// The Northbound and the Southbound side come back in any order.
		seen := map[driver.EventKind]bool{}
		for !seen[driver.Restarted] || !seen[driver.ChassisUp] {
			select {
			case e := <-events:
				seen[e.Kind] = true
			case <-ctx.Done():
				t.Fatalf("seen only %v", seen)
			}
		}
		states, err := s.b.PortStates(ctx, []string{late.ID})
		if err != nil || !states[late.ID].Up {
			t.Fatalf("after the restart: %v %v", states, err)
		}
		guest.Unplug(t)
		wait(driver.PortDown, late.ID)

		// Everything is still as it should be, also by the engine's own account.
		want := s.desired()
		want.Ports = append(want.Ports, s.peer, s.far, late, s.vIf)
		noDifference(t, s.b, want)
		ovntest.Eventually(t, "the chassis has answered", func() bool {
			s.host.Settled(t)
			all, err := s.b.Chassis(ctx)
			return err == nil && len(all) == 1 && all[0].Bridges[ovntest.Physnet] == "br-ex" && !all[0].LastSeen.IsZero() && len(all[0].Encaps) == 1
		})
		if _, err := s.b.Sync(ctx, driver.Desired{}, true); err != nil {
			t.Fatal(err)
		}
		s.s1.Loses(t, "10.6.1.11")
	})
}
