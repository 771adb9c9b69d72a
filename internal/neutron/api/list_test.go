package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gostack/internal/rest/resttest"
)

// names returns the names in a list answer.
func names(a *resttest.Answer, collection string) []string {
	a.T.Helper()
	var doc map[string]json.RawMessage
	a.Want(200).JSON(&doc)
	var rows []struct{ Name string }
	if err := json.Unmarshal(doc[collection], &rows); err != nil {
		a.T.Fatal(err)
	}
	out := []string{}
	for _, r := range rows {
		out = append(out, r.Name)
	}
	return out
}

func TestListsPageSortAndFilter(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m := c.as(t, "member")
		m.Post(v2+"/networks", `{"networks": [{"name": "b", "mtu": 1400, "tags": ["red"]}, {"network": {"name": "a", "mtu": 1400, "tags": ["red", "blue"]}},
			{"name": "d", "mtu": 1300}, {"name": "c", "mtu": 1300, "admin_state_up": false}]}`).Want(201).Has("networks.0.name", "b").Has("networks.3.name", "c")
		want := func(query string, expected ...string) {
			t.Helper()
			if got := names(m.Get(v2+"/networks?"+query), "networks"); !slices.Equal(got, expected) {
				t.Errorf("%s: %v, want %v", query, got, expected)
			}
		}
		want("sort_key=name&sort_dir=asc", "a", "b", "c", "d")
		want("sort_key=mtu&sort_dir=asc&sort_key=name&sort_dir=desc", "d", "c", "b", "a")
		want("sort_key=name&sort_dir=desc&mtu=1400", "b", "a")
		want("sort_key=name&sort_dir=asc&name=a&name=d", "a", "d")
		want("admin_state_up=False", "c")
		want("sort_key=name&sort_dir=asc&tags=red", "a", "b")
		want("tags=red,blue", "a")
		want("sort_key=name&sort_dir=asc&not-tags=red", "c", "d")
		want("sort_key=name&sort_dir=asc&tags-any=blue,green", "a")
		want("sort_key=name&sort_dir=asc&not-tags-any=blue,red", "c", "d")
		want("tenant_id=project-1&name=a", "a")
		want("project_id=project-2")
		want("router:external=True")
		want("shared=True")
		want("sort_key=name&sort_dir=asc&shared=False", "a", "b", "c", "d")
		want("description=&name=a", "a")
		want("changed_since=2001-01-01T00:00:00&name=a", "a")
		want("changed_since=2999-01-01T00:00:00Z")
		m.Get(v2 + "/networks?changed_since=yesterday").Want(400).Says("changed_since must be in the following format")

		// Forward by links until there is none, then backward.
		var seen []string
		next := v2 + "/networks?limit=2&sort_key=name&sort_dir=asc&fields=name&fields=id"
		var last string
		for range 5 {
			a := m.Get(next).Want(200)
			seen = append(seen, names(a, "networks")...)
			var doc struct {
				Links []struct{ Rel, Href string } `json:"networks_links"`
			}
			a.JSON(&doc)
			last, next = next, ""
			for _, l := range doc.Links {
				if l.Rel == "next" {
					u, err := url.Parse(l.Href)
					if err != nil {
						t.Fatal(err)
					}
					next = u.RequestURI()
				}
			}
			if next == "" {
				break
			}
		}
		if !slices.Equal(seen, []string{"a", "b", "c", "d"}) {
			t.Errorf("paging saw %v, last %s", seen, last)
		}
		d := m.Get(v2 + "/networks?name=d").Text("networks.0.id")
		want("limit=2&page_reverse=True&sort_key=name&sort_dir=asc&marker="+d, "b", "c")
		want("limit=0&sort_key=name&sort_dir=asc", "a", "b", "c", "d")
		if a := m.Get(v2 + "/networks?fields=name"); strings.Contains(string(a.Body), "mtu") {
			t.Errorf("fields are ignored: %s", a.Body)
		}
		m.Get(v2 + "/networks.json").Want(200)
		m.Get(v2+"/networks/"+d+".json").Want(200).Has("network.name", "d")
		m.Get(v2 + "/security_groups").Want(200)
	})
}

func TestPortFilters(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m := c.as(t, "member")
		net, subnet := network(m, "n", "10.1.0.0/24")
		for i := range 3 {
			m.Post(v2+"/ports", fmt.Sprintf(`{"port": {"network_id": %q, "name": "p%d", "device_id": "d%d", "fixed_ips": [{"ip_address": "10.1.0.1%d"}],
				"allowed_address_pairs": [{"ip_address": "10.9.0.%d"}]}}`, net, i, i%2, i, i)).Want(201)
		}
		want := func(query string, expected ...string) {
			t.Helper()
			if got := names(m.Get(v2+"/ports?sort_key=name&sort_dir=asc&"+query), "ports"); !slices.Equal(got, expected) {
				t.Errorf("%s: %v, want %v", query, got, expected)
			}
		}
		group := m.Get(v2 + "/security-groups").Text("security_groups.0.id")
		want("fixed_ips=ip_address%3D10.1.0.11", "p1")
		want("fixed_ips=ip_address%3D10.1.0.11&fixed_ips=ip_address%3D10.1.0.12", "p1", "p2")
		want("name=p0&fixed_ips=subnet_id%3D"+subnet, "p0")
		want("fixed_ips=ip_address_substr%3D0.12", "p2")
		want("device_id=d0", "p0", "p2")
		want("device_owner=&device_id=d1", "p1")
		want("security_groups="+group, "p0", "p1", "p2")
		want("allowed_address_pairs=ip_address%3D10.9.0.2", "p2")
		want("network_id=" + nowhere)
		want("status=DOWN&device_id=d1", "p1")
		want("binding:host_id=&device_id=d1", "p1")
	})
}

// TestStatementsPerRequest asserts the budgets: one GET at most 2, a page at most 3 however long, POST at most 12.
func TestStatementsPerRequest(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin := c.as(t, "member"), c.as(t, "admin")
		ext, _ := external(admin)
		net, subnet := network(m, "n", "10.1.0.0/24")
		m.Get(v2 + "/security-groups").Want(200)
		router := m.Post(v2+"/routers", `{"router": {"external_gateway_info": {"network_id": "`+ext+`"}}}`).Want(201).Text("router.id")
		m.Put(v2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 6, "cidr": "fd00::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}}`).Want(201)
		var port, fip string
		for range 3 {
			port = c.budget(t, 12, "POST", "/ports", `{"port": {"network_id": "`+net+`", "fixed_ips": [{"subnet_id": "`+subnet+`"}]}}`).Text("port.id")
		}
		fip = c.budget(t, 12, "POST", "/floatingips", `{"floatingip": {"floating_network_id": "`+ext+`", "port_id": "`+port+`"}}`).Text("floatingip.id")
		group := c.budget(t, 12, "POST", "/security-groups", `{"security_group": {"name": "g"}}`).Text("security_group.id")
		rule := c.budget(t, 12, "POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "`+group+`", "direction": "ingress", "protocol": "tcp",
			"port_range_min": 22, "port_range_max": 22}}`).Text("security_group_rule.id")
		c.budget(t, 12, "POST", "/networks", `{"network": {"name": "x"}}`)
		n2 := c.budget(t, 12, "POST", "/networks", `{"network": {"name": "y"}}`).Text("network.id")
		c.budget(t, 12, "POST", "/subnets", `{"subnet": {"network_id": "`+n2+`", "ip_version": 4, "cidr": "10.3.0.0/24"}}`)
		c.budget(t, 12, "POST", "/routers", `{"router": {"external_gateway_info": {"network_id": "`+ext+`"}}}`)
		for _, path := range []string{
			"/networks/" + net, "/subnets/" + subnet, "/ports/" + port, "/routers/" + router, "/floatingips/" + fip, "/security-groups/" + group,
			"/security-group-rules/" + rule,
		} {
			c.budget(t, 2, "GET", path, nil)
		}
		for _, path := range []string{"/networks", "/subnets", "/ports", "/routers", "/floatingips", "/security-groups", "/security-group-rules"} {
			a := c.budget(t, 3, "GET", path, nil)
			collection := strings.ReplaceAll(path[1:], "-", "_")
			if a.Len(collection) < 2 && collection != "floatingips" {
				t.Errorf("%s has only %d", path, a.Len(collection))
			}
			c.budget(t, 3, "GET", path+"?limit=1&sort_key=id&sort_dir=asc&marker="+a.Text(collection+".0.id"), nil)
		}
	})
}
