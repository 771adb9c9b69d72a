package api_test

import (
	"fmt"
	"testing"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest/resttest"
)

// TestAggregates is the life of an aggregate, with everything that upstream refuses.
func TestAggregates(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		admin := c.As("admin").At("compute 2.81")
		c.AddHost("host-2")
		c.AddHost("host-3")
		make := func(body string) string {
			t.Helper()
			return fmt.Sprint(admin.Post(base+"/os-aggregates", `{"aggregate": `+body+`}`).Want(200).At("aggregate.id"))
		}
		path := func(id string) string { return base + "/os-aggregates/" + id }
		act := func(id, body string) *resttest.Answer { t.Helper(); return admin.Post(path(id)+"/action", body) }
		east, west, plain := make(`{"name": "east", "availability_zone": "east"}`), make(`{"name": "west", "availability_zone": "west"}`), make(`{"name": "plain", "availability_zone": null}`)
		admin.Get(path("nonsense")).Want(400).Says("id must be an integer")
		admin.Get(path("99")).Want(404).Says("Aggregate 99 could not be found.")
		for _, bad := range []string{`{}`, `{"name": ""}`, `{"name": "x", "availability_zone": ""}`, `{"name": "x", "availability_zone": "a:b"}`, `{"name": "x", "availability_zone": " a"}`, `{"name": "x", "availability_zone": "a "}`, `{"name": "x", "more": 1}`} {
			admin.Post(base+"/os-aggregates", `{"aggregate": `+bad+`}`).Want(400)
		}

		act(east, `{"add_host": {"host": "host-2"}}`).Want(200).Has("aggregate.hosts", "[host-2]")
		act(west, `{"add_host": {"host": "host-2"}}`).Want(409).Says("Cannot add host to aggregate " + west).Says("One or more hosts already in availability zone(s) [('host-2', 'east')]")
		act(plain, `{"add_host": {"host": "host-2"}}`).Want(200)
		admin.Put(path(plain), `{"aggregate": {"availability_zone": "west"}}`).Want(400).Says("Cannot update aggregate " + plain).Says("('host-2', 'east')")
		act(plain, `{"set_metadata": {"metadata": {"availability_zone": "west"}}}`).Want(400).Says("Cannot update metadata of aggregate " + plain)
		act(plain, `{"set_metadata": {"metadata": {"availability_zone": "east", "ssd": "true"}}}`).Want(200).Has("aggregate.availability_zone", "east")
		act(plain, `{"set_metadata": {"metadata": {"ssd": null}}}`).Want(200).Has("aggregate.metadata", "map[availability_zone:east]")
		act(plain, `{"set_metadata": {"metadata": {"availability_zone": null}}}`).Want(400).Says("does not support empty named availability zone")
		admin.Put(path(east), `{"aggregate": {"name": "west"}}`).Want(409).Says("Aggregate west already exists.")
		admin.Put(path(east), `{"aggregate": {}}`).Want(400)
		act(west, `{"remove_host": {"host": "host-2"}}`).Want(404).Says("Cannot remove host host-2 in aggregate " + west)
		act(plain, `{"remove_host": {"host": "host-2"}}`).Want(200).Has("aggregate.hosts", "[]")

		// The provider is in the aggregate of the same UUID, which is what member_of asks for.
		mine := admin.Get(path(east)).Want(200).Text("aggregate.uuid")
		if got := c.membersOf(t, mine); fmt.Sprint(got) != "[host-2]" {
			t.Errorf("placement has %v in the aggregate", got)
		}

		// Servers keep their zone: neither the aggregate's nor the host's may change under them.
		srv := c.Settled(c.boot(t, `, "availability_zone": "east"`))
		if srv.Host != "host-2" || srv.AvailabilityZone != "east" {
			t.Fatalf("zone east is %q in %q: %+v", srv.Host, srv.AvailabilityZone, srv.Fault)
		}
		admin.Put(path(east), `{"aggregate": {"availability_zone": "far east"}}`).Want(400).Says("One or more hosts contain instances in this zone.")
		act(east, `{"remove_host": {"host": "host-2"}}`).Want(409).Says("Cannot remove host host-2 in aggregate " + east)
		admin.Put(path(east), `{"aggregate": {"name": "Far East"}}`).Want(200).Has("aggregate.name", "Far East")
		admin.Delete(path(east)).Want(400).Says("Cannot remove host from aggregate " + east + ". Reason: Host aggregate is not empty.")
		admin.Delete(path(west)).Want(200)
		admin.Delete(path(west)).Want(404)
		c.As("member").Get(base + "/os-aggregates").Want(403)
	})
}

// membersOf names the providers in an aggregate of placement.
func (c *live) membersOf(t *testing.T, aggregate string) (names []string) {
	t.Helper()
	from, err := c.Placement.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range from.Providers {
		if from.Providers[i].InAggregate(aggregate) {
			names = append(names, from.Providers[i].Name)
		}
	}
	return names
}

func TestImagesAreCachedBeforehand(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		admin := c.As("admin").At("compute 2.81")
		c.AddHost("host-2")
		path := base + "/os-aggregates/" + fmt.Sprint(admin.Post(base+"/os-aggregates", `{"aggregate": {"name": "a"}}`).Want(200).At("aggregate.id"))
		admin.Post(path+"/action", `{"add_host": {"host": "host-2"}}`).Want(200)
		cache := func(body string) *resttest.Answer { t.Helper(); return admin.Post(path+"/images", body) }
		cache(`{"cache": []}`).Want(400)
		cache(`{"cache": [{"id": "nonsense"}]}`).Want(400)
		cache(`{"cache": [{"id": "` + image + `"}, {"id": "` + image + `"}]}`).Want(400).Says("Duplicate images in request")
		cache(`{"cache": [{"id": "aaaaaaaa-0000-4000-8000-000000000001"}]}`).Want(400).Says("could not be found")
		admin.Post(base+"/os-aggregates/99/images", `{"cache": [{"id": "`+image+`"}]}`).Want(404)
		admin.At("compute 2.80").Post(path+"/images", `{"cache": [{"id": "`+image+`"}]}`).Want(404)
		c.As("member").At("compute 2.81").Post(path+"/images", `{"cache": [{"id": "`+image+`"}]}`).Want(403)
		cache(`{"cache": [{"id": "` + image + `"}]}`).Want(202)
		novatest.Until(t, "the image is on host-2", func() bool { return c.Hosts["host-2"].HasImage(image) })
		if c.Hosts["host-1"].HasImage(image) {
			t.Error("a host outside of the aggregate fetched the image")
		}
	})
}

func TestExternalEventsAct(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		admin := c.As("admin")
		id := c.boot(t, "")
		c.Settled(id)
		const nobody = "aaaaaaaa-0000-4000-8000-000000000009"
		send := func(minor int, events string) *resttest.Answer {
			t.Helper()
			return admin.At(fmt.Sprintf("compute 2.%d", minor)).Post(base+"/os-server-external-events", `{"events": [`+events+`]}`)
		}
		event := func(server, name, tag string) string {
			return fmt.Sprintf(`{"server_uuid": %q, "name": %q, "tag": %q}`, server, name, tag)
		}
		send(75, event(id, "power-update", "POWER_OFF")).Want(400)
		send(1, event(nobody, "network-changed", "")).Want(207).Has("events.0.code", 404).Has("events.0.status", "failed")
		send(51, `{"server_uuid": "`+id+`", "name": "volume-extended"}`).Want(207).Has("events.0.code", 400)
		send(76, `{"server_uuid": "`+id+`", "name": "power-update"}`).Want(207).Has("events.0.code", 400).Has("events.0.status", "failed")
		send(1, `{"server_uuid": "`+id+`", "name": "network-changed", "status": "in-progress"}`).Want(200).Has("events.0.status", "in-progress")
		send(51, event(id, "network-changed", "")+`, {"server_uuid": "`+id+`", "name": "volume-extended"}, `+event(nobody, "network-changed", "")).Want(207).
			Has("events.0.code", 200).Has("events.0.status", "completed").Has("events.1.code", 400).Has("events.1.status", "failed").Has("events.2.code", 404)

		power := func(tag, vm string, state driver.PowerState) {
			t.Helper()
			send(76, event(id, "power-update", tag)).Want(200).Has("events.0.tag", tag)
			if srv := c.Settled(id); srv.VMState != vm || srv.PowerState != int(state) {
				t.Errorf("after %s: %s with power %d", tag, srv.VMState, srv.PowerState)
			}
		}
		power("POWER_ON", "active", driver.Running) // it is on
		power("POWER_OFF", "stopped", driver.Shutdown)
		power("power_on", "active", driver.Running)
		power("nonsense", "active", driver.Running)

		// A port that the network still has stays plugged; one that it has not any more is unplugged.
		port := c.As("member").Get(base + "/servers/" + id + "/os-interface").Want(200).Text("interfaceAttachments.0.port_id")
		send(1, event(id, "network-vif-deleted", port)).Want(200)
		c.Settled(id)
		if n := c.As("member").Get(base + "/servers/" + id + "/os-interface").Want(200).Len("interfaceAttachments"); n != 1 {
			t.Errorf("%d interfaces", n)
		}
		send(1, event(id, "network-vif-deleted", nobody)).Want(200)
		if srv := c.Settled(id); srv.VMState != "active" {
			t.Errorf("server: %s", srv.VMState)
		}
	})
}
