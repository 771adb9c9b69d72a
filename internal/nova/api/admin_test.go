package api_test

import (
	"fmt"
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/rest/resttest"
)

func TestQuotasAndLimits(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member"), c.As("admin")
		member.Get(base+"/os-quota-sets/project-1").Want(200).Has("quota_set.cores", 20).Has("quota_set.floating_ips", -1).Has("quota_set.id", "project-1")
		member.Get(base + "/os-quota-sets/project-2").Want(403)
		if v := member.At("compute 2.57").Get(base + "/os-quota-sets/project-1").Want(200); v.At("quota_set.injected_files") != nil || v.At("quota_set.fixed_ips") != nil {
			t.Errorf("%s", v.Body)
		}
		member.Put(base+"/os-quota-sets/project-1", `{"quota_set": {"cores": 1}}`).Want(403)
		admin.Put(base+"/os-quota-sets/project-1", `{"quota_set": {"cores": "1", "instances": 3}}`).Want(200).Has("quota_set.cores", 1)
		admin.Put(base+"/os-quota-sets/project-1", `{"quota_set": {"nonsense": 1}}`).Want(400)
		admin.Put(base+"/os-quota-sets/project-1", `{"quota_set": {"cores": -2}}`).Want(400)
		id := c.boot(t, "")
		c.Settled(id)
		member.Post(base+"/servers", `{"server": {"name": "two", "flavorRef": "1", "imageRef": "`+image+`"}}`).Want(403).Says("Quota exceeded for cores: Requested 1, but already used 1 of 1 cores")
		member.Get(base+"/os-quota-sets/project-1/detail").Want(200).Has("quota_set.cores.in_use", 1).Has("quota_set.cores.limit", 1)
		admin.Put(base+"/os-quota-sets/project-1", `{"quota_set": {"cores": 0}}`).Want(400).Says("must be greater than or equal to already used")
		admin.Put(base+"/os-quota-sets/project-1", `{"quota_set": {"cores": 0, "force": true}}`).Want(200)
		member.Get(base+"/limits").Want(200).Has("limits.absolute.maxTotalCores", 0).Has("limits.absolute.totalCoresUsed", 1).Has("limits.absolute.maxImageMeta", 128)
		if v := member.At("compute 2.39").Get(base + "/limits").Want(200); v.At("limits.absolute.maxImageMeta") != nil {
			t.Errorf("%s", v.Body)
		}
		member.Get(base + "/limits?tenant_id=project-2").Want(403)
		admin.Get(base+"/limits?tenant_id=project-1").Want(200).Has("limits.absolute.totalInstancesUsed", 1)
		admin.Delete(base + "/os-quota-sets/project-1").Want(202)
		admin.Get(base+"/os-quota-sets/project-1").Want(200).Has("quota_set.cores", 20)
		admin.Put(base+"/os-quota-class-sets/default", `{"quota_class_set": {"cores": 7}}`).Want(200).Has("quota_class_set.cores", 7)
		member.Get(base+"/os-quota-sets/project-1/defaults").Want(200).Has("quota_set.cores", 7)
		admin.At("compute 2.50").Get(base+"/os-quota-class-sets/default").Want(200).Has("quota_class_set.server_groups", 10).Has("quota_class_set.fixed_ips", "<nil>")
	})
}

// TestQuotasOfUsers: who has limits of their own in a project keeps to both, theirs for what they have, and the project's for what it has.
func TestQuotasOfUsers(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member"), c.As("admin")
		put := func(user, limits string) {
			t.Helper()
			admin.Put(base+"/os-quota-sets/project-1"+user, `{"quota_set": {`+limits+`}}`).Want(200)
		}
		create := func(who string, code int, says string) {
			t.Helper()
			c.As(who).Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`"}}`).Want(code).Says(says)
		}
		put("", `"instances": 3`)
		put("?user_id=user-member", `"instances": 1`)
		create("manager", 202, "")
		create("manager", 202, "")
		create("member", 202, "") // the project has two, the user none
		create("member", 403, "Quota exceeded for instances: Requested 1, but already used 3 of 3 instances")
		put("", `"instances": 5`)
		create("member", 403, "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances")
		put("?user_id=user-member", `"instances": 2`)
		member.Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`", "max_count": 5}}`).Want(202)
		member.Get(base+"/limits").Want(200).Has("limits.absolute.totalInstancesUsed", 4)
		create("manager", 202, "")
		create("manager", 403, "already used 5 of 5 instances")

		// Key pairs are counted by user, to the limit of the project in which they are made.
		put("", `"key_pairs": 1`)
		member.Post(base+"/os-keypairs", `{"keypair": {"name": "one"}}`).Want(200)
		member.Post(base+"/os-keypairs", `{"keypair": {"name": "two"}}`).Want(403).Says("Quota exceeded, too many key pairs.")
		c.As("manager").Post(base+"/os-keypairs", `{"keypair": {"name": "one"}}`).Want(200)
	})
}

func TestHostsAsOperatorsSeeThem(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member"), c.As("admin")
		c.AddHost("host-2")
		id := c.boot(t, "")
		srv := c.Settled(id)
		if err := c.Nova.EnsureService(t.Context(), "nova-conductor", "control-1"); err != nil {
			t.Fatal(err)
		}
		member.Get(base + "/os-services").Want(403)
		admin.Get(base+"/os-services?binary=nova-compute").Want(200).Has("services.0.state", "up").Has("services.0.zone", "nova").Has("services.0.status", "enabled")
		admin.Get(base+"/os-services?binary=nova-conductor").Want(200).Has("services.0.zone", "internal")
		new := admin.At("compute 2.53")
		sid := new.Get(base + "/os-services?host=" + srv.Host + "&binary=nova-compute").Want(200).Text("services.0.id")
		new.Put(base+"/os-services/"+sid, `{"status": "disabled", "disabled_reason": "broken"}`).Want(200).Has("service.status", "disabled").Has("service.disabled_reason", "broken")
		for _, body := range []string{`{}`, `{"disabled_reason": "why"}`} {
			new.Put(base+"/os-services/"+sid, body).Want(400).Says("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
		}
		new.Put(base+"/os-services/aaaaaaaa-0000-4000-8000-000000000001", `{}`).Want(404) // before what is asked is judged
		new.Put(base+"/os-services/"+sid, `{"status": "enabled", "disabled_reason": "why"}`).Want(400).Says("Specifying 'disabled_reason' with status 'enabled' is invalid.")
		new.Put(base+"/os-services/no-uuid", `{"status": "enabled"}`).Want(400)
		new.Put(base+"/os-services/aaaaaaaa-0000-4000-8000-000000000001", `{"status": "enabled"}`).Want(404)
		other := c.Settled(c.boot(t, ""))
		if other.Host == srv.Host {
			t.Error("a disabled host got a server")
		}
		admin.Put(base+"/os-services/enable", `{"host": "`+srv.Host+`", "binary": "nova-compute"}`).Want(200).Has("service.status", "enabled")
		admin.At("compute 2.11").Put(base+"/os-services/force-down", `{"host": "`+srv.Host+`", "binary": "nova-compute", "forced_down": true}`).Want(200).Has("service.forced_down", true)
		admin.Get(base+"/os-services?host="+srv.Host).Want(200).Has("services.0.state", "down")
		admin.At("compute 2.11").Put(base+"/os-services/force-down", `{"host": "`+srv.Host+`", "binary": "nova-compute", "forced_down": false}`).Want(200)
		new.Delete(base + "/os-services/" + sid).Want(409).Says("Unable to delete compute service that is hosting instances")

		list := admin.Get(base+"/os-hypervisors/detail").Want(200).Has("hypervisors.0.hypervisor_hostname", "host-1").Has("hypervisors.0.running_vms", 1)
		if _, isText := list.At("hypervisors.0.cpu_info").(string); !isText {
			t.Errorf("cpu_info before 2.28 is a text: %s", list.Body)
		}
		h := new.Get(base + "/os-hypervisors?limit=1").Want(200)
		new.Get(h.Text("hypervisors_links.0.href")).Want(200).Has("hypervisors.0.hypervisor_hostname", "host-2")
		new.Get(base+"/os-hypervisors?hypervisor_hostname_pattern=host-2").Want(200).Has("hypervisors.0.hypervisor_hostname", "host-2")
		new.Get(base + "/os-hypervisors?hypervisor_hostname_pattern=moon").Want(404)
		for _, bad := range []string{"?hypervisor_hostname_pattern=invalid~host", "?with_servers=invalid", "/" + h.Text("hypervisors.0.id") + "?with_servers=invalid", "?more=1"} {
			new.Get(base + "/os-hypervisors" + bad).Want(400)
		}
		admin.At("compute 2.33").Get(base + "/os-hypervisors?limit=1&more=1").Want(200)
		number := admin.Get(base + "/os-hypervisors").Want(200).Text("hypervisors.0.id")
		admin.Get(base + "/os-hypervisors/" + number + "/uptime").Want(200)
		c.down(t, "host-1", true)
		admin.Get(base + "/os-hypervisors/" + number + "/uptime").Want(400).Says("Compute service of host-1 is unavailable at this time.")
		admin.At("compute 2.88").Get(base+"/os-hypervisors/"+h.Text("hypervisors.0.id")).Want(200).Has("hypervisor.uptime", "<nil>")
		c.down(t, "host-1", false)
		new.Get(base + "/os-hypervisors/" + h.Text("hypervisors.0.id") + "?with_servers=true").Want(200).Says("instance-")
		if v := admin.At("compute 2.88").Get(base + "/os-hypervisors/" + h.Text("hypervisors.0.id")).Want(200); v.At("hypervisor.vcpus") != nil {
			t.Errorf("%s", v.Body)
		}
		new.Get(base + "/os-hypervisors/1").Want(400).Says("Invalid uuid 1")
		admin.Get(base + "/os-hypervisors/99").Want(404).Says("Hypervisor with ID '99' could not be found.")
		admin.Get(base + "/os-hypervisors/host-1/uptime").Want(404).Says("Hypervisor with ID 'host-1' could not be found.")
		admin.Delete(base + "/os-services/99").Want(404).Says("Service 99 not found.")
		admin.Get(base+"/os-hypervisors/statistics").Want(200).Has("hypervisor_statistics.count", 2)
		admin.Put(base+"/os-services/disable", `{"host": "host-2", "binary": "nova-compute"}`).Want(200)
		admin.Get(base+"/os-hypervisors/statistics").Want(200).Has("hypervisor_statistics.count", 1) // upstream leaves disabled ones out
		admin.Put(base+"/os-services/enable", `{"host": "host-2", "binary": "nova-compute"}`).Want(200)
		admin.At("compute 2.88").Get(base + "/os-hypervisors/statistics").Want(404)
		admin.Get(base + "/os-hypervisors/host/servers").Want(200)

		member.Get(base+"/os-availability-zone").Want(200).Has("availabilityZoneInfo.0.zoneName", "nova").Has("availabilityZoneInfo.0.hosts", "<nil>")
		member.Get(base + "/os-availability-zone/detail").Want(403)
		admin.Get(base+"/os-availability-zone/detail").Want(200).Has("availabilityZoneInfo.0.zoneName", "internal").Has("availabilityZoneInfo.1.hosts.host-1.nova-compute.available", true)

		agg := fmt.Sprint(admin.Post(base+"/os-aggregates", `{"aggregate": {"name": "fast", "availability_zone": "fast"}}`).Want(200).At("aggregate.id"))
		admin.Post(base+"/os-aggregates", `{"aggregate": {"name": "fast"}}`).Want(409).Says("Aggregate fast already exists.")
		act := func(body string) *resttest.Answer { return admin.Post(base+"/os-aggregates/"+agg+"/action", body) }
		act(`{"add_host": {"host": "moon"}}`).Want(404).Says("Compute host moon could not be found.")
		act(`{"add_host": {"host": "host-1"}}`).Want(409) // it has a server in another zone
		c.AddHost("host-3")
		act(`{"add_host": {"host": "host-3"}}`).Want(200).Has("aggregate.hosts", "[host-3]")
		act(`{"add_host": {"host": "host-3"}}`).Want(409)
		act(`{"set_metadata": {"metadata": {"ssd": "true"}}}`).Want(200).Has("aggregate.metadata.ssd", "true")
		admin.Delete(base + "/os-aggregates/" + agg).Want(400).Says("Host aggregate is not empty.")
		in := c.Settled(c.boot(t, `, "availability_zone": "fast"`))
		if in.Host != "host-3" || in.AvailabilityZone != "fast" {
			t.Errorf("zone fast is %q in %q", in.Host, in.AvailabilityZone)
		}
		forced := admin.At("compute 2.104").Post(base+"/servers", `{"server": {"name": "f", "flavorRef": "1", "imageRef": "`+image+`", "networks": "none", "availability_zone": "nova:host-2"}}`).Want(202).Text("server.id")
		if s := c.Settled(forced); s.Host != "host-2" {
			t.Errorf("forced to host-2, is on %q: %+v", s.Host, s.Fault)
		}
		lost := admin.Post(base+"/servers", `{"server": {"name": "f", "flavorRef": "1", "imageRef": "`+image+`", "availability_zone": "nova:moon"}}`).Want(202).Text("server.id")
		if s := c.Settled(lost); s.VMState != nova.InError || s.Fault == nil || !strings.Contains(s.Fault.Message, "No valid host") {
			t.Errorf("forced to a host that there is not: %s %+v", s.VMState, s.Fault)
		}
	})
}

func TestServerGroups(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member := c.As("member").At("compute 2.64")
		c.AddHost("host-2")
		id := member.Post(base+"/os-server-groups", `{"server_group": {"name": "apart", "policy": "anti-affinity"}}`).Want(200).Text("server_group.id")
		member.Post(base+"/os-server-groups", `{"server_group": {"name": "x", "policy": "affinity", "rules": {"max_server_per_host": 2}}}`).Want(400)
		c.As("member").Post(base+"/os-server-groups", `{"server_group": {"name": "x", "policies": ["soft-affinity"]}}`).Want(400)
		var hosts []string
		for i := range 3 {
			made := c.As("member").Post(base+"/servers", fmt.Sprintf(`{"server": {"name": "s%d", "flavorRef": "1", "imageRef": "%s"}, "os:scheduler_hints": {"group": "%s"}}`, i, image, id)).Want(202).Text("server.id")
			hosts = append(hosts, c.Settled(made).Host)
		}
		if hosts[0] == "" || hosts[1] == "" || hosts[0] == hosts[1] || hosts[2] != "" {
			t.Errorf("hosts of an anti-affinity group on two: %q", hosts)
		}
		if n := member.Get(base + "/os-server-groups/" + id).Want(200).Len("server_group.members"); n != 3 {
			t.Errorf("%d members", n)
		}
		c.As("other").Get(base + "/os-server-groups/" + id).Want(404)
		member.Delete(base + "/os-server-groups/" + id).Want(204)
		if n := member.Get(base + "/os-server-groups").Want(200).Len("server_groups"); n != 0 {
			t.Errorf("%d groups", n)
		}
	})
}

func TestUsageAndSmallResources(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member"), c.As("admin")
		id := c.boot(t, "")
		c.Settled(id)
		member.Get(base+"/os-simple-tenant-usage/project-1").Want(200).Has("tenant_usage.server_usages.0.instance_id", id)
		member.Get(base + "/os-simple-tenant-usage").Want(403)
		admin.Get(base+"/os-simple-tenant-usage?detailed=1").Want(200).Has("tenant_usages.0.tenant_id", "project-1")
		second := c.boot(t, "")
		c.Settled(second)
		pages := admin.At("compute 2.40")
		pages.Get(base+"/os-simple-tenant-usage/project-1?limit=1").Want(200).Has("tenant_usage.server_usages.0.instance_id", id).Has("tenant_usage_links.0.rel", "next")
		last := pages.Get(base + "/os-simple-tenant-usage/project-1?limit=1&marker=" + id).Want(200)
		last.Has("tenant_usage.server_usages.0.instance_id", second).Has("tenant_usage.server_usages.0.flavor", "m1.tiny").Has("tenant_usage_links", nil)
		pages.Get(base + "/os-simple-tenant-usage?limit=1&marker=nobody").Want(400).Says("marker [nobody] not found")
		member.Delete(base + "/servers/" + second).Want(204)
		c.Settled(second)
		member.Get(base + "/os-simple-tenant-usage/project-1?start=yesterday").Want(400)
		member.Get(base + "/os-simple-tenant-usage/project-1?start=2100-01-01T00:00:00").Want(400).Says("The start time cannot occur after the end time.")
		member.Get(base+"/extensions/os-keypairs").Want(200).Has("extension.alias", "os-keypairs")
		admin.Get(base + "/servers/" + id + "/diagnostics").Want(200)
		admin.At("compute 2.48").Get(base+"/servers/"+id+"/diagnostics").Want(200).Has("driver", "simulated")
		admin.Get(base + "/os-migrations").Want(200)
		admin.Post(base+"/os-server-external-events", `{"events": [{"server_uuid": "`+id+`", "name": "network-changed"}]}`).Want(200).Has("events.0.code", 200)
		admin.Post(base+"/os-server-external-events", `{"events": [{"server_uuid": "aaaaaaaa-0000-4000-8000-000000000009", "name": "network-changed"}]}`).Want(207).Has("events.0.code", 404)
		oldCalls(t, c, id)
	})
}
