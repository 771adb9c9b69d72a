package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/novatest"
	"gostack/internal/policy"
	"gostack/internal/rest/resttest"
)

// TestALockHoldsForAll goes through everything that a lock forbids to the server's project (upstream: compute.API's check_instance_lock). It comes before the state: what
// the state would forbid too is refused for the lock.
func TestALockHoldsForAll(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, manager, admin := c.As("member").At("compute 2.79"), c.As("manager").At("compute 2.79"), c.As("admin").At("compute 2.79")
		c.AddHost("host-2")
		id := c.boot(t, `, "metadata": {"k": "v"}`)
		srv := c.Settled(id)
		path := base + "/servers/" + id
		port := member.Get(path + "/os-interface").Want(200).Text("interfaceAttachments.0.port_id")
		admin.Post(path+"/action", `{"lock": null}`).Want(202)
		locked := "Instance " + id + " is locked"
		for _, body := range []string{
			`{"os-start": null}`, `{"os-stop": null}`, `{"pause": null}`, `{"unpause": null}`, `{"suspend": null}`, `{"resume": null}`, `{"reboot": {"type": "HARD"}}`, `{"reboot": {"type": "SOFT"}}`,
			`{"resize": {"flavorRef": "2"}}`, `{"confirmResize": null}`, `{"revertResize": null}`, `{"rebuild": {"imageRef": "` + image + `"}}`, `{"rescue": null}`, `{"unrescue": null}`,
			`{"shelve": null}`, `{"unshelve": null}`, `{"changePassword": {"adminPass": "x"}}`, `{"trigger_crash_dump": null}`, `{"restore": null}`, `{"forceDelete": null}`,
		} {
			if a := member.Post(path+"/action", body); a.Code != http.StatusConflict || a.Text("conflictingRequest.message") != locked {
				t.Errorf("%s: %d %s", body, a.Code, a.Body)
			}
		}
		for _, body := range []string{`{"migrate": null}`, `{"os-migrateLive": {"host": null, "block_migration": "auto"}}`} {
			if a := manager.Post(path+"/action", body); a.Code != http.StatusConflict || a.Text("conflictingRequest.message") != locked {
				t.Errorf("%s: %d %s", body, a.Code, a.Body)
			}
		}
		member.Delete(path).Want(409).Says(locked)
		member.Post(path+"/os-interface", `{"interfaceAttachment": {}}`).Want(409).Says(locked)
		member.Delete(path + "/os-interface/" + port).Want(409).Says(locked)
		member.Post(path+"/metadata", `{"metadata": {"a": "b"}}`).Want(409).Says(locked)
		member.Put(path+"/metadata/k", `{"meta": {"k": "w"}}`).Want(409).Says(locked)
		member.Put(path+"/metadata", `{"metadata": {}}`).Want(409).Says(locked)
		member.Delete(path + "/metadata/k").Want(409).Says(locked)
		// The lock is looked at before what the request names, and after what no lock matters for.
		member.Post(path+"/action", `{"rebuild": {"imageRef": "5d2c8a4e-0000-4000-8000-000000000000"}}`).Want(409).Says(locked)
		member.Post(path+"/os-interface", `{"interfaceAttachment": {"port_id": "5d2c8a4e-0000-4000-8000-000000000000"}}`).Want(409).Says(locked)
		manager.Delete(path + "/migrations/1").Want(409).Says(locked)
		manager.Post(path+"/migrations/1/action", `{"force_complete": null}`).Want(409).Says(locked)
		// What only looks, or changes nothing of the guest, goes on; and an administrator may all.
		member.Get(path).Want(200)
		member.Put(path, `{"server": {"name": "renamed"}}`).Want(200)
		member.Put(path+"/tags", `{"tags": ["a"]}`).Want(200)
		member.Get(path + "/os-security-groups").Want(200)
		member.Post(path+"/action", `{"addSecurityGroup": {"name": "default"}}`).Want(202)
		admin.Post(path+"/action", `{"evacuate": {"host": "host-9"}}`).Want(404)
		admin.Post(path+"/action", `{"pause": null}`).Want(202)
		if now := c.Settled(id); now.VMState != nova.Paused || now.Host != srv.Host || now.Metadata["k"] != "v" {
			t.Errorf("%s on %s, %v", now.VMState, now.Host, now.Metadata)
		}
	})
}

// TestWhoseLockItIs: the lock of somebody in the server's project is the project's, be it an administrator's; another's is lifted by those who may override it
// (nova/compute/api.py, lock and is_expected_locked_by).
func TestWhoseLockItIs(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.API.Handler = judged(t, c.API.Handler)
		resttest.Personas["own-admin"] = &policy.Caller{UserID: "user-own", ProjectID: "project-1", Roles: []string{"admin", "manager", "member", "reader"}}
		t.Cleanup(func() { delete(resttest.Personas, "own-admin") })
		id := c.row("one", nil).ID
		path := base + "/servers/" + id
		lock := func(who, reason string) {
			t.Helper()
			body := `{"lock": null}`
			if reason != "" {
				body = fmt.Sprintf(`{"lock": {"locked_reason": %q}}`, reason)
			}
			c.As(who).At("compute 2.73").Post(path+"/action", body).Want(202)
		}
		unlock := func(who string, code int) {
			t.Helper()
			c.As(who).Post(path+"/action", `{"unlock": null}`).Want(code)
		}
		is := func(locked bool, reason string) {
			t.Helper()
			c.As("member").At("compute 2.73").Get(path).Want(200).Has("server.locked", locked).Has("server.locked_reason", reason)
		}
		const none = "<nil>"
		lock("member", "mine")
		is(true, "mine")
		lock("member", "again") // it is locked
		lock("own-admin", "me too")
		is(true, "mine")
		unlock("member", 202)
		is(false, none)
		lock("own-admin", "")
		is(true, none)
		unlock("member", 202) // the project's
		lock("member", "mine")
		lock("admin", "") // takes it over
		is(true, "mine")
		unlock("member", 403)
		lock("admin", "theirs")
		is(true, "theirs")
		lock("member", "not mine")
		unlock("manager", 403)
		is(true, "theirs")
		unlock("own-admin", 202)
		lock("member", "")
		unlock("other", 404)
		unlock("reader", 403)
		unlock("admin", 202)
		is(false, none)
		unlock("member", 202)
		for _, bad := range []string{`{"lock": {"locked_reason": ""}}`, `{"lock": {"reason": "x"}}`, `{"lock": 7}`} {
			c.As("member").At("compute 2.73").Post(path+"/action", bad).Want(400)
		}
		c.As("member").At("compute 2.72").Post(path+"/action", `{"lock": {"locked_reason": "not yet"}}`).Want(202)
		is(true, none)
	})
}

// TestMovesToHostsThatTakeNobody names hosts that are disabled or full: the move is accepted, as upstream does, the scheduler refuses it, and the server runs on.
func TestMovesToHostsThatTakeNobody(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		admin := c.As("admin").At("compute 2.95")
		c.AddHost("host-2")
		id := c.boot(t, "")
		srv := c.Settled(id)
		other := map[string]string{"host-1": "host-2", "host-2": "host-1"}[srv.Host]
		path := base + "/servers/" + id
		stays := func(what string) {
			t.Helper()
			if now := c.Settled(id); now.Host != srv.Host || now.VMState != srv.VMState {
				t.Errorf("%s: %s on %s", what, now.VMState, now.Host)
			}
			actions := admin.Get(path+"/os-instance-actions").Want(200).Has("instanceActions.0.message", "Error")
			admin.Get(path + "/os-instance-actions/" + actions.Text("instanceActions.0.request_id")).Want(200).Says("No valid host was found.")
		}
		migrate := fmt.Sprintf(`{"migrate": {"host": %q}}`, other)
		c.As("admin").Put(base+"/os-services/disable", fmt.Sprintf(`{"host": %q, "binary": "nova-compute"}`, other)).Want(200)
		admin.Post(path+"/action", migrate).Want(202)
		stays("disabled")
		c.As("admin").Put(base+"/os-services/enable", fmt.Sprintf(`{"host": %q, "binary": "nova-compute"}`, other)).Want(200)

		admin.Post(base+"/flavors", fmt.Sprintf(`{"flavor": {"id": "fat", "name": "fat", "ram": %d, "vcpus": 1, "disk": 1}}`, 256<<10-600)).Want(200)
		for _, persona := range []string{"member", "admin"} {
			if err := c.Nova.SetQuotas(t.Context(), resttest.Personas[persona].ProjectID, "", nova.Limits{"ram": -1}, true); err != nil {
				t.Fatal(err)
			}
		}
		fat := c.As("admin").At("compute 2.104").Post(base+"/servers", fmt.Sprintf(`{"server": {"name": "fat", "flavorRef": "fat", "imageRef": %q, "networks": "none", "host": %q}}`, novatest.ImageID, other)).Want(202).Text("server.id")
		if now := c.Settled(fat); now.Host != other {
			t.Fatalf("%s on %q: %+v", now.VMState, now.Host, now.Fault)
		}
		admin.Post(path+"/action", migrate).Want(202)
		stays("full")

		// The same when the server's own host has died: it is not there, but nowhere else either.
		c.Agents[srv.Host].Stop()
		c.down(t, srv.Host, true)
		admin.Post(path+"/action", fmt.Sprintf(`{"evacuate": {"host": %q}}`, other)).Want(200)
		now := c.Settled(id)
		if now.Host != srv.Host {
			t.Errorf("evacuated to the full host: %s on %s", now.VMState, now.Host)
		}
		actions := admin.Get(path+"/os-instance-actions").Want(200).Has("instanceActions.0.message", "Error").Has("instanceActions.0.action", "evacuate")
		admin.Get(path + "/os-instance-actions/" + actions.Text("instanceActions.0.request_id")).Want(200).Says("No valid host was found.")
		// There is room again.
		admin.Delete(base + "/servers/" + fat).Want(204)
		c.Settled(fat)
		admin.Post(path+"/action", fmt.Sprintf(`{"evacuate": {"host": %q}}`, other)).Want(200)
		if now := c.Settled(id); now.Host != other {
			t.Errorf("%s on %s: %+v", now.VMState, now.Host, now.Fault)
		}
		c.down(t, srv.Host, false)
		c.StartAgent(srv.Host)
		c.Clean(t)
	})
}
