package api_test

import (
	"strings"
	"testing"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
)

// settledAs waits until a server has a status and nothing under way.
func (c *live) settledAs(t *testing.T, id, status string) {
	t.Helper()
	novatest.Until(t, "the server is "+status, func() bool {
		s := c.Settled(id)
		return s != nil && nova.Status(s.VMState, s.TaskState) == status
	})
}

func TestImageActions(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		id := c.boot(t, "")
		c.settledAs(t, id, "ACTIVE")
		member, other := c.As("member"), c.As("other")
		path := base + "/servers/" + id + "/action"
		other.Post(path, `{"createImage": {"name": "x"}}`).Want(404)
		c.As("reader").Post(path, `{"createImage": {"name": "x"}}`).Want(403)
		for _, bad := range []string{
			`{"createImage": {}}`, `{"createImage": {"name": ""}}`, `{"createImage": {"name": "x", "more": 1}}`, `{"createImage": {"name": "x", "metadata": {"k": 1}}}`,
			`{"createBackup": {"name": "x", "backup_type": "daily"}}`, `{"createBackup": {"name": "x", "backup_type": "daily", "rotation": "-1"}}`, `{"createBackup": {"name": "x", "rotation": 1}}`,
		} {
			member.Post(path, bad).Want(400)
		}
		var many []string
		for i := range 129 {
			many = append(many, `"k`+strings.Repeat("x", i)+`": "v"`)
		}
		member.Post(path, `{"createImage": {"name": "x", "metadata": {`+strings.Join(many, ", ")+`}}}`).Want(403).Says("Image metadata limit exceeded")
		// Since 2.39 that is Glance's affair, and its limit.
		member.At("compute 2.39").Post(path, `{"createImage": {"name": "x", "metadata": {`+strings.Join(many, ", ")+`}}}`).Want(413).Says("The limit has been exceeded on the number of allowed image properties.")

		location := member.At("compute 2.44").Post(path, `{"createImage": {"name": "old", "metadata": {"k": "v"}}}`).Want(202).Header.Get("Location")
		if i := strings.LastIndex(location, "/images/"); i < 0 || len(location[i:]) != len("/images/")+36 {
			t.Errorf("Location %q", location)
		}
		c.settledAs(t, id, "ACTIVE")
		image := member.At("compute 2.45").Post(path, `{"createImage": {"name": "new"}}`).Want(202).Text("image_id")
		c.settledAs(t, id, "ACTIVE")
		if i, err := c.Glance.Image(t.Context(), nil, image); err != nil || i.Status != "active" {
			t.Errorf("image %+v, %v", i, err)
		}
		if h := member.At("compute 2.1").Post(path, `{"createBackup": {"name": "b", "backup_type": "daily", "rotation": "1"}}`).Want(202).Header.Get("Location"); h == "" {
			t.Error("a backup that stays has no address")
		}
		c.settledAs(t, id, "ACTIVE")
		if h := member.At("compute 2.1").Post(path, `{"createBackup": {"name": "b", "backup_type": "daily", "rotation": 0}}`).Want(202).Header.Get("Location"); h != "" {
			t.Errorf("a backup that does not stay has the address %s", h)
		}
		c.settledAs(t, id, "ACTIVE")
		member.At("compute 2.45").Post(path, `{"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}`).Want(202).Text("image_id")
		c.settledAs(t, id, "ACTIVE")

		// A lock does not forbid it.
		member.Post(path, `{"lock": null}`).Want(202)
		member.Post(path, `{"createImage": {"name": "locked"}}`).Want(202)
		c.settledAs(t, id, "ACTIVE")
		for _, body := range []string{`{"rebuild": {"imageRef": "` + image + `"}}`, `{"rescue": null}`, `{"shelve": null}`, `{"changePassword": {"adminPass": "x"}}`} {
			member.Post(path, body).Want(409).Says("Instance " + id + " is locked")
		}
	})
}

func TestRebuildStory(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		id := c.boot(t, "")
		c.settledAs(t, id, "ACTIVE")
		member := c.As("member")
		path := base + "/servers/" + id + "/action"
		for version, bad := range map[string][]string{
			"2.1":  {`{}`, `{"imageRef": "x"}`, `{"imageRef": "` + image + `", "description": "d"}`, `{"imageRef": "` + image + `", "metadata": []}`, `{"imageRef": "` + image + `", "name": " "}`},
			"2.53": {`{"imageRef": "` + image + `", "key_name": "k"}`},
			"2.57": {`{"imageRef": "` + image + `", "personality": []}`, `{"imageRef": "` + image + `", "key_name": "nobody"}`, `{"imageRef": "` + image + `", "user_data": "not base64"}`},
			"2.89": {`{"imageRef": "` + image + `", "hostname": "h"}`},
			"2.90": {`{"imageRef": "` + image + `", "hostname": "a.b"}`},
			"2.63": {`{"imageRef": "` + image + `", "trusted_image_certificates": ["a"]}`},
		} {
			for _, b := range bad {
				member.At("compute "+version).Post(path, `{"rebuild": `+b+`}`).Want(400)
			}
		}
		pinned := "77777777-7777-4777-8777-777777777777"
		c.Images[pinned] = &nova.Image{ID: pinned, Status: "active", Properties: map[string]string{"hw_cpu_policy": "dedicated"}}
		member.Post(path, `{"rebuild": {"imageRef": "`+pinned+`"}}`).Want(400).Says("An instance's NUMA topology cannot be changed as part of a rebuild.")
		a := member.At("compute 2.1").Post(path, `{"rebuild": {"imageRef": "`+image+`", "name": "again", "adminPass": "seekr3t", "metadata": {"k": "v"}, "accessIPv4": "1.2.3.4", "OS-DCF:diskConfig": "AUTO",
			"personality": [{"path": "/etc/banner", "contents": "aGVsbG8="}], "preserve_ephemeral": true}}`).Want(202)
		a.Has("server.addresses.private.0.addr", "10.0.0.1").Has("server.name", "again").Has("server.adminPass", "seekr3t").Has("server.status", "REBUILD").Has("server.metadata.k", "v").Has("server.accessIPv4", "1.2.3.4").Has("server.OS-DCF:diskConfig", "AUTO")
		if a.Header.Get("Location") == "" || a.At("server.key_name") != nil || strings.Contains(string(a.Body), "OS-EXT") {
			t.Errorf("answer: %v %s", a.Header, a.Body)
		}
		c.settledAs(t, id, "ACTIVE")
		member.At("compute 2.54").Post(path, `{"rebuild": {"imageRef": "`+image+`", "key_name": null}}`).Want(202).Has("server.key_name", nil)
		c.settledAs(t, id, "ACTIVE")
		a = c.As("admin").At("compute 2.104").Post(path, `{"rebuild": {"imageRef": "`+image+`", "description": null, "user_data": "aGVsbG8=", "hostname": "new.example", "trusted_image_certificates": null}}`).Want(202)
		a.Has("server.user_data", "aGVsbG8=").Has("server.OS-EXT-SRV-ATTR:hostname", "new.example").Has("server.OS-EXT-STS:task_state", "rebuilding")
		if len(a.Text("server.adminPass")) != 12 || strings.Contains(string(a.Body), "OS-EXT-SRV-ATTR:user_data") {
			t.Errorf("answer: %s", a.Body)
		}
		c.settledAs(t, id, "ACTIVE")
		member.At("compute 2.51").Get(base+"/servers/"+id+"/os-instance-actions").Want(200).Has("instanceActions.0.action", "rebuild")
	})
}

func TestRescueAndShelveStory(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		id := c.boot(t, "")
		c.settledAs(t, id, "ACTIVE")
		member, admin := c.As("member"), c.As("admin")
		path := base + "/servers/" + id + "/action"
		member.Post(path, `{"rescue": {"rescue_image_ref": "no uuid"}}`).Want(400)
		member.Post(path, `{"rescue": {"more": 1}}`).Want(400)
		member.Post(path, `{"rescue": {"rescue_image_ref": "`+id+`"}}`).Want(400).Says("Requested rescue image '" + id + "' is not supported")
		member.Post(path, `{"rescue": {"adminPass": "MySecretPass", "rescue_image_ref": "`+image+`"}}`).Want(200).Has("adminPass", "MySecretPass")
		c.settledAs(t, id, "RESCUE")
		member.Post(path, `{"os-stop": null}`).Want(409).Says("Cannot 'stop' instance " + id + " while it is in vm_state rescued")
		member.Post(path, `{"unrescue": null}`).Want(202)
		c.settledAs(t, id, "ACTIVE")
		if p := member.Post(path, `{"rescue": null}`).Want(200).Text("adminPass"); len(p) != 12 {
			t.Errorf("password %q", p)
		}
		c.settledAs(t, id, "RESCUE")
		member.Post(path, `{"unrescue": null}`).Want(202)
		c.settledAs(t, id, "ACTIVE")

		member.Post(path, `{"shelve": null}`).Want(202)
		c.settledAs(t, id, "SHELVED_OFFLOADED")
		member.At("compute 2.104").Get(base+"/servers/"+id).Want(200).Has("server.status", "SHELVED_OFFLOADED").Has("server.hostId", "").Has("server.OS-EXT-STS:power_state", 0)
		member.Post(path, `{"shelveOffload": null}`).Want(403)
		admin.Post(path, `{"shelveOffload": null}`).Want(409).Says("Cannot 'shelveOffload' instance")
		at := func(v string) *live { d := *c; d.API = member.At("compute " + v); return &d }
		at("2.77").Post(path, `{"unshelve": {}}`).Want(400)
		at("2.77").Post(path, `{"unshelve": {"host": "host-1"}}`).Want(400)
		at("2.77").Post(path, `{"unshelve": {"availability_zone": null}}`).Want(400)
		at("2.77").Post(path, `{"unshelve": {"availability_zone": "mars"}}`).Want(400).Says("The requested availability zone is not available")
		at("2.91").Post(path, `{"unshelve": {"host": "host-1"}}`).Want(403)
		admin.At("compute 2.91").Post(path, `{"unshelve": {"host": "host-9"}}`).Want(400).Says("Compute host host-9 could not be found.")
		admin.At("compute 2.91").Post(path, `{"unshelve": {"host": "host-1", "availability_zone": "nova"}}`).Want(202)
		c.settledAs(t, id, "ACTIVE")
		admin.At("compute 2.96").Get(base+"/servers/"+id).Want(200).Has("server.pinned_availability_zone", "nova").Has("server.OS-EXT-SRV-ATTR:host", "host-1")
		c.Nova.Config.ShelvedOffloadTime = -1
		member.Post(path, `{"shelve": null}`).Want(202)
		c.settledAs(t, id, "SHELVED")
		at("2.91").Post(path, `{"unshelve": {"availability_zone": null}}`).Want(409).Says("The server status must be SHELVED_OFFLOADED.")
		at("2.91").Post(path, `{"unshelve": null}`).Want(202)
		c.settledAs(t, id, "ACTIVE")
		c.Clean(t)
	})
}

func TestGuestActionStory(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		const withAgent = "70a599e0-31e7-49b7-b260-868f441e8601"
		c.Images[withAgent] = &nova.Image{ID: withAgent, Status: "active", DiskFormat: "raw", Properties: map[string]string{driver.PropQGA: "yes"}}
		id := c.boot(t, "")
		c.settledAs(t, id, "ACTIVE")
		member, admin := c.As("member"), c.As("admin")
		path := base + "/servers/" + id + "/action"
		member.Post(path, `{"changePassword": {}}`).Want(400)
		member.Post(path, `{"changePassword": {"adminPass": 7}}`).Want(400)
		member.Post(path, `{"changePassword": {"adminPass": "x"}}`).Want(409).Says("QEMU guest agent is not enabled")
		member.Post(path, `{"rebuild": {"imageRef": "`+withAgent+`"}}`).Want(202)
		c.settledAs(t, id, "ACTIVE")
		member.Post(path, `{"changePassword": {"adminPass": "foo"}}`).Want(202)
		c.settledAs(t, id, "ACTIVE")
		if g, err := c.Hosts["host-1"].Inside(id); err != nil || g.Passwords["root"] != "foo" {
			t.Errorf("inside: %+v, %v", g, err)
		}
		member.At("compute 2.17").Post(path, `{"trigger_crash_dump": {}}`).Want(400)
		member.At("compute 2.17").Post(path, `{"trigger_crash_dump": null}`).Want(202)
		c.settledAs(t, id, "ACTIVE")
		member.Post(path, `{"injectNetworkInfo": null}`).Want(403)
		admin.Post(path, `{"injectNetworkInfo": null}`).Want(202)
		admin.Post(path, `{"resetNetwork": null}`).Want(410)
		member.At("compute 2.5").Post(path, `{"os-getSerialConsole": {"type": "serial"}}`).Want(400).Says("Unavailable console type serial.")
		member.At("compute 2.5").Post(path, `{"os-getSPICEConsole": {"type": "spice-html5"}}`).Want(400).Says("Unavailable console type spice-html5.")

		c.Nova.Config.ReclaimInterval = time.Hour
		member.Delete(base + "/servers/" + id).Want(204)
		c.settledAs(t, id, "SOFT_DELETED")
		if n := member.Get(base + "/servers").Want(200).Len("servers"); n != 0 {
			t.Errorf("%d servers are listed", n)
		}
		member.Post(path, `{"restore": null}`).Want(202)
		c.settledAs(t, id, "ACTIVE")
		member.Delete(base + "/servers/" + id).Want(204)
		c.settledAs(t, id, "SOFT_DELETED")
		member.Post(path, `{"forceDelete": null}`).Want(202)
		novatest.Until(t, "it is gone", func() bool { return c.Settled(id) == nil })
	})
}
