package libvirt

import (
	"context"
	"errors"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// Events streams power states of our domains. A lifecycle event of libvirtd is
// taken as a hint only: the state sent is asked for afterwards, so that late or
// repeated events cannot tell an old story.
func (d *Driver) Events(ctx context.Context) (<-chan driver.Event, error) {
	in := d.Client.Events(ctx)
	out := make(chan driver.Event, 64)
	go func() {
		defer close(out)
		known := map[string]bool{}
		for e := range in {
			if e.Resync {
				d.tellAll(ctx, out, known)
				continue
			}
			if e.Kind == rpc.DomainEventUndefined {
				if known[e.UUID] {
					delete(known, e.UUID)
					tell(ctx, out, driver.Event{ServerID: e.UUID, Gone: true, At: time.Now().UTC()})
				}
				continue
			}
			d.tellOne(ctx, out, known, e.UUID)
		}
	}()
	return out, nil
}

func (d *Driver) tellAll(ctx context.Context, out chan<- driver.Event, known map[string]bool) {
	guests, err := d.List(ctx)
	if err != nil {
		d.Log.WarnContext(ctx, "cannot list domains after connecting to libvirtd", "error", err)
		return
	}
	for _, g := range guests {
		known[g.ID] = true
		tell(ctx, out, driver.Event{ServerID: g.ID, State: g.State, At: time.Now().UTC()})
	}
}

func (d *Driver) tellOne(ctx context.Context, out chan<- driver.Event, known map[string]bool, id string) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	dom, err := d.lookup(ctx, id)
	if err != nil {
		if !errors.Is(err, driver.ErrNotFound) {
			d.Log.WarnContext(ctx, "cannot look up a domain after its event", "server", id, "error", err)
		}
		return
	}
	if !known[id] {
		ours, err := d.marked(ctx, dom)
		if err != nil || !ours {
			return
		}
		known[id] = true
	}
	s, err := d.stateOf(ctx, dom)
	if err != nil || s.passing {
		return
	}
	tell(ctx, out, driver.Event{ServerID: libvirt.UUIDString(dom.UUID), State: s.PowerState, At: time.Now().UTC()})
}

func tell(ctx context.Context, out chan<- driver.Event, e driver.Event) {
	select {
	case out <- e:
	case <-ctx.Done():
	}
}
