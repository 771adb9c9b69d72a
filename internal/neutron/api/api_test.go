package api_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/neutron/api"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// cloud is a Neutron with its API and an engine in memory.
type cloud struct {
	*resttest.API
	n      *neutron.Service
	db     *store.DB
	engine *neutrontest.Backend
}

const v2 = "/network/v2.0"

// newCloud starts a cloud whose realiser runs until the test ends.
func newCloud(t *testing.T, h *store.DB, change ...func(*neutron.Config)) *cloud {
	t.Helper()
	engine := neutrontest.New()
	cfg := neutron.Config{
		DB: h, Backend: engine, Physnets: []neutron.Physnet{{Name: "physnet1", Flat: true, VLANs: [][2]int64{{100, 102}}}},
		DNSServers: []string{"9.9.9.9"},
		Wait:       time.Minute, // the stories look at the engine as soon as they have their answers
	}
	for _, c := range change {
		c(&cfg)
	}
	n := neutron.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := n.Run(ctx); err != nil {
			t.Errorf("the realiser ended: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	a := resttest.New(t, api.Service(n))
	a.Handler = judged(t, a.Handler)
	return &cloud{API: a, n: n, db: h, engine: engine}
}

// each runs a story on both databases.
func each(t *testing.T, story func(t *testing.T, c *cloud)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, h *store.DB) { story(t, newCloud(t, h)) }, db.Migrations)
}

// as returns the API for a persona, reporting to t.
func (c *cloud) as(t *testing.T, persona string) *resttest.API {
	t.Helper()
	return c.API.On(t).As(persona)
}

// eventually polls until ok.
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
func (c *cloud) clean(t *testing.T) {
	t.Helper()
	eventually(t, "nothing is pending", func() bool {
		rows, err := db.AllPending(t.Context(), c.db.Read(t.Context()))
		return err == nil && len(rows) == 0
	})
	found, err := c.n.Audit(t.Context(), false)
	if err != nil || len(found) > 0 {
		t.Errorf("audit: %v %v", found, err)
	}
}

// network makes a network with one subnet and returns their ids.
func network(api *resttest.API, name, cidr string) (net, subnet string) {
	net = api.Post(v2+"/networks", `{"network": {"name": "`+name+`"}}`).Want(201).Text("network.id")
	subnet = api.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "`+cidr+`"}}`).Want(201).Text("subnet.id")
	return net, subnet
}

// external makes an external network as the administrator.
func external(api *resttest.API) (net, subnet string) {
	net = api.Post(v2+"/networks", `{"network": {"name": "public", "router:external": true, "provider:network_type": "flat",
		"provider:physical_network": "physnet1"}}`).Want(201).Text("network.id")
	subnet = api.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "172.24.4.0/24", "enable_dhcp": false}}`).
		Want(201).Text("subnet.id")
	return net, subnet
}

func TestNetworkStory(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m := c.as(t, "member")
		a := m.Post(v2+"/networks", `{"network": {"name": "n", "description": "d", "tags": ["x"]}}`).Want(201).
			Has("network.name", "n").Has("network.status", "ACTIVE").Has("network.mtu", 1442).Has("network.shared", false).
			Has("network.project_id", "project-1").Has("network.tenant_id", "project-1").Has("network.router:external", false).
			Has("network.port_security_enabled", true).Has("network.revision_number", 0).Has("network.subnets", "[]").Has("network.tags", "[x]")
		if a.At("network.provider:network_type") != nil {
			t.Errorf("a member sees provider attributes: %s", a.Body)
		}
		id := a.Text("network.id")
		spec, ok := neutrontest.Spec[driver.NetworkSpec](c.engine, "network", id)
		if !ok || spec.Type != driver.Geneve || spec.MTU != 1442 || spec.Segment == 0 {
			t.Errorf("the engine has %+v", spec)
		}
		c.as(t, "admin").Get(v2+"/networks/"+id).Want(200).Has("network.provider:network_type", "geneve")
		m.Put(v2+"/networks/"+id, `{"network": {"name": "m", "mtu": 1300}}`).Want(200).Has("network.name", "m").
			Has("network.mtu", 1300).Has("network.revision_number", 1)
		c.as(t, "other").Get(v2+"/networks/"+id).Want(404).Has("NeutronError.type", "NetworkNotFound")
		c.as(t, "other").Delete(v2 + "/networks/" + id).Want(404)
		m.Get(v2+"/networks?name=m&fields=id&fields=name").Want(200).Has("networks.0.name", "m")
		c.as(t, "other").Get(v2+"/networks").Want(200).Has("networks", "[]")
		m.Delete(v2 + "/networks/" + id).Want(204)
		m.Get(v2 + "/networks/" + id).Want(404)
		if c.engine.Has("network", id) {
			t.Error("the engine still has the network")
		}
		c.clean(t)
	})
}

func TestServerNetworkWalk(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin := c.as(t, "member"), c.as(t, "admin")
		ext, outer := external(admin)
		net, subnet := network(m, "private", "10.0.0.0/24")
		m.Get(v2+"/subnets/"+subnet).Has("subnet.gateway_ip", "10.0.0.1").
			Has("subnet.allocation_pools", "[map[end:10.0.0.254 start:10.0.0.2]]")
		spec, _ := neutrontest.Spec[driver.SubnetSpec](c.engine, "subnet", subnet)
		if !spec.MetadataIP.IsValid() || spec.MTU != 1442 || len(spec.DNS) != 1 {
			t.Errorf("the engine's subnet is %+v", spec)
		}
		p := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "name": "p"}}`).Want(201).
			Has("port.status", "DOWN").Has("port.device_owner", "")
		port, ip := p.Text("port.id"), p.Text("port.fixed_ips.0.ip_address")
		if p.Len("port.security_groups") != 1 {
			t.Errorf("no default group: %s", p.Body)
		}
		r := m.Post(v2+"/routers", `{"router": {"name": "r", "external_gateway_info": {"network_id": "`+ext+`"}}}`).Want(201).
			Has("router.external_gateway_info.enable_snat", true)
		router := r.Text("router.id")
		m.Put(v2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200).Has("subnet_id", subnet).Has("id", router)
		f := m.Post(v2+"/floatingips", `{"floatingip": {"floating_network_id": "`+ext+`", "port_id": "`+port+`"}}`).Want(201).
			Has("floatingip.status", "ACTIVE").Has("floatingip.fixed_ip_address", ip).Has("floatingip.router_id", router)
		fip := f.Text("floatingip.id")
		rs, _ := neutrontest.Spec[driver.RouterSpec](c.engine, "router", router)
		if rs.Gateway == nil || !rs.Gateway.EnableSNAT || len(rs.Interfaces) != 1 || len(rs.FloatingIPs) != 1 || len(rs.Gateway.NextHops) != 1 {
			t.Errorf("the engine's router is %+v", rs)
		}
		m.Put(v2+"/routers/"+router+"/remove_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(409).Has("NeutronError.type", "RouterInterfaceInUseByFloatingIP")
		m.Put(v2+"/routers/"+router, `{"router": {"external_gateway_info": null}}`).Want(409).Has("NeutronError.type", "RouterExternalGatewayInUseByFloatingIp")
		m.Delete(v2+"/routers/"+router).Want(409).Has("NeutronError.type", "RouterInUse")
		m.Delete(v2+"/subnets/"+subnet).Want(409).Has("NeutronError.type", "SubnetInUse")
		m.Delete(v2+"/networks/"+net).Want(409).Has("NeutronError.type", "NetworkInUse")
		m.Put(v2+"/floatingips/"+fip, `{"floatingip": {"port_id": null}}`).Want(200).Has("floatingip.status", "DOWN").Has("floatingip.port_id", "<nil>")
		m.Put(v2+"/floatingips/"+fip, `{"floatingip": {"port_id": "`+port+`"}}`).Want(200).Has("floatingip.status", "ACTIVE")
		m.Put(v2+"/floatingips/"+fip, `{"floatingip": {"description": "kept"}}`).Want(200).Has("floatingip.port_id", port)
		m.Put(v2+"/floatingips/"+fip, `{"floatingip": {}}`).Want(200).Has("floatingip.port_id", nil) // the oldest way to say "nowhere"
		m.Put(v2+"/floatingips/"+fip, `{"floatingip": {"port_id": "`+port+`"}}`).Want(200)
		m.Delete(v2 + "/ports/" + port).Want(204)
		m.Get(v2+"/floatingips/"+fip).Want(200).Has("floatingip.port_id", "<nil>")
		m.Delete(v2 + "/floatingips/" + fip).Want(204)
		m.Put(v2+"/routers/"+router+"/remove_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		m.Delete(v2 + "/routers/" + router).Want(204)
		m.Delete(v2 + "/networks/" + net).Want(204)
		m.Get(v2+"/networks/"+ext).Want(200).Has("network.router:external", true)
		m.Get(v2+"/subnets/"+outer).Want(404).Has("NeutronError.type", "SubnetNotFound")
		m.Get(v2+"/subnets?network_id="+ext).Want(200).Has("subnets", "[]")
		fip = m.Post(v2+"/floatingips", `{"floatingip": {"floating_network_id": "`+ext+`"}}`).Want(201).Text("floatingip.id")
		admin.Delete(v2 + "/networks/" + ext).Want(204)
		m.Get(v2 + "/floatingips/" + fip).Want(404) // unused ones go with their network
		c.clean(t)
		if c.engine.Count("port") != 0 || c.engine.Count("router") != 0 {
			t.Errorf("left in the engine: %v", c.engine.Kinds())
		}
	})
}

// budget sends a request as a member and fails if it took more statements than allowed.
func (c *cloud) budget(t *testing.T, most int, method, path string, body any) *resttest.Answer {
	t.Helper()
	text, _ := body.(string)
	ctx, count := store.Count(t.Context())
	r := httptest.NewRequestWithContext(ctx, method, v2+path, strings.NewReader(text))
	r.Header.Set("X-Auth-Token", "member")
	rec := httptest.NewRecorder()
	c.Handler.ServeHTTP(rec, r)
	if rec.Code >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	if n := count.Statements(); n > most {
		t.Errorf("%s %s took %d statements, at most %d are allowed", method, path, n, most)
	}
	return &resttest.Answer{T: t, What: method + " " + path, Code: rec.Code, Header: rec.Header(), Body: rec.Body.Bytes()}
}

func TestSubnetsOfAllKinds(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m := c.as(t, "member")
		net := m.Post(v2+"/networks", `{"network": {}}`).Want(201).Text("network.id")
		add := func(rest string) *resttest.Answer {
			t.Helper()
			return m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", `+rest+`}}`).Want(201)
		}
		tiny := add(`"ip_version": 4, "cidr": "10.1.0.7/32"`).Has("subnet.gateway_ip", "10.1.0.7").Has("subnet.allocation_pools", "[]").Text("subnet.id")
		m.Delete(v2 + "/subnets/" + tiny).Want(204)
		add(`"ip_version": 4, "cidr": "10.2.0.0/24", "gateway_ip": "10.2.0.100"`).
			Has("subnet.allocation_pools", "[map[end:10.2.0.99 start:10.2.0.1] map[end:10.2.0.254 start:10.2.0.101]]")
		add(`"ip_version": 4, "cidr": "10.3.0.0/24", "gateway_ip": null`).Has("subnet.gateway_ip", "<nil>").
			Has("subnet.allocation_pools", "[map[end:10.3.0.254 start:10.3.0.1]]")
		slaac := add(`"ip_version": 6, "cidr": "fd00:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"`).Text("subnet.id")
		stateful := add(`"ip_version": 6, "cidr": "fd00:2::/64", "ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"`).Text("subnet.id")
		stateless := add(`"ip_version": 6, "cidr": "fd00:3::/64", "ipv6_ra_mode": "dhcpv6-stateless", "ipv6_address_mode": "dhcpv6-stateless"`).Text("subnet.id")
		p := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "mac_address": "fa:16:3e:00:00:01"}}`).Want(201)
		have := map[string]string{}
		var port struct {
			Port struct {
				FixedIPs []struct {
					Subnet string `json:"subnet_id"`
					IP     string `json:"ip_address"`
				} `json:"fixed_ips"`
			}
		}
		p.JSON(&port)
		for _, f := range port.Port.FixedIPs {
			have[f.Subnet] = f.IP
		}
		if len(have) != 4 || have[slaac] != "fd00:1::f816:3eff:fe00:1" || have[stateless] != "fd00:3::f816:3eff:fe00:1" || !strings.HasPrefix(have[stateful], "fd00:2::") {
			t.Errorf("one IPv4, one stateful and two of its own: %v", have)
		}
		m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "fixed_ips": [{"subnet_id": "`+slaac+`", "ip_address": "fd00:1::9"}]}}`).
			Want(400).Says("can not be directly assigned")
		// A subnet of addresses that guests make themselves goes without asking them.
		m.Delete(v2 + "/subnets/" + slaac).Want(204)
		m.Delete(v2+"/subnets/"+stateful).Want(409).Has("NeutronError.type", "SubnetInUse")
		c.clean(t)
	})
}
