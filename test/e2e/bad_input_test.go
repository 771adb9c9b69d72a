package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestBadInput asks the running cloud for what it must refuse. Each refusal has upstream's status and says why; nothing is changed or left behind.
func TestBadInput(t *testing.T) {
	c := up(t, "--bare")
	b := &badInput{restClient: newREST(c)}
	b.ann, b.project = b.person("ann", "Walk-walk-71")
	b.bob, _ = b.person("bob", "Strange-81")
	before := b.inventory()
	for _, s := range []struct {
		name string
		do   func(*badInput)
	}{
		{"bodies", (*badInput).bodies},
		{"ids", (*badInput).ids},
		{"microversions and methods", (*badInput).versions},
		{"addresses", (*badInput).addresses},
		{"quota", (*badInput).quota},
		{"flavors and images", (*badInput).flavorsAndImages},
		{"uploads", (*badInput).uploads},
		{"tokens", (*badInput).tokens},
		{"strangers", (*badInput).strangers},
		{"an exhausted pool", (*badInput).exhausted},
		{"no valid host", (*badInput).noValidHost},
		{"create and delete at once", (*badInput).createAndDelete},
	} {
		t.Run(s.name, func(t *testing.T) {
			d := *b
			d.restClient, d.ann, d.bob = b.on(c.on(t)), b.ann.on(c.on(t)), b.bob.on(c.on(t))
			s.do(&d)
			if after := d.inventory(); after != before {
				t.Errorf("something changed:\n%s\nwas\n%s", after, before)
			}
			d.c.clean()
		})
	}
}

type badInput struct {
	*restClient // admin
	ann, bob    *restClient
	project     string // ann's
}

// inventory lists what there is, without times.
func (b *badInput) inventory() string {
	var out strings.Builder
	for _, path := range []string{
		"/compute/v2.1/servers?all_tenants=1", "/compute/v2.1/flavors?is_public=None", "/compute/v2.1/os-keypairs", "/network/v2.0/networks?fields=id&fields=name", "/network/v2.0/subnets?fields=id&fields=cidr",
		"/network/v2.0/ports?fields=id&device_owner=compute:nova", "/v3/projects", "/v3/users", "/image/v2/images",
	} {
		status, body, err := b.try(http.MethodGet, path, nil, nil)
		fmt.Fprintf(&out, "%s %d %v %s\n", path, status, err, body)
	}
	return out.String()
}

// server is a request for a server that would be served, with changes.
func (b *badInput) server(changes map[string]any) map[string]any {
	s := map[string]any{"name": "x", "imageRef": b.image, "flavorRef": b.flavor, "networks": []any{map[string]any{"uuid": b.network}}}
	for k, v := range changes {
		s[k] = v
	}
	return map[string]any{"server": s}
}

type obj = map[string]any

func (b *badInput) bodies() {
	post := func(status int, says, path string, body any) {
		b.c.t.Helper()
		b.refused(status, says, http.MethodPost, path, nil, body)
	}
	for _, path := range []string{"/compute/v2.1/servers", "/compute/v2.1/flavors", "/network/v2.0/networks", "/v3/projects", "/image/v2/images", "/placement/resource_providers", "/v3/auth/tokens"} {
		for _, body := range []string{`{"server": {`, `{]`, `"server"`, `[]`, "\xff\xfe{}", strings.Repeat(`[`, 50_000), strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)} {
			post(400, "", path, body)
		}
	}
	for path, size := range map[string]int{"/compute/v2.1/servers": 200_000, "/v3/projects": 200_000, "/network/v2.0/networks": 8 << 20} {
		post(413, "", path, `{"x": "`+strings.Repeat("x", size)+`"}`)
	}
	const servers = "/compute/v2.1/servers"
	post(400, "name", servers, b.server(obj{"name": 7}))
	post(400, "name", servers, b.server(obj{"name": ""}))
	post(400, "name", servers, b.server(obj{"name": strings.Repeat("n", 256)}))
	post(400, "networks", servers, b.server(obj{"networks": 7}))
	post(400, "flavorRef", servers, b.server(obj{"flavorRef": obj{}}))
	post(400, "1 is not of type 'string'", servers, b.server(obj{"metadata": obj{"k": 1}}))
	post(400, "user_data", servers, b.server(obj{"user_data": base64.StdEncoding.EncodeToString(make([]byte, 60_000))}))
	post(400, "nonsense", servers, b.server(obj{"nonsense": true}))
	// What the message repeats of the request must not bring a password into the log.
	post(400, "nonsense", servers, b.server(obj{"nonsense": true, "adminPass": b.c.hide("Hide-me-4711")}))
	post(400, "", servers, b.server(obj{"adminPass": []string{b.c.hide("Hide-me-4712")}}))
	post(400, "", "/v3/users", obj{"user": obj{"name": 7, "password": b.c.hide("Hide-me-4713")}})
	post(400, "", "/v3/users", obj{"user": obj{"name": "u", "password": []string{b.c.hide("Hide-me-4714")}}})
	post(400, "key_name", servers, b.server(obj{"key_name": "nobody-has-it"}))
	post(400, "", servers, b.server(obj{"min_count": 3, "max_count": 2}))
	post(400, "", servers, b.server(obj{"security_groups": []any{obj{"name": "no-such-group"}}}))
	post(400, "nonsense", "/compute/v2.1/flavors", obj{"flavor": obj{"name": "f", "ram": 1, "vcpus": 1, "disk": 1, "nonsense": 1}})
	post(400, "vcpus", "/compute/v2.1/flavors", obj{"flavor": obj{"name": "f", "ram": 1, "vcpus": 0, "disk": 1}})
	post(400, "nonsense", "/network/v2.0/networks", obj{"network": obj{"nonsense": 1}})
	post(400, "perhaps", "/network/v2.0/networks", obj{"network": obj{"admin_state_up": "perhaps"}})
	post(400, "", "/v3/projects", obj{"project": obj{"name": "p", "enabled": "yes"}})
	post(400, "", "/v3/projects", obj{"project": obj{"name": ""}})
	post(409, "", "/v3/projects", obj{"project": obj{"name": "anns", "domain_id": "default"}})
	post(400, "", "/image/v2/images", obj{"name": "x", "disk_format": "floppy"})
	post(400, "", "/image/v2/images", obj{"name": 7})
	post(403, "", "/image/v2/images", obj{"name": "x", "checksum": "0"})
	post(400, "", "/placement/resource_providers", obj{"name": "x", "nonsense": 1})
}

func (b *badInput) ids() {
	for _, path := range []string{
		"/compute/v2.1/servers/not-a-uuid", "/compute/v2.1/servers/" + b.image, "/compute/v2.1/flavors/none", "/compute/v2.1/os-keypairs/none",
		"/network/v2.0/networks/not-a-uuid", "/network/v2.0/ports/" + b.image, "/network/v2.0/routers/x", "/image/v2/images/not-a-uuid", "/image/v2/images/" + b.network,
		"/placement/resource_providers/" + b.image, "/v3/projects/none", "/v3/users/none", "/v3/nothing", "/compute/v2.1/nothing", "/nothing",
	} {
		b.refused(404, "", http.MethodGet, path, nil, nil)
	}
	b.refused(404, "", http.MethodDelete, "/compute/v2.1/servers/not-a-uuid", nil, nil)
	b.refused(404, "", http.MethodPost, "/compute/v2.1/servers/"+b.image+"/action", nil, obj{"os-start": nil})
	b.refused(404, "", http.MethodGet, "/compute/v2.1/servers/..%2f..%2fetc%2fpasswd", nil, nil)
	const servers = "/compute/v2.1/servers"
	b.refused(400, "imageRef", http.MethodPost, servers, nil, b.server(obj{"imageRef": "not-a-uuid"}))
	b.refused(400, "image", http.MethodPost, servers, nil, b.server(obj{"imageRef": b.network}))
	b.refused(400, "flavor", http.MethodPost, servers, nil, b.server(obj{"flavorRef": "none"}))
	b.refused(400, "uuid", http.MethodPost, servers, nil, b.server(obj{"networks": []any{obj{"uuid": "x"}}}))
	b.refused(400, "network", http.MethodPost, servers, nil, b.server(obj{"networks": []any{obj{"uuid": b.image}}}))
	b.refused(400, "port", http.MethodPost, servers, nil, b.server(obj{"networks": []any{obj{"port": b.image}}}))
	b.refused(400, "network_id", http.MethodPost, "/network/v2.0/subnets", nil, obj{"subnet": obj{"network_id": "x", "ip_version": 4, "cidr": "10.1.0.0/24"}})
	b.refused(404, "network", http.MethodPost, "/network/v2.0/ports", nil, obj{"port": obj{"network_id": b.image}})
}

func (b *badInput) versions() {
	const servers = "/compute/v2.1/servers"
	b.refused(406, "2.999", http.MethodGet, servers, map[string]string{"X-OpenStack-Nova-API-Version": "2.999"}, nil)
	b.refused(400, "banana", http.MethodGet, servers, map[string]string{"OpenStack-API-Version": "compute banana"}, nil)
	b.refused(406, "", http.MethodGet, "/placement/resource_providers", map[string]string{"OpenStack-API-Version": "placement 1.99"}, nil)
	b.refused(405, "", http.MethodPut, servers, nil, obj{})
	b.refused(400, "limit", http.MethodGet, servers+"?limit=-1", nil, nil)
	b.refused(400, "marker", http.MethodGet, servers+"?marker=none", nil, nil)
	b.refused(400, "", http.MethodGet, "/image/v2/images?limit=x", nil, nil)
	b.refused(400, "", http.MethodGet, "/network/v2.0/networks?limit=x", nil, nil)
}

func (b *badInput) addresses() {
	subnet := func(status int, says string, changes obj) {
		b.c.t.Helper()
		s := obj{"network_id": b.network, "ip_version": 4, "cidr": "10.78.0.0/24"}
		for k, v := range changes {
			s[k] = v
		}
		b.refused(status, says, http.MethodPost, "/network/v2.0/subnets", nil, obj{"subnet": s})
	}
	subnet(400, "10.78.0.0/33", obj{"cidr": "10.78.0.0/33"})
	subnet(400, "hello", obj{"cidr": "hello"})
	subnet(400, "", obj{"cidr": nil})
	subnet(400, "overlap", obj{"cidr": "10.77.0.0/25"})
	subnet(400, "overlap", obj{"cidr": "10.0.0.0/8"})
	subnet(400, "", obj{"ip_version": 5})
	subnet(400, "", obj{"ip_version": 6})
	subnet(400, "10.78.0.300", obj{"allocation_pools": []any{obj{"start": "10.78.0.1", "end": "10.78.0.300"}}})
	subnet(409, "gateway", obj{"gateway_ip": "10.78.0.15", "allocation_pools": []any{obj{"start": "10.78.0.10", "end": "10.78.0.20"}}})
	subnet(400, "", obj{"gateway_ip": "nowhere"})
	subnet(400, "pool", obj{"allocation_pools": []any{obj{"start": "10.78.0.10", "end": "10.79.0.20"}}})
	subnet(409, "overlap", obj{"allocation_pools": []any{obj{"start": "10.78.0.10", "end": "10.78.0.20"}, obj{"start": "10.78.0.15", "end": "10.78.0.30"}}})
	subnet(400, "", obj{"dns_nameservers": []string{"not an address"}})
	subnet(400, "", obj{"ipv6_ra_mode": "slaac"})
	b.refused(400, "", http.MethodPost, "/network/v2.0/ports", nil, obj{"port": obj{"network_id": b.network, "fixed_ips": []any{obj{"ip_address": "10.99.0.5"}}}})
	b.refused(400, "", http.MethodPost, "/network/v2.0/ports", nil, obj{"port": obj{"network_id": b.network, "mac_address": "no mac"}})
}

func (b *badInput) quota() {
	b.do(http.MethodPut, "/compute/v2.1/os-quota-sets/"+b.project, obj{"quota_set": obj{"instances": 0}}, nil)
	b.do(http.MethodPut, "/network/v2.0/quotas/"+b.project, obj{"quota": obj{"network": 0}}, nil)
	b.ann.refused(403, "Quota exceeded for instances: Requested 1, but already used 0 of 0 instances", http.MethodPost, "/compute/v2.1/servers", nil, b.server(obj{"networks": "none"}))
	b.ann.refused(409, "Quota exceeded for resources: ['network']", http.MethodPost, "/network/v2.0/networks", nil, obj{"network": obj{}})
	b.do(http.MethodDelete, "/compute/v2.1/os-quota-sets/"+b.project, nil, nil)
	b.do(http.MethodDelete, "/network/v2.0/quotas/"+b.project, nil, nil)
	n := b.ann.make("/network/v2.0/networks", "network", obj{})
	b.ann.do(http.MethodDelete, "/network/v2.0/networks/"+n, nil, nil)
}

func (b *badInput) flavorsAndImages() {
	refused := func(status int, says string, changes obj) {
		b.c.t.Helper()
		b.refused(status, says, http.MethodPost, "/compute/v2.1/servers", nil, b.server(changes))
	}
	queued := b.make("/image/v2/images", "", obj{"name": "queued", "disk_format": "raw", "container_format": "bare"})
	refused(400, "is not active", obj{"imageRef": queued})
	b.do(http.MethodDelete, "/image/v2/images/"+queued, nil, nil)
	refused(400, "image", obj{"imageRef": queued})
	for need, says := range map[string]string{"min_ram": "memory is too small", "min_disk": "disk is smaller than the minimum size"} {
		big := b.make("/image/v2/images", "", obj{"name": "big", "disk_format": "raw", "container_format": "bare", need: 1000})
		b.upload(big, make([]byte, 4096), 204)
		refused(400, says, obj{"imageRef": big})
		b.do(http.MethodDelete, "/image/v2/images/"+big, nil, nil)
	}
}
