package libvirt

import (
	"context"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"
)

// Event is a change in a domain's life, or the news that a subscription has
// (re)started, after which the subscriber must look for itself what it missed.
type Event struct {
	Resync bool // the subscription is new: ask for every state
	UUID   string
	Kind   rpc.DomainEventType
	Detail int32
}

// Events subscribes to the lifecycle of all domains until ctx ends, when the
// channel is closed. The subscription survives restarts of libvirtd; each time
// it is made, the first event has Resync set.
//
// A connection of its own carries it, which ends as a whole: a subscription
// cancelled on a live connection can block that connection's reader.
func (c *Client) Events(ctx context.Context) <-chan Event {
	out := make(chan Event, 64)
	go func() {
		defer close(out)
		wait := 50 * time.Millisecond
		for ctx.Err() == nil {
			began := time.Now()
			c.follow(ctx, out)
			if time.Since(began) > 5*time.Second {
				wait = 50 * time.Millisecond
			}
			select {
			case <-ctx.Done():
			case <-time.After(wait):
				wait = min(2*wait, 5*time.Second)
			}
		}
	}()
	return out
}

// follow relays events of one connection until it breaks or ctx ends.
func (c *Client) follow(ctx context.Context, out chan<- Event) {
	cn, err := dial(ctx, c.socket, c.uri)
	if err != nil {
		return
	}
	defer cn.close()
	type subscribed struct {
		ch  <-chan rpc.DomainEventLifecycleMsg
		err error
	}
	ready := make(chan subscribed, 1)
	// The library's subscription ends with the connection, never before it.
	go func() {
		ch, err := cn.rpc.LifecycleEvents(context.WithoutCancel(ctx))
		ready <- subscribed{ch, err}
	}()
	var sub subscribed
	select {
	case sub = <-ready:
	case <-ctx.Done():
		return
	case <-time.After(10 * time.Second):
		return
	}
	if sub.err != nil {
		return
	}
	// Whatever is left in the library's queue is thrown away at the end, so
	// that its relay can finish.
	defer func() {
		cn.close()
		go func() {
			for range sub.ch { //nolint:revive // emptied on purpose
			}
		}()
	}()
	if !send(ctx, out, Event{Resync: true}) {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case msg, ok := <-sub.ch:
			if !ok {
				return
			}
			e := Event{UUID: UUIDString(msg.Dom.UUID), Kind: rpc.DomainEventType(msg.Event), Detail: msg.Detail}
			if !send(ctx, out, e) {
				return
			}
		}
	}
}

func send(ctx context.Context, out chan<- Event, e Event) bool {
	select {
	case out <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// UUIDString is libvirt's binary UUID in text.
func UUIDString(u rpc.UUID) string { return uuid.UUID(u).String() }

// ParseUUID is the opposite of UUIDString.
func ParseUUID(s string) (rpc.UUID, error) {
	u, err := uuid.Parse(s)
	return rpc.UUID(u), err
}
