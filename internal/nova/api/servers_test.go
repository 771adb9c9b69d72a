package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/api"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// live is a cloud that works, behind its API.
type live struct {
	*resttest.API
	*novatest.Cloud
}

func eachLive(t *testing.T, fn func(t *testing.T, c *live)) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		c := &live{Cloud: novatest.NewCloud(t, d, 1)}
		c.Run()
		c.API = resttest.New(t, api.New(c.Nova)...)
		c.API.Handler = judged(t, c.API.Handler)
		fn(t, c)
	}, novatest.Migrations...)
}

const image = novatest.ImageID

func (c *live) boot(t *testing.T, more string) string {
	t.Helper()
	a := c.As("member").At("compute 2.104").Post(base+"/servers", `{"server": {"name": "web", "flavorRef": "1", "imageRef": "`+image+`", "networks": "auto"`+more+`}}`).Want(202)
	return a.Text("server.id")
}

func TestServerStory(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member"), c.As("admin")
		made := member.Post(base+"/servers", `{"server": {"name": "web", "flavorRef": "http://cloud/compute/v2.1/flavors/1", "imageRef": "`+image+`", "metadata": {"k": "v"}, "accessIPv6": "::babe:220.12.22.2"}}`).Want(202).Has("server.OS-DCF:diskConfig", "MANUAL")
		id := made.Text("server.id")
		if made.Header.Get("Location") == "" || len(made.Text("server.adminPass")) != 12 {
			t.Errorf("answer: %v %s", made.Header, made.Body)
		}
		path := base + "/servers/" + id
		c.Settled(id)
		if got := made.Header; got.Get("X-Compute-Request-Id") == "" || got.Get("X-Compute-Request-Id") != got.Get("X-Openstack-Request-Id") {
			t.Errorf("request ids in %v", got)
		}
		member.Get(path).Want(200).Has("server.status", "ACTIVE").Has("server.accessIPv6", "::babe:dc0c:1602").Has("server.addresses.private.0.addr", "10.0.0.1").Has("server.security_groups.0.name", "default").Has("server.metadata.k", "v")
		member.Get(path+"/ips").Want(200).Has("addresses.private.0.version", 4)
		member.Get(path + "/ips/nowhere").Want(404).Says("Instance is not a member of specified network")
		member.Get(base+"/servers?ip=10.0.0.1").Want(200).Has("servers.0.id", id)

		act := func(as *resttest.API, body string) *resttest.Answer { t.Helper(); return as.Post(path+"/action", body) }
		act(member, `{"os-start": null}`).Want(409).Has("conflictingRequest.message", "Cannot 'start' instance "+id+" while it is in vm_state active")
		for _, step := range [][2]string{
			{`{"os-stop": null}`, "SHUTOFF"},
			{`{"os-start": null}`, "ACTIVE"},
			{`{"pause": null}`, "PAUSED"},
			{`{"unpause": null}`, "ACTIVE"},
			{`{"suspend": null}`, "SUSPENDED"},
			{`{"resume": null}`, "ACTIVE"},
			{`{"reboot": {"type": "SOFT"}}`, "ACTIVE"},
			{`{"reboot": {"type": "HARD"}}`, "ACTIVE"},
		} {
			act(member, step[0]).Want(202)
			c.Settled(id)
			member.Get(path).Has("server.status", step[1])
		}
		act(member, `{"reboot": {"type": "WEIRD"}}`).Want(400)
		act(member, `{"dance": null}`).Want(400).Has("badRequest.message", "There is no such action: dance")
		act(c.As("other"), `{"os-stop": null}`).Want(404)
		act(c.As("reader"), `{"os-stop": null}`).Want(403)

		act(member.At("compute 2.73"), `{"lock": {"locked_reason": "mine"}}`).Want(202)
		member.At("compute 2.73").Get(path).Want(200).Has("server.locked", true).Has("server.locked_reason", "mine")
		act(member, `{"os-stop": null}`).Want(409).Has("conflictingRequest.message", "Instance "+id+" is locked")
		member.Delete(path).Want(409)
		act(member, `{"unlock": null}`).Want(202)
		act(admin, `{"lock": null}`).Want(202)
		act(member, `{"unlock": null}`).Want(403)
		act(admin, `{"unlock": null}`).Want(202)

		member.Put(path, `{"server": {"name": "renamed", "accessIPv4": "192.0.2.1"}}`).Want(200).Has("server.name", "renamed").Has("server.accessIPv4", "192.0.2.1")
		member.Put(path, `{"server": {"name": " x"}}`).Want(400)
		member.At("compute 2.90").Put(path, `{"server": {"hostname": "other-name"}}`).Want(200).Has("server.OS-EXT-SRV-ATTR:hostname", "other-name")
		member.At("compute 2.104").Put(path, `{"server": {"pinned_availability_zone": "nova"}}`).Want(200).Has("server.pinned_availability_zone", "nova")
		member.At("compute 2.104").Put(path, `{"server": {"pinned_availability_zone": "moon"}}`).Want(400)

		member.Put(path+"/metadata", `{"metadata": {"a": "1"}}`).Want(200).Has("metadata.a", "1")
		member.Post(path+"/metadata", `{"metadata": {"b": "2"}}`).Want(200).Has("metadata.a", "1").Has("metadata.b", "2")
		member.Put(path+"/metadata/b", `{"meta": {"b": "3"}}`).Want(200).Has("meta.b", "3")
		member.Put(path+"/metadata/b", `{"meta": {"c": "3"}}`).Want(400).Says("Request body and URI mismatch")
		member.Get(path+"/metadata/b").Want(200).Has("meta.b", "3")
		member.Delete(path + "/metadata/b").Want(204)
		member.Delete(path + "/metadata/b").Want(404).Says("Metadata item was not found")
		member.Post(path+"/metadata", `{"metadata": {"b": 2}}`).Want(400)

		v26 := member.At("compute 2.26")
		member.Get(path + "/tags").Want(404)
		v26.Put(path+"/tags/blue", nil).Want(201)
		v26.Put(path+"/tags/blue", nil).Want(204)
		v26.Get(path + "/tags/red").Want(404).Says("has no tag 'red'")
		v26.Get(path + "/tags/blue").Want(204)
		v26.Put(path+"/tags", `{"tags": ["x", "y", "x"]}`).Want(200).Has("tags", "[x y]")
		v26.Put(path+"/tags", `{"tags": ["a,b"]}`).Want(400)
		v26.Delete(path + "/tags/x").Want(204)
		v26.Delete(path + "/tags").Want(204)

		act(member, `{"os-getConsoleOutput": {"length": 5}}`).Want(200).Says("output")
		act(member, `{"os-getConsoleOutput": {"length": "many"}}`).Want(400)
		act(member, `{"addSecurityGroup": {"name": "web"}}`).Want(202)
		member.Get(path + "/os-security-groups").Want(200).Says(`"name":"web"`)
		act(member, `{"removeSecurityGroup": {"name": "web"}}`).Want(202)

		port := member.Post(path+"/os-interface", `{"interfaceAttachment": {"net_id": "`+novatest.NetworkID+`"}}`).Want(200).Text("interfaceAttachment.port_id")
		if n := member.Get(path + "/os-interface").Want(200).Len("interfaceAttachments"); n != 2 {
			t.Errorf("%d interfaces", n)
		}
		member.Get(path+"/os-interface/"+port).Want(200).Has("interfaceAttachment.port_state", "ACTIVE")
		member.Delete(path + "/os-interface/" + port).Want(202)
		// One after the other: nobody is refused for coming while another interface goes, as with upstream's hosts.
		next := member.Post(path+"/os-interface", `{"interfaceAttachment": {"net_id": "`+novatest.NetworkID+`"}}`).Want(200).Text("interfaceAttachment.port_id")
		member.Get(path + "/os-interface/" + port).Want(404)
		member.Delete(path + "/os-interface/" + next).Want(202)
		c.Settled(id)
		member.Get(path + "/os-interface/" + next).Want(404)
		member.Post(path+"/os-interface", `{"interfaceAttachment": {"net_id": "11111111-1111-4111-8111-111111111111"}}`).Want(404).Says("Network 11111111-1111-4111-8111-111111111111 could not be found.")
		member.Delete(path + "/os-interface/11111111-1111-4111-8111-111111111111").Want(404).Says("Port id 11111111-1111-4111-8111-111111111111 could not be found.")

		list := member.At("compute 2.58").Get(path + "/os-instance-actions?limit=1").Want(200)
		req := list.Text("instanceActions.0.request_id")
		if list.Text("instanceActions.0.action") != "detach_interface" || list.At("links.0.href") == nil {
			t.Errorf("actions: %s", list.Body)
		}
		member.At("compute 2.62").Get(path+"/os-instance-actions/"+req).Want(200).Has("instanceAction.events.0.result", "Success").Has("instanceAction.events.0.hostId", nova.HostID("project-1", "host-1"))
		member.Get(path + "/os-instance-actions/req-none").Want(404)

		member.Delete(path).Want(204)
		if c.Settled(id) != nil {
			t.Error("not deleted")
		}
		member.Get(path).Want(404)
		member.At("compute 2.20").Get(path + "/os-instance-actions").Want(404)
		member.At("compute 2.21").Get(path + "/os-instance-actions").Want(200)
		admin.Get(base+"/servers/detail?deleted=true&all_tenants=1").Want(200).Has("servers.0.id", id).Has("servers.0.status", "DELETED")
		c.Clean(t)
	})
}

func TestServersThatAreRefused(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member"), c.As("admin")
		flavor := func(id, spec string) {
			admin.Post(base+"/flavors", `{"flavor": {"id": "`+id+`", "name": "f`+id+`", `+spec+`}}`).Want(200)
		}
		flavor("zero", `"ram": 512, "vcpus": 1, "disk": 0`)
		flavor("wide", `"ram": 512, "vcpus": 21, "disk": 1`)
		big := "11111111-1111-4111-8111-111111111111"
		queued := "22222222-2222-4222-8222-222222222222"
		c.Images[big] = &nova.Image{ID: big, Status: "active", DiskFormat: "qcow2", Size: 2 << 30}
		c.Images[queued] = &nova.Image{ID: queued, Status: "queued"}
		hungry, wide := "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
		c.Images[hungry] = &nova.Image{ID: hungry, Status: "active", MinRAMMB: 1024}
		c.Images[wide] = &nova.Image{ID: wide, Status: "active", MinDiskGB: 20}
		flavor("pinned", `"ram": 512, "vcpus": 1, "disk": 1`)
		admin.Post(base+"/flavors/pinned/os-extra_specs", `{"extra_specs": {"hw:cpu_policy": "shared", "hw:tpm_version": "2.0"}}`).Want(200)
		dedicated, oldTPM := "55555555-5555-4555-8555-555555555555", "66666666-6666-4666-8666-666666666666"
		c.Images[dedicated] = &nova.Image{ID: dedicated, Status: "active", Properties: map[string]string{"hw_cpu_policy": "dedicated"}}
		c.Images[oldTPM] = &nova.Image{ID: oldTPM, Name: "old", Status: "active", Properties: map[string]string{"hw_tpm_version": "1.2"}}
		fixed, alien := "77777777-7777-4777-8777-777777777777", "88888888-8888-4888-8888-888888888888"
		c.Images[fixed] = &nova.Image{ID: fixed, Status: "active", Properties: map[string]string{"auto_disk_config": "Disabled"}}
		sealed, headless := "77777777-7777-4777-8777-000000000001", "77777777-7777-4777-8777-000000000002"
		c.Images[sealed] = &nova.Image{ID: sealed, Status: "active", Properties: map[string]string{"cinder_encryption_key_id": "k"}}
		c.Images[headless] = &nova.Image{ID: headless, Status: "active", Properties: map[string]string{"kernel_id": "77777777-7777-4777-8777-000000000003"}}
		c.Images[alien] = &nova.Image{ID: alien, Status: "active", Properties: map[string]string{"architecture": "x64"}}
		for _, x := range []struct {
			status int
			body   string
			says   string
		}{
			{400, `"flavorRef": "pinned", "imageRef": "` + dedicated + `"`, "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor"},
			{400, `"flavorRef": "pinned", "imageRef": "` + oldTPM + `"`, "Flavor fpinned has hw:tpm_version extra spec explicitly set to 2.0, conflicting with image old which has hw_tpm_version explicitly set to 1.2."},
			{400, `"flavorRef": "99", "imageRef": "` + image + `"`, "Flavor 99 could not be found."},
			{400, `"flavorRef": "1", "imageRef": "99999999-9999-4999-8999-999999999999"`, "Can not find requested image"},
			{400, `"flavorRef": "1", "imageRef": "` + queued + `"`, "Image " + queued + " is not active."},
			{400, `"flavorRef": "1", "imageRef": "` + big + `"`, "Flavor's disk is too small for requested image."},
			{400, `"flavorRef": "1", "imageRef": "` + wide + `"`, "Flavor's disk is smaller than the minimum size specified in image metadata."},
			{400, `"flavorRef": "1", "imageRef": "` + hungry + `"`, "Flavor's memory is too small for requested image."},
			{403, `"flavorRef": "zero", "imageRef": "` + image + `"`, "Only volume-backed servers are allowed for flavors with zero disk."},
			{403, `"flavorRef": "wide", "imageRef": "` + image + `"`, "Quota exceeded for cores: Requested 21, but already used 0 of 20 cores"},
			{403, `"flavorRef": "1", "imageRef": "` + image + `", "min_count": 11`, "Quota exceeded for instances: Requested 11, but already used 0 of 10 instances"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "key_name": "none"`, "Invalid key_name provided."},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "min_count": 3, "max_count": 2`, "min_count must be <= max_count"},
			{400, `"flavorRef": "1"`, "Missing imageRef attribute"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "networks": [{"uuid": "99999999-9999-4999-8999-999999999999"}]`, "could not be found"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "availability_zone": "moon"`, "The requested availability zone is not available"},
			{403, `"flavorRef": "1", "imageRef": "` + image + `", "availability_zone": "nova:host-1"`, "os_compute_api:servers:create:forced_host"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "user_data": "not base64!"`, "is not a 'base64'"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "user_data": "` + strings.Repeat("QUJD", 16384) + `"`, "is too long"},
			{400, `"flavorRef": "1", "imageRef": "not-an-id"`, "imageRef"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "surprise": 1`, "Additional properties are not allowed ('surprise' was unexpected)"},
			{400, `"flavorRef": "1", "block_device_mapping_v2": [{"source_type": "volume", "destination_type": "volume", "uuid": "v", "boot_index": 0}]`, "failed to get volume v"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "metadata": {"k": 1}`, "1 is not of type 'string'"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "accessIPv4": "not-an-ip"`, "accessIPv4"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "networks": [{"fixed_ip": "10.0.0.9"}]`, "Bad network format: missing 'uuid'"},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "max_count": 2, "networks": [{"port": "99999999-9999-4999-8999-999999999999"}]`, "Failed to launch instances: Unable to launch multiple instances with a single configured port ID."},
			{400, `"flavorRef": "1", "imageRef": "` + image + `", "max_count": 2, "networks": [{"uuid": "99999999-9999-4999-8999-999999999999", "fixed_ip": "10.0.0.9"}]`, "Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified."},
			{400, `"flavorRef": "1", "imageRef": "` + fixed + `", "OS-DCF:diskConfig": "AUTO"`, "Requested image " + fixed + " has automatic disk resize disabled."},
			{400, `"flavorRef": "1", "imageRef": "` + sealed + `"`, "Image " + sealed + " is unacceptable: Direct booting of an image uploaded from an encrypted volume is unsupported."},
			{400, `"flavorRef": "1", "imageRef": "` + headless + `"`, "Can not find requested image"},
			{400, `"flavorRef": "1", "imageRef": "` + alien + `"`, "Invalid image metadata. Error: Architecture name 'x64' is not valid"},
		} {
			a := member.Post(base+"/servers", `{"server": {"name": "x", `+x.body+`}}`)
			if a.Code != x.status || !strings.Contains(strings.ReplaceAll(string(a.Body), `\u003c`, "<"), x.says) {
				t.Errorf("%s: %d %s, want %d with %q", x.body, a.Code, a.Body, x.status, x.says)
			}
		}
		member.At("compute 2.37").Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`"}}`).Want(400).Says("'networks' is a required property")
		member.At("compute 2.57").Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`", "networks": "auto", "personality": []}}`).Want(400)
		c.As("reader").Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`"}}`).Want(403)
		admin.At("compute 2.74").Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`", "networks": "none", "availability_zone": "nova:host-1", "host": "host-1"}}`).
			Want(400).Says("One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node are mutually exclusive.")
		member.At("compute 2.90").Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`", "networks": "none", "hostname": "one", "max_count": 2}}`).
			Want(400).Says("Unable to allocate a single hostname to multiple instances")
		for _, description := range []string{strings.Repeat("x", 256), "a\nb", "a\u0604b", "\u2028"} {
			text, _ := json.Marshal(description)
			member.At("compute 2.19").Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`", "description": `+string(text)+`}}`).Want(400)
			admin.At("compute 2.55").Post(base+"/flavors", `{"flavor": {"name": "described", "ram": 512, "vcpus": 1, "disk": 1, "description": `+string(text)+`}}`).Want(map[bool]int{true: 200, false: 400}[len(description) > 255])
			member.Post(base+"/servers", `{"server": {"name": `+string(text)+`, "flavorRef": "1", "imageRef": "`+image+`"}}`).Want(400)
		}
		if n := len(c.Servers()); n != 0 {
			t.Errorf("%d servers came of refusals", n)
		}
		// An image may say how its disk is to be treated, where the request does not.
		c.Images[fixed].Properties["auto_disk_config"] = "true"
		c.Images[fixed].Properties["kernel_id"], c.Images[fixed].Properties["ramdisk_id"] = "nokernel", "nokernel"
		booted := member.Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+fixed+`"}}`).Want(202).Has("server.OS-DCF:diskConfig", "AUTO").Text("server.id")
		if c.Settled(booted); c.Hosts["host-1"].SpecOf(booted).Image.Properties["kernel_id"] != "" {
			t.Error("a kernel that is none came to the host")
		}
	})
}

func TestManyServersAtOnce(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member := c.As("member")
		res := member.Post(base+"/servers", `{"server": {"name": "many", "flavorRef": "1", "imageRef": "`+image+`", "min_count": 2, "max_count": 20, "return_reservation_id": true}}`).Want(202).Text("reservation_id")
		list := member.Get(base + "/servers?reservation_id=" + res).Want(200)
		if n := list.Len("servers"); n != 10 {
			t.Errorf("%d servers, the quota is 10", n)
		}
		member.Get(base+"/limits").Want(200).Has("limits.absolute.totalInstancesUsed", 10)
	})
}

// TestManyServersWithFewPorts: the quota of ports bounds how many servers a request makes, as the other quotas do.
func TestManyServersWithFewPorts(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member := c.As("member")
		room := 3
		c.Network.Room = &room
		many := func(name string, least, most, code int) *resttest.Answer {
			t.Helper()
			return member.At("compute 2.90").Post(base+"/servers", fmt.Sprintf(`{"server": {"name": %q, "flavorRef": "1", "imageRef": %q, "networks": "auto", "min_count": %d, "max_count": %d}}`, name, image, least, most)).Want(code)
		}
		many("many", 4, 5, 403).Says("Maximum number of ports exceeded")
		many("many", 1, 5, 202)
		if n := len(c.Servers()); n != 3 {
			t.Errorf("%d servers, there are ports for 3", n)
		}
		// One of several that would have been is not numbered. A name that makes no host name leaves it to the server's id.
		room = 1
		one := many("界", 1, 5, 202).Text("server.id")
		member.At("compute 2.90").Get(base+"/servers/"+one).Want(200).Has("server.name", "界").Has("server.OS-EXT-SRV-ATTR:hostname", "Server-"+one)
	})
}

func TestCreateStatements(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		c.As("member").Post(base+"/os-keypairs", `{"keypair": {"name": "k"}}`).Want(200)
		ctx, count := store.Count(context.Background())
		req := httptest.NewRequestWithContext(ctx, "POST", base+"/servers", strings.NewReader(`{"server": {"name": "x", "flavorRef": "1", "imageRef": "`+image+`", "key_name": "k"}}`))
		req.Header.Set("X-Auth-Token", "member")
		rec := httptest.NewRecorder()
		c.Handler.ServeHTTP(rec, req)
		if rec.Code != 202 || count.Statements() > 12 {
			t.Errorf("%d %s: %d statements, at most 12", rec.Code, rec.Body, count.Statements())
		}
	})
}

func TestConsole(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		id := c.boot(t, "")
		c.Settled(id)
		path := base + "/servers/" + id
		// The simulated driver has no screen.
		c.As("member").Post(path+"/action", `{"os-getVNCConsole": {"type": "novnc"}}`).Want(400).Says("Unavailable console type novnc.")
		c.As("member").At("compute 2.6").Post(path+"/action", `{"os-getVNCConsole": {"type": "novnc"}}`).Want(404)
		c.As("member").At("compute 2.6").Post(path+"/remote-consoles", `{"remote_console": {"protocol": "spice", "type": "spice-html5"}}`).Want(400).Says("Unavailable console type spice-html5.")
		c.As("admin").At("compute 2.31").Get(base + "/os-console-auth-tokens/none").Want(404).Says("Token not found")
	})
}

// The files of old microversions reach the guest on its config drive, with the path that each belongs to.
func TestPersonality(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		body := `{"server": {"name": "x", "flavorRef": "1", "imageRef": "` + image + `", "config_drive": true, "personality": [{"path": "/etc/banner", "contents": "aGVsbG8="}, {"path": "/etc/b", "contents": "%s"}]}}`
		c.As("member").Post(base+"/servers", strings.Replace(body, "%s", "not base64!", 1)).Want(400)
		id := c.As("member").At("compute 2.56").Post(base+"/servers", strings.Replace(strings.Replace(body, "%s", "", 1), `"config_drive"`, `"networks": "none", "config_drive"`, 1)).Want(202).Text("server.id")
		g, err := c.Hosts[c.Settled(id).Host].Inside(id)
		if err != nil {
			t.Fatal(err)
		}
		if told := string(g.Files["openstack/latest/meta_data.json"]); string(g.Files["openstack/content/0000"]) != "hello" || !strings.Contains(told, `{"content_path":"/content/0000","path":"/etc/banner"}`) || !strings.Contains(told, "/content/0001") {
			t.Errorf("config drive: %q, %s", g.Files["openstack/content/0000"], told)
		}
	})
}

func TestMetadataIsTheGuestsOwn(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		id := c.boot(t, `, "metadata": {"role": "web"}`)
		srv := c.Settled(id)
		ports, err := c.Nova.Interfaces(t.Context(), id)
		if err != nil || len(ports) != 1 {
			t.Fatal(ports, err)
		}
		at := ports[0].FixedIPs[0].Address
		ask := func(host, network, ip string) int {
			r, err := c.Nova.Metadata(t.Context(), host, network, ip, "/openstack/latest/meta_data.json")
			if err != nil {
				t.Fatal(err)
			}
			if r.Status == 200 && !strings.Contains(string(r.Body), id) {
				t.Errorf("metadata: %s", r.Body)
			}
			return r.Status
		}
		post := func(body string) int {
			r, err := c.Nova.PostMetadata(t.Context(), srv.Host, novatest.NetworkID, at, "/openstack/latest/password", []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			return r.Status
		}
		if first, second := post("sealed"), post("again"); first != 200 || second != 409 {
			t.Errorf("posting the password: %d, then %d", first, second)
		}
		c.As("member").Get(base+"/servers/"+id+"/os-server-password").Want(200).Has("password", "sealed")
		c.As("member").Delete(base + "/servers/" + id + "/os-server-password").Want(204)
		c.As("member").Get(base+"/servers/"+id+"/os-server-password").Want(200).Has("password", "")
		for name, got := range map[string][2]int{
			"own": {ask(srv.Host, novatest.NetworkID, at), 200}, "from a host that does not have it": {ask("host-9", novatest.NetworkID, at), 404},
			"another address": {ask(srv.Host, novatest.NetworkID, "10.9.9.9"), 404}, "another network": {ask(srv.Host, "other", at), 404},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: %d, want %d", name, got[0], got[1])
			}
		}
	})
}
