package e2e

import (
	"net/http"
	"strings"
	"sync"
)

func (b *badInput) tokens() {
	for _, path := range []string{"/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images", "/placement/resource_providers", "/v3/projects"} {
		for _, bad := range []string{"", "not-a-token-at-all", "gAAAAAB" + strings.Repeat("x", 200), strings.Repeat("x", 3000)} {
			d := *b.restClient
			d.token = bad
			d.refused(401, "", http.MethodGet, path, nil, nil)
		}
	}
	revoked := *b.ann
	revoked.token = b.c.token("ann", "Walk-walk-71", b.project)
	if status, _, err := revoked.try(http.MethodGet, "/compute/v2.1/servers", nil, nil); status != http.StatusOK {
		b.c.t.Errorf("a new token: %d, %v", status, err)
	}
	if status, answer, err := b.try(http.MethodDelete, "/v3/auth/tokens", map[string]string{"X-Subject-Token": revoked.token}, nil); status != http.StatusNoContent {
		b.c.t.Errorf("revoke: %d, %v %s", status, err, answer)
	}
	for _, path := range []string{"/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images"} {
		revoked.refused(401, "", http.MethodGet, path, nil, nil)
	}
	b.ann.refused(403, "", http.MethodGet, "/v3/users", nil, nil)
	b.ann.refused(403, "", http.MethodPost, "/compute/v2.1/flavors", nil, obj{"flavor": obj{"name": "f", "ram": 1, "vcpus": 1, "disk": 1}})
	b.ann.refused(403, "", http.MethodGet, "/placement/resource_providers", nil, nil)
}

// strangers: what belongs to another project does not exist.
func (b *badInput) strangers() {
	net := b.ann.make("/network/v2.0/networks", "network", obj{"name": "anns"})
	sub := b.ann.make("/network/v2.0/subnets", "subnet", obj{"network_id": net, "ip_version": 4, "cidr": "10.80.0.0/24"})
	port := b.ann.make("/network/v2.0/ports", "port", obj{"network_id": net})
	group := b.ann.make("/network/v2.0/security-groups", "security_group", obj{"name": "anns"})
	image := b.ann.make("/image/v2/images", "", obj{"name": "anns", "disk_format": "raw", "container_format": "bare"})
	for _, path := range []string{"/network/v2.0/networks/" + net, "/network/v2.0/subnets/" + sub, "/network/v2.0/ports/" + port, "/network/v2.0/security-groups/" + group, "/image/v2/images/" + image} {
		b.bob.refused(404, "", http.MethodGet, path, nil, nil)
		b.bob.refused(404, "", http.MethodDelete, path, nil, nil)
	}
	const servers = "/compute/v2.1/servers"
	b.bob.refused(400, "network", http.MethodPost, servers, nil, b.server(obj{"networks": []any{obj{"uuid": net}}}))
	b.bob.refused(400, "port", http.MethodPost, servers, nil, b.server(obj{"networks": []any{obj{"port": port}}}))
	b.bob.refused(400, "image", http.MethodPost, servers, nil, b.server(obj{"imageRef": image, "networks": "none"}))
	b.bob.refused(404, "", http.MethodPost, "/network/v2.0/ports", nil, obj{"port": obj{"network_id": net}})
	b.bob.refused(404, "", http.MethodPost, "/network/v2.0/subnets", nil, obj{"subnet": obj{"network_id": net, "ip_version": 4, "cidr": "10.81.0.0/24"}})
	b.bob.refused(404, "", http.MethodPost, "/network/v2.0/security-group-rules", nil, obj{"security_group_rule": obj{"security_group_id": group, "direction": "ingress"}})
	for _, path := range []string{"/network/v2.0/ports/" + port, "/network/v2.0/security-groups/" + group, "/network/v2.0/networks/" + net, "/image/v2/images/" + image} {
		b.ann.do(http.MethodDelete, path, nil, nil)
	}
}

// exhausted: a subnet with no address left refuses ports, and a server that wants one ends in ERROR and can be deleted.
func (b *badInput) exhausted() {
	net := b.make("/network/v2.0/networks", "network", obj{"name": "full"})
	b.make("/network/v2.0/subnets", "subnet", obj{"network_id": net, "ip_version": 4, "cidr": "10.82.0.0/30"})
	var ports []string
	for len(ports) < 4 {
		status, _, err := b.try(http.MethodPost, "/network/v2.0/ports", nil, obj{"port": obj{"network_id": net}})
		if err != nil || status != http.StatusCreated {
			break
		}
		ports = append(ports, "")
	}
	if len(ports) == 4 {
		b.c.t.Error("a /30 has four addresses for ports")
	}
	b.refused(409, "No more IP addresses available on network "+net, http.MethodPost, "/network/v2.0/ports", nil, obj{"port": obj{"network_id": net}})
	status, answer, err := b.try(http.MethodPost, "/compute/v2.1/servers", nil, b.server(obj{"networks": []any{obj{"uuid": net}}}))
	switch {
	case err == nil && status == http.StatusAccepted:
		id := between(answer, `"id":"`, `"`)
		b.failed(id, "no more ip addresses available on network")
	case err != nil || status < 400 || status >= 500:
		b.c.t.Errorf("a server on a full network: %d, %v: %s", status, err, answer)
	}
	_, answer, _ = b.try(http.MethodGet, "/network/v2.0/ports?fields=id&network_id="+net, nil, nil)
	for _, part := range strings.Split(answer, `"id":"`)[1:] {
		b.try(http.MethodDelete, "/network/v2.0/ports/"+part[:36], nil, nil) // those that belong to the network go with it
	}
	b.do(http.MethodDelete, "/network/v2.0/networks/"+net, nil, nil)
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// failed waits until a server is in ERROR for a reason, and deletes it.
func (b *badInput) failed(id, says string) {
	b.c.t.Helper()
	var last string
	b.c.eventually("server "+id+" fails", func() bool {
		last = b.status(id)
		return strings.HasPrefix(last, "ERROR")
	})
	if !strings.Contains(strings.ToLower(last), says) {
		b.c.t.Errorf("the server's fault is %q, want something about %q", last, says)
	}
	b.do(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil)
	b.c.eventually("server "+id+" goes", func() bool { return b.status(id) == "" })
}

// noValidHost: a server that is too large for every host; an operator learns which filter refused whom.
func (b *badInput) noValidHost() {
	for _, limit := range []string{"cores", "ram"} {
		b.do(http.MethodPut, "/compute/v2.1/os-quota-sets/"+b.project, obj{"quota_set": obj{limit: -1}}, nil)
	}
	huge := b.make("/compute/v2.1/flavors", "flavor", obj{"name": "huge", "ram": 50_000_000, "vcpus": 10_000, "disk": 1})
	id := b.ann.make("/compute/v2.1/servers", "server", b.server(obj{"flavorRef": huge, "networks": "none"})["server"].(obj))
	b.c.eventually("the server fails", func() bool { return strings.HasPrefix(b.status(id), "ERROR") })
	if why := b.c.gostack("why", id); !strings.Contains(why, "1 hosts considered") || !strings.Contains(why, "refused 1") || !strings.Contains(why, b.c.Name) {
		b.c.t.Errorf("why does not tell the filters' reasons:\n%s", why)
	}
	b.failed(id, "no valid host was found. there are not enough hosts available.")
	b.do(http.MethodDelete, "/compute/v2.1/flavors/"+huge, nil, nil)
	b.do(http.MethodDelete, "/compute/v2.1/os-quota-sets/"+b.project, nil, nil)
}

// createAndDelete deletes servers from several sides while they are being created.
func (b *badInput) createAndDelete() {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			status, answer, err := b.try(http.MethodPost, "/compute/v2.1/servers", nil, b.server(nil))
			id := between(answer, `"id":"`, `"`)
			if err != nil || status != http.StatusAccepted || len(id) != 36 {
				b.c.t.Errorf("create: %d, %v %s", status, err, answer)
				return
			}
			var deleters sync.WaitGroup
			for range 3 {
				deleters.Go(func() {
					for b.status(id) != "" {
						status, answer, err := b.try(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil)
						if err != nil || status != http.StatusNoContent && status != http.StatusNotFound {
							b.c.t.Errorf("delete: %d, %v %s", status, err, answer)
							return
						}
					}
				})
			}
			deleters.Wait()
		})
	}
	all.Wait()
	_, list, _ := b.try(http.MethodGet, "/compute/v2.1/servers?all_tenants=1", nil, nil)
	if strings.Contains(list, `"id"`) {
		b.c.t.Errorf("left: %s", list)
	}
}
