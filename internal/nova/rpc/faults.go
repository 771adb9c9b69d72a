package rpc

import (
	"errors"

	"gostack/internal/bus"
	"gostack/internal/nova/driver"
)

// ToBus makes a driver's refusal survive the way over the bus; other errors
// pass as they are.
func ToBus(err error) error {
	var f *driver.Fault
	if errors.As(err, &f) {
		return bus.Fail(string(f.Code), "%s", f.Error())
	}
	return err
}

// FromBus is the opposite: errors.Is(FromBus(err), driver.ErrDiskTooSmall)
// holds when the host has refused for that reason.
func FromBus(err error) error {
	switch code := driver.Code(bus.Code(err)); code {
	case driver.CodeNotFound, driver.CodeDiskTooSmall, driver.CodeBadImage, driver.CodeUnsupported, driver.CodeBadState, driver.CodeNoSpace, driver.CodeBusy:
		return &driver.Fault{Code: code, Message: err.Error()}
	}
	return err
}
