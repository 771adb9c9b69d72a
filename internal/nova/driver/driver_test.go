package driver_test

import (
	"errors"
	"fmt"
	"testing"

	"gostack/internal/nova/driver"
)

func TestDeviceName(t *testing.T) {
	for want, nic := range map[string]driver.NIC{
		"tap12345678-12": {PortID: "12345678-1234-4000-8000-000000000000"}, // 14 characters; the kernel takes 15
		"tapshort":       {PortID: "short"},
		"vnet7":          {PortID: "12345678-1234-4000-8000-000000000000", Name: "vnet7"},
	} {
		if got := nic.DeviceName(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestFaultsAreKnownByCode(t *testing.T) {
	cause := errors.New("disk of /secret/path")
	err := fmt.Errorf("start: %w", &driver.Fault{Code: driver.CodeNoSpace, Message: "The host is full.", Cause: cause})
	if !errors.Is(err, driver.ErrNoSpace) || errors.Is(err, driver.ErrBadImage) || !errors.Is(err, cause) || driver.CodeOf(err) != driver.CodeNoSpace {
		t.Errorf("%v is not known for what it is", err)
	}
	if driver.CodeOf(cause) != "" {
		t.Error("an error that is no fault has a code")
	}
}

func TestPowerStateNumbers(t *testing.T) {
	// nova/compute/power_state.py
	for state, want := range map[driver.PowerState]string{0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"} {
		if state.String() != want {
			t.Errorf("%d is %s, want %s", state, state, want)
		}
	}
}
