package ops_test

import (
	"context"
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/simulated"
	"gostack/internal/nova/novatest"
	"gostack/internal/saga/sagatest"
)

// otherImage is an image besides novatest.ImageID; agentImage has a guest agent.
const (
	otherImage = "70a599e0-31e7-49b7-b260-868f441e8600"
	agentImage = "70a599e0-31e7-49b7-b260-868f441e8601"
)

func (w *world) moreImages() {
	w.Images[otherImage] = &nova.Image{ID: otherImage, Name: "other", Status: "active", DiskFormat: "raw", Size: 1 << 20, Properties: map[string]string{"os_distro": "x"}}
	w.Images[agentImage] = &nova.Image{
		ID: agentImage, Name: "agent", Status: "active", DiskFormat: "raw", Size: 1 << 20, Properties: map[string]string{driver.PropQGA: "yes", nova.PropAdminUser: "boss"},
	}
}

// inside looks into a server.
func (w *world) inside(t *testing.T, srv *nova.Server) simulated.Guest {
	t.Helper()
	g, err := w.Hosts[srv.Host].Inside(srv.ID)
	must(t, err)
	return g
}

// says fails unless an error is a refusal with a text.
func says(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, want %q", err, text)
	}
}

// did fails unless the last action is the one, with its events, newest first.
func (w *world) did(t *testing.T, id, action string, failed bool, names ...string) {
	t.Helper()
	a, events := w.lastAction(t, id)
	var got []string
	for _, e := range events {
		got = append(got, e.Event)
	}
	if a.Action != action || strings.Join(got, " ") != strings.Join(names, " ") || (a.Message != nil) != failed {
		t.Errorf("%s with %v, failed %v", a.Action, got, a.Message)
	}
}

func TestRebuild(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.moreImages()
		srv := w.settled("web")
		ports, err := w.Nova.Interfaces(ctx, srv.ID)
		must(t, err)
		before := w.inside(t, srv)
		got, err := w.Nova.Rebuild(ctx, w.caller, srv.ID, nova.RebuildRequest{
			ImageID: otherImage, AdminPass: "new", Name: ptr("renamed"), Metadata: map[string]string{"k": "v"}, SetDescription: true, Description: ptr("d"), Hostname: ptr("other-name"),
		})
		must(t, err)
		if got.TaskState != "rebuilding" || got.ImageID != otherImage || nova.Status(got.VMState, got.TaskState) != "REBUILD" {
			t.Errorf("%s %s", got.TaskState, got.ImageID)
		}
		srv = w.has(t, srv.ID, nova.Active, driver.Running)
		after := w.inside(t, srv)
		if srv.Name != "renamed" || srv.ImageID != otherImage || srv.Image.Properties["os_distro"] != "x" || srv.Metadata["k"] != "v" || *srv.Description != "d" || srv.Hostname != "other-name" || srv.Requested.AdminPass != "" {
			t.Errorf("server %+v", srv)
		}
		if after.Disk == before.Disk || after.Image != otherImage || after.Boots != before.Boots+1 {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if !strings.Contains(string(after.Files["openstack/latest/meta_data.json"]), `"new"`) {
			t.Errorf("the guest is not told its password: %s", after.Files["openstack/latest/meta_data.json"])
		}
		again, err := w.Nova.Interfaces(ctx, srv.ID)
		if err != nil || len(again) != 1 || again[0].ID != ports[0].ID {
			t.Errorf("ports %v, %v", again, err)
		}
		w.did(t, srv.ID, "rebuild", false, "compute_rebuild_instance")
		w.Clean(t)

		must(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActStop, ""))
		w.has(t, srv.ID, nova.Stopped, driver.Shutdown)
		_, err = w.Nova.Rebuild(ctx, w.caller, srv.ID, nova.RebuildRequest{ImageID: otherImage})
		must(t, err)
		w.has(t, srv.ID, nova.Stopped, driver.Shutdown)
		if w.inside(t, srv).Disk == after.Disk {
			t.Error("a server that was off kept its disk")
		}
		w.Clean(t)
	})
}

func TestRebuildRefused(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.moreImages()
		srv := w.settled("web")
		w.Images["big"] = &nova.Image{ID: "big", Status: "active", Size: 2 << 30}
		w.Images["wide"] = &nova.Image{ID: "wide", Status: "active", MinRAMMB: 1 << 20}
		w.Images["queued"] = &nova.Image{ID: "queued", Status: "queued"}
		w.Images["arm"] = &nova.Image{ID: "arm", Name: "arm", Status: "active", DiskFormat: "raw", Properties: map[string]string{"hw_architecture": "aarch64"}}
		for image, text := range map[string]string{
			"none": "Cannot find image for rebuild", "queued": "Image queued is not active.", "big": "Flavor's disk is too small for requested image.", "wide": "Flavor's memory is too small",
		} {
			_, err := w.Nova.Rebuild(ctx, w.caller, srv.ID, nova.RebuildRequest{ImageID: image})
			says(t, err, text)
		}
		_, err := w.Nova.Rebuild(ctx, w.caller, srv.ID, nova.RebuildRequest{ImageID: otherImage, KeyName: ptr("none"), SetKeyName: true})
		says(t, err, "Invalid key_name provided.")

		// An image that the host cannot run (OSSA-2017-005): the server stays what it was.
		before := w.inside(t, srv)
		_, err = w.Nova.Rebuild(ctx, w.caller, srv.ID, nova.RebuildRequest{ImageID: "arm"})
		must(t, err)
		got := w.has(t, srv.ID, nova.Active, driver.Running)
		if after := w.inside(t, srv); after.Disk != before.Disk || got.ImageID != novatest.ImageID || got.Fault == nil {
			t.Errorf("before %+v, after %+v, %s %+v", before, after, got.ImageID, got.Fault)
		}
		w.did(t, srv.ID, "rebuild", true, "compute_rebuild_instance")
		w.Clean(t)

		must(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActPause, ""))
		w.has(t, srv.ID, nova.Paused, driver.Paused)
		_, err = w.Nova.Rebuild(ctx, w.caller, srv.ID, nova.RebuildRequest{ImageID: otherImage})
		says(t, err, "Cannot 'rebuild' instance "+srv.ID+" while it is in vm_state paused")
	})
}

func TestRescue(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.moreImages()
		srv := w.settled("web")
		says(t, w.Nova.Unrescue(ctx, w.caller, srv.ID), "Cannot 'unrescue' instance "+srv.ID+" while it is in vm_state active")
		says(t, w.Nova.Rescue(ctx, w.caller, srv.ID, "none", "p"), "Requested rescue image 'none' is not supported")
		for _, image := range []string{otherImage, ""} {
			disk := w.inside(t, srv).Disk
			must(t, w.Nova.Rescue(ctx, w.caller, srv.ID, image, "rescue-me"))
			got := w.has(t, srv.ID, nova.Rescued, driver.Running)
			want := image
			if want == "" {
				want = novatest.ImageID
			}
			g := w.inside(t, srv)
			if g.Rescue != want || g.Disk != disk || got.Kept.RescueImage != want || !strings.Contains(string(g.Files["openstack/latest/meta_data.json"]), "rescue-me") {
				t.Errorf("rescued: %+v, kept %+v", g, got.Kept)
			}
			w.did(t, srv.ID, "rescue", false, "compute_rescue_instance")
			says(t, w.Nova.Rescue(ctx, w.caller, srv.ID, image, ""), "Cannot 'rescue' instance "+srv.ID+" while it is in vm_state rescued")
			says(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActStop, ""), "while it is in vm_state rescued")
			must(t, w.Nova.Unrescue(ctx, w.caller, srv.ID))
			got = w.has(t, srv.ID, nova.Active, driver.Running)
			if g := w.inside(t, srv); g.Rescue != "" || g.Disk != disk || got.Kept.RescueImage != "" {
				t.Errorf("after the rescue: %+v, kept %+v", g, got.Kept)
			}
			w.did(t, srv.ID, "unrescue", false, "compute_unrescue_instance")
			w.Clean(t)
		}
		must(t, w.Nova.Rescue(ctx, w.caller, srv.ID, "", ""))
		w.has(t, srv.ID, nova.Rescued, driver.Running)
		must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
		if w.Settled(srv.ID) != nil {
			t.Error("a rescued server is not deleted")
		}
		w.Clean(t)
	})
}

func TestGuestActions(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.moreImages()
		srv := w.settled("web")
		says(t, w.Nova.SetPassword(ctx, w.caller, srv.ID, "s3cret"), "QEMU guest agent is not enabled")
		must(t, w.Nova.TriggerCrashDump(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		w.did(t, srv.ID, "trigger_crash_dump", false, "compute_trigger_crash_dump")
		_, err := w.Nova.Rebuild(ctx, w.caller, srv.ID, nova.RebuildRequest{ImageID: agentImage})
		must(t, err)
		w.has(t, srv.ID, nova.Active, driver.Running)
		must(t, w.Nova.SetPassword(ctx, w.caller, srv.ID, "s3cret"))
		w.has(t, srv.ID, nova.Active, driver.Running)
		w.did(t, srv.ID, "changePassword", false, "compute_set_admin_password")
		if g := w.inside(t, srv); g.Passwords["boss"] != "s3cret" || g.NMIs != 1 {
			t.Errorf("inside: %+v", g)
		}
		must(t, w.Hosts[srv.Host].Driver.Pause(ctx, srv.ID)) // behind Nova's back
		if err := w.Nova.SetPassword(ctx, w.caller, srv.ID, "s3cret"); err != nil && !strings.Contains(err.Error(), "error setting admin password") && !strings.Contains(err.Error(), "vm_state paused") {
			t.Error(err)
		}
		novatest.Until(t, "the server is known to be paused", func() bool { return w.Settled(srv.ID).VMState == nova.Paused })
		says(t, w.Nova.SetPassword(ctx, w.caller, srv.ID, "x"), "Cannot 'changePassword' instance "+srv.ID+" while it is in vm_state paused")
		must(t, w.Nova.TriggerCrashDump(ctx, w.caller, srv.ID))
		w.Settled(srv.ID)
		w.Clean(t)
	})
}

// onOnly returns a start of an operation on the only server.
func onOnly(do func(ctx context.Context, w *world, id string) error) func(ctx context.Context, w *world) error {
	return func(ctx context.Context, w *world) error {
		srv, err := w.only(ctx)
		if err != nil {
			return err
		}
		return do(ctx, w, srv.ID)
	}
}

// runs fails unless the only server runs and no operation holds it.
func runs(t *testing.T, w *world) {
	t.Helper()
	w.Clean(t)
	w.one(t, nova.Active, driver.Running)
}

func TestRebuildIsProved(t *testing.T) {
	t.Parallel()
	sagatest.Prove(t, nova.KindRebuild, proof(func(w *world) { w.moreImages(); w.settled("proof") },
		onOnly(func(ctx context.Context, w *world, id string) error {
			_, err := w.Nova.Rebuild(ctx, w.caller, id, nova.RebuildRequest{ImageID: otherImage})
			return err
		}),
		func(t *testing.T, w *world) {
			t.Helper()
			runs(t, w)
			if srv, err := w.only(t.Context()); err != nil || w.inside(t, srv).Image != otherImage || srv.ImageID != otherImage {
				t.Errorf("%+v, %v", srv, err)
			}
		},
		func(t *testing.T, w *world) {
			t.Helper()
			w.Clean(t)
			srv, err := w.only(t.Context())
			must(t, err)
			g := w.inside(t, srv)
			switch {
			case srv.VMState == nova.Active && srv.ImageID == novatest.ImageID && g.Image == novatest.ImageID && srv.Fault != nil: // untouched
				if state, err := w.Hosts[srv.Host].PowerState(t.Context(), srv.ID); err != nil || state != driver.Running {
					t.Errorf("it does not run: %v, %v", state, err)
				}
			case srv.VMState == nova.InError && srv.ImageID == otherImage && srv.Fault != nil:
			default:
				t.Errorf("%s with image %s, made from %s, fault %+v", srv.VMState, srv.ImageID, g.Image, srv.Fault)
			}
		}))
}

func TestRescueIsProved(t *testing.T) {
	t.Parallel()
	sagatest.Prove(t, nova.KindRescue, proof(func(w *world) { w.moreImages(); w.settled("proof") },
		onOnly(func(ctx context.Context, w *world, id string) error {
			return w.Nova.Rescue(ctx, w.caller, id, otherImage, "p")
		}),
		func(t *testing.T, w *world) {
			t.Helper()
			w.Clean(t)
			if srv := w.one(t, nova.Rescued, driver.Running); w.inside(t, srv).Rescue != otherImage {
				t.Errorf("it runs from %q", w.inside(t, srv).Rescue)
			}
		},
		func(t *testing.T, w *world) {
			t.Helper()
			runs(t, w)
			if srv, err := w.only(t.Context()); err != nil || w.inside(t, srv).Rescue != "" || srv.Kept.RescueImage != "" {
				t.Errorf("%+v, %v", srv, err)
			}
		}))
}

func TestUnrescueIsProved(t *testing.T) {
	t.Parallel()
	sagatest.Prove(t, nova.KindUnrescue, proof(func(w *world) {
		w.moreImages()
		srv := w.settled("proof")
		must(w.T, w.Nova.Rescue(context.Background(), w.caller, srv.ID, otherImage, ""))
		w.Settled(srv.ID)
	},
		onOnly(func(ctx context.Context, w *world, id string) error { return w.Nova.Unrescue(ctx, w.caller, id) }),
		runs,
		// It stays rescued, and can be asked again, until it runs from its own disk.
		func(t *testing.T, w *world) {
			t.Helper()
			w.Clean(t)
			srv, err := w.only(t.Context())
			if err != nil || srv.VMState != nova.Rescued && srv.VMState != nova.Active || srv.VMState == nova.Active && w.inside(t, srv).Rescue != "" {
				t.Errorf("%+v, %v", srv, err)
			}
		}))
}

func TestGuestActionsAreProved(t *testing.T) {
	t.Parallel()
	boot := func(w *world) {
		w.moreImages()
		srv := w.settled("proof")
		_, err := w.Nova.Rebuild(context.Background(), w.caller, srv.ID, nova.RebuildRequest{ImageID: agentImage})
		must(w.T, err)
		w.Settled(srv.ID)
	}
	sagatest.Prove(t, nova.KindPassword, proof(boot,
		onOnly(func(ctx context.Context, w *world, id string) error {
			_, err := w.Nova.StartPassword(ctx, w.caller, id, "s3cret")
			return err
		}), runs, runs))
	sagatest.Prove(t, nova.KindNMI, proof(boot,
		onOnly(func(ctx context.Context, w *world, id string) error {
			return w.Nova.TriggerCrashDump(ctx, w.caller, id)
		}),
		func(t *testing.T, w *world) {
			t.Helper()
			runs(t, w)
			if srv, err := w.only(t.Context()); err != nil || w.inside(t, srv).NMIs != 1 {
				t.Errorf("%+v, %v", srv, err)
			}
		}, runs))
}
