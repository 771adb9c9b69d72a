package app

import (
	"encoding/json"
	"testing"

	"gostack/internal/config"
)

// Nova asks Keystone for its limits when it is told to, and shows them where its own quotas were.
func TestNovaObeysKeystonesLimits(t *testing.T) {
	wants := administered(t, "nova-api", func(c *config.Config) { c.Nova.Quota = []string{"driver=UnifiedLimitsDriver"} })
	id := func(path string) string {
		t.Helper()
		var list map[string]json.RawMessage
		var rows []struct{ ID string }
		if err := json.Unmarshal([]byte(wants(200, "", "GET", path, "")), &list); err != nil {
			t.Fatal(err)
		}
		for name, text := range list {
			if name != "links" && json.Unmarshal(text, &rows) == nil && len(rows) == 1 {
				return rows[0].ID
			}
		}
		t.Fatalf("%s: %v", path, list)
		return ""
	}
	service, project := id("/identity/v3/services?type=compute"), id("/identity/v3/projects?name=admin")
	const group, groups = `{"server_group": {"name": "g", "policies": ["affinity"]}}`, "/compute/v2.1/os-server-groups"
	wants(200, "", "POST", groups, group) // not among the resources that have to be registered
	register := func(name, most string) {
		wants(201, name, "POST", "/identity/v3/registered_limits",
			`{"registered_limits": [{"service_id": "`+service+`", "resource_name": "`+name+`", "default_limit": `+most+`}]}`)
	}
	register("server_groups", "1")
	register("class:VCPU", "7")
	wants(201, "class:VCPU", "POST", "/identity/v3/limits",
		`{"limits": [{"service_id": "`+service+`", "project_id": "`+project+`", "resource_name": "class:VCPU", "resource_limit": 3}]}`)
	wants(403, "Project None is over a limit for [Resource server_groups is over limit of 1 due to current usage 1 and delta 1]", "POST", groups, group)
	const sets = "/compute/v2.1/os-quota-sets/"
	wants(200, `"cores":3`, "GET", sets+project, "")
	wants(200, `"cores":7`, "GET", sets+project+"/defaults", "")
	wants(200, `"cores":7`, "GET", "/compute/v2.1/os-quota-class-sets/default", "")
	wants(200, `"server_groups":{"in_use":1,"limit":1,"reserved":0}`, "GET", sets+project+"/detail", "")
	wants(200, `"cores":3`, "PUT", sets+project, `{"quota_set": {"cores": 50, "instances": 0}}`)
	wants(200, `"instances":0`, "GET", sets+project, "") // nobody registered servers, which are required
	wants(200, `"maxTotalCores":3`, "GET", "/compute/v2.1/limits", "")
	wants(200, `"totalServerGroupsUsed":1`, "GET", "/compute/v2.1/limits", "")
}
