package ops_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/bus"
	"gostack/internal/neutron"
	"gostack/internal/notify"
	"gostack/internal/notify/notifytest"
	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/notice"
	"gostack/internal/nova/novatest"
	"gostack/internal/policy"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// novasEar hears what Nova tells; the world's Glance tells of the images too.
type novasEar struct{ *notifytest.Ear }

func (e novasEar) Since(t testing.TB) []bus.Notification {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(e.Ear.Since(t)), func(n bus.Notification) bool { return n.Service != "nova" })
}

// hearing makes a world whose notifications are heard.
func hearing(t *testing.T, d *store.DB, hosts int) (*world, novasEar) {
	w := newWorld(t, d, hosts)
	h := novasEar{notifytest.Hear(t, d)}
	w.Run()
	return w, h
}

// toldOf lists the types of notifications but updates, with who tells: "power_off.start host-1".
func toldOf(list []bus.Notification, versioned bool) []string {
	out := []string{}
	for _, n := range list {
		if n.Versioned != versioned || strings.HasSuffix(n.EventType, "instance.update") {
			continue
		}
		typ := strings.TrimPrefix(strings.TrimPrefix(n.EventType, "compute.instance."), "instance.")
		who := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(n.Publisher, "nova-compute:"), "compute."), "nova-")
		out = append(out, typ+" "+who)
	}
	return out
}

const planned = "scheduler.select_destinations.start scheduler:control-1, scheduler.select_destinations.end scheduler:control-1, "

// TestWhatIsToldOfServers walks a server through its life and compares what is told with what upstream tells (nova/compute/manager.py, api.py,
// conductor/manager.py).
func TestWhatIsToldOfServers(t *testing.T) {
	d := storetest.Either(t, append(slices.Clone(novatest.Migrations), notify.Migrations)...)
	w, h := hearing(t, d, 2)
	h.Since(t)
	w.bigger()
	c := *w.caller
	c.RequestID = "req-1"
	w.caller = &c
	ctx := policy.WithCaller(t.Context(), &c)

	srv, err := w.boot(ctx, "one")
	must(t, err)
	id := srv.ID
	source := w.Settled(id).Host
	dest := w.other(source)
	all := h.Since(t)
	expect := func(what, versioned, legacy string) {
		t.Helper()
		put := strings.NewReplacer("SRC", source, "DST", dest)
		for kind, want := range map[bool]string{true: versioned, false: legacy} {
			if diff := cmp.Diff(items(put.Replace(want)), toldOf(all, kind)); diff != "" {
				t.Errorf("%s, versioned %v:\n%s", what, kind, diff)
			}
		}
		for _, n := range all {
			checkPayload(t, n)
		}
	}
	expect("create", "flavor.create api:control-1, "+planned+"create.start SRC, create.end SRC", "create.start SRC, create.end SRC")
	states := []string{}
	for _, n := range all {
		if n.EventType == "compute.instance.update" {
			var p struct {
				Old     string `json:"old_state"`
				New     string `json:"state"`
				OldTask string `json:"old_task_state"`
				Task    string `json:"new_task_state"`
			}
			must(t, json.Unmarshal(n.Payload, &p))
			states = append(states, p.Old+"/"+p.OldTask+" > "+p.New+"/"+p.Task)
		}
		if n.RequestID != "req-1" && n.EventType != "flavor.create" || n.Service != "nova" {
			t.Errorf("%s is told for request %q of %s", n.EventType, n.RequestID, n.Service)
		}
	}
	if diff := cmp.Diff([]string{
		"building/ > building/scheduling", "building/scheduling > building/networking", "building/networking > building/spawning", "building/spawning > active/",
	}, states); diff != "" {
		t.Error(diff)
	}

	step := func(what string, do func() error, versioned, legacy string) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		w.Settled(id)
		all = h.Since(t)
		expect(what, versioned, legacy)
	}
	power := func(a nova.PowerAction, name string) {
		t.Helper()
		both := name + ".start SRC, " + name + ".end SRC"
		step(string(a), func() error { return w.Nova.Power(ctx, &c, id, a, driver.RebootSoft) }, both, both)
	}
	power(nova.ActStop, "power_off")
	power(nova.ActStart, "power_on")
	power(nova.ActReboot, "reboot")
	power(nova.ActPause, "pause")
	power(nova.ActUnpause, "unpause")
	power(nova.ActSuspend, "suspend")
	power(nova.ActResume, "resume")
	step("lock", func() error { return w.Nova.Lock(ctx, &c, id, nil) }, "lock api:control-1", "")
	step("unlock", func() error { return w.Nova.Unlock(ctx, &c, id) }, "unlock api:control-1", "")
	name := "renamed"
	step("update", func() error {
		_, err := w.Nova.UpdateServer(ctx, &c, id, nova.ServerUpdate{Name: &name})
		return err
	}, "", "")
	if i := slices.IndexFunc(all, func(n bus.Notification) bool { return n.EventType == "instance.update" }); i < 0 {
		t.Error("no update of the name")
	} else if data := dataOf(t, all[i]); data["old_display_name"] != "one" || data["display_name"] != "renamed" {
		t.Errorf("%v", data)
	}
	step("attach", func() error {
		_, err := w.Nova.AttachInterface(ctx, &c, id, neutron.NICRequest{NetworkID: novatest.NetworkID})
		return err
	}, "interface_attach.start SRC, interface_attach.end SRC", "")
	ports, err := w.Nova.Interfaces(ctx, id)
	must(t, err)
	step("detach", func() error { return w.Nova.DetachInterface(ctx, &c, id, ports[len(ports)-1].ID) }, "interface_detach.start SRC, interface_detach.end SRC", "")
	step("snapshot", func() error {
		_, err := w.Nova.CreateImage(ctx, &c, id, nova.ImageRequest{Name: "image"})
		return err
	}, "snapshot.start SRC, snapshot.end SRC", "snapshot.start SRC, snapshot.end SRC")
	step("rebuild", func() error {
		_, err := w.Nova.Rebuild(ctx, &c, id, nova.RebuildRequest{ImageID: novatest.ImageID})
		return err
	}, "rebuild_scheduled conductor:control-1, exists SRC, rebuild.start SRC, rebuild.end SRC", "rebuild.scheduled conductor.control-1, exists SRC, rebuild.start SRC, rebuild.end SRC")
	step("rescue", func() error { return w.Nova.Rescue(ctx, &c, id, "", "") }, "rescue.start SRC, rescue.end SRC", "rescue.start SRC, rescue.end SRC")
	step("unrescue", func() error { return w.Nova.Unrescue(ctx, &c, id) }, "unrescue.start SRC, unrescue.end SRC", "unrescue.start SRC, unrescue.end SRC")
	step("crash dump", func() error { return w.Nova.TriggerCrashDump(ctx, &c, id) }, "trigger_crash_dump.start SRC, trigger_crash_dump.end SRC", "trigger_crash_dump.start SRC, trigger_crash_dump.end SRC")
	resize := func() error { return w.Nova.Resize(ctx, &c, id, "2", "") }
	step("resize", resize,
		"exists SRC, "+planned+"resize_prep.start DST, resize_prep.end DST, resize.start SRC, resize.end SRC, resize_finish.start DST, resize_finish.end DST",
		"exists SRC, resize.prep.start DST, resize.prep.end DST, resize.start SRC, resize.end SRC, finish_resize.start DST, finish_resize.end DST")
	step("revert", func() error { return w.Nova.RevertResize(ctx, &c, id) }, "resize_revert.start DST, resize_revert.end SRC", "resize.revert.start DST, resize.revert.end SRC")
	must(t, resize())
	w.Settled(id)
	h.Since(t)
	step("confirm", func() error { return w.Nova.ConfirmResize(ctx, &c, id) }, "resize_confirm.start DST, resize_confirm.end DST", "resize.confirm.start DST, resize.confirm.end DST")
	source, dest = dest, source
	step("live migration", func() error { return w.live(w.Settled(id), nova.LiveRequest{}) },
		planned+"live_migration_pre.start DST, live_migration_pre.end DST, live_migration_post.start SRC, live_migration_post_dest.start DST, live_migration_post_dest.end DST, live_migration_post.end SRC",
		"live_migration.pre.start DST, live_migration.pre.end DST, live_migration._post.start SRC, live_migration.post.dest.start DST, live_migration.post.dest.end DST, live_migration._post.end SRC")
	source, dest = dest, source
	shelved := "shelve.start SRC, shelve.end SRC, shelve_offload.start SRC, shelve_offload.end SRC"
	must(t, w.Nova.Shelve(ctx, &c, id))
	w.offloaded(t, id)
	all = h.Since(t)
	expect("shelve", shelved, shelved)
	must(t, w.Nova.Unshelve(ctx, &c, id, nova.UnshelveRequest{Host: source}))
	w.Settled(id)
	all = h.Since(t)
	expect("unshelve", planned+"unshelve.start SRC, unshelve.end SRC", "unshelve.start SRC, unshelve.end SRC")
	step("delete", func() error { return w.Nova.Delete(ctx, &c, id) },
		"exists SRC, delete.start SRC, shutdown.start SRC, shutdown.end SRC, delete.end SRC", "exists SRC, delete.start SRC, shutdown.start SRC, shutdown.end SRC, delete.end SRC")
	last := dataOf(t, all[len(all)-1])
	if last["state"] != "deleted" || last["deleted_at"] == nil || last["terminated_at"] == nil || len(last["ip_addresses"].([]any)) != 0 {
		t.Errorf("a deleted server is told of as %v", last)
	}
}

// TestWhatIsToldOfFailures sees a host that cannot, no host at all, and an evacuation.
func TestWhatIsToldOfFailures(t *testing.T) {
	d := storetest.SQLite(t, append(slices.Clone(novatest.Migrations), notify.Migrations)...)
	w, h := hearing(t, d, 2)
	for _, host := range w.Hosts {
		host.Break(&driver.Fault{Code: driver.CodeUnsupported, Message: "the disk is broken"})
	}
	h.Since(t)
	failed := w.settled("failed")
	all := h.Since(t)
	kinds := map[string]int{}
	for _, n := range all {
		checkPayload(t, n)
		kinds[n.EventType+" "+n.Priority]++
	}
	if failed.VMState != nova.InError || kinds["instance.create.error error"] != 2 || kinds["compute.instance.create.error error"] != 2 || kinds["instance.create.end info"] != 0 {
		t.Errorf("%s: %v", failed.VMState, kinds)
	}
	for _, host := range w.Hosts {
		host.Break(nil)
	}
	must(t, w.Nova.CreateFlavor(t.Context(), w.caller, &nova.Flavor{ID: "huge", Name: "huge", MemoryMB: 512, VCPUs: 1, RootGB: 1 << 20, IsPublic: true}))
	none, err := w.Nova.CreateServers(t.Context(), w.caller, nova.CreateRequest{Name: "none", FlavorID: "huge", ImageID: novatest.ImageID, Min: 1, Max: 1})
	must(t, err)
	w.Settled(none[0].ID)
	must(t, w.Nova.Delete(t.Context(), w.caller, none[0].ID))
	w.Settled(none[0].ID)
	want := []string{
		"flavor.create api:control-1", "compute_task.build_instances.error conductor:control-1", "delete.start api:control-1", "delete.end api:control-1",
	}
	all = h.Since(t)
	if diff := cmp.Diff(want, toldOf(all, true)); diff != "" {
		t.Error(diff)
	}
	for _, n := range all {
		checkPayload(t, n)
	}
	srv := w.settled("refugee")
	h.Since(t)
	w.lose(srv.Host)
	must(t, w.evacuate(t.Context(), srv.ID))
	there := w.Settled(srv.ID).Host
	got := toldOf(h.Since(t), true)
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "service.") })
	if diff := cmp.Diff(items("evacuate api:control-1, "+planned+"rebuild_scheduled conductor:control-1, rebuild.start "+there+", rebuild.end "+there), got); diff != "" {
		t.Error(diff)
	}
}

// items are the parts of a list with commas.
func items(list string) []string {
	if list == "" {
		return []string{}
	}
	return strings.Split(list, ", ")
}

func dataOf(t *testing.T, n bus.Notification) map[string]any {
	t.Helper()
	var o struct {
		Data map[string]any `json:"nova_object.data"`
	}
	must(t, json.Unmarshal(n.Payload, &o))
	return o.Data
}

// fieldsOf are the fields of upstream's payload objects (nova/notifications/objects/*.py, 2026), those that they inherit included.
var fieldsOf = func() map[string][]string {
	instance := strings.Fields(`action_initiator_project action_initiator_user architecture auto_disk_config availability_zone block_devices created_at deleted_at
		display_description display_name flavor host host_name image_uuid ip_addresses kernel_id key_name launched_at locked locked_reason metadata node os_type
		power_state progress ramdisk_id request_id reservation_id shares state task_state tenant_id terminated_at updated_at user_id uuid`)
	with := func(more string) []string { return slices.Concat(instance, strings.Fields(more)) }
	m := map[string][]string{
		"InstanceActionPayload": with("fault"), "InstanceCreatePayload": with("fault instance_name keypairs tags trusted_image_certificates"),
		"InstanceActionResizePrepPayload": with("fault new_flavor"), "InstanceActionRescuePayload": with("fault rescue_image_ref"),
		"InstanceActionRebuildPayload": with("fault trusted_image_certificates"), "InstanceActionSnapshotPayload": with("fault snapshot_image_id"),
		"InstanceUpdatePayload": with("audit_period old_display_name state_update tags"), "InstanceExistsPayload": with("audit_period"),
		"InstanceStateUpdatePayload": strings.Fields("new_task_state old_state old_task_state state"),
		"AuditPeriodPayload":         strings.Fields("audit_period_beginning audit_period_ending"),
		"IpPayload":                  strings.Fields("address device_name label mac meta port_uuid version"),
		"FlavorPayload": strings.Fields(`description disabled ephemeral_gb extra_specs flavorid is_public memory_mb name projects root_gb rxtx_factor swap
			vcpu_weight vcpus`),
		"KeypairPayload":   strings.Fields("fingerprint name public_key type user_id"),
		"ExceptionPayload": strings.Fields("exception exception_message function_name module_name traceback"),
		"AggregatePayload": strings.Fields("hosts id metadata name uuid"), "AggregateCachePayload": strings.Fields("host id images_cached images_failed index name total uuid"),
		"ServerGroupPayload": strings.Fields("hosts members name policies policy project_id rules user_id uuid"),
		"ServiceStatusPayload": strings.Fields(`availability_zone binary disabled disabled_reason forced_down host last_seen_up report_count topic uuid
			version`),
		"ComputeTaskPayload": strings.Fields("instance_uuid reason request_spec state"),
		"RequestSpecPayload": strings.Fields(`availability_zone flavor force_hosts force_nodes ignore_hosts image instance_group instance_uuid num_instances
			numa_topology pci_requests project_id requested_destination retry scheduler_hints security_groups user_id`),
		"ImageMetaPayload": strings.Fields(`checksum container_format created_at direct_url disk_format id min_disk min_ram name owner properties protected size
			status tags updated_at virtual_size visibility`),
	}
	for _, fields := range m {
		slices.Sort(fields)
	}
	return m
}()

// legacyFields are the members of unversioned payloads (nova/notifications/base.py, info_from_instance).
var legacyFields = strings.Fields(`access_ip_v4 access_ip_v6 architecture availability_zone cell_name created_at deleted_at disk_gb display_name ephemeral_gb host
	hostname image_meta image_ref_url instance_flavor_id instance_id instance_type instance_type_id kernel_id launched_at memory_mb metadata node os_type progress
	ramdisk_id reservation_id root_gb state state_description tenant_id terminated_at user_id vcpus`)

// checkPayload compares the names of a payload's members, and of all objects in it, with upstream's.
func checkPayload(t *testing.T, n bus.Notification) {
	t.Helper()
	var payload map[string]any
	must(t, json.Unmarshal(n.Payload, &payload))
	if !n.Versioned {
		for _, name := range legacyFields {
			if _, ok := payload[name]; !ok {
				t.Errorf("%s has no %s", n.EventType, name)
			}
		}
		return
	}
	checkObject(t, n.EventType, payload)
}

func checkObject(t *testing.T, where string, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			checkObject(t, where, e)
		}
	case map[string]any:
		name, ok := v["nova_object.name"].(string)
		if !ok {
			return
		}
		data, _ := v["nova_object.data"].(map[string]any)
		if want, ok := fieldsOf[name]; ok {
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(data))); diff != "" {
				t.Errorf("%s in %s:\n%s", name, where, diff)
			}
		} else if name != "ImageMetaPropsPayload" {
			t.Errorf("%s: upstream has no %s", where, name)
		}
		if v["nova_object.version"] != notice.Versions[name] || v["nova_object.version"] == "" || v["nova_object.namespace"] != "nova" {
			t.Errorf("%s in %s is of version %v in %v", name, where, v["nova_object.version"], v["nova_object.namespace"])
		}
		for _, e := range data {
			checkObject(t, where, e)
		}
	}
}
