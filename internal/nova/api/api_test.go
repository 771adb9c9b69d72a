package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"gostack/internal/clock"
	"gostack/internal/nova"
	"gostack/internal/nova/api"
	"gostack/internal/nova/db"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest/resttest"
	"gostack/internal/saga"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// cloud is a Nova with pretend neighbours.
type cloud struct {
	*resttest.API
	t       *testing.T
	db      *store.DB
	clock   *clock.Manual
	nova    *nova.Service
	network *novatest.Network
}

const base = "/compute/v2.1"

func each(t *testing.T, fn func(t *testing.T, c *cloud)) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		c := &cloud{t: t, db: d, clock: clock.NewManual(time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)), network: novatest.NewNetwork()}
		c.nova = &nova.Service{DB: d, Clock: c.clock, Network: c.network, Groups: c.network}
		c.API = resttest.New(t, api.New(c.nova)...)
		fn(t, c)
	}, saga.Migrations, db.Migrations)
}

// row stores a server as it is when it runs.
func (c *cloud) row(name string, change func(*nova.Server)) *nova.Server {
	c.t.Helper()
	c.clock.Advance(time.Second)
	now := c.clock.Now()
	s := &nova.Server{
		ID: fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", now.Unix()%1e12), ProjectID: "project-1", UserID: "user-member", Name: name, Hostname: name, VMState: nova.Active,
		PowerState: 1, Host: "host-1", Node: "node-1", AvailabilityZone: "nova", ReservationID: "r-1", FlavorID: "1", Flavor: nova.FlavorCopy{Name: "m1.tiny", VCPUs: 1, MemoryMB: 512, RootGB: 1},
		VCPUs: 1, MemoryMB: 512, RootGB: 1, ImageID: "70a599e0-31e7-49b7-b260-868f441e862b", DiskConfig: "AUTO", Metadata: map[string]string{}, Tags: []string{},
		CreatedAt: now, UpdatedAt: now, LaunchedAt: &now,
	}
	if change != nil {
		change(s)
	}
	if err := c.db.Write(context.Background(), func(ctx context.Context, tx store.Tx) error { return db.Insert(ctx, tx, s) }); err != nil {
		c.t.Fatal(err)
	}
	return s
}

func TestFlavors(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin, member := c.As("admin"), c.As("member")
		create := func(body string) *resttest.Answer { return admin.Post(base+"/flavors", `{"flavor": `+body+`}`) }
		create(`{"name": "m1.tiny", "ram": 512, "vcpus": 1, "disk": 1, "id": "1"}`).Want(200).Has("flavor.id", "1").Has("flavor.swap", "").Has("flavor.rxtx_factor", "1.0")
		create(`{"name": "m1.tiny", "ram": 512, "vcpus": 1, "disk": 1}`).Want(409).Has("conflictingRequest.message", "Flavor with name m1.tiny already exists.")
		create(`{"name": "other", "ram": 512, "vcpus": 1, "disk": 1, "id": "1"}`).Want(409).Has("conflictingRequest.message", "Flavor with ID 1 already exists.")
		create(`{"name": "secret", "ram": "64", "vcpus": 1, "disk": 0, "id": 9, "os-flavor-access:is_public": false}`).Want(200)
		for _, bad := range []string{`{}`, `{"name": "x", "ram": 0, "vcpus": 1, "disk": 1}`, `{"name": "x", "ram": "0", "vcpus": 1, "disk": 1}`, `{"name": " x", "ram": 1, "vcpus": 1, "disk": 1}`, `{"name": "x", "ram": 1, "vcpus": 1, "disk": 1, "more": 1}`, `{"name": "x", "ram": 1, "vcpus": 1, "disk": 1, "description": "d"}`} {
			create(bad).Want(400)
		}
		create(`{"name": "numbered", "id": 1380452617, "ram": "64", "vcpus": 1, "disk": 1}`).Want(200).Has("flavor.id", "1380452617").Has("flavor.ram", 64)
		admin.Delete(base + "/flavors/1380452617").Want(202)
		member.Get(base + "/flavors/").Want(404)
		member.Post(base+"/flavors", `{"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 1}}`).Want(403)
		if n := member.Get(base + "/flavors").Want(200).Len("flavors"); n != 1 {
			t.Errorf("%d flavors", n)
		}
		member.Get(base+"/flavors/9").Want(404).Has("itemNotFound.message", "Flavor 9 could not be found.")
		admin.Get(base+"/flavors/9/os-flavor-access").Want(200).Has("flavor_access", "[]") // its maker's project has none either
		admin.Post(base+"/flavors/9/action", `{"addTenantAccess": {"tenant": "project-1"}}`).Want(200)
		admin.Post(base+"/flavors/9/action", `{"addTenantAccess": {"tenant": "project-1"}}`).Want(409).Says("Flavor access already exists for flavor 9 and project project-1 combination.")
		member.Get(base+"/flavors/9").Want(200).Has("flavor.name", "secret")
		admin.Post(base+"/flavors/9/action", `{"removeTenantAccess": {"tenant": "project-1"}}`).Want(200)
		admin.Post(base+"/flavors/9/action", `{"removeTenantAccess": {"tenant": "project-1"}}`).Want(404).Says("Flavor access not found for 9 / project-1 combination.")
		admin.At("compute 2.7").Post(base+"/flavors/1/action", `{"addTenantAccess": {"tenant": "project-1"}}`).Want(409).Says("Can not add access to a public flavor.")

		admin.Post(base+"/flavors/1/os-extra_specs", `{"extra_specs": {"hw:cpu_policy": "shared", "n": 1.5}}`).Want(200).Has("extra_specs.n", "1.5")
		admin.Put(base+"/flavors/1/os-extra_specs/n", `{"n": "2"}`).Want(200).Has("n", "2")
		admin.Put(base+"/flavors/1/os-extra_specs/n", `{"m": "2"}`).Want(400).Says("Request body and URI mismatch")
		admin.Delete(base + "/flavors/1/os-extra_specs/n").Want(200)
		member.Get(base + "/flavors/1/os-extra_specs/n").Want(404).Says("Flavor 1 has no extra specs with key n.")
		admin.At("compute 2.86").Post(base+"/flavors/1/os-extra_specs", `{"extra_specs": {"hw:cpu_polic": "x"}}`).Want(400).Says("hw:cpu_polic")

		f := member.At("compute 2.75").Get(base+"/flavors/1").Want(200).Has("flavor.swap", 0).Has("flavor.description", "<nil>")
		if f.At("flavor.extra_specs") == nil {
			t.Error("no extra_specs at 2.75")
		}
		if f := member.At("compute 2.104").Get(base + "/flavors/detail").Want(200); f.At("flavors.0.rxtx_factor") != nil {
			t.Errorf("rxtx_factor is shown after 2.102: %s", f.Body)
		}
		member.At("compute 2.75").Get(base + "/flavors?nonsense=1").Want(400)
		admin.At("compute 2.55").Put(base+"/flavors/1", `{"flavor": {"description": "small"}}`).Want(200).Has("flavor.description", "small")
		p := admin.Get(base+"/flavors/detail?is_public=none&limit=1").Want(200).Has("flavors.0.id", "1")
		admin.Get(p.Text("flavors_links.0.href")).Want(200).Has("flavors.0.id", "9")
		admin.Get(base + "/flavors?marker=none").Want(400).Says("marker [none] not found")
		admin.Get(base + "/flavors?limit=-1").Want(400)
		admin.Delete(base + "/flavors/9").Want(202)
		admin.Delete(base + "/flavors/9").Want(404)
	})
}

func TestKeyPairs(t *testing.T) {
	const public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQGpLqxKpbnQRUWqaFWLgmDCSBUvpcHuxxyRDLaUbmN me@here"
	each(t, func(t *testing.T, c *cloud) {
		member := c.As("member")
		gen := member.Post(base+"/os-keypairs", `{"keypair": {"name": "made"}}`).Want(200)
		if gen.Text("keypair.private_key")[:10] != "-----BEGIN" {
			t.Errorf("private key: %s", gen.Body)
		}
		member.At("compute 2.2").Post(base+"/os-keypairs", map[string]any{"keypair": map[string]any{"name": "mine", "public_key": public, "type": "ssh"}}).Want(201).Has("keypair.type", "ssh")
		member.Post(base+"/os-keypairs", map[string]any{"keypair": map[string]any{"name": "mine", "public_key": public}}).Want(409).Says("Key pair 'mine' already exists.")
		member.Post(base+"/os-keypairs", `{"keypair": {"name": "bad", "public_key": "nonsense"}}`).Want(400).Says("Keypair data is invalid: failed to generate fingerprint")
		member.Post(base+"/os-keypairs", `{"keypair": {"name": "a@b", "public_key": "x"}}`).Want(400)
		member.At("compute 2.92").Post(base+"/os-keypairs", `{"keypair": {"name": "a@b"}}`).Want(400).Says("'public_key' is a required property")
		member.At("compute 2.2").Post(base+"/os-keypairs", `{"keypair": {"name": "cert", "type": "x509"}}`).Want(201)
		if n := member.Get(base + "/os-keypairs").Want(200).Len("keypairs"); n != 3 {
			t.Errorf("%d key pairs", n)
		}
		p := member.At("compute 2.35").Get(base+"/os-keypairs?limit=1").Want(200).Has("keypairs.0.keypair.name", "cert")
		member.At("compute 2.35").Get(p.Text("keypairs_links.0.href")).Want(200).Has("keypairs.0.keypair.name", "made")
		member.Get(base+"/os-keypairs/mine").Want(200).Has("keypair.deleted", false).Has("keypair.user_id", "user-member")
		c.As("reader").Get(base + "/os-keypairs/mine").Want(404).Says("Keypair mine not found for user user-reader")
		c.As("reader").At("compute 2.10").Get(base + "/os-keypairs/mine?user_id=user-member").Want(403)
		c.As("admin").At("compute 2.10").Get(base + "/os-keypairs/mine?user_id=user-member").Want(200)
		member.Delete(base + "/os-keypairs/mine").Want(202)
		member.At("compute 2.2").Delete(base + "/os-keypairs/made").Want(204)
		member.Delete(base + "/os-keypairs/made").Want(404)
	})
}

func TestServersListAndShow(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		member, admin := c.As("member"), c.As("admin")
		a := c.row("alpha", func(s *nova.Server) { s.Tags = []string{"red", "x_y"}; s.Metadata = map[string]string{"k": "v"} })
		b := c.row("beta", func(s *nova.Server) { s.VMState = nova.Stopped; s.Tags = []string{"red"}; s.LockedBy = "owner" })
		other := c.row("gamma", func(s *nova.Server) { s.ProjectID = "project-2" })
		names := func(as *resttest.API, query string) string {
			t.Helper()
			var body struct{ Servers []struct{ Name string } }
			as.Get(base + "/servers/detail" + query).Want(200).JSON(&body)
			out := ""
			for _, s := range body.Servers {
				out += s.Name + " "
			}
			return out
		}
		v := func(minor int) *resttest.API { return member.At(fmt.Sprintf("compute 2.%d", minor)) }
		for _, x := range []struct {
			as          *resttest.API
			query, want string
		}{
			{member, "", "beta alpha "},
			{member, "?name=alp", "alpha "},
			{member, "?name=^.e", "beta "},
			{member, "?status=shutoff", "beta "},
			{member, "?status=nonsense", ""},
			{member, "?sort_key=display_name&sort_dir=asc", "alpha beta "},
			{v(26), "?tags=red", "beta alpha "},
			{v(26), "?tags=red,x_y", "alpha "},
			{v(26), "?tags=xxy", ""},
			{v(26), "?not-tags-any=x_y", "beta "},
			{v(26), "?tags-any=x_y,none", "alpha "},
			{v(73), "?locked=true", "beta "},
			{member, "?host=nowhere", "beta alpha "},
			{admin, "?all_tenants=1&host=nowhere", ""},
			{admin, "?all_tenants=1", "gamma beta alpha "},
			{admin, "", ""},
			{member, "?metadata={'k':+'v'}", "alpha "},
			{admin, "?all_tenants=1&project_id=project-2", "gamma "},
			{member, "?changes-since=2026-11-22T11:00:02Z", "beta "},
			{member, "?ip=10.0", ""},
			{member, "?flavor=1&image=70a599e0-31e7-49b7-b260-868f441e862b", "beta alpha "},
			{member, "?limit=0", ""},
		} {
			if got := names(x.as, x.query); got != x.want {
				t.Errorf("%s: %q, want %q", x.query, got, x.want)
			}
		}
		p := member.Get(base+"/servers?limit=1").Want(200).Has("servers.0.id", b.ID)
		member.Get(p.Text("servers_links.0.href")).Want(200).Has("servers.0.id", a.ID)
		member.Get(base + "/servers?all_tenants=1").Want(403)
		member.Get(base + "/servers?marker=none").Want(400).Says("marker [none] not found")
		v(38).Get(base + "/servers?status=nonsense").Want(400)
		v(75).Get(base + "/servers?nonsense=1").Want(400)
		member.Get(base + "/servers?changes-since=yesterday").Want(400)
		member.Get(base + "/servers?sort_key=nonsense").Want(400)
		member.Get(base+"/servers/"+other.ID).Want(404).Has("itemNotFound.message", "Instance "+other.ID+" could not be found.")
		c.As("system-reader").Get(base + "/servers/" + a.ID).Want(403)

		show := member.Get(base+"/servers/"+a.ID).Want(200).Has("server.status", "ACTIVE").Has("server.flavor.id", "1").Has("server.OS-EXT-STS:power_state", 1)
		for _, hidden := range []string{"OS-EXT-SRV-ATTR:host", "locked", "description", "tags", "host_status"} {
			if show.At("server."+hidden) != nil {
				t.Errorf("%s is shown to a member at 2.1", hidden)
			}
		}
		admin.At("compute 2.16").Get(base+"/servers/"+a.ID).Want(200).Has("server.OS-EXT-SRV-ATTR:host", "host-1").Has("server.host_status", "UNKNOWN").Has("server.OS-EXT-SRV-ATTR:instance_name", "instance-"+a.ID)
		latest := v(104).Get(base+"/servers/"+a.ID).Want(200).Has("server.flavor.original_name", "m1.tiny").Has("server.locked", false).Has("server.tags", "[red x_y]").Has("server.server_groups", "[]").
			Has("server.scheduler_hints", "map[]").Has("server.OS-EXT-SRV-ATTR:hostname", "alpha").Has("server.image.properties", "map[]")
		for _, shown := range []string{`"description":null`, `"locked_reason":null`, `"trusted_image_certificates":null`, `"pinned_availability_zone":null`, `"OS-EXT-STS:task_state":null`} {
			latest.Says(shown)
		}
	})
}

func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		none := c.As("none")
		none.Get("/compute/").Want(200).Has("versions.1.version", "2.104").Has("versions.1.min_version", "2.1").Has("versions.1.status", "CURRENT")
		none.Get("/compute/v2.1/").Want(200).Has("version.id", "v2.1").Has("version.version", "2.104")
		none.Get("/compute/v2.1").Want(200)
		none.Get("/compute/v2/").Want(200).Has("version.id", "v2.0")
		// The old version takes members that it does not know, and no microversion.
		member := c.As("member")
		key := `{"keypair": {"name": "old", "type": "x509", "nonsense": 1}}`
		member.Post(base+"/os-keypairs", key).Want(400)
		made := member.At("compute 2.100").Post("/compute/v2/os-keypairs", key).Want(200)
		if made.At("keypair.type") != nil {
			t.Errorf("types came with 2.2: %s", made.Body)
		}
		member.Post("/compute/v2/os-keypairs", `{"keypair": {"nonsense": 1}}`).Want(400).Says("'name' is a required property")
		s := c.row("old", nil)
		member.Get("/compute/v2/servers/"+s.ID+"?nonsense=1").Want(200).Has("server.links.0.href", "http://example.com/compute/v2/servers/"+s.ID)
		member.Post("/compute/v2/servers/"+s.ID+"/action", `{"dance": null}`).Want(400)
		// From 2.102 on no call takes parameters that it does not know.
		member.At("compute 2.101").Get(base + "/servers/" + s.ID + "?nonsense=1").Want(200)
		member.At("compute 2.102").Get(base + "/servers/" + s.ID + "?nonsense=1").Want(400)
	})
}

func TestStatementsPerRequest(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		var id string
		for i := range 20 {
			id = c.row(fmt.Sprintf("s%02d", i), nil).ID
		}
		for path, most := range map[string]int{"/servers/" + id: 2, "/servers/detail": 3, "/servers?limit=5": 3, "/flavors/detail": 3, "/os-keypairs": 3} {
			ctx, count := store.Count(context.Background())
			if path == "/servers/detail" {
				path += "?all_tenants=1"
			}
			req := httptest.NewRequestWithContext(ctx, "GET", base+path, nil)
			req.Header.Set("X-Auth-Token", "admin")
			req.Header.Set("OpenStack-API-Version", "compute 2.104")
			rec := httptest.NewRecorder()
			c.Handler.ServeHTTP(rec, req)
			if rec.Code != 200 {
				t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
			}
			if n := count.Statements(); n > most {
				t.Errorf("%s: %d statements, at most %d", path, n, most)
			}
		}
	})
}

// What would leave a server's trusted platform module behind is refused, before anything else is looked at.
func TestServersWithTPMStay(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		srv := c.row("secret", func(s *nova.Server) {
			s.Flavor.ExtraSpecs = map[string]string{"hw:tpm_version": "2.0"}
			s.ImageID, s.LockedBy, s.VMState = "", "owner", nova.Suspended
		})
		images := novatest.Images{"70a599e0-31e7-49b7-b260-868f441e862b": {ID: "70a599e0-31e7-49b7-b260-868f441e862b", Status: "active"}}
		c.nova.Images = images
		admin := c.As("admin").At("compute 2.68")
		for operation, body := range map[string]string{
			"live-migration": `{"os-migrateLive": {"host": null, "block_migration": "auto"}}`, "evacuate": `{"evacuate": {}}`, "shelve": `{"shelve": null}`,
			"rebuild": `{"rebuild": {"imageRef": "70a599e0-31e7-49b7-b260-868f441e862b"}}`, "rescue": `{"rescue": {"rescue_image_ref": "70a599e0-31e7-49b7-b260-868f441e862b"}}`,
		} {
			admin.Post(base+"/servers/"+srv.ID+"/action", body).Want(409).Has("conflictingRequest.message", "Operation '"+operation+"' not supported for vTPM-enabled instance (instance="+srv.ID+").")
		}
	})
}
