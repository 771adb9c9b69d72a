package api

import (
	"strings"

	"gostack/internal/rest"
)

// removed are the calls that left the compute API for good, with their services: they answer 410 at every microversion.
const removed = `
GET /os-agents
POST /os-agents
DELETE /os-agents/{agent_build_id}
PUT /os-agents/{agent_build_id}
GET /os-cells
POST /os-cells
GET /os-cells/capacities
GET /os-cells/detail
GET /os-cells/info
POST /os-cells/sync_instances
DELETE /os-cells/{cell_id}
GET /os-cells/{cell_id}
PUT /os-cells/{cell_id}
GET /os-cells/{cell_id}/capacities
POST /os-certificates
GET /os-certificates/root
GET /os-cloudpipe
POST /os-cloudpipe
PUT /os-cloudpipe/configure-project
GET /os-fixed-ips/{id}
POST /os-fixed-ips/{id}/action reserve
POST /os-fixed-ips/{id}/action unreserve
GET /os-floating-ip-dns
DELETE /os-floating-ip-dns/{domain}
PUT /os-floating-ip-dns/{domain}
DELETE /os-floating-ip-dns/{domain}/entries/{name}
GET /os-floating-ip-dns/{domain}/entries/{ip}
PUT /os-floating-ip-dns/{domain}/entries/{name}
GET /os-floating-ips-bulk
POST /os-floating-ips-bulk
PUT /os-floating-ips-bulk/delete
GET /os-floating-ips-bulk/{host_name}
GET /os-fping
GET /os-fping/{instance_id}
POST /os-networks
POST /os-networks/add
DELETE /os-networks/{network_id}
POST /os-networks/{network_id}/action associate_host
POST /os-networks/{network_id}/action disassociate
POST /os-networks/{network_id}/action disassociate_host
POST /os-networks/{network_id}/action disassociate_project
GET /os-security-group-default-rules
POST /os-security-group-default-rules
DELETE /os-security-group-default-rules/{security_group_default_rule_id}
GET /os-security-group-default-rules/{security_group_default_rule_id}
POST /os-tenant-networks
DELETE /os-tenant-networks/{network_id}
POST /servers/{server_id}/action os-getRDPConsole
POST /servers/{server_id}/action resetNetwork
GET /servers/{server_id}/consoles
POST /servers/{server_id}/consoles
DELETE /servers/{server_id}/consoles/{console_id}
GET /servers/{server_id}/consoles/{console_id}
GET /servers/{server_id}/os-virtual-interfaces
`

func (a *api) removedRoutes() []rest.Route {
	var routes []rest.Route
	for line := range strings.SplitSeq(strings.TrimSpace(removed), "\n") {
		words := strings.Fields(line)
		r := rest.Route{Method: words[0], Path: words[1], Policy: rest.Authenticated, Handle: gone}
		if strings.HasPrefix(r.Path, "/servers/") {
			r.Target = a.server
		}
		if len(words) > 2 {
			r.Action = words[2]
		}
		routes = append(routes, r)
	}
	return routes
}
