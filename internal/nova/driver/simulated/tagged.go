package simulated

import (
	"context"
	"fmt"

	"gostack/internal/nova/driver"
)

// TaggedDevices answers addresses in the order of the devices.
func (d *Driver) TaggedDevices(_ context.Context, spec driver.GuestSpec) (all []driver.TaggedDevice, err error) {
	err = d.on(spec.ID, func(*server) error {
		all = tagged(spec)
		return nil
	})
	return all, err
}

func tagged(spec driver.GuestSpec) (all []driver.TaggedDevice) {
	slot := 1
	add := func(t driver.TaggedDevice) {
		slot++
		if t.Tag != "" {
			t.Bus, t.Address = "pci", fmt.Sprintf("0000:00:%02x.0", slot)
			all = append(all, t)
		}
	}
	for _, n := range spec.NICs {
		add(driver.TaggedDevice{Type: "nic", Tag: n.Tag, MAC: n.MAC})
	}
	add(driver.TaggedDevice{Type: "disk", Tag: spec.Root.Tag})
	for _, l := range spec.LocalDisks() {
		add(driver.TaggedDevice{Type: "disk", Tag: l.Tag})
	}
	return all
}
