package api_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/api"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
	"gostack/test/upstream"
)

// world is a cloud in which what upstream's samples show can be asked for, by the administrator that they are made for.
type world struct {
	*live
	t       *testing.T
	server  string // active, with everything that a server can show
	bare    string // active, without
	mine    string // a member's
	made    int
	at      *resttest.API // at the microversion of the sample
	minor   int
	actions map[string]string // requests of server, by action
}

// free are the objects of samples whose members are the user's.
var free = []string{"metadata", "addresses", "extra_specs", "properties", "scheduler_hints", "OS-SCH-HNT:scheduler_hints", "log", "cpu_info", "hosts", "meta", "features"}

func newWorld(t *testing.T) *world {
	c := &live{Cloud: novatest.NewCloud(t, storetest.SQLite(t, novatest.Migrations...), 2)}
	c.Run()
	c.API = resttest.New(t, api.New(c.Nova)...)
	w := &world{live: c, t: t}
	w.at = c.As("admin").At("compute 2.104")
	own := c.As("member").At("compute 2.104")
	own.Post(base+"/os-keypairs", `{"keypair": {"name": "key", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQGpLqxKpbnQRUWqaFWLgmDCSBUvpcHuxxyRDLaUbmN me@here"}}`).Want(201)
	w.at.Post(base+"/os-keypairs", `{"keypair": {"name": "key", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQGpLqxKpbnQRUWqaFWLgmDCSBUvpcHuxxyRDLaUbmN me@here"}}`).Want(201)
	w.at.Post(base+"/os-server-groups", `{"server_group": {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 3}}}`).Want(200)
	group := own.Post(base+"/os-server-groups", `{"server_group": {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 3}}}`).Want(200).Text("server_group.id")
	w.server = own.Post(base+"/servers", `{"os:scheduler_hints": {"group": "`+group+`"}, "server": {"name": "web", "flavorRef": "1", "imageRef": "`+image+`", "networks": "auto", "key_name": "key",
		"metadata": {"My Server Name": "Apache1"}, "description": "d", "tags": ["tag1", "tag2"], "user_data": "IyEvYmluL2Jhc2g=", "config_drive": true, "hostname": "web",
		"accessIPv4": "1.2.3.4", "accessIPv6": "80fe::"}}`).Want(202).Text("server.id")
	c.Settled(w.server)
	w.bare = w.boot("bare")
	w.mine = own.Post(base+"/servers", `{"server": {"name": "mine", "flavorRef": "1", "imageRef": "`+image+`", "networks": "auto", "tags": ["tag1", "tag2"]}}`).Want(202).Text("server.id")
	c.Settled(w.mine)
	for range 2 { // so that there are two migrations
		w.act(w.bare, `{"migrate": null}`)
		c.As("admin").Post(base+"/servers/"+w.bare+"/action", `{"confirmResize": null}`).Want(204)
		c.Settled(w.bare)
	}
	w.act(w.server, `{"os-stop": null}`)
	w.act(w.server, `{"os-start": null}`)
	w.actions = map[string]string{}
	var list struct {
		Actions []struct {
			Action string
			ID     string `json:"request_id"`
		} `json:"instanceActions"`
	}
	w.at.Get(base + "/servers/" + w.server + "/os-instance-actions").Want(200).JSON(&list)
	for _, a := range list.Actions {
		w.actions[a.Action] = a.ID
	}
	return w
}

// boot makes one more server of the administrator's.
func (w *world) boot(name string) string {
	id := w.API.As("admin").At("compute 2.104").Post(base+"/servers", `{"server": {"name": "`+name+`", "flavorRef": "1", "imageRef": "`+image+`", "networks": "auto"}}`).Want(202).Text("server.id")
	w.Settled(id)
	return id
}

func (w *world) act(id, body string) {
	w.API.As("admin").At("compute 2.104").Post(base+"/servers/"+id+"/action", body).Want(202)
	w.Settled(id)
}

// rescued puts the member's server into rescue or takes it out.
func (w *world) rescued(want bool) {
	if is := w.Settled(w.mine).VMState == nova.Rescued; is == want {
		return
	}
	body, status := `{"rescue": null}`, 200
	if !want {
		body, status = `{"unrescue": null}`, 202
	}
	w.API.As("member").Post(base+"/servers/"+w.mine+"/action", body).Want(status)
	w.Settled(w.mine)
}

// owner is who asks for servers: an administrator, and from 2.90 on, as upstream's samples have it, a member of the project.
func (w *world) owner() *resttest.API {
	if w.minor >= 90 {
		return w.at.As("member")
	}
	return w.at
}

func (w *world) name() string { w.made++; return fmt.Sprintf("n%d", w.made) }

func (w *world) get(format string, args ...any) *resttest.Answer {
	return w.at.Get(base + fmt.Sprintf(format, args...))
}

func (w *world) post(path, body string) *resttest.Answer { return w.at.Post(base+path, body) }
func (w *world) put(path, body string) *resttest.Answer  { return w.at.Put(base+path, body) }

// TestSamples compares the form of our answers with upstream's documented ones, at the microversion of each.
func TestSamples(t *testing.T) {
	samples := upstream.Samples(t, "compute")
	w := newWorld(t)
	asks := sampleAsks()
	used, compared := map[string]bool{}, 0
	for _, s := range samples {
		ask := asks[s.Name]
		if ask == nil {
			continue
		}
		used[s.Name] = true
		if sampleExcept[s.File] != "" {
			continue
		}
		t.Run(s.File, func(t *testing.T) {
			w.minor, w.at = s.Minor, w.API.On(t).As("admin").At(fmt.Sprintf("compute 2.%d", s.Minor))
			a := ask(w)
			if a.Code >= 300 {
				t.Fatalf("%s: %d %s", a.What, a.Code, a.Body)
			}
			var got any
			if err := json.Unmarshal(a.Body, &got); err != nil {
				t.Fatalf("%s: %v", a.What, err)
			}
			for _, d := range upstream.Shape(s.Doc, got, free...) {
				t.Errorf("%s: %s", a.What, d)
			}
			compared++
		})
	}
	for name := range asks {
		if !used[name] {
			t.Errorf("there is no sample %s", name)
		}
	}
	t.Logf("%d samples compared", compared)
}

// sampleExcept are samples that differ from what upstream's code answers, with the reason.
var sampleExcept = map[string]string{
	"servers/v2.69/server-get-resp.json":                          "of a cell that is down, and there are no cells",
	"servers/v2.69/servers-details-resp.json":                     "of a cell that is down, and there are no cells",
	"servers/v2.69/servers-list-resp.json":                        "of a cell that is down, and there are no cells",
	"os-migrations/v2.23/migrations-get.json":                     "its first row is a live migration under way, which has links",
	"os-migrations/v2.66/migrations-get-with-changes-before.json": "its first row is a live migration under way, which has links",
	"os-migrations/v2.80/migrations-get-with-changes-before.json": "its first row is a live migration under way, which has links",
	"servers/v2.73/servers-details-resp.json":                     "asked for without a limit",
	"os-services/v2.69/services-list-get-resp.json":               "of a cell that is down, and there are no cells",
	"os-remote-consoles/get-vnc-console-post-resp.json":           "simulated hosts have no screens",
	"os-remote-consoles/v2.6/create-vnc-console-resp.json":        "simulated hosts have no screens",
	"os-server-diagnostics/server-diagnostics-get-resp.json":      "the names are those of the devices",
	"os-availability-zone/availability-zone-detail-resp.json":     "the names are those of the processes",
}

// sampleAsks are the requests that samples answer.
func sampleAsks() map[string]func(*world) *resttest.Answer {
	type ask = func(*world) *resttest.Answer
	get := func(path string) ask {
		return func(w *world) *resttest.Answer { return w.get("%s", path) }
	}
	ofServer := func(path string) ask {
		return func(w *world) *resttest.Answer { return w.get("/servers/%s%s", w.server, path) }
	}
	listed := func(path string) ask {
		return func(w *world) *resttest.Answer {
			all := ""
			if w.minor < 90 {
				all = "&all_tenants=1"
			}
			return w.owner().Get(base + path + "?limit=1&sort_key=created_at&sort_dir=asc" + all)
		}
	}
	asMember := func(path string) ask {
		return func(w *world) *resttest.Answer {
			w.rescued(false)
			return w.at.As("member").Get(base + path + w.mine)
		}
	}
	asks := map[string]ask{
		"limits/limit-get-resp":                        get("/limits"),
		"servers/servers-list-resp":                    listed("/servers"),
		"servers/servers-list-status-resp":             get("/servers?status=active&limit=1"),
		"servers/servers-details-resp":                 listed("/servers/detail"),
		"servers/server-get-resp":                      func(w *world) *resttest.Answer { return w.owner().Get(base + "/servers/" + w.server) },
		"servers-sort/server-sort-keys-list-resp":      get("/servers?sort_key=display_name&sort_dir=asc"),
		"server-ips/server-ips-resp":                   ofServer("/ips"),
		"server-ips/server-ips-network-resp":           ofServer("/ips/private"),
		"server-metadata/server-metadata-all-resp":     ofServer("/metadata"),
		"server-metadata/server-metadata-resp":         ofServer("/metadata/My%20Server%20Name"),
		"os-server-tags/server-tags-index-resp":        ofServer("/tags"),
		"os-server-tags/server-tags-show-details-resp": asMember("/servers/"),
		"os-server-tags/servers-tags-details-resp":     asMember("/servers/detail?name=mine&user_id="),
		"os-server-tags/server-tags-put-all-resp": func(w *world) *resttest.Answer {
			return w.put("/servers/"+w.server+"/tags", `{"tags": ["tag1", "tag2"]}`)
		},
		"os-server-diagnostics/server-diagnostics-get-resp":   ofServer("/diagnostics"),
		"os-server-password/get-password-resp":                ofServer("/os-server-password"),
		"os-server-topology/servers-topology-resp":            ofServer("/topology"),
		"os-security-groups/server-security-groups-list-resp": ofServer("/os-security-groups"),
		"os-attach-interfaces/attach-interfaces-list-resp":    ofServer("/os-interface"),
		"os-attach-interfaces/attach-interfaces-show-resp": func(w *world) *resttest.Answer {
			return w.get("/servers/%s/os-interface/%s", w.server, w.get("/servers/%s/os-interface", w.server).Text("interfaceAttachments.0.port_id"))
		},
		"os-attach-interfaces/attach-interfaces-create-resp": func(w *world) *resttest.Answer {
			a := w.post("/servers/"+w.bare+"/os-interface", `{"interfaceAttachment": {}}`)
			w.Settled(w.bare)
			return a
		},
		"os-instance-actions/instance-actions-list-resp":            ofServer("/os-instance-actions"),
		"os-instance-actions/instance-actions-list-with-limit-resp": ofServer("/os-instance-actions?limit=1"),
		"os-instance-actions/instance-actions-list-with-marker-resp": func(w *world) *resttest.Answer {
			return w.get("/servers/%s/os-instance-actions?marker=%s", w.server, w.actions["stop"])
		},
		"os-instance-actions/instance-actions-list-with-changes-since":  ofServer("/os-instance-actions?changes-since=2020-01-01T00:00:00Z"),
		"os-instance-actions/instance-actions-list-with-changes-before": ofServer("/os-instance-actions?changes-before=2100-01-01T00:00:00Z"),
		"os-instance-actions/instance-action-get-resp": func(w *world) *resttest.Answer {
			return w.get("/servers/%s/os-instance-actions/%s", w.server, w.actions["stop"])
		},
		"os-availability-zone/availability-zone-list-resp":                get("/os-availability-zone"),
		"os-availability-zone/availability-zone-detail-resp":              get("/os-availability-zone/detail"),
		"os-hosts/hosts-list-resp":                                        get("/os-hosts"),
		"os-hosts/host-get-resp":                                          get("/os-hosts/host-1"),
		"os-instance-usage-audit-log/inst-usage-audit-log-index-get-resp": get("/os-instance_usage_audit_log"),
		"os-instance-usage-audit-log/inst-usage-audit-log-show-get-resp":  get("/os-instance_usage_audit_log/2012-07-05%2010:00:00"),
		"os-simple-tenant-usage/simple-tenant-usage-get":                  get("/os-simple-tenant-usage?limit=1"),
		"os-simple-tenant-usage/simple-tenant-usage-get-all":              get("/os-simple-tenant-usage?detailed=1"),
		"os-simple-tenant-usage/simple-tenant-usage-get-detail":           get("/os-simple-tenant-usage?detailed=1&limit=1"),
		"os-simple-tenant-usage/simple-tenant-usage-get-specific":         get("/os-simple-tenant-usage/project-1?limit=1"),
		"versions/v21-version-get-resp":                                   get("/"),
		"versions/versions-get-resp":                                      func(w *world) *resttest.Answer { return w.at.Get("/compute/") },
		"versions/v2-version-get-resp":                                    func(w *world) *resttest.Answer { return w.at.Get("/compute/v2/") },
		"extension-info/extensions-get-resp":                              get("/extensions/os-agents"),
		"extension-info/extensions-list-resp":                             get("/extensions"),
	}
	for _, more := range []map[string]ask{flavorSamples(get), hostSamples(get), quotaSamples(get), changeSamples()} {
		for name, a := range more {
			asks[name] = a
		}
	}
	return asks
}

func flavorSamples(get func(string) func(*world) *resttest.Answer) map[string]func(*world) *resttest.Answer {
	member := func(w *world) *resttest.API { return w.at }
	return map[string]func(*world) *resttest.Answer{
		"flavors/flavors-list-resp":   get("/flavors"),
		"flavors/flavors-detail-resp": get("/flavors/detail"),
		"flavors/flavor-get-resp":     get("/flavors/1"),
		"flavor-manage/flavor-create-post-resp": func(w *world) *resttest.Answer {
			return w.post("/flavors", `{"flavor": {"name": "`+w.name()+`", "ram": 1024, "vcpus": 2, "disk": 10}}`)
		},
		"flavor-manage/flavor-update-resp": func(w *world) *resttest.Answer { return w.put("/flavors/1", `{"flavor": {"description": "d"}}`) },
		"flavor-access/flavor-access-add-tenant-resp": func(w *world) *resttest.Answer {
			id := w.post("/flavors", `{"flavor": {"name": "`+w.name()+`", "ram": 1024, "vcpus": 2, "disk": 10, "os-flavor-access:is_public": false}}`).Want(200).Text("flavor.id")
			return w.post("/flavors/"+id+"/action", `{"addTenantAccess": {"tenant": "project-1"}}`)
		},
		"flavor-extra-specs/flavor-extra-specs-create-resp": func(w *world) *resttest.Answer {
			return w.post("/flavors/1/os-extra_specs", `{"extra_specs": {"k": "v"}}`)
		},
		"flavor-extra-specs/flavor-extra-specs-list-resp": get("/flavors/1/os-extra_specs"),
		"os-keypairs/keypairs-list-resp":                  get("/os-keypairs?limit=1"),
		"os-keypairs/keypairs-get-resp":                   get("/os-keypairs/key"),
		"os-keypairs/keypairs-post-resp": func(w *world) *resttest.Answer {
			return w.post("/os-keypairs", `{"keypair": {"name": "`+w.name()+`"}}`)
		},
		"os-keypairs/keypairs-import-post-resp": func(w *world) *resttest.Answer {
			return w.post("/os-keypairs", `{"keypair": {"name": "`+w.name()+`", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQGpLqxKpbnQRUWqaFWLgmDCSBUvpcHuxxyRDLaUbmN me@here"}}`)
		},
		"os-server-groups/server-groups-list-resp": get("/os-server-groups"),
		"os-server-groups/server-groups-get-resp": func(w *world) *resttest.Answer {
			return w.get("/os-server-groups/%s", w.get("/os-server-groups").Text("server_groups.0.id"))
		},
		"os-server-groups/server-groups-post-resp": func(w *world) *resttest.Answer {
			policy := `"policies": ["anti-affinity"]`
			if w.minor >= 64 {
				policy = `"policy": "anti-affinity", "rules": {"max_server_per_host": 3}`
			}
			return member(w).Post(base+"/os-server-groups", `{"server_group": {"name": "x", `+policy+`}}`)
		},
	}
}

func hostSamples(get func(string) func(*world) *resttest.Answer) map[string]func(*world) *resttest.Answer {
	hypervisor := func(path string) func(*world) *resttest.Answer {
		return func(w *world) *resttest.Answer {
			return w.get("/os-hypervisors/%s%s", w.get("/os-hypervisors").Text("hypervisors.0.id"), path)
		}
	}
	with := func(old, now string) func(*world) *resttest.Answer {
		return func(w *world) *resttest.Answer {
			if w.minor < 53 {
				return w.get("%s", old)
			}
			return w.get("%s", now)
		}
	}
	service := func(old, body string) func(*world) *resttest.Answer {
		return func(w *world) *resttest.Answer {
			if w.minor < 53 {
				return w.put("/os-services/"+old, body)
			}
			change := map[string]string{
				"enable": `{"status": "enabled"}`, "disable": `{"status": "disabled"}`, "disable-log-reason": `{"status": "disabled", "disabled_reason": "r"}`, "force-down": `{"forced_down": false}`,
			}[old]
			return w.put("/os-services/"+w.get("/os-services?binary=nova-compute&host=host-2").Text("services.0.id"), change)
		}
	}
	asks := map[string]func(*world) *resttest.Answer{
		"os-hypervisors/hypervisors-list-resp": get("/os-hypervisors?limit=1"),
		"os-hypervisors/hypervisors-detail-resp": func(w *world) *resttest.Answer {
			if w.minor >= 33 {
				return w.get("/os-hypervisors/detail?limit=1")
			}
			return w.get("/os-hypervisors/detail")
		},
		"os-hypervisors/hypervisors-detail-with-servers-resp": get("/os-hypervisors/detail?with_servers=true"),
		"os-hypervisors/hypervisors-show-resp":                hypervisor(""),
		"os-hypervisors/hypervisors-show-with-servers-resp":   hypervisor("?with_servers=true"),
		"os-hypervisors/hypervisors-statistics-resp":          get("/os-hypervisors/statistics"),
		"os-hypervisors/hypervisors-uptime-resp":              hypervisor("/uptime"),
		"os-hypervisors/hypervisors-search-resp":              with("/os-hypervisors/host/search", "/os-hypervisors?hypervisor_hostname_pattern=host"),
		"os-hypervisors/hypervisors-with-servers-resp":        with("/os-hypervisors/host/servers", "/os-hypervisors?with_servers=true"),
		"os-services/services-list-get-resp":                  get("/os-services?binary=nova-compute"),
		"os-services/service-enable-put-resp":                 service("enable", `{"host": "host-2", "binary": "nova-compute"}`),
		"os-services/service-disable-put-resp":                service("disable", `{"host": "host-2", "binary": "nova-compute"}`),
		"os-services/service-disable-log-put-resp":            service("disable-log-reason", `{"host": "host-2", "binary": "nova-compute", "disabled_reason": "r"}`),
		"os-services/service-force-down-put-resp":             service("force-down", `{"host": "host-2", "binary": "nova-compute", "forced_down": false}`),
		"os-migrations/migrations-get":                        get("/os-migrations"),
		"os-migrations/migrations-get-with-limit":             get("/os-migrations?limit=1"),
		"os-migrations/migrations-get-with-changes-since":     get("/os-migrations?changes-since=2020-01-01T00:00:00Z"),
		"os-migrations/migrations-get-with-changes-before":    get("/os-migrations?changes-before=2100-01-01T00:00:00Z"),
		"os-aggregates/aggregates-list-get-resp":              get("/os-aggregates"),
	}
	aggregate := func(w *world) string {
		return fmt.Sprint(w.post("/os-aggregates", `{"aggregate": {"name": "`+w.name()+`", "availability_zone": "nova"}}`).Want(200).At("aggregate.id"))
	}
	for name, body := range map[string]string{
		"aggregates-add-host-post-resp": `{"add_host": {"host": "host-1"}}`, "aggregates-remove-host-post-resp": `{"remove_host": {"host": "host-1"}}`,
		"aggregates-metadata-post-resp": `{"set_metadata": {"metadata": {"key": "value"}}}`,
	} {
		asks["os-aggregates/"+name] = func(w *world) *resttest.Answer {
			id := aggregate(w)
			if name == "aggregates-remove-host-post-resp" {
				w.post("/os-aggregates/"+id+"/action", `{"add_host": {"host": "host-1"}}`).Want(200)
			}
			return w.post("/os-aggregates/"+id+"/action", body)
		}
	}
	asks["os-aggregates/aggregate-post-resp"] = func(w *world) *resttest.Answer {
		return w.post("/os-aggregates", `{"aggregate": {"name": "`+w.name()+`", "availability_zone": "nova"}}`)
	}
	asks["os-aggregates/aggregates-get-resp"] = func(w *world) *resttest.Answer { return w.get("/os-aggregates/%s", aggregate(w)) }
	asks["os-aggregates/aggregate-update-post-resp"] = func(w *world) *resttest.Answer {
		return w.put("/os-aggregates/"+aggregate(w), `{"aggregate": {"name": "`+w.name()+`"}}`)
	}
	return asks
}

func quotaSamples(get func(string) func(*world) *resttest.Answer) map[string]func(*world) *resttest.Answer {
	put := func(path, body string) func(*world) *resttest.Answer {
		return func(w *world) *resttest.Answer { return w.put(path, body) }
	}
	const set = "/os-quota-sets/project-1"
	return map[string]func(*world) *resttest.Answer{
		"os-quota-sets/quotas-show-get-resp":                 get(set),
		"os-quota-sets/user-quotas-show-get-resp":            get(set + "?user_id=u"),
		"os-quota-sets/quotas-show-defaults-get-resp":        get(set + "/defaults"),
		"os-quota-sets/quotas-show-detail-get-resp":          get(set + "/detail"),
		"os-quota-sets/quotas-update-post-resp":              put(set, `{"quota_set": {"instances": 45}}`),
		"os-quota-sets/quotas-update-force-post-resp":        put(set, `{"quota_set": {"force": true, "instances": 45}}`),
		"os-quota-sets/user-quotas-update-post-resp":         put(set+"?user_id=u", `{"quota_set": {"force": true, "instances": 9}}`),
		"os-quota-class-sets/quota-classes-show-get-resp":    get("/os-quota-class-sets/default"),
		"os-quota-class-sets/quota-classes-update-post-resp": put("/os-quota-class-sets/default", `{"quota_class_set": {"instances": 50}}`),
	}
}

// changeSamples are answers to what changes servers.
func changeSamples() map[string]func(*world) *resttest.Answer {
	action := func(body func(w *world) string) func(*world) *resttest.Answer {
		return func(w *world) *resttest.Answer {
			a := w.post("/servers/"+w.bare+"/action", body(w))
			w.Settled(w.bare)
			return a
		}
	}
	same := func(body string) func(*world) string { return func(*world) string { return body } }
	return map[string]func(*world) *resttest.Answer{
		"servers/server-create-resp": func(w *world) *resttest.Answer {
			networks := ""
			if w.minor >= 37 {
				networks = `, "networks": "auto"`
			}
			a := w.post("/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`"`+networks+`}}`)
			if a.Code == 202 {
				w.Settled(a.Text("server.id"))
				w.at.Delete(base + "/servers/" + a.Text("server.id")).Want(204)
				w.Settled(a.Text("server.id"))
			}
			return a
		},
		"os-multiple-create/multiple-create-post-resp": func(w *world) *resttest.Answer {
			return w.post("/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`", "return_reservation_id": true}}`)
		},
		"servers/server-update-resp": func(w *world) *resttest.Answer {
			return w.owner().Put(base+"/servers/"+w.server, `{"server": {"accessIPv4": "4.3.2.1"}}`)
		},
		"servers/server-put-resp": func(w *world) *resttest.Answer {
			return w.put("/servers/"+w.server, `{"server": {"description": "updated"}}`)
		},
		"servers/server-action-rebuild-resp": func(w *world) *resttest.Answer {
			a := w.owner().Post(base+"/servers/"+w.server+"/action", `{"rebuild": {"imageRef": "`+image+`"}}`)
			w.Settled(w.server)
			return a
		},
		"servers/server-action-create-image-resp":      action(same(`{"createImage": {"name": "i"}}`)),
		"os-create-backup/create-backup-resp":          action(same(`{"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}`)),
		"os-console-output/console-output-post-resp":   action(same(`{"os-getConsoleOutput": {}}`)),
		"os-remote-consoles/get-vnc-console-post-resp": action(same(`{"os-getVNCConsole": {"type": "novnc"}}`)),
		"os-remote-consoles/create-vnc-console-resp": func(w *world) *resttest.Answer {
			return w.post("/servers/"+w.bare+"/remote-consoles", `{"remote_console": {"protocol": "vnc", "type": "novnc"}}`)
		},
		"os-rescue/server-rescue": func(w *world) *resttest.Answer {
			w.rescued(false)
			a := w.at.As("member").Post(base+"/servers/"+w.mine+"/action", `{"rescue": null}`)
			w.Settled(w.mine)
			return a
		},
		"os-rescue/server-get-resp-rescue": func(w *world) *resttest.Answer {
			w.rescued(true)
			return w.at.As("member").Get(base + "/servers/" + w.mine)
		},
		"os-rescue/server-get-resp-unrescue": func(w *world) *resttest.Answer {
			w.rescued(false)
			return w.at.As("member").Get(base + "/servers/" + w.mine)
		},
		"os-server-external-events/event-create-resp": func(w *world) *resttest.Answer {
			return w.post("/os-server-external-events", `{"events": [{"server_uuid": "`+w.bare+`", "name": "network-changed", "status": "completed", "tag": "foo"}]}`)
		},
	}
}
