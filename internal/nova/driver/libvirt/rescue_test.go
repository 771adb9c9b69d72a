package libvirt_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gostack/internal/nova/driver"
)

// rescued is a server that boots from another image of the same content.
func (l *lab) rescued(s driver.GuestSpec, device, bus string) driver.GuestSpec {
	l.t.Helper()
	image := *s.Image
	image.ID = "00000000-0000-4000-8000-0000000000e1"
	l.sources[image.ID] = l.sources[diskID]
	l.must("image", l.EnsureImage(l.t.Context(), image))
	s.Rescue = &driver.Rescue{Image: image, Device: device, Bus: bus}
	s.ConfigDrive = []driver.File{{Path: "openstack/latest/meta_data.json", Data: []byte(`{"admin_pass": "rescue"}`)}}
	return s
}

// The guest counts its boots on its first disk: on the rescue disk while it is rescued, on its own before and after.
func TestRescue(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	s := spec()
	s.Flavor.EphemeralGB = 1
	l.boot(s)
	l.must("stop", l.Stop(ctx, s.ID, 0))
	r := l.rescued(s, "", "")
	l.must("rescue disk", l.PrepareDisks(ctx, r))
	l.must("define rescue", l.Define(ctx, r))
	l.must("start rescue", l.Start(ctx, s.ID))
	log := l.untilCount(s.ID, "MICRO-READY", 2)
	if strings.Count(log, "BOOTS 1 SECTORS 8192") != 1 || !strings.Contains(log, `CONFIG {"admin_pass": "rescue"}`) || strings.Count(log, "DISK /dev/vdb") != 2 {
		t.Errorf("rescued guest:\n%s", tail(log))
	}
	l.must("keep house", l.Housekeep(ctx))
	l.must("stop", l.Stop(ctx, s.ID, 0))
	l.must("define", l.Define(ctx, s))
	l.must("drop rescue", l.DropRescue(ctx, s.ID))
	l.must("start", l.Start(ctx, s.ID))
	l.until(s.ID, "BOOTS 2 SECTORS 2097152")
	l.must("stop", l.Stop(ctx, s.ID, 0))
	left, err := filepath.Glob(filepath.Join(l.dir, "instances", s.ID, "*rescue*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}

	// Stable device rescue: every kind of device and bus, and the guest's own disks are where they were.
	for _, x := range []struct{ device, bus, want string }{
		{"disk", "virtio", "DISK /dev/vdc"}, {"", "scsi", ""}, {"cdrom", "", ""}, {"cdrom", "scsi", ""}, {"disk", "usb", ""}, {"disk", "sata", ""},
	} {
		r := l.rescued(s, x.device, x.bus)
		l.must("rescue disk", l.PrepareDisks(ctx, r))
		l.must("define rescue as "+x.device+" on "+x.bus, l.Define(ctx, r))
		l.must("start rescue as "+x.device+" on "+x.bus, l.Start(ctx, s.ID))
		l.state(s.ID, driver.Running)
		if x.want != "" {
			l.until(s.ID, x.want)
			l.until(s.ID, "BOOTS 3 SECTORS 2097152")
		}
		l.must("stop", l.Stop(ctx, s.ID, 0))
		l.must("drop rescue", l.DropRescue(ctx, s.ID))
	}
	if err := l.Define(ctx, l.rescued(s, "disk", "telepathy")); err == nil {
		t.Error("a bus of nobody's is accepted")
	}
}

// A renewed server begins anew; one made from an image that goes away stands on nothing.
func TestRenewAndCopy(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	s := spec()
	s.Flavor.EphemeralGB = 1
	l.boot(s)
	l.must("stop", l.Stop(ctx, s.ID, 0))
	eph := filepath.Join(l.dir, "instances", s.ID, "disk.eph0")
	before, err := os.Stat(eph)
	l.must("ephemeral disk", err)
	l.must("new disks", l.RenewDisks(ctx, s, true))
	if after, err := os.Stat(eph); err != nil || !os.SameFile(before, after) {
		t.Errorf("the ephemeral disk was not kept: %v", err)
	}
	image := *s.Image
	image.Passing = true
	s.Image = &image
	l.must("new disks", l.RenewDisks(ctx, s, false))
	l.must("define", l.Define(ctx, s))
	l.must("forget the base", os.Remove(filepath.Join(l.dir, "instances", "_base", diskID)))
	l.must("start", l.Start(ctx, s.ID))
	log := l.untilCount(s.ID, "MICRO-READY", 2)
	if strings.Count(log, "BOOTS 1 SECTORS 2097152") != 2 {
		t.Errorf("the guest does not begin anew:\n%s", tail(log))
	}
	l.must("disks", l.PrepareDisks(ctx, s))
	l.must("define", l.Define(ctx, s))
}
