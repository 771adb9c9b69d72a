package libvirt_test

import (
	"testing"
	"time"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/drivertest"
)

func TestConforms(t *testing.T) {
	l := newLab(t)
	for _, id := range []string{kernelID, ramdiskID} {
		l.must("image", l.EnsureImage(t.Context(), driver.Image{ID: id, DiskFormat: "aki"}))
	}
	drivertest.Suite{Driver: l.Driver, Spec: spec, Grace: time.Minute}.Conform(t)
}
