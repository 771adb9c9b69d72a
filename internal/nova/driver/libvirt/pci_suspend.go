package libvirt

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
)

// QEMU cannot save a guest's memory while devices of the host are in it. So they are unplugged before, and plugged in again when the guest goes on
// (nova/virt/libvirt/driver.py, suspend and resume). Its stored definition has them all the time.

// unplugPatience is how long a guest may take to release its devices.
const unplugPatience = time.Minute

// unplugDevices takes a running guest's devices of the host from it. When it does not release one, it gets back those that it has released.
func (d *Driver) unplugDevices(ctx context.Context, dom rpc.Domain) error {
	wait, cancel := context.WithTimeout(ctx, unplugPatience)
	defer cancel()
	var ask time.Time
	for {
		def, err := d.layer(wait, dom, rpc.DomainDeviceModifyLive)
		if err != nil || def == nil {
			return err
		}
		devices := pciIn(def)
		if len(devices) == 0 {
			return nil
		}
		if now := time.Now(); !now.Before(ask) {
			ask = now.Add(detachAgain)
			for _, dev := range devices {
				if err := d.changeDevice(wait, dom, dev, (*rpc.Libvirt).DomainDetachDeviceFlags); err != nil {
					return errors.Join(err, d.plugDevices(ctx, dom))
				}
			}
		}
		if err := pause(wait, pollEvery); err != nil {
			return errors.Join(fmt.Errorf("the guest has not released its devices: %w", err), d.plugDevices(ctx, dom))
		}
	}
}

// plugDevices gives a running guest the devices of the host that its stored definition has and it lacks.
func (d *Driver) plugDevices(ctx context.Context, dom rpc.Domain) error {
	stored, err := d.layer(ctx, dom, rpc.DomainDeviceModifyConfig)
	if err != nil || len(pciIn(stored)) == 0 {
		return err
	}
	running, err := d.layer(ctx, dom, rpc.DomainDeviceModifyLive)
	if err != nil || running == nil {
		return err
	}
	for _, dev := range lacking(pciIn(stored), pciIn(running)) {
		dev.Address, dev.Alias = nil, nil // where in the guest there is room
		if err := d.changeDevice(ctx, dom, dev, (*rpc.Libvirt).DomainAttachDeviceFlags); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) changeDevice(ctx context.Context, dom rpc.Domain, dev libvirtxml.DomainHostdev, change func(*rpc.Libvirt, rpc.Domain, string, uint32) error) error {
	text, err := dev.Marshal()
	if err != nil {
		return err
	}
	err = d.do(ctx, func(l *rpc.Libvirt) error { return change(l, dom, text, uint32(rpc.DomainDeviceModifyLive)) })
	// "Already being removed" and "not there" are seen in the next look.
	if err != nil && !libvirt.Is(err, rpc.ErrDeviceMissing, rpc.ErrOperationFailed) {
		return fmt.Errorf("device of the host: %w", err)
	}
	return nil
}

// pciIn are the devices of the host in a definition.
func pciIn(def *libvirtxml.Domain) (devices []libvirtxml.DomainHostdev) {
	if def == nil || def.Devices == nil {
		return nil
	}
	for _, dev := range def.Devices.Hostdevs {
		if dev.SubsysPCI != nil && dev.SubsysPCI.Source != nil && dev.SubsysPCI.Source.Address != nil {
			devices = append(devices, dev)
		}
	}
	return devices
}

// lacking are the devices of all that has does not have.
func lacking(all, has []libvirtxml.DomainHostdev) (missing []libvirtxml.DomainHostdev) {
	for _, dev := range all {
		found := false
		for _, other := range has {
			found = found || reflect.DeepEqual(dev.SubsysPCI.Source.Address, other.SubsysPCI.Source.Address)
		}
		if !found {
			missing = append(missing, dev)
		}
	}
	return missing
}
