package api_test

import (
	"slices"
	"testing"
)

// What a project sees is found in two ways, by a union of all it sees and by looking at each row of a narrow query: both show the same.
func TestBothWaysOfSeeingAgree(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) { // the port without a name is the network's own, for metadata
		m, admin := c.as(t, "member"), c.as(t, "admin")
		made := func(project, name string) (network, subnet, port string) {
			network = admin.Post(v2+"/networks", `{"network": {"name": "`+name+`", "project_id": "`+project+`"}}`).Want(201).Text("network.id")
			subnet = admin.Post(v2+"/subnets", `{"subnet": {"name": "`+name+`", "project_id": "`+project+`", "network_id": "`+network+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`).Want(201).Text("subnet.id")
			port = admin.Post(v2+"/ports", `{"port": {"name": "`+name+`", "project_id": "`+project+`", "network_id": "`+network+`"}}`).Want(201).Text("port.id")
			return network, subnet, port
		}
		own, _, _ := made("project-1", "own")
		shared, _, _ := made("project-9", "shared")
		hidden, hiddenSubnet, hiddenPort := made("project-9", "hidden")
		admin.Put(v2+"/networks/"+shared, `{"network": {"shared": true}}`).Want(200)
		admin.Post(v2+"/ports", `{"port": {"name": "guest", "project_id": "project-9", "network_id": "`+own+`"}}`).Want(201)
		m.Post(v2+"/ports", `{"port": {"name": "abroad", "network_id": "`+shared+`"}}`).Want(201)
		admin.Post(v2+"/security-groups", `{"security_group": {"name": "theirs", "project_id": "project-9"}}`).Want(201)
		m.Post(v2+"/security-groups", `{"security_group": {"name": "mine"}}`).Want(201)
		for collection, seen := range map[string][]string{
			"networks": {"own", "shared"}, "subnets": {"own", "shared"}, "ports": {"", "abroad", "guest", "own"}, "security-groups": {"default", "mine"},
		} {
			key := collection
			if key == "security-groups" {
				key = "security_groups"
			}
			if got := names(m.Get(v2+"/"+collection+"?sort_key=name&sort_dir=asc"), key); !slices.Equal(got, seen) {
				t.Errorf("%s: %v, want %v", collection, got, seen)
			}
			for _, name := range []string{"own", "shared", "hidden", "guest", "abroad", "default", "mine", "theirs"} {
				if got := names(m.Get(v2+"/"+collection+"?name="+name), key); slices.Contains(seen, name) != (len(got) == 1) {
					t.Errorf("%s named %s: %v", collection, name, got)
				}
			}
		}
		for _, path := range []string{"/networks/" + hidden, "/subnets/" + hiddenSubnet, "/ports/" + hiddenPort} {
			m.Get(v2 + path).Want(404)
		}
	})
}
