package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gostack/internal/bus"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/imagelink"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// BusHosts sends calls to agents over a bus, with tickets for the images that a host needs for the call.
type BusHosts struct {
	Bus     bus.Bus
	Tickets nova.Tickets // nil: hosts need none
}

var _ nova.Hosts = BusHosts{}

// Call implements nova.Hosts.
func (b BusHosts) Call(ctx context.Context, host, method string, args, reply any) error {
	if a, ok := args.(rpc.NeedsImages); ok && b.Tickets != nil {
		var err error
		if args, err = a.WithTickets(func(image string) (string, error) { return b.Tickets.Ticket(ctx, host, imagelink.Service, image) }); err != nil {
			return err
		}
	}
	return rpc.FromBus(b.Bus.Call(ctx, bus.To{Topic: rpc.ComputeTopic, Host: host}, method, args, reply))
}

// patience is how many attempts a step gives a host that does not answer, and one that fails, before another host is tried:
// about a minute, and about a second.
const (
	patienceSilent = 16
	patienceFailed = 4
)

// busyPause is how long a step waits for somebody else who is at the same thing.
const busyPause = 2 * time.Second

// call makes a step's call to a host, and judges the outcome: refusals that hold everywhere end the operation, those that hold
// on this host only, and a host that fails or stays silent, are errElsewhere; a call that takes long is waited for.
func (o *Ops) call(ctx context.Context, attempt int, host, method string, args any) error {
	err := o.Nova.Hosts.Call(ctx, host, method, args, nil)
	if err == nil {
		return nil
	}
	said := fmt.Errorf("%s on %s: %w", method, host, err)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), context.DeadlineExceeded.Error()):
		return saga.Wait(time.Millisecond, fmt.Sprintf("%s on %s goes on", method, host))
	case errors.Is(err, driver.ErrBusy):
		return saga.Wait(busyPause, said.Error())
	case errors.Is(err, driver.ErrBadImage), errors.Is(err, driver.ErrDiskTooSmall), errors.Is(err, driver.ErrBadState), errors.Is(err, driver.ErrNotFound):
		return saga.Permanent(said)
	case errors.Is(err, driver.ErrNoSpace), errors.Is(err, driver.ErrUnsupported):
		return elsewhere{said}
	case errors.Is(err, bus.ErrUnroutable):
		if attempt >= patienceSilent {
			return elsewhere{said}
		}
	case attempt >= patienceFailed:
		return elsewhere{said}
	}
	return said
}

// elsewhere says that another host may do what this one cannot.
type elsewhere struct{ error }

func (e elsewhere) Unwrap() error { return e.error }

// here makes of errElsewhere the end: the operation is about a server that is on this host and no other.
func here(err error) error {
	if e := (elsewhere{}); errors.As(err, &e) {
		return saga.Permanent(e.error)
	}
	return err
}

// hostUp tells whether a host's agent reports.
func (o *Ops) hostUp(ctx context.Context, host string) (bool, error) {
	sv, err := db.GetServiceOf(ctx, o.Nova.DB.Read(ctx), nova.BinaryCompute, host)
	if store.IsNotFound(err) {
		return false, nil
	}
	return err == nil && o.Nova.Up(sv), err
}

// stepID names a step of an operation to hosts, so that they know a late repetition.
func stepID(op saga.Operation, step string) string { return op.ID + "/" + step }

// tenantText is the part of a cause that the owner of a server may read: never a host's name or a path.
func tenantText(cause string) string {
	for _, safe := range []string{"No valid host was found.", tooManyRetries, "Flavor's disk is too small", "the image", "No more IP addresses available on network", "Quota exceeded for resources"} {
		if i := strings.Index(cause, safe); i >= 0 {
			return strings.SplitN(cause[i:], "\n", 2)[0]
		}
	}
	return "The operation failed. An operator can see why with: gostack why"
}
