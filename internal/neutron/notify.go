package neutron

import (
	"context"

	"gostack/internal/neutron/attr"
	"gostack/internal/notify"
)

// Event is one of Neutron's notifications: exchange neutron, topic notifications, told by network.HOST.
func Event(s *notify.Sender, typ string, payload any) notify.Event {
	return notify.Event{Service: "neutron", Type: typ, Publisher: "network." + s.Host, Payload: payload}
}

// told is what Nova does to a port: with upstream that is a request to the API, and told as one.
type told struct {
	verb, id string
	view     attr.Values // of a port that goes
}

// tellPorts notes that Nova creates, updates or deletes ports. Nothing is done while nobody hears. A deletion is noted before it is done.
func (u *unit) tellPorts(ctx context.Context, verb string, ids ...string) error {
	if len(ids) == 0 || u.s.PortViews == nil || notify.Sending(ctx) == nil {
		return nil
	}
	var views map[string]attr.Values
	if verb == "delete" {
		var err error
		if views, err = u.s.PortViews(ctx, ids); err != nil {
			return err
		}
	}
	for _, id := range ids {
		u.told = append(u.told, told{verb, id, views[id]})
	}
	return nil
}

// tell sends what was noted.
func (u *unit) tell(ctx context.Context) error {
	s := notify.Sending(ctx)
	if s == nil || len(u.told) == 0 {
		return nil
	}
	var ids []string
	for _, t := range u.told {
		if t.verb != "delete" {
			ids = append(ids, t.id)
		}
	}
	views := map[string]attr.Values{}
	if len(ids) > 0 {
		var err error
		if views, err = u.s.PortViews(ctx, ids); err != nil {
			return err
		}
	}
	var events []notify.Event
	for _, t := range u.told {
		v := views[t.id]
		asked := map[string]any{"port": asked(v)}
		switch {
		case t.verb == "delete":
			events = append(events, Event(s, "port.delete.start", map[string]any{"port_id": t.id}), Event(s, "port.delete.end", map[string]any{"port_id": t.id, "port": t.view}))
			continue
		case v == nil: // it has gone again in the same transaction
			continue
		case t.verb == "update":
			asked["id"] = t.id
		}
		events = append(events, Event(s, "port."+t.verb+".start", asked), Event(s, "port."+t.verb+".end", map[string]any{"port": v}))
	}
	u.told = nil
	return s.Emit(ctx, events...)
}

// asked is what Nova would have written into its request for a port.
func asked(v attr.Values) map[string]any {
	m := map[string]any{}
	for _, name := range []string{"network_id", "tenant_id", "device_id", "device_owner", "binding:host_id", "admin_state_up"} {
		if x, ok := v[name]; ok {
			m[name] = x
		}
	}
	return m
}
