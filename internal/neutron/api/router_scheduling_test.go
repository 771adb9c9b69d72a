package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/notify"
	"gostack/internal/notify/notifytest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// gatewayHosts gives a cloud hosts that carry gateways to physnet1.
func (c *cloud) gatewayHosts(names ...string) {
	for _, name := range names {
		c.engine.Hosts = append(c.engine.Hosts, driver.Chassis{Name: "chassis-" + name, Host: name, Gateway: true, Bridges: map[string]string{"physnet1": "br-ex"}, MetadataAgent: true})
	}
}

// onHosts is what the API says of a router's hosts: "gw1=2 gw2=1".
func onHosts(admin *resttest.API, router string) string {
	var list struct {
		Agents []struct {
			Host     string
			Type     string `json:"agent_type"`
			Priority int    `json:"ha_chassis_priority"`
		}
	}
	admin.Get(v2 + "/routers/" + router + "/l3-agents").Want(200).JSON(&list)
	var out []string
	for _, a := range list.Agents {
		out = append(out, fmt.Sprintf("%s=%d", a.Host, a.Priority))
		if a.Type != "OVN Controller Gateway agent" {
			out = append(out, a.Type)
		}
	}
	return strings.Join(out, " ")
}

// An operator says on which hosts a router's gateway is (neutron/services/ovn_l3/plugin.py and its unit tests, 2026.2).
func TestOperatorsChooseHostsOfRouters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, h *store.DB) {
		ear := notifytest.Hear(t, h)
		c := newCloud(t, h)
		c.gatewayHosts("gw1", "gw2", "gw3")
		c.engine.Hosts = append(c.engine.Hosts, driver.Chassis{Name: "chassis-elsewhere", Host: "elsewhere", Gateway: true, Bridges: map[string]string{"physnet2": "br-x"}},
			driver.Chassis{Name: "chassis-compute", Host: "compute", Bridges: map[string]string{"physnet1": "br-ex"}})
		m, admin := c.as(t, "member"), c.as(t, "admin")
		ext, _ := external(admin)
		gateway := `{"router": {"external_gateway_info": {"network_id": "` + ext + `"}}}`
		router := m.Post(v2+"/routers", gateway).Want(201).Text("router.id")
		lonely := m.Post(v2+"/routers", `{"router": {}}`).Want(201).Text("router.id")
		path := func(host string) string { return v2 + "/agents/chassis-" + host + "/l3-routers" }
		body := func(more string) string { return `{"router_id": "` + router + `"` + more + `}` }
		is := func(want string) {
			t.Helper()
			if got := onHosts(admin, router); got != want {
				t.Errorf("the router is on %q, want %q", got, want)
			}
		}
		first := strings.Fields(onHosts(admin, router))
		if len(first) != 3 || !strings.HasSuffix(first[0], "=3") || !strings.HasSuffix(first[2], "=1") {
			t.Fatalf("the engine chose %v", first)
		}
		active, _, _ := strings.Cut(first[0], "=")
		middle, _, _ := strings.Cut(first[1], "=")
		last, _, _ := strings.Cut(first[2], "=")
		admin.Get(path(active)).Want(200).Has("routers.0.id", router).Has("routers.1", nil)
		if got := onHosts(admin, lonely); got != "" {
			t.Errorf("a router without a gateway is on %s", got)
		}

		for _, verb := range []string{"GET", "POST"} {
			for persona, want := range map[string]int{"member": 403, "reader": 403, "other": 403} {
				c.as(t, persona).Do(verb, path(active), body("")).Want(want)
			}
		}
		m.Get(v2 + "/routers/" + router + "/l3-agents").Want(403)
		ear.Since(t)
		refuse := func(a *resttest.Answer, code int, name, says string) {
			t.Helper()
			a.Want(code).Has("NeutronError.type", name).Says(says)
		}
		hosted := "The router " + router + " has been already hosted by the L3 Agent chassis-" + last + "."
		refuse(admin.Post(path(last), body("")), 409, "RouterHostedByL3Agent", hosted)
		for _, p := range []string{"-1", "32768"} {
			refuse(admin.Post(path(last), body(`, "ha_chassis_priority": `+p)), 400, "InvalidHAChassisPriority", "[0, 32767]")
			refuse(admin.Put(path(last)+"/"+router, `{"ha_chassis_priority": `+p+`}`), 400, "InvalidHAChassisPriority", "[0, 32767]")
		}
		admin.Post(path(last), body(`, "ha_chassis_priority": "high"`)).Want(400).Says("'high' is not an integer")
		admin.Post(path(last), `{"router_id": "x"}`).Want(400)
		refuse(admin.Post(path(last), `{"router_id": "`+nowhere+`"}`), 404, "RouterNotFound", "could not be found")
		refuse(admin.Post(path("gone"), body("")), 404, "InvalidL3Agent", "Agent chassis-gone is not a L3 Agent or has been disabled")
		for _, host := range []string{"elsewhere", "compute"} { // reaches another network, is not for gateways
			refuse(admin.Post(path(host), body("")), 404, "InvalidL3Agent", "is not a L3 Agent or has been disabled")
		}
		refuse(admin.Post(path(last), `{"router_id": "`+lonely+`"}`), 409, "RouterSchedulingFailed", "Failed scheduling router "+lonely)
		refuse(admin.Put(path("elsewhere")+"/"+router, `{"ha_chassis_priority": 9}`), 409, "RouterNotHostedByL3Agent", "is not hosted by L3 agent chassis-elsewhere.")
		refuse(admin.Put(path(last)+"/"+router, `{"ha_chassis_priority": 2}`), 409, "HAChassisPriorityAlreadyAssigned", "2")
		refuse(admin.Put(path("gone")+"/"+router, `{"ha_chassis_priority": 2}`), 404, "InvalidL3Agent", "chassis-gone")
		refuse(admin.Delete(path("elsewhere")+"/"+router), 409, "RouterNotHostedByL3Agent", "is not hosted")
		refuse(admin.Delete(path(last)+"/"+nowhere), 409, "RouterNotHostedByL3Agent", "is not hosted")
		refuse(admin.Delete(path("gone")+"/"+router), 404, "InvalidL3Agent", "chassis-gone")
		refuse(admin.Get(path("gone")), 404, "InvalidL3Agent", "chassis-gone")
		if told := notifytest.Types(ear.Since(t)); len(told) > 0 {
			t.Errorf("told of what was refused: %v", told)
		}

		// The last one becomes the first one, the first one is taken away and comes back as the last.
		if got := admin.Put(path(last)+"/"+router, `{"ha_chassis_priority": 100}`).Want(200).Body; string(got) != "null" {
			t.Errorf("answered %q", got)
		}
		is(last + "=100 " + active + "=3 " + middle + "=2")
		admin.Put(path(last)+"/"+router, `{}`).Want(200)
		admin.Delete(path(active) + "/" + router).Want(204)
		is(last + "=100 " + middle + "=2")
		admin.Get(path(active)).Want(200).Has("routers", "[]")
		if got := admin.Post(path(active), body("")).Want(201).Body; string(got) != "null" {
			t.Errorf("answered %q", got)
		}
		is(last + "=100 " + middle + "=2 " + active + "=1")
		admin.Delete(path(active) + "/" + router).Want(204)
		refuse(admin.Post(path(active), body(`, "ha_chassis_priority": 100`)), 409, "HAChassisPriorityAlreadyAssigned", "100")
		admin.Put(path(middle)+"/"+router, `{"ha_chassis_priority": 0}`).Want(200)
		refuse(admin.Post(path(active), body("")), 400, "InvalidHAChassisPriority", "") // nothing is below 0
		admin.Post(path(active), body(`, "ha_chassis_priority": "32767"`)).Want(201)
		is(active + "=32767 " + last + "=100 " + middle + "=0")
		if want, got := "[l3_agent.router.remove l3_agent.router.add l3_agent.router.remove l3_agent.router.add]", ear.Since(t); fmt.Sprint(notifytest.Types(got)) != want || got[0].Publisher != "router.control-1" {
			t.Errorf("told %v, want %s", notifytest.Types(got), want)
		}

		// What was chosen stays through a change of the gateway and of hosts.
		admin.Delete(path(active) + "/" + router).Want(204)
		m.Put(v2+"/routers/"+router, `{"router": {"external_gateway_info": null}}`).Want(200)
		is("")
		m.Put(v2+"/routers/"+router, gateway).Want(200)
		is(last + "=100 " + middle + "=0")
		if err := c.n.ForgetHost(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		is(middle + "=0")
		admin.Delete(v2 + "/agents/chassis-" + middle).Want(204) // a dead agent; now nothing is left but a host it was taken from
		c.clean(t)
		is("")
		admin.Post(path(active), body("")).Want(201)
		is(active + "=5")
		spec, _ := neutrontest.Spec[driver.RouterSpec](c.engine, "router", router)
		if fmt.Sprint(spec.Gateway.Chosen) != "[{chassis-"+active+" 5}]" {
			t.Errorf("the engine was told %v", spec.Gateway.Chosen)
		}
		m.Delete(v2 + "/routers/" + router).Want(204)
		if rows, err := db.Find[db.RouterChassis](t.Context(), h.Read(t.Context()), func(*bun.SelectQuery) {}); err != nil || len(rows) > 0 {
			t.Errorf("what was chosen stays without the router: %v %v", rows, err)
		}
		c.clean(t)
	}, db.Migrations, notify.Migrations)
}
