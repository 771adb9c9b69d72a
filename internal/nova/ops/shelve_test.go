package ops_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
	"gostack/internal/placement"
	"gostack/internal/saga/sagatest"
)

// offloaded fails unless the only server is on no host and holds nothing but its port.
func (w *world) offloaded(t *testing.T, id string) *nova.Server {
	t.Helper()
	srv := w.Settled(id)
	if srv.VMState != nova.ShelvedOffloaded || srv.Host != "" || srv.Node != "" || srv.Kept.ShelvedImage == "" {
		t.Fatalf("%s on %q, kept %+v", srv.VMState, srv.Host, srv.Kept)
	}
	for name, h := range w.Hosts {
		guests, err := h.List(t.Context())
		must(t, err)
		disks, err := h.Disks(t.Context())
		if err != nil || len(guests)+len(disks) != 0 {
			t.Errorf("%s has guests %v and disks %v, %v", name, guests, disks, err)
		}
	}
	var consumers map[string]*placement.Consumer
	consumers, err := w.Placement.Consumers(t.Context())
	if err != nil || len(consumers) != 0 || w.Network.Ports() != 1 {
		t.Errorf("consumers %v, %v, %d ports", consumers, err, w.Network.Ports())
	}
	return srv
}

func TestShelve(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("web")
		ports, err := w.Nova.Interfaces(ctx, srv.ID)
		must(t, err)
		must(t, w.Nova.Shelve(ctx, w.caller, srv.ID))
		novatest.Until(t, "it is offloaded", func() bool { return w.Settled(srv.ID).VMState == nova.ShelvedOffloaded })
		got := w.offloaded(t, srv.ID)
		w.did(t, srv.ID, "shelve", false, "compute_shelve_offload_instance", "compute_shelve_instance")
		image, err := w.Glance.Image(ctx, w.caller, got.Kept.ShelvedImage)
		if err != nil || *image.Name != "web-shelved" || image.Properties["image_type"] != "snapshot" {
			t.Errorf("image %+v, %v", image, err)
		}
		says(t, w.Nova.Shelve(ctx, w.caller, srv.ID), "Cannot 'shelve' instance "+srv.ID+" while it is in vm_state shelved_offloaded")
		says(t, w.Nova.ShelveOffload(ctx, w.caller, srv.ID), "Cannot 'shelveOffload' instance "+srv.ID+" while it is in vm_state shelved_offloaded")

		says(t, w.Nova.Unshelve(ctx, w.caller, srv.ID, nova.UnshelveRequest{SetZone: true, Zone: ptr("mars")}), "The requested availability zone is not available")
		says(t, w.Nova.Unshelve(ctx, w.caller, srv.ID, nova.UnshelveRequest{Host: "host-9"}), "Compute host host-9 could not be found.")
		other := map[string]string{"host-1": "host-2", "host-2": "host-1"}[srv.Host]
		must(t, w.Nova.Unshelve(ctx, w.caller, srv.ID, nova.UnshelveRequest{Host: other, SetZone: true, Zone: ptr("nova")}))
		got = w.has(t, srv.ID, nova.Active, driver.Running)
		if got.Host != other || *got.PinnedZone != "nova" || got.Kept.ShelvedImage != "" || got.ImageID != novatest.ImageID || got.AvailabilityZone != "nova" {
			t.Errorf("on %s, %+v", got.Host, got.Kept)
		}
		if g := w.inside(t, got); g.Image != image.ID {
			t.Errorf("it was made from %s", g.Image)
		}
		again, err := w.Nova.Interfaces(ctx, srv.ID)
		if err != nil || len(again) != 1 || again[0].ID != ports[0].ID {
			t.Errorf("ports %v, %v", again, err)
		}
		w.did(t, srv.ID, "unshelve", false, "compute_unshelve_instance")
		if left := w.images(t); len(left) != 0 {
			t.Errorf("images left: %v", left)
		}
		w.Clean(t)
	})
}

func TestShelvedLater(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Nova.Config.ShelvedOffloadTime = time.Hour
		srv := w.settled("web")
		must(t, w.Nova.Shelve(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Shelved, driver.Shutdown)
		w.Clean(t)
		says(t, w.Nova.Unshelve(ctx, w.caller, srv.ID, nova.UnshelveRequest{SetZone: true, Zone: ptr("nova")}), "The server status must be SHELVED_OFFLOADED.")
		must(t, w.Nova.Unshelve(ctx, w.caller, srv.ID, nova.UnshelveRequest{}))
		w.has(t, srv.ID, nova.Active, driver.Running)
		if left := w.images(t); len(left) != 0 {
			t.Errorf("images left: %v", left)
		}
		w.Clean(t)

		must(t, w.Nova.Shelve(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Shelved, driver.Shutdown)
		must(t, w.Nova.OffloadShelved(ctx)) // not yet
		w.has(t, srv.ID, nova.Shelved, driver.Shutdown)
		w.Nova.Config.ShelvedOffloadTime = time.Nanosecond
		must(t, w.Nova.OffloadShelved(ctx))
		w.offloaded(t, srv.ID)
		w.did(t, srv.ID, "shelveOffload", false, "compute_shelve_offload_instance")
		must(t, w.Nova.OffloadShelved(ctx))

		must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
		if w.Settled(srv.ID) != nil {
			t.Error("it is still there")
		}
		if left := w.images(t); len(left) != 0 {
			t.Errorf("images left: %v", left)
		}
		w.Clean(t)
	})
}

func TestUnshelveFails(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("web")
		must(t, w.Nova.Shelve(ctx, w.caller, srv.ID))
		novatest.Until(t, "it is offloaded", func() bool { return w.Settled(srv.ID).VMState == nova.ShelvedOffloaded })
		w.Hosts["host-1"].Break(driver.Refuse(driver.CodeUnsupported, "not this one"))
		must(t, w.Nova.Unshelve(ctx, w.caller, srv.ID, nova.UnshelveRequest{}))
		got := w.offloaded(t, srv.ID)
		if got.Fault == nil || !strings.Contains(got.Fault.Message, "No valid host was found.") {
			t.Errorf("fault %+v", got.Fault)
		}
		w.did(t, srv.ID, "unshelve", true, "compute_unshelve_instance")
		w.Hosts["host-1"].Break(nil)
		must(t, w.Glance.Delete(ctx, w.caller, got.Kept.ShelvedImage))
		must(t, w.Nova.Unshelve(ctx, w.caller, srv.ID, nova.UnshelveRequest{}))
		if got := w.Settled(srv.ID); got.VMState != nova.InError || !strings.Contains(got.Fault.Details, "Unshelve attempted but the image") {
			t.Errorf("%s, %+v", got.VMState, got.Fault)
		}
	})
}

func TestShelveIsProved(t *testing.T) {
	t.Parallel()
	sagatest.Prove(t, nova.KindShelve, proof(func(w *world) { w.settled("proof") },
		onOnly(func(ctx context.Context, w *world, id string) error { return w.Nova.Shelve(ctx, w.caller, id) }),
		func(t *testing.T, w *world) {
			t.Helper()
			srv, err := w.only(t.Context())
			must(t, err)
			w.offloaded(t, srv.ID)
			w.whole(t, w.images(t)...)
		},
		func(t *testing.T, w *world) {
			t.Helper()
			runs(t, w)
			if left := w.images(t); len(left) != 0 {
				t.Errorf("images left: %v", left)
			}
			w.whole(t)
		}))
}

func TestOffloadIsProved(t *testing.T) {
	t.Parallel()
	sagatest.Prove(t, nova.KindOffload, proof(func(w *world) {
		w.Nova.Config.ShelvedOffloadTime = time.Hour
		srv := w.settled("proof")
		must(w.T, w.Nova.Shelve(context.Background(), w.caller, srv.ID))
		w.Settled(srv.ID)
	},
		onOnly(func(ctx context.Context, w *world, id string) error { return w.Nova.ShelveOffload(ctx, w.caller, id) }),
		func(t *testing.T, w *world) {
			t.Helper()
			srv, err := w.only(t.Context())
			must(t, err)
			w.offloaded(t, srv.ID)
		},
		// Nothing but a bug ends it before it is done; then it is shelved still, and can be offloaded again.
		func(t *testing.T, w *world) {
			t.Helper()
			if srv, err := w.only(t.Context()); err != nil || srv.VMState != nova.Shelved || srv.Host == "" || srv.OperationID != nil {
				t.Errorf("%+v, %v", srv, err)
			}
		}))
}

func TestUnshelveIsProved(t *testing.T) {
	for _, after := range []time.Duration{0, time.Hour} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			sagatest.Prove(t, nova.KindUnshelve, proof(func(w *world) {
				w.Nova.Config.ShelvedOffloadTime = after
				srv := w.settled("proof")
				must(w.T, w.Nova.Shelve(context.Background(), w.caller, srv.ID))
				novatest.Until(w.T, "it is shelved", func() bool {
					vm := w.Settled(srv.ID).VMState
					return vm == nova.ShelvedOffloaded || after != 0 && vm == nova.Shelved
				})
			},
				onOnly(func(ctx context.Context, w *world, id string) error {
					return w.Nova.Unshelve(ctx, w.caller, id, nova.UnshelveRequest{})
				}),
				func(t *testing.T, w *world) {
					t.Helper()
					runs(t, w)
					if left := w.images(t); len(left) != 0 {
						t.Errorf("images left: %v", left)
					}
				},
				func(t *testing.T, w *world) {
					t.Helper()
					srv, err := w.only(t.Context())
					must(t, err)
					if after == 0 {
						w.offloaded(t, srv.ID)
					} else if w.Clean(t); srv.VMState != nova.Shelved {
						t.Errorf("it is %s", srv.VMState)
					}
					w.whole(t, w.images(t)...)
				}))
		})
	}
}
