package neutron_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

var (
	alice = &policy.Caller{UserID: "alice", ProjectID: "project-a", Roles: []string{"member", "reader"}}
	bob   = &policy.Caller{UserID: "bob", ProjectID: "project-b", Roles: []string{"member", "reader"}}
	root  = &policy.Caller{UserID: "root", ProjectID: "project-root", Roles: []string{"admin"}}
)

// house is a Neutron whose realiser runs.
type house struct {
	*neutron.Service
	db     *store.DB
	engine *neutrontest.Backend
	stop   func()
}

func newHouse(t *testing.T, h *store.DB, engine *neutrontest.Backend) *house {
	t.Helper()
	n := neutron.New(neutron.Config{DB: h, Backend: engine, Physnets: []neutron.Physnet{{Name: "physnet1", Flat: true}}, Wait: time.Minute})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := n.Run(ctx); err != nil {
			t.Errorf("the realiser ended: %v", err)
		}
	}()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return &house{Service: n, db: h, engine: engine, stop: stop}
}

func each(t *testing.T, story func(t *testing.T, h *house)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, h *store.DB) { story(t, newHouse(t, h, neutrontest.New())) }, db.Migrations)
}

func (h *house) network(t *testing.T, c *policy.Caller, cidr string, more attr.Values) (net, subnet string) {
	t.Helper()
	v := attr.Values{"name": "net-" + cidr, "admin_state_up": true, "port_security_enabled": true, "project_id": c.ProjectID}
	for k, x := range more {
		v[k] = x
	}
	n, err := h.CreateNetwork(t.Context(), nil, v)
	if err != nil {
		t.Fatal(err)
	}
	if cidr == "" {
		return n.ID, ""
	}
	sn, err := h.CreateSubnet(t.Context(), c, attr.Values{"network_id": n.ID, "ip_version": int64(4), "cidr": cidr, "enable_dhcp": true, "project_id": c.ProjectID})
	if err != nil {
		t.Fatal(err)
	}
	return n.ID, sn.ID
}

func (h *house) create(t *testing.T, c *policy.Caller, server string, plan []neutron.NICPlan) []neutron.Port {
	t.Helper()
	var ports []neutron.Port
	err := h.db.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
		var err error
		ports, err = h.CreatePorts(ctx, tx, c, neutron.ServerRef{ID: server, Name: "My Server_1", Project: c.ProjectID, AZ: "nova"}, plan)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ports
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// clean fails unless the engine has exactly what the database says.
func (h *house) clean(t *testing.T) {
	t.Helper()
	eventually(t, "nothing is pending", func() bool {
		rows, err := db.AllPending(t.Context(), h.db.Read(t.Context()))
		return err == nil && len(rows) == 0
	})
	if found, err := h.Audit(t.Context(), false); err != nil || len(found) > 0 {
		t.Errorf("audit: %v %v", found, err)
	}
}

func TestLifeOfAServersPorts(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		net, _ := h.network(t, alice, "10.0.0.0/24", nil)
		mine, err := h.CreatePort(ctx, alice, attr.Values{
			"network_id": net, "project_id": alice.ProjectID, "admin_state_up": true,
			"fixed_ips": []attr.Values{{"ip_address": "10.0.0.50"}}, // Neutron's choice could be the address that is asked for below
		})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := h.PlanPorts(ctx, alice, []neutron.NICRequest{{NetworkID: net, FixedIP: "10.0.0.77", Tag: "front"}, {PortID: mine.ID}})
		if err != nil || len(plan) != 2 || plan[1].NetworkID != net {
			t.Fatalf("%+v %v", plan, err)
		}
		ports := h.create(t, alice, "server-1", plan)
		again := h.create(t, alice, "server-1", plan)
		if len(ports) != 2 || len(again) != 2 || again[0].ID != ports[0].ID || again[1].ID != mine.ID {
			t.Fatalf("%+v then %+v", ports, again)
		}
		if p := ports[0]; p.FixedIPs[0].Address != "10.0.0.77" || p.DeviceOwner != "compute:nova" || !p.NovaOwned || p.Tag != "front" || p.SecurityGroups[0].Name != "default" {
			t.Errorf("%+v", p)
		}
		ids := []string{ports[0].ID, ports[1].ID}
		if ready, err := h.PortsReady(ctx, ids); err != nil || ready {
			t.Errorf("ready before they are bound: %v %v", ready, err)
		}
		h.engine.Manual = true
		vifs, err := h.BindPorts(ctx, ids, "host-1")
		if err != nil || len(vifs) != 2 {
			t.Fatalf("%+v %v", vifs, err)
		}
		if v := vifs[0]; v.Host != "host-1" || v.MTU != 1442 || v.Bridge != "br-int" || v.Subnets[0].Gateway != "10.0.0.1" || v.Subnets[0].Addresses[0] != "10.0.0.77" {
			t.Errorf("%+v", v)
		}
		spec, _ := neutrontest.Spec[driver.PortSpec](h.engine, "port", ids[0])
		if spec.Host != "host-1" || !spec.PortSecurity || len(spec.SecurityGroups) != 1 {
			t.Errorf("BindPorts came back before the engine had it: %+v", spec)
		}
		for _, id := range ids {
			h.engine.Plug(id, "host-1")
		}
		if ready, err := h.PortsReady(ctx, ids); err != nil || !ready {
			t.Errorf("plugged and not ready: %v %v", ready, err)
		}
		eventually(t, "the port's status follows the engine", func() bool {
			of, err := h.PortsOf(ctx, []string{"server-1"})
			return err == nil && of["server-1"][0].Status == "ACTIVE" && of["server-1"][1].Status == "ACTIVE"
		})
		p, err := h.PortByAddress(ctx, net, "10.0.0.77")
		if err != nil || p == nil || p.DeviceID != "server-1" {
			t.Errorf("%+v %v", p, err)
		}
		if next, err := h.NextIndex(ctx, "server-1"); err != nil || next != 2 {
			t.Errorf("next NIC: %d %v", next, err)
		}
		h.engine.Plug(ids[0], "")
		eventually(t, "the port is DOWN again", func() bool {
			of, err := h.PortsOf(ctx, []string{"server-1"})
			return err == nil && of["server-1"][0].Status == "DOWN"
		})
		for range 2 {
			err = h.db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return h.DeletePorts(ctx, tx, "server-1") })
			if err != nil {
				t.Fatal(err)
			}
		}
		rows, err := h.Ports(ctx, alice, db.ByID(mine.ID, ""))
		if err != nil || len(rows) != 1 || rows[0].DeviceID != "" || rows[0].Host != "" {
			t.Errorf("the user's port: %+v %v", rows, err)
		}
		h.clean(t)
		if h.engine.Has("port", ids[0]) || !h.engine.Has("port", mine.ID) {
			t.Error("the engine has the wrong ports")
		}
	})
}

func TestPlansAreRefusedInNovasWords(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		if plan, err := h.PlanPorts(ctx, alice, nil); err != nil || len(plan) != 0 {
			t.Errorf("no network at all: %v %v", plan, err)
		}
		if _, err := h.PlanPorts(ctx, alice, []neutron.NICRequest{{Mode: neutron.NICAuto}}); rest.StatusOf(err) != 400 {
			t.Errorf("auto without a network: %v", err)
		}
		net, _ := h.network(t, alice, "10.0.0.0/24", nil)
		if plan, err := h.PlanPorts(ctx, alice, []neutron.NICRequest{{SecurityGroups: []string{"default"}}}); err != nil || len(plan) != 1 || plan[0].NetworkID != net {
			t.Errorf("the only network: %v %v", plan, err)
		}
		if plan, err := h.PlanPorts(ctx, alice, []neutron.NICRequest{{Mode: neutron.NICNone}}); err != nil || len(plan) != 0 {
			t.Errorf("none: %v %v", plan, err)
		}
		theirs, _ := h.network(t, bob, "10.0.0.0/24", nil)
		empty, _ := h.network(t, alice, "", nil)
		ext, _ := h.network(t, root, "172.24.4.0/24", attr.Values{"router:external": true, "provider:network_type": "flat", "provider:physical_network": "physnet1"})
		used, err := h.CreatePort(ctx, alice, attr.Values{
			"network_id": net, "project_id": alice.ProjectID, "device_id": "x",
			"fixed_ips": []attr.Values{{"ip_address": "10.0.0.9"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := h.CreatePort(ctx, bob, attr.Values{"network_id": theirs, "project_id": bob.ProjectID})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			req  neutron.NICRequest
			code int
			says string
		}{
			{neutron.NICRequest{}, 409, "Multiple possible networks found, use a Network ID to be more specific."},
			{neutron.NICRequest{NetworkID: theirs}, 400, "Network " + theirs + " could not be found."},
			{neutron.NICRequest{NetworkID: "nope"}, 400, "Network nope could not be found."},
			{neutron.NICRequest{NetworkID: empty}, 400, "Network " + empty + " requires a subnet in order to boot instances on."},
			{neutron.NICRequest{NetworkID: ext}, 403, "It is not allowed to create an interface on external network " + ext},
			{neutron.NICRequest{NetworkID: net, FixedIP: "10.0.0.9"}, 400, "Fixed IP address 10.0.0.9 is already in use on network " + net + "."},
			{neutron.NICRequest{NetworkID: net, FixedIP: "10.9.0.9"}, 400, "Fixed IP 10.9.0.9 is not a valid ip address for network " + net + "."},
			{neutron.NICRequest{PortID: used.ID}, 409, "Port " + used.ID + " is still in use."},
			{neutron.NICRequest{PortID: foreign.ID}, 400, "Port id " + foreign.ID + " could not be found."},
			{neutron.NICRequest{NetworkID: net, SecurityGroups: []string{"no"}}, 400, "Security group no not found for project project-a."},
		} {
			_, err := h.PlanPorts(ctx, alice, []neutron.NICRequest{x.req})
			var e *rest.Error
			if !errors.As(err, &e) || e.Status != x.code || e.Message != x.says {
				t.Errorf("%+v: %v, want %d %s", x.req, err, x.code, x.says)
			}
		}
		room := func(limit int64) int {
			t.Helper()
			if _, err := h.SetQuotas(ctx, alice.ProjectID, map[string]int64{"port": limit}, true); err != nil {
				t.Fatal(err)
			}
			n, err := h.PortRoom(ctx, alice.ProjectID)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if all, much, none := room(-1), room(100), room(0); all != -1 || none != 0 || much >= 100 || room(90) != much-10 {
			t.Errorf("room for %d, %d and %d ports", all, much, none)
		}
		if _, err := h.SetQuotas(ctx, alice.ProjectID, map[string]int64{"port": 2}, true); err != nil {
			t.Fatal(err)
		}
		if _, err := h.PlanPorts(ctx, alice, []neutron.NICRequest{{NetworkID: net}}); rest.StatusOf(err) != http.StatusForbidden {
			t.Errorf("quota: %v", err)
		}
	})
}

func TestPoolsRunOutAndFillUp(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		net, _ := h.network(t, alice, "10.0.0.0/28", nil) // 14 usable, gateway and metadata port taken
		seen := map[string]bool{}
		var last string
		for range 12 {
			p, err := h.CreatePort(t.Context(), alice, attr.Values{"network_id": net, "project_id": alice.ProjectID})
			if err != nil {
				t.Fatal(err)
			}
			ip := p.FixedIPs[0].IPAddress
			if seen[ip] {
				t.Errorf("%s was given twice", ip)
			}
			seen[ip], last = true, p.ID
		}
		_, err := h.CreatePort(t.Context(), alice, attr.Values{"network_id": net, "project_id": alice.ProjectID})
		var e *rest.Error
		if !errors.As(err, &e) || e.Status != 409 || e.Type != "IpAddressGenerationFailure" {
			t.Errorf("an exhausted pool: %v", err)
		}
		if err := h.DeletePort(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		if _, err := h.CreatePort(t.Context(), alice, attr.Values{"network_id": net, "project_id": alice.ProjectID}); err != nil {
			t.Errorf("a freed address: %v", err)
		}
		h.clean(t)
	})
}

// TestConcurrentPorts makes ports at once on a small network: each address goes to one of them.
func TestConcurrentPorts(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		net, _ := h.network(t, alice, "10.0.0.0/27", nil)
		type result struct {
			ip  string
			err error
		}
		results := make(chan result)
		for range 28 {
			go func() {
				p, err := h.CreatePort(t.Context(), alice, attr.Values{"network_id": net, "project_id": alice.ProjectID})
				if err != nil {
					results <- result{err: err}
					return
				}
				results <- result{ip: p.FixedIPs[0].IPAddress}
			}()
		}
		seen := map[string]bool{}
		for range 28 {
			r := <-results
			if r.err != nil || seen[r.ip] {
				t.Errorf("%q twice, or %v", r.ip, r.err)
			}
			seen[r.ip] = true
		}
		h.clean(t)
	})
}
