package libvirt

import (
	"context"
	"fmt"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// detachAgain is when a guest that has not let a device go is asked again; one
// that is still booting does not hear it (upstream: eight tries).
const detachAgain = 10 * time.Second

// AttachInterface plugs a NIC into the definition and into the running guest.
func (d *Driver) AttachInterface(ctx context.Context, id string, n driver.NIC) error {
	dom, err := d.owned(ctx, id)
	if err != nil {
		return err
	}
	caps, err := d.capabilities(ctx)
	if err != nil {
		return err
	}
	nic, err := d.nic(ctx, caps, nil, n)
	if err != nil {
		return err
	}
	text, err := nic.Marshal()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		def, err := d.layer(ctx, dom, layer)
		if err != nil {
			return err
		}
		if def == nil || port(def, n.PortID) != nil {
			continue
		}
		err = d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainAttachDeviceFlags(dom, text, uint32(layer)) })
		if err == nil {
			continue
		}
		// Done by this very call before a lost answer?
		if def, again := d.layer(ctx, dom, layer); again == nil && def != nil && port(def, n.PortID) != nil {
			continue
		}
		return fmt.Errorf("attach interface: %w", err)
	}
	return nil
}

// DetachInterface unplugs a port, waiting until the guest has let it go.
func (d *Driver) DetachInterface(ctx context.Context, id, portID string) error {
	dom, err := d.owned(ctx, id)
	if err != nil {
		return err
	}
	for _, layer := range layers {
		var ask time.Time
		for {
			def, err := d.layer(ctx, dom, layer)
			if err != nil {
				return err
			}
			if def == nil {
				break
			}
			nic := port(def, portID)
			if nic == nil {
				break
			}
			if now := time.Now(); !now.Before(ask) {
				ask = now.Add(detachAgain)
				text, err := nic.Marshal()
				if err != nil {
					return err
				}
				err = d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainDetachDeviceFlags(dom, text, uint32(layer)) })
				// "Already being removed" and "not there" are seen in the next look.
				if err != nil && !libvirt.Is(err, rpc.ErrOperationFailed, rpc.ErrDeviceMissing, rpc.ErrOperationInvalid, rpc.ErrInternalError) {
					return fmt.Errorf("detach interface: %w", err)
				}
			}
			if err := pause(ctx, pollEvery); err != nil {
				return fmt.Errorf("the guest has not released the interface: %w", err)
			}
		}
	}
	return nil
}

// layers are the two definitions of a domain: the stored and the running one.
var layers = []rpc.DomainDeviceModifyFlags{rpc.DomainDeviceModifyConfig, rpc.DomainDeviceModifyLive}

// layer reads one definition; nil when there is no running one.
func (d *Driver) layer(ctx context.Context, dom rpc.Domain, which rpc.DomainDeviceModifyFlags) (*libvirtxml.Domain, error) {
	if which == rpc.DomainDeviceModifyConfig {
		return d.definition(ctx, dom, rpc.DomainXMLInactive)
	}
	active, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (int32, error) { return l.DomainIsActive(dom) })
	if err != nil || active == 0 {
		return nil, err
	}
	return d.definition(ctx, dom, 0)
}

// port finds the interface of a port in a definition.
func port(def *libvirtxml.Domain, portID string) *libvirtxml.DomainInterface {
	if def.Devices == nil {
		return nil
	}
	for i := range def.Devices.Interfaces {
		if portOf(&def.Devices.Interfaces[i]) == portID {
			return &def.Devices.Interfaces[i]
		}
	}
	return nil
}

func portOf(nic *libvirtxml.DomainInterface) string {
	if nic.VirtualPort == nil || nic.VirtualPort.Params == nil || nic.VirtualPort.Params.OpenVSwitch == nil {
		return ""
	}
	return nic.VirtualPort.Params.OpenVSwitch.InterfaceID
}
