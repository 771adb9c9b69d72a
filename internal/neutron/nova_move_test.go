package neutron_test

import (
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
)

// A port that is on its way to another host says so, and whether a floating IP leads to it.
func TestPortsOfAMovingServer(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		net, subnet := h.network(t, alice, "10.0.0.0/24", nil)
		public, _ := h.network(t, alice, "172.24.0.0/24", attr.Values{"router:external": true})
		router, err := h.CreateRouter(ctx, alice, attr.Values{"name": "r", "project_id": alice.ProjectID, "admin_state_up": true, "external_gateway_info": attr.Values{"network_id": public}})
		check(err)
		_, err = h.AddRouterInterface(ctx, alice, router.ID, attr.Values{"subnet_id": subnet})
		check(err)
		plan, err := h.PlanPorts(ctx, alice, []neutron.NICRequest{{NetworkID: net}, {NetworkID: net}})
		check(err)
		ports := h.create(t, alice, "server-1", plan)
		ids := []string{ports[0].ID, ports[1].ID}
		_, err = h.BindPorts(ctx, ids, "host-1")
		check(err)
		fip, err := h.CreateFloatingIP(ctx, alice, attr.Values{"floating_network_id": public, "project_id": alice.ProjectID, "port_id": ids[0]})
		check(err)
		spec := func(i int) driver.PortSpec {
			s, _ := neutrontest.Spec[driver.PortSpec](h.engine, "port", ids[i])
			return s
		}
		check(h.PrepareMigration(ctx, ids, "host-2"))
		if with, without := spec(0), spec(1); with.Host != "host-1" || with.MigratingTo != "host-2" || !with.Translated || without.MigratingTo != "host-2" || without.Translated {
			t.Errorf("%+v\n%+v", with, without)
		}
		check(h.PrepareMigration(ctx, ids, ""))
		if s := spec(0); s.Host != "host-1" || s.MigratingTo != "" {
			t.Errorf("it stays: %+v", s)
		}
		check(h.PrepareMigration(ctx, ids, "host-2"))
		_, err = h.BindPorts(ctx, ids, "host-2")
		check(err)
		if s := spec(0); s.Host != "host-2" || s.MigratingTo != "" {
			t.Errorf("it has arrived: %+v", s)
		}
		if h.engine.Asked > 0 {
			t.Errorf("binding a port asked every host %d times whether it lives", h.engine.Asked)
		}
		check(h.DeleteFloatingIP(ctx, fip.ID))
		h.clean(t)
	})
}
