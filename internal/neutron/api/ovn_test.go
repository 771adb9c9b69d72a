package api_test

import (
	"context"
	"os"
	"testing"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/neutron/api"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver/ovn"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
	"gostack/test/machine"
)

// onOVN starts a Neutron on the OVN of a pretend machine.
func onOVN(t testing.TB) (*resttest.API, *neutron.Service) {
	t.Helper()
	backend := ovn.Open(ovn.Config{Northbound: []string{ovntest.Northbound}, Southbound: []string{ovntest.Southbound}})
	n := neutron.New(neutron.Config{
		DB: storetest.SQLite(t, db.Migrations), Backend: backend, Physnets: []neutron.Physnet{{Name: ovntest.Physnet, Flat: true}}, Wait: 3 * time.Minute,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = n.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended; backend.Close() })
	return resttest.New(t, api.Service(n)), n
}

// TestTheWalkOnRealOVN goes from an empty cloud to guests that reach each other and the world, by the API alone, and back.
func TestTheWalkOnRealOVN(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		host := ovntest.Start(t)
		a, n := onOVN(t)
		m, admin := a.As("member"), a.As("admin")
		ext, _ := external(admin)
		net, subnet := network(m, "private", "10.0.0.0/24")
		router := m.Post(v2+"/routers", `{"router": {"external_gateway_info": {"network_id": "`+ext+`"}}}`).Want(201).Text("router.id")
		m.Put(v2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		var ports, ips []string
		var guests []*ovntest.Guest
		for _, name := range []string{"g1", "g2"} {
			p := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "name": "`+name+`"}}`).Want(201)
			ports, ips = append(ports, p.Text("port.id")), append(ips, p.Text("port.fixed_ips.0.ip_address"))
			guests = append(guests, host.Plug(t, name, p.Text("port.id"), p.Text("port.mac_address")))
		}
		if _, err := n.BindPorts(t.Context(), ports, host.Name); err != nil {
			t.Fatal(err)
		}
		for i, g := range guests {
			eventually(t, "the port is ACTIVE", func() bool { return m.Get(v2+"/ports/"+ports[i]).Text("port.status") == "ACTIVE" })
			g.Address(t, ips[i]+"/24", "10.0.0.1")
		}
		if ready, err := n.PortsReady(t.Context(), ports); err != nil || !ready {
			t.Errorf("ACTIVE and not ready: %v %v", ready, err)
		}
		host.Settled(t)
		guests[0].Reaches(t, ips[1]) // the default group lets its members in
		guests[0].Reaches(t, "10.0.0.1")

		world := host.Outside(t, "world", "172.24.4.1/24", 0)
		guests[0].Reaches(t, "172.24.4.1") // by the router's SNAT
		fip := m.Post(v2+"/floatingips", `{"floatingip": {"floating_network_id": "`+ext+`", "port_id": "`+ports[0]+`"}}`).Want(201)
		floating := fip.Text("floatingip.floating_ip_address")
		host.Settled(t)
		world.Loses(t, floating) // no rule lets the world in
		group := m.Get(v2 + "/security-groups?name=default").Text("security_groups.0.id")
		rule := m.Post(v2+"/security-group-rules", `{"security_group_rule": {"security_group_id": "`+group+`", "direction": "ingress", "protocol": "icmp"}}`).
			Want(201).Text("security_group_rule.id")
		host.Settled(t)
		world.Reaches(t, floating)
		m.Delete(v2 + "/security-group-rules/" + rule).Want(204)
		host.Settled(t)
		world.Loses(t, floating)
		if found, err := n.Audit(t.Context(), false); err != nil || len(found) > 0 {
			t.Errorf("audit while it runs: %v %v", found, err)
		}

		guests[0].Unplug(t)
		eventually(t, "the port is DOWN", func() bool { return m.Get(v2+"/ports/"+ports[0]).Text("port.status") == "DOWN" })
		m.Delete(v2 + "/floatingips/" + fip.Text("floatingip.id")).Want(204)
		for _, p := range ports {
			m.Delete(v2 + "/ports/" + p).Want(204)
		}
		m.Put(v2+"/routers/"+router+"/remove_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		m.Delete(v2 + "/routers/" + router).Want(204)
		m.Delete(v2 + "/networks/" + net).Want(204)
		admin.Delete(v2 + "/networks/" + ext).Want(204)
		if found, err := n.Audit(t.Context(), false); err != nil || len(found) > 0 {
			t.Errorf("audit at the end: %v %v", found, err)
		}
		for _, table := range []string{"Logical_Switch", "Logical_Router", "Logical_Switch_Port", "NAT", "DHCP_Options"} {
			if out := ovntest.Run(t, "ovn-nbctl", "--bare", "--columns=_uuid", "list", table); out != "" {
				t.Errorf("left in OVN: %s %s", table, out)
			}
		}
	})
}

// BenchmarkPortCreate is POST /ports until OVN has the port, alone and with 8 callers. The budget is 15 ms.
func BenchmarkPortCreate(b *testing.B) {
	if os.Getenv("GOSTACK_MACHINE") == "" {
		b.Log("\n" + machine.Start(b).Run(b, os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkPortCreate$", "-test.benchtime=2s"))
		return
	}
	ovntest.Start(b)
	a, n := onOVN(b)
	if _, err := n.SetQuotas(b.Context(), "project-1", map[string]int64{"port": -1}, true); err != nil {
		b.Fatal(err)
	}
	net, _ := network(a.As("member"), "n", "10.0.0.0/16")
	post := func() { a.As("member").Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(201) }
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			post()
		}
	})
	b.Run("8 callers", func(b *testing.B) {
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				post()
			}
		})
	})
}
