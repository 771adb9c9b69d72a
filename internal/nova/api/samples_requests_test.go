package api_test

import (
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/api"
	"gostack/internal/rest"
	"gostack/test/upstream"
)

// sampleRequests are the calls that upstream's documented bodies are for; those of actions of servers name themselves by their only member.
var sampleRequests = map[string]string{
	"flavor-access/flavor-access-add-tenant-req": "POST /flavors/{id}/action addTenantAccess", "flavor-access/flavor-access-remove-tenant-req": "POST /flavors/{id}/action removeTenantAccess",
	"flavor-access/flavor-create-req": "POST /flavors", "flavor-manage/flavor-create-post-req": "POST /flavors", "flavor-manage/flavor-update-req": "PUT /flavors/{id}",
	"flavor-extra-specs/flavor-extra-specs-create-req": "POST /flavors/{id}/os-extra_specs", "flavor-extra-specs/flavor-extra-specs-update-req": "PUT /flavors/{id}/os-extra_specs/{key}",
	"images/image-meta-key-put-req": "PUT /images/{id}/metadata/{key}", "images/image-metadata-post-req": "POST /images/{id}/metadata", "images/image-metadata-put-req": "PUT /images/{id}/metadata",
	"os-aggregates/aggregate-post-req": "POST /os-aggregates", "os-aggregates/aggregate-update-post-req": "PUT /os-aggregates/{id}", "os-aggregates/aggregate-images-post-req": "POST /os-aggregates/{id}/images",
	"os-aggregates/aggregate-add-host-post-req": "POST /os-aggregates/{id}/action add_host", "os-aggregates/aggregate-remove-host-post-req": "POST /os-aggregates/{id}/action remove_host",
	"os-aggregates/aggregate-metadata-post-req":                      "POST /os-aggregates/{id}/action set_metadata",
	"os-assisted-volume-snapshots/snapshot-create-assisted-req":      "POST /os-assisted-volume-snapshots",
	"os-attach-interfaces/attach-interfaces-create-net_id-req":       "POST /servers/{server_id}/os-interface",
	"os-attach-interfaces/attach-interfaces-create-req":              "POST /servers/{server_id}/os-interface",
	"os-console-auth-tokens/create-serial-console-req":               "POST /servers/{server_id}/remote-consoles",
	"os-console-auth-tokens/create-spice-direct-console-req":         "POST /servers/{server_id}/remote-consoles",
	"os-remote-consoles/create-mks-console-req":                      "POST /servers/{server_id}/remote-consoles",
	"os-remote-consoles/create-rdp-console-req":                      "POST /servers/{server_id}/remote-consoles",
	"os-remote-consoles/create-spice-direct-console-req":             "POST /servers/{server_id}/remote-consoles",
	"os-remote-consoles/create-vnc-console-req":                      "POST /servers/{server_id}/remote-consoles",
	"os-floating-ips/floating-ips-create-req":                        "POST /os-floating-ips",
	"os-hosts/host-put-maintenance-req":                              "PUT /os-hosts/{host}",
	"os-keypairs/keypairs-import-post-req":                           "POST /os-keypairs",
	"os-keypairs/keypairs-post-req":                                  "POST /os-keypairs",
	"os-multiple-create/multiple-create-no-resv-post-req":            "POST /servers",
	"os-multiple-create/multiple-create-post-req":                    "POST /servers",
	"os-quota-class-sets/quota-classes-update-post-req":              "PUT /os-quota-class-sets/{class}",
	"os-quota-sets/quotas-update-force-post-req":                     "PUT /os-quota-sets/{project}",
	"os-quota-sets/quotas-update-post-req":                           "PUT /os-quota-sets/{project}",
	"os-quota-sets/user-quotas-update-post-req":                      "PUT /os-quota-sets/{project}",
	"os-security-groups/security-group-post-req":                     "POST /os-security-groups",
	"os-security-groups/security-group-rules-post-req":               "POST /os-security-group-rules",
	"os-server-external-events/event-create-req":                     "POST /os-server-external-events",
	"os-server-groups/server-groups-post-req":                        "POST /os-server-groups",
	"servers/server-groups-post-req":                                 "POST /os-server-groups",
	"os-server-shares/server-shares-create-req":                      "POST /servers/{server_id}/shares",
	"os-server-shares/server-shares-create-tag-req":                  "POST /servers/{server_id}/shares",
	"os-server-tags/server-tags-put-all-req":                         "PUT /servers/{server_id}/tags",
	"os-snapshots/snapshot-create-req":                               "POST /os-snapshots",
	"os-volumes/os-volumes-post-req":                                 "POST /os-volumes",
	"os-volume_attachments/attach-volume-to-server-req":              "POST /servers/{server_id}/os-volume_attachments",
	"os-volume_attachments/update-volume-attachment-delete-flag-req": "PUT /servers/{server_id}/os-volume_attachments/{volume_id}",
	"os-volume_attachments/update-volume-req":                        "PUT /servers/{server_id}/os-volume_attachments/{volume_id}",
	"server-metadata/server-metadata-all-req":                        "PUT /servers/{server_id}/metadata",
	"server-metadata/server-metadata-req":                            "PUT /servers/{server_id}/metadata/{key}",
	"servers/server-create-req":                                      "POST /servers",
	"servers/server-create-req-v237":                                 "POST /servers",
	"servers/server-create-req-v257":                                 "POST /servers",
	"servers/server-create-req-with-host-and-node":                   "POST /servers",
	"servers/server-create-req-with-only-host":                       "POST /servers",
	"servers/server-create-req-with-only-node":                       "POST /servers",
	"servers/server-put-req":                                         "PUT /servers/{server_id}",
	"servers/server-update-req":                                      "PUT /servers/{server_id}",
	"server-migrations/force_complete":                               "POST /servers/{server_id}/migrations/{id}/action force_complete",
}

// requestExcept are documented bodies that upstream's own code does not take at their microversion, with the reason.
var requestExcept = map[string]string{
	"flavor-access/flavor-access-add-tenant-req.json":      "names no project that Keystone would make",
	"flavor-access/v2.7/flavor-access-add-tenant-req.json": "names no project that Keystone would make",
	"flavor-access/flavor-access-remove-tenant-req.json":   "names no project that Keystone would make",
	"servers/server-create-req-v237.json":                  "of 2.37",
	"os-keypairs/v2.92/keypairs-post-req.json":             "asks to make a key pair, which 2.92 ended",
	"os-server-external-events/event-create-req.json":      "an event that there is not",
	"servers/server-create-req-v257.json":                  "of 2.57",
	"servers/v2.90/server-create-req.json":                 "has files, which 2.57 ended",
	"servers/v2.94/server-create-req.json":                 "has files, which 2.57 ended",
}

// TestSampleRequests gives upstream's documented bodies to the schemas of our routes, at the microversion of each.
func TestSampleRequests(t *testing.T) {
	routes := api.New(&nova.Service{})[0].Routes
	find := func(method, path, action string, minor int) *rest.Route {
		for i := range routes {
			r := &routes[i]
			v := rest.V(2, minor)
			if r.Method == method && r.Path == path && r.Action == action && !v.Less(r.Min) && (r.Max.IsZero() || !r.Max.Less(v)) {
				return r
			}
		}
		return nil
	}
	used, judged := map[string]bool{}, 0
	for _, s := range upstream.Samples(t, "compute") {
		var method, path, action string
		if words := strings.Fields(sampleRequests[s.Name]); len(words) > 1 {
			method, path = words[0], words[1]
			action = strings.Join(words[2:], "")
			used[s.Name] = true
		} else if doc, ok := s.Doc.(map[string]any); ok && len(doc) == 1 && !strings.Contains(s.Name, "resp") {
			method, path = "POST", "/servers/{server_id}/action"
			for k := range doc {
				action = k
			}
			if find(method, path, action, s.Minor) == nil {
				continue // no request of an action
			}
		} else {
			continue
		}
		if requestExcept[s.File] != "" {
			continue
		}
		r := find(method, path, action, s.Minor)
		if r == nil {
			t.Errorf("%s: there is no %s %s %s at 2.%d", s.File, method, path, action, s.Minor)
			continue
		}
		if r.Body == nil {
			continue
		}
		if err := r.Body.Validate(s.Doc); err != nil {
			t.Errorf("%s: %v", s.File, err)
		}
		judged++
	}
	for name := range sampleRequests {
		if !used[name] {
			t.Errorf("there is no sample %s", name)
		}
	}
	t.Logf("%d requests judged", judged)
}
