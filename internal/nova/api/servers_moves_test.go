package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest/resttest"
)

// down makes a host's service forced down, or lets it count again.
func (c *live) down(t *testing.T, host string, down bool) {
	t.Helper()
	c.As("admin").At("compute 2.11").Put(base+"/os-services/force-down", fmt.Sprintf(`{"host": %q, "binary": "nova-compute", "forced_down": %v}`, host, down)).Want(200)
}

func TestResizeStory(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member"), c.As("admin")
		c.AddHost("host-2")
		admin.Post(base+"/flavors", `{"flavor": {"id": "2", "name": "m1.small", "ram": 1024, "vcpus": 2, "disk": 2}}`).Want(200)
		admin.Post(base+"/flavors", `{"flavor": {"id": "0", "name": "no disk", "ram": 512, "vcpus": 1, "disk": 0}}`).Want(200)
		admin.Post(base+"/flavors", `{"flavor": {"id": "huge", "name": "huge", "ram": 512, "vcpus": 21, "disk": 2}}`).Want(200)
		id := c.boot(t, "")
		c.Settled(id)
		path := base + "/servers/" + id
		act := func(as *resttest.API, body string) *resttest.Answer { t.Helper(); return as.Post(path+"/action", body) }
		resize := func(flavor string) string { return fmt.Sprintf(`{"resize": {"flavorRef": %q}}`, flavor) }

		for body, says := range map[string]string{
			resize("1"): "When resizing, instances must change flavor!", resize("moon"): "Flavor moon could not be found.",
			resize("0"):      "Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.",
			`{"resize": {}}`: "flavorRef", `{"resize": {"flavorRef": "2", "more": 1}}`: "more",
			`{"resize": {"flavorRef": "2", "OS-DCF:diskConfig": "SOMETIMES"}}`: "SOMETIMES",
		} {
			act(member, body).Want(400).Says(says)
		}
		admin.Post(base+"/flavors", `{"flavor": {"id": "odd", "name": "odd", "ram": 513, "vcpus": 1, "disk": 1}}`).Want(200)
		admin.Post(base+"/flavors/odd/os-extra_specs", `{"extra_specs": {"hw:numa_nodes": 2}}`).Want(200)
		act(member, resize("odd")).Want(400).Says("cannot be evenly distributed across instance NUMA nodes")
		act(member, resize("huge")).Want(403).Says("Quota exceeded for cores: Requested 20, but already used 1 of 20 cores")
		act(c.As("other"), resize("2")).Want(404)
		act(c.As("reader"), resize("2")).Want(403)
		act(member, `{"confirmResize": null}`).Want(409).Says("Cannot 'confirmResize' instance " + id + " while it is in vm_state active")
		act(member, `{"revertResize": null}`).Want(409).Says("Cannot 'revertResize' instance " + id + " while it is in vm_state active")
		act(member, `{"lock": null}`).Want(202)
		act(member, resize("2")).Want(409).Says("Instance " + id + " is locked")
		act(member, `{"unlock": null}`).Want(202)

		act(member, resize("2")).Want(202)
		c.Settled(id)
		member.Get(path).Want(200).Has("server.status", "VERIFY_RESIZE").Has("server.OS-EXT-STS:vm_state", "resized").Has("server.flavor.id", "2")
		member.At("compute 2.47").Get(path).Want(200).Has("server.flavor.vcpus", 2)
		// Until it is confirmed both hosts count it, each with its flavor.
		used := admin.Get(base + "/os-hypervisors/detail").Want(200)
		for i := range 2 {
			want := map[bool]string{true: "2 1536 2", false: "1 1024 1"}[used.Text(fmt.Sprintf("hypervisors.%d.hypervisor_hostname", i)) == c.Settled(id).Host]
			if got := fmt.Sprintln(used.At(fmt.Sprintf("hypervisors.%d.vcpus_used", i)), used.At(fmt.Sprintf("hypervisors.%d.memory_mb_used", i)), used.At(fmt.Sprintf("hypervisors.%d.local_gb_used", i))); strings.Join(strings.Fields(got), " ") != want {
				t.Errorf("host %d: %s, want %s", i, got, want)
			}
		}
		admin.Get(base+"/os-hypervisors/statistics").Want(200).Has("hypervisor_statistics.vcpus_used", 3)
		act(member, resize("1")).Want(409).Says("Cannot 'resize' instance " + id + " while it is in vm_state resized")
		act(member, `{"os-stop": null}`).Want(409)
		act(c.As("manager"), `{"migrate": null}`).Want(409)
		admin.At("compute 2.80").Get(base+"/os-migrations?instance_uuid="+id).Want(200).Has("migrations.0.status", "finished").Has("migrations.0.migration_type", "resize")
		act(member, `{"revertResize": null}`).Want(202)
		c.Settled(id)
		member.Get(path).Want(200).Has("server.status", "ACTIVE").Has("server.flavor.id", "1")
		act(member, resize("2")).Want(202)
		c.Settled(id)
		act(member, `{"confirmResize": null}`).Want(204)
		c.Settled(id)
		member.Get(path).Want(200).Has("server.status", "ACTIVE").Has("server.flavor.id", "2")
		list := admin.At("compute 2.80").Get(base+"/os-migrations?instance_uuid="+id).Want(200).Has("migrations.0.status", "confirmed").Has("migrations.1.status", "reverted")
		if list.Len("migrations") != 2 || list.Text("migrations.0.dest_compute") == list.Text("migrations.0.source_compute") {
			t.Errorf("%s", list.Body)
		}
		c.down(t, c.Settled(id).Host, true)
		act(member, resize("1")).Want(409).Says("Service is unavailable at this time.")
	})
}

func TestMigrateStory(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, manager, admin := c.As("member"), c.As("manager"), c.As("admin")
		c.AddHost("host-2")
		id := c.boot(t, "")
		srv := c.Settled(id)
		other := map[string]string{"host-1": "host-2", "host-2": "host-1"}[srv.Host]
		path := base + "/servers/" + id + "/action"
		member.Post(path, `{"migrate": null}`).Want(403)
		manager.At("compute 2.56").Post(path, fmt.Sprintf(`{"migrate": {"host": %q}}`, other)).Want(403)
		to := admin.At("compute 2.56")
		to.Post(path, fmt.Sprintf(`{"migrate": {"host": %q}}`, srv.Host)).Want(400).Says("Cannot migrate to the host where the server exists.")
		to.Post(path, `{"migrate": {"host": "moon"}}`).Want(400).Says("Compute host moon could not be found.")
		to.Post(path, `{"migrate": {"host": "a b"}}`).Want(400)
		to.Post(path, `{"migrate": {"more": 1}}`).Want(400)
		to.Post(path, fmt.Sprintf(`{"migrate": {"host": %q}}`, other)).Want(202)
		if now := c.Settled(id); now.Host != other || now.VMState != nova.Resized {
			t.Errorf("%s on %s", now.VMState, now.Host)
		}
		member.Post(path, `{"confirmResize": null}`).Want(204)
		c.Settled(id)
		// A disabled host takes nobody; the reason is the action's.
		admin.Put(base+"/os-services/disable", fmt.Sprintf(`{"host": %q, "binary": "nova-compute"}`, srv.Host)).Want(200)
		manager.Post(path, `{"migrate": null}`).Want(202)
		if now := c.Settled(id); now.Host != other || now.VMState != nova.Active {
			t.Errorf("%s on %s", now.VMState, now.Host)
		}
		actions := admin.Get(base+"/servers/"+id+"/os-instance-actions").Want(200).Has("instanceActions.0.action", "migrate").Has("instanceActions.0.message", "Error")
		admin.At("compute 2.84").Get(base+"/servers/"+id+"/os-instance-actions/"+actions.Text("instanceActions.0.request_id")).Want(200).
			Has("instanceAction.events.0.event", "conductor_migrate_server").Has("instanceAction.events.0.result", "Error").Says("No valid host was found.")
		c.Clean(t)
	})
}

func TestEvacuateStory(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member"), c.As("admin")
		c.AddHost("host-2")
		id := c.boot(t, "")
		srv := c.Settled(id)
		other := map[string]string{"host-1": "host-2", "host-2": "host-1"}[srv.Host]
		path := base + "/servers/" + id + "/action"
		member.Post(path, `{"evacuate": {"onSharedStorage": false}}`).Want(403)
		old, new := admin.At("compute 2.1"), admin.At("compute 2.95")
		old.Post(path, `{"evacuate": {}}`).Want(400)
		new.Post(path, `{"evacuate": {"onSharedStorage": false}}`).Want(400)
		admin.At("compute 2.68").Post(path, `{"evacuate": {"host": "host-2", "force": true}}`).Want(400)
		admin.At("compute 2.29").Post(path, `{"evacuate": {"force": true}}`).Want(400).Says("Can't force to a non-provided destination")
		old.Post(path, `{"evacuate": {"onSharedStorage": true, "adminPass": "x"}}`).Want(400).Says("admin password can't be changed on existing disk")
		new.Post(path, `{"evacuate": {"host": "moon"}}`).Want(404).Says("Compute host moon not found.")
		new.Post(path, fmt.Sprintf(`{"evacuate": {"host": %q}}`, srv.Host)).Want(400).Says("The target host can't be the same one.")
		new.Post(path, `{"evacuate": {}}`).Want(400).Says("Compute service of " + srv.Host + " is still in use.")

		c.Agents[srv.Host].Stop()
		c.down(t, srv.Host, true)
		if a := old.Post(path, `{"evacuate": {"onSharedStorage": "False"}}`).Want(200); len(a.Text("adminPass")) != 12 {
			t.Errorf("%s", a.Body)
		}
		now := c.Settled(id)
		if now.Host != other || now.VMState != nova.Active {
			t.Fatalf("%s on %s: %+v", now.VMState, now.Host, now.Fault)
		}
		admin.At("compute 2.80").Get(base+"/os-migrations?instance_uuid="+id).Want(200).Has("migrations.0.status", "done").Has("migrations.0.migration_type", "evacuation")
		// The host comes back, and gives the server up.
		c.down(t, srv.Host, false)
		c.StartAgent(srv.Host)
		c.Clean(t)
		admin.At("compute 2.80").Get(base+"/os-migrations?instance_uuid="+id).Want(200).Has("migrations.0.status", "completed")

		// From 2.95 on it stays off; a password is for servers with a config drive.
		c.Agents[other].Stop()
		c.down(t, other, true)
		a := new.Post(path, fmt.Sprintf(`{"evacuate": {"host": %q, "adminPass": "secret"}}`, srv.Host)).Want(200)
		if len(a.Body) > 0 {
			t.Errorf("answered %s", a.Body)
		}
		if now := c.Settled(id); now.Host != srv.Host || now.VMState != nova.Stopped {
			t.Errorf("%s on %s", now.VMState, now.Host)
		}
		new.Post(base+"/servers/"+id+"/action", `{"evacuate": {"host": "host-1", "adminPass": 1}}`).Want(400)
		member.Post(path, `{"os-start": null}`).Want(202)
		c.Settled(id)
		member.Post(path, `{"pause": null}`).Want(202)
		c.Settled(id)
		new.Post(path, `{"evacuate": {}}`).Want(409).Says("Cannot 'evacuate' instance " + id + " while it is in vm_state paused")
	})
}

func TestResetStateStory(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member"), c.As("admin")
		id := c.boot(t, "")
		srv := c.Settled(id)
		path := base + "/servers/" + id
		reset := func(state string) *resttest.Answer {
			t.Helper()
			return admin.Post(path+"/action", fmt.Sprintf(`{"os-resetState": {"state": %q}}`, state))
		}
		member.Post(path+"/action", `{"os-resetState": {"state": "error"}}`).Want(403)
		reset("stopped").Want(400)
		reset("error").Want(202)
		member.Get(path).Want(200).Has("server.status", "ERROR")
		c.Settled(id)
		member.Get(path).Want(200).Has("server.status", "ERROR").Has("server.OS-EXT-STS:power_state", 1)
		reset("active").Want(202)
		member.Get(path).Want(200).Has("server.status", "ACTIVE")
		c.Settled(id)
		member.Get(path).Want(200).Has("server.status", "ACTIVE")
		// What is off is not active, whatever anybody says; what is not there is broken.
		if err := c.Hosts[srv.Host].Driver.Stop(context.Background(), id, 0); err != nil {
			t.Fatal(err)
		}
		novatest.Until(t, "the server is off", func() bool { return c.Settled(id).VMState == nova.Stopped })
		reset("active").Want(202)
		c.Settled(id)
		member.Get(path).Want(200).Has("server.status", "SHUTOFF")
		if err := c.Hosts[srv.Host].Driver.Destroy(context.Background(), id); err != nil {
			t.Fatal(err)
		}
		reset("active").Want(202)
		c.Settled(id)
		member.Get(path).Want(200).Has("server.status", "ERROR").Says("host does not have it")
		// Of one whose host is away only what was set is known.
		c.Agents[srv.Host].Stop()
		c.down(t, srv.Host, true)
		reset("active").Want(202)
		c.Settled(id)
		member.Get(path).Want(200).Has("server.status", "ACTIVE")
	})
}
