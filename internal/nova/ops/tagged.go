package ops

import (
	"context"
	"errors"

	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/store"
)

// noteDevices asks a host where the tagged devices of a server are that it has just defined, for the server's metadata. A host that cannot say
// is no reason to fail: the metadata then names the devices without their place, as upstream's does.
func (o *Ops) noteDevices(ctx context.Context, host string, spec driver.GuestSpec) error {
	if !spec.Tagged() {
		return nil
	}
	spec.ConfigDrive = nil
	var reply rpc.TaggedReply
	err := o.Nova.Hosts.Call(ctx, host, rpc.TaggedDevices, rpc.Guest{Spec: spec}, &reply)
	if errors.Is(err, driver.ErrUnsupported) || errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return o.Nova.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		return db.SetTaggedDevices(ctx, tx, spec.ID, reply.Devices)
	})
}
