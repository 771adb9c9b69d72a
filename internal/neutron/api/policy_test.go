package api_test

import (
	"encoding/csv"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/neutron/api"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

// TestEveryRouteObeysItsPolicy drives each route as every persona and compares with the policy table: on the caller's own project, on
// another project, and on a network that the caller owns.
func TestEveryRouteObeysItsPolicy(t *testing.T) {
	n := neutron.New(neutron.Config{DB: storetest.SQLite(t, db.Migrations), Backend: neutrontest.New()})
	svc := api.Service(n)
	a := resttest.New(t, svc)
	engine, err := policy.New(api.Policies)
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]policy.Target{
		"own":     {"project_id": "project-1", "network:project_id": "project-1", "security_group:project_id": "project-1", "device_owner": "", "ext_parent:project_id": "project-1"},
		"foreign": {"project_id": "project-9", "network:project_id": "project-9", "security_group:project_id": "project-9", "shared": false, "ext_parent:project_id": "project-9"},
		"shared":  {"project_id": "project-9", "network:project_id": "project-9", "shared": true, "router:external": true},
	} {
		a.Server.Probe = func(*rest.Request) policy.Target { return target }
		for _, route := range svc.Routes {
			path := "/network" + strings.NewReplacer("{id}", "11111111-2222-3333-4444-555555555555", "{tag}", "t", "{parent}", "99999999-2222-3333-4444-555555555555").Replace(route.Path)
			for persona, caller := range resttest.Personas {
				want := true
				if route.Policy != rest.Public && route.Policy != rest.Authenticated {
					want = engine.Check(route.Policy, caller, target) == nil
				}
				code := a.As(persona).Do(route.Method, path, nil).Code
				if got := code < 400; got != want {
					t.Errorf("%s %s (%s) as %s on %s: status %d, the policy says %v", route.Method, route.Path, route.Policy, persona, name, code, want)
				}
			}
			if code := a.As("none").Do(route.Method, path, nil).Code; (code == http.StatusUnauthorized) != (route.Policy != rest.Public) {
				t.Errorf("%s %s without a token: %d", route.Method, route.Path, code)
			}
		}
	}
}

// TestPoliciesAreUpstreams compares the table with upstream's, read as data.
func TestPoliciesAreUpstreams(t *testing.T) {
	f, err := os.Open(shared(t, "api/policies.tsv"))
	if err != nil {
		t.Skipf("no upstream data: %v", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	upstream := map[string]string{}
	for _, row := range rows {
		if row[0] == "network" {
			upstream[row[1]] = row[2]
		}
	}
	own := map[string]bool{}
	for _, p := range api.Policies {
		own[p.Name] = true
		if strings.HasPrefix(p.Name, "neutron:") {
			continue
		}
		if got := strings.ReplaceAll(p.Check, "rule:neutron:", "rule:"); upstream[p.Name] != got {
			t.Errorf("%s is %q, upstream has %q", p.Name, got, upstream[p.Name])
		}
	}
	// Attributes of extensions that are not served here.
	left := map[string]bool{
		"segments": true, "hints": true, "trusted": true, "pvlan": true, "pvlan_type": true, "pvlan_community": true, "distributed": true,
		"ha": true, "resource_request": true, "data_plane_status": true, "enable_default_route_bfd": true, "enable_default_route_ecmp": true,
		"evpn_vni": true, "segment_id": true,
	}
	for name := range upstream {
		resource, attribute, _ := strings.Cut(name, ":")
		if own[resource] && !own[name] && !left[attribute] {
			t.Errorf("upstream has %s: %q", name, upstream[name])
		}
	}
}

// shared finds a file of the material beside the repository, which is not part of it.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(filepath.Dir(dir), "shared", name)
		}
	}
	return name
}

// TestAttributesNeedRights covers policies of single attributes, and what others may learn.
func TestAttributesNeedRights(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other, reader := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other"), c.as(t, "reader")
		for _, body := range []string{
			`{"network": {"shared": true}}`, `{"network": {"router:external": true}}`, `{"network": {"is_default": true}}`,
			`{"network": {"provider:network_type": "local"}}`, `{"network": {"provider:segmentation_id": 5}}`,
		} {
			m.Post(v2+"/networks", body).Want(403).Has("NeutronError.type", "PolicyNotAuthorized")
		}
		m.Post(v2+"/networks", `{"network": {"shared": false, "router:external": false}}`).Want(201)
		reader.Post(v2+"/networks", `{"network": {}}`).Want(403)
		c.as(t, "system-admin").Get(v2 + "/networks").Want(403)
		m.Post(v2+"/networks", `{"network": {"project_id": "project-2"}}`).Want(400).Says("requires admin privileges")
		admin.Post(v2+"/networks", `{"network": {"tenant_id": "project-2", "name": "theirs"}}`).Want(201).Has("network.project_id", "project-2")

		net, subnet := network(m, "n", "10.1.0.0/24")
		for _, body := range []string{
			`"binding:host_id": "h"`, `"binding:profile": {"a": 1}`, `"device_owner": "network:dhcp", "project_id": "project-2"`,
		} {
			if code := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", `+body+`}}`).Code; code < 400 {
				t.Errorf("a member's %s was taken: %d", body, code)
			}
		}
		p := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "mac_address": "fa:16:3e:01:02:03"}}`).Want(201)
		for _, hidden := range []string{"binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile"} {
			if p.At("port."+hidden) != nil {
				t.Errorf("a member sees %s", hidden)
			}
		}
		port := p.Text("port.id")
		admin.Get(v2+"/ports/"+port).Want(200).Has("port.binding:vif_type", "unbound")
		reader.Get(v2 + "/ports/" + port).Want(200)
		reader.Put(v2+"/ports/"+port, `{"port": {"name": "x"}}`).Want(403)
		reader.Delete(v2 + "/ports/" + port).Want(403)
		for _, path := range []string{"/ports/" + port, "/networks/" + net, "/subnets/" + subnet, "/networks/" + net + "/tags", "/ports/" + port + "/tags"} {
			other.Get(v2 + path).Want(404)
			other.Delete(v2 + path).Want(404)
		}
		other.Put(v2+"/ports/"+port, `{"port": {"name": "x"}}`).Want(404)
		other.Put(v2+"/networks/"+net+"/tags/t", nil).Want(404)
		other.Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(404).Has("NeutronError.type", "NetworkNotFound")
		other.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.2.0.0/24"}}`).Want(404)

		// Sharing opens the network, not what is on it.
		admin.Put(v2+"/networks/"+net, `{"network": {"shared": true}}`).Want(200).Has("network.shared", true)
		other.Get(v2+"/networks/"+net).Want(200).Has("network.shared", true)
		other.Get(v2 + "/ports/" + port).Want(404)
		other.Put(v2+"/networks/"+net, `{"network": {"name": "x"}}`).Want(403) // what one sees is no secret
		theirs := other.Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(201).Text("port.id")
		other.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "mac_address": "fa:16:3e:01:02:04"}}`).Want(403)
		other.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "fixed_ips": [{"ip_address": "10.1.0.77"}]}}`).Want(403)
		m.Get(v2 + "/ports/" + theirs).Want(200) // the network's owner sees it
		admin.Put(v2+"/networks/"+net, `{"network": {"shared": false}}`).Want(409).Has("NeutronError.type", "InvalidSharedSetting")
		other.Delete(v2 + "/ports/" + theirs).Want(204)
		admin.Put(v2+"/networks/"+net, `{"network": {"shared": false}}`).Want(200)
		other.Get(v2 + "/networks/" + net).Want(404)
	})
}

// TestNobodyGetsIntoOthersThingsByDeviceID covers ports that claim to be somebody else's.
func TestNobodyGetsIntoOthersThingsByDeviceID(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, other := c.as(t, "member"), c.as(t, "other")
		_, subnet := network(m, "n", "10.1.0.0/24")
		router := m.Post(v2+"/routers", `{"router": {}}`).Want(201).Text("router.id")
		m.Put(v2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		evil, _ := network(other, "evil", "10.66.0.0/24")
		other.Post(v2+"/ports", `{"port": {"network_id": "`+evil+`", "device_id": "`+router+`", "device_owner": "network:router_interface"}}`).Want(201)
		m.Put(v2+"/routers/"+router, `{"router": {"name": "again"}}`).Want(200)
		other.Post(v2+"/ports", `{"port": {"network_id": "`+evil+`", "device_id": "server-1", "device_owner": "compute:nova"}}`).Want(201)
		c.clean(t)
		if spec := routerSpec(t, c, router); len(spec.Interfaces) != 1 {
			t.Errorf("a foreign port is in the router: %+v", spec.Interfaces)
		}
		ports, err := c.n.PortsOf(t.Context(), []string{"server-1"})
		if err != nil || len(ports["server-1"]) != 0 {
			t.Errorf("a foreign port is on the server: %v %v", ports, err)
		}
		// Nor can it be put on a subnet or port of theirs.
		other.Put(v2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(404)
		mine := other.Post(v2+"/routers", `{"router": {}}`).Want(201).Text("router.id")
		other.Put(v2+"/routers/"+mine+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(404)
	})
}
