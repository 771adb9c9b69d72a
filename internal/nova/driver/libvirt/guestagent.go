package libvirt

import (
	"context"
	"fmt"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// SetPassword has QEMU's guest agent change a user's password.
func (d *Driver) SetPassword(ctx context.Context, id, user, password string) error {
	dom, err := d.owned(ctx, id)
	if err != nil {
		return err
	}
	err = d.do(ctx, func(l *rpc.Libvirt) error {
		return l.DomainSetUserPassword(dom, rpc.OptString{user}, rpc.OptString{password}, 0)
	})
	switch {
	case err == nil:
		return nil
	case libvirt.Is(err, rpc.ErrArgumentUnsupported, rpc.ErrNoSupport): // "QEMU guest agent is not configured"
		return &driver.Fault{Code: driver.CodeUnsupported, Message: "QEMU guest agent is not enabled", Cause: err}
	case libvirt.Is(err, rpc.ErrAgentUnresponsive, rpc.ErrOperationInvalid):
		return &driver.Fault{Code: driver.CodeBadState, Message: "QEMU guest agent does not answer", Cause: err}
	}
	return fmt.Errorf("set the password of a guest's user: %w", err)
}

// InjectNMI sends the guest a non-maskable interrupt.
func (d *Driver) InjectNMI(ctx context.Context, id string) error {
	dom, err := d.owned(ctx, id)
	if err != nil {
		return err
	}
	err = d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainInjectNmi(dom, 0) })
	if libvirt.Is(err, rpc.ErrOperationInvalid) {
		return &driver.Fault{Code: driver.CodeBadState, Message: "Instance " + id + " is not running.", Cause: err}
	}
	if err != nil {
		return fmt.Errorf("inject an interrupt: %w", err)
	}
	return nil
}
