package ops_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
	"gostack/internal/store"
)

// TestHostsThatFailAreAvoided: a build that fails goes to another host, and the next builds keep away until one succeeds.
func TestHostsThatFailAreAvoided(t *testing.T) {
	each(t, 3, func(t *testing.T, w *world) {
		failed := func(host string) int {
			n, err := db.GetComputeNodeOf(t.Context(), w.DB.Read(t.Context()), host)
			must(t, err)
			return n.FailedBuilds
		}
		w.Hosts["host-1"].Break(&driver.Fault{Code: driver.CodeUnsupported, Message: "the disk is broken"})
		first := w.onHost(t, "host-1", false)
		if srv := w.Settled(first); srv.VMState != nova.InError || !strings.Contains(srv.Fault.Message, "No valid host was found.") {
			t.Errorf("asked for a host that cannot: %s %+v", srv.VMState, srv.Fault)
		}
		if n := failed("host-1"); n != 1 {
			t.Errorf("%d failed builds", n)
		}
		for range 4 {
			if srv := w.settled("s"); srv.Host == "host-1" || srv.VMState != nova.Active {
				t.Errorf("on %s: %s", srv.Host, srv.VMState)
			}
		}
		if n := failed("host-1"); n != 1 {
			t.Errorf("%d failed builds: somebody tried again", n)
		}
		w.Hosts["host-1"].Break(nil)
		w.has(t, w.onHost(t, "host-1", true), nova.Active, driver.Running)
		if n := failed("host-1"); n != 0 {
			t.Errorf("%d failed builds after one that did not", n)
		}
		w.Clean(t)
	})
}

// onHost boots a server that an administrator wants on a host.
func (w *world) onHost(t *testing.T, host string, force bool) string {
	t.Helper()
	in := request("wanted")
	in.Host = host
	if force {
		in.Host, in.Zone = "", "nova:"+host
	}
	list, err := w.Nova.CreateServers(t.Context(), w.caller, in)
	must(t, err)
	return list[0].ID
}

// TestAllHostsFail: what users read names no host, what administrators read does.
func TestAllHostsFail(t *testing.T) {
	each(t, 4, func(t *testing.T, w *world) {
		for _, h := range w.Hosts {
			h.Break(&driver.Fault{Code: driver.CodeUnsupported, Message: "the disk is broken"})
		}
		srv := w.settled("s")
		if srv.VMState != nova.InError || srv.Fault.Message != "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance "+srv.ID+"." {
			t.Errorf("%s: %+v", srv.VMState, srv.Fault)
		}
		if n := strings.Count(srv.Fault.Details, "host-"); n < 3 || !strings.Contains(srv.Fault.Details, "the disk is broken") {
			t.Errorf("details: %s", srv.Fault.Details)
		}
		w.Clean(t)
	})
}

// TestForcedHostsObeyGroups: a host that an administrator names skips the filters, but not the group's policy, and says so at once.
func TestForcedHostsObeyGroups(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		const group = "0f0e0d0c-0000-4000-8000-0000000000aa"
		must(t, w.DB.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
			return db.Insert(ctx, tx, &nova.ServerGroup{
				ID: group, ProjectID: w.caller.ProjectID, UserID: w.caller.UserID, Name: "g", Policy: "anti-affinity", CreatedAt: w.Nova.Now(),
			})
		}))
		in := request("apart")
		in.Zone, in.Hints = "nova:host-1", map[string]any{"group": group}
		var states []string
		for range 2 {
			list, err := w.Nova.CreateServers(t.Context(), w.caller, in)
			must(t, err)
			srv := w.Settled(list[0].ID)
			states = append(states, srv.VMState)
			if srv.VMState == nova.InError && (srv.Fault.Message != "No valid host was found. There are not enough hosts available." || !strings.Contains(srv.Fault.Details, "ServerGroupAntiAffinityFilter refused 1 (host-1)")) {
				t.Errorf("fault: %+v", srv.Fault)
			}
		}
		if !slices.Equal(states, []string{nova.Active, nova.InError}) {
			t.Errorf("states: %v", states)
		}
	})
}

var anyNetwork = []neutron.NICRequest{{NetworkID: novatest.NetworkID}}

func request(name string) nova.CreateRequest {
	return nova.CreateRequest{Name: name, FlavorID: "1", ImageID: novatest.ImageID, Min: 1, Max: 1, DiskConfig: "MANUAL", Networks: anyNetwork}
}
