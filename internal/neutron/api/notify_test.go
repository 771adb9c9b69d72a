package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/neutron"
	"gostack/internal/neutron/db"
	"gostack/internal/notify"
	"gostack/internal/notify/notifytest"
	"gostack/internal/policy"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// TestWhatIsTold compares what requests are told as with upstream's pecan hook and l3_db: RESOURCE.VERB.start with the body, .end with the
// answer, by network.HOST on exchange neutron; nothing of requests that were refused.
func TestWhatIsTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, h *store.DB) {
		ear := notifytest.Hear(t, h)
		c := newCloud(t, h)
		m := c.as(t, "member")
		expect := func(what string, types ...string) []map[string]any {
			t.Helper()
			list := ear.Since(t)
			if diff := cmp.Diff(types, notifytest.Types(list)); diff != "" {
				t.Errorf("%s:\n%s", what, diff)
				return make([]map[string]any, len(types))
			}
			var payloads []map[string]any
			for _, n := range list {
				if n.Service != "neutron" || n.Publisher != "network.control-1" || n.Priority != "info" || n.Versioned || n.RequestID == "" && what != "nova" {
					t.Errorf("%s: %+v", what, n)
				}
				payloads = append(payloads, notifytest.Payload(t, n))
			}
			return payloads
		}
		keys := func(p map[string]any) string {
			var names []string
			for k := range p {
				names = append(names, k)
			}
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		net := m.Post(v2+"/networks", `{"network": {"name": "blue"}}`).Want(201).Text("network.id")
		p := expect("network", "network.create.start", "network.create.end")
		end, _ := p[1]["network"].(map[string]any)
		if start, _ := p[0]["network"].(map[string]any); start["name"] != "blue" || end["id"] != net || end["status"] != "ACTIVE" {
			t.Errorf("%v", p)
		}
		m.Post(v2+"/networks", `{"network": {"name": "blue", "mtu": "none"}}`).Want(400)
		m.Delete(v2 + "/networks/" + "6f70656e-7374-4163-ab20-000000000000").Want(404)
		expect("refused", []string{}...)
		subnet := m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`).Want(201).Text("subnet.id")
		expect("subnet", "subnet.create.start", "subnet.create.end")
		m.Put(v2+"/networks/"+net, `{"network": {"name": "green"}}`).Want(200)
		p = expect("update", "network.update.start", "network.update.end")
		if keys(p[0]) != "id network" || p[0]["id"] != net {
			t.Errorf("%v", p[0])
		}
		m.Post(v2+"/ports", `{"ports": [{"network_id": "`+net+`"}, {"network_id": "`+net+`"}]}`).Want(201)
		p = expect("bulk", "port.create.start", "port.create.end")
		if ports, _ := p[1]["ports"].([]any); len(ports) != 2 {
			t.Errorf("%v", p[1])
		}
		router := m.Post(v2+"/routers", `{"router": {"name": "r"}}`).Want(201).Text("router.id")
		expect("router", "router.create.start", "router.create.end")
		m.Put(v2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		p = expect("interface", "router.interface.create")
		if i, _ := p[0]["router_interface"].(map[string]any); i["id"] != router || i["subnet_id"] != subnet || i["port_id"] == nil || i["tenant_id"] == nil {
			t.Errorf("%v", p[0])
		}
		m.Put(v2+"/routers/"+router+"/remove_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		expect("interface", "router.interface.delete")
		m.Delete(v2 + "/routers/" + router).Want(204)
		p = expect("router", "router.delete.start", "router.delete.end")
		if keys(p[0]) != "router_id" || keys(p[1]) != "router router_id" || p[1]["router_id"] != router {
			t.Errorf("%v", p)
		}
		group := m.Post(v2+"/security-groups", `{"security_group": {"name": "g"}}`).Want(201).Text("security_group.id")
		m.Post(v2+"/security-group-rules", `{"security_group_rule": {"security_group_id": "`+group+`", "direction": "ingress"}}`).Want(201)
		expect("group", "security_group.create.start", "security_group.create.end", "security_group_rule.create.start", "security_group_rule.create.end")
		public, _ := external(c.as(t, "admin"))
		ear.Since(t)
		m.Post(v2+"/floatingips", `{"floatingip": {"floating_network_id": "`+public+`"}}`).Want(201)
		expect("floating ip", "floatingip.create.start", "floatingip.create.end")

		// What Nova does to ports is told as its requests to the API are with upstream.
		caller := &policy.Caller{UserID: "u", ProjectID: end["project_id"].(string), Roles: []string{"member"}}
		plan, err := c.n.PlanPorts(t.Context(), caller, []neutron.NICRequest{{NetworkID: net}})
		if err != nil {
			t.Fatal(err)
		}
		server := neutron.ServerRef{ID: "6f70656e-7374-4163-ab20-111111111111", Name: "s", Project: caller.ProjectID, AZ: "nova"}
		ports, err := c.n.CreatePorts(t.Context(), h.Read(t.Context()), caller, server, plan)
		if err != nil {
			t.Fatal(err)
		}
		p = expect("nova", "port.create.start", "port.create.end")
		if port, _ := p[1]["port"].(map[string]any); port["device_id"] != server.ID || port["device_owner"] != "compute:nova" {
			t.Errorf("%v", p[1])
		}
		if _, err := c.n.BindPorts(t.Context(), []string{ports[0].ID}, "host-1"); err != nil {
			t.Fatal(err)
		}
		p = expect("nova", "port.update.start", "port.update.end")
		if port, _ := p[1]["port"].(map[string]any); port["binding:host_id"] != "host-1" {
			t.Errorf("%v", p[1])
		}
		if err := c.n.DeletePorts(t.Context(), nil, server.ID); err != nil {
			t.Fatal(err)
		}
		p = expect("nova", "port.delete.start", "port.delete.end")
		if port, _ := p[1]["port"].(map[string]any); p[1]["port_id"] != ports[0].ID || port["id"] != ports[0].ID {
			t.Errorf("%v", p[1])
		}
	}, db.Migrations, notify.Migrations)
}
