package ovn

import (
	"context"
	"sync"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/neutron/driver"
)

// Events implements driver.Backend. Only ports that a host plugs (guests' ports) have events.
func (b *Backend) Events(ctx context.Context) (<-chan driver.Event, error) {
	w := &watcher{b: b, out: make(chan driver.Event, 64), ports: map[string]driver.PortState{}, chassis: map[string]string{}}
	sub := b.sb.Subscribe("Port_Binding", "Chassis")
	var nbDone sync.WaitGroup
	nbDone.Go(func() { w.followNorthbound(ctx) })
	go func() {
		defer close(w.out)
		defer nbDone.Wait()
		defer sub.Cancel()
		for {
			ch, err := sub.Next(ctx)
			if err != nil {
				return
			}
			if err := w.handle(ctx, ch); err != nil && ctx.Err() != nil {
				return
			}
			// Any other error means the connection is lost: the next change is a Reset.
		}
	}()
	return w.out, nil
}

// followNorthbound tells when the Northbound database has been away: killed with the machine, it may have lost the last commits.
func (w *watcher) followNorthbound(ctx context.Context) {
	sub := w.b.nb.Subscribe()
	defer sub.Cancel()
	for first := true; ; first = false {
		if _, err := sub.Next(ctx); err != nil {
			return
		}
		if !first && w.tell(ctx, driver.Event{Kind: driver.Restarted}) != nil {
			return
		}
	}
}

// watcher turns changes of rows into events. It remembers what it told, so that only real changes are told.
type watcher struct {
	b       *Backend
	out     chan driver.Event
	ports   map[string]driver.PortState
	chassis map[string]string // name -> host name
}

func (w *watcher) handle(ctx context.Context, ch ovsdb.Changes) error {
	if ch.Reset {
		return w.reset(ctx)
	}
	for key, last := range ch.Rows {
		var err error
		switch row := last.(type) {
		case *sb.Chassis:
			err = w.chassisChanged(ctx, key.UUID, row)
		case *sb.PortBinding:
			err = w.bindingChanged(ctx, key.UUID, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reset tells everything, and the end of what is no longer there.
func (w *watcher) reset(ctx context.Context) error {
	chassis, err := ovsdb.List[sb.Chassis](ctx, w.b.sb, nil)
	if err != nil {
		return err
	}
	bindings, err := ovsdb.List(ctx, w.b.sb, func(p *sb.PortBinding) bool { return p.Type == "" })
	if err != nil {
		return err
	}
	oldChassis, oldPorts := w.chassis, w.ports
	w.chassis, w.ports = map[string]string{}, map[string]driver.PortState{}
	for _, c := range chassis {
		w.chassis[c.Name] = c.Hostname
		delete(oldChassis, c.Name)
		if err := w.tell(ctx, driver.Event{Kind: driver.ChassisUp, ID: c.Name, Host: c.Hostname}); err != nil {
			return err
		}
	}
	for name, host := range oldChassis {
		if err := w.tell(ctx, driver.Event{Kind: driver.ChassisGone, ID: name, Host: host}); err != nil {
			return err
		}
	}
	for _, p := range bindings {
		delete(oldPorts, p.LogicalPort)
		state, err := w.b.state(ctx, p)
		if err != nil {
			return err
		}
		w.ports[p.LogicalPort] = state
		if err := w.tell(ctx, portEvent(p.LogicalPort, state)); err != nil {
			return err
		}
	}
	for id := range oldPorts {
		if err := w.tell(ctx, driver.Event{Kind: driver.PortDown, ID: id}); err != nil {
			return err
		}
	}
	return nil
}

func (w *watcher) chassisChanged(ctx context.Context, uuid string, last *sb.Chassis) error {
	row, err := ovsdb.Get[sb.Chassis](ctx, w.b.sb, uuid)
	if err != nil {
		return err
	}
	if row == nil {
		delete(w.chassis, last.Name)
		return w.tell(ctx, driver.Event{Kind: driver.ChassisGone, ID: last.Name, Host: last.Hostname})
	}
	w.chassis[row.Name] = row.Hostname
	return w.tell(ctx, driver.Event{Kind: driver.ChassisUp, ID: row.Name, Host: row.Hostname})
}

func (w *watcher) bindingChanged(ctx context.Context, uuid string, last *sb.PortBinding) error {
	if last.Type != "" {
		return nil
	}
	row, err := ovsdb.Get[sb.PortBinding](ctx, w.b.sb, uuid)
	if err != nil {
		return err
	}
	before, known := w.ports[last.LogicalPort]
	if row == nil {
		delete(w.ports, last.LogicalPort)
		if !known || !before.Up {
			return nil
		}
		return w.tell(ctx, driver.Event{Kind: driver.PortDown, ID: last.LogicalPort})
	}
	now, err := w.b.state(ctx, row)
	if err != nil || (known && now == before) {
		return err
	}
	w.ports[row.LogicalPort] = now
	return w.tell(ctx, portEvent(row.LogicalPort, now))
}

func (w *watcher) tell(ctx context.Context, e driver.Event) error {
	select {
	case w.out <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func portEvent(id string, s driver.PortState) driver.Event {
	if s.Up {
		return driver.Event{Kind: driver.PortUp, ID: id, Host: s.Host}
	}
	return driver.Event{Kind: driver.PortDown, ID: id, Host: s.Host}
}

// state reads a binding.
func (b *Backend) state(ctx context.Context, p *sb.PortBinding) (driver.PortState, error) {
	s := driver.PortState{Up: p.Up != nil && *p.Up && p.Chassis != nil}
	if p.Chassis == nil {
		return s, nil
	}
	c, err := ovsdb.Get[sb.Chassis](ctx, b.sb, *p.Chassis)
	if c != nil {
		s.Host = c.Hostname
	}
	return s, err
}

// PortStates implements driver.Backend.
func (b *Backend) PortStates(ctx context.Context, ids []string) (map[string]driver.PortState, error) {
	out := map[string]driver.PortState{}
	for _, id := range ids {
		rows, err := ovsdb.Find(ctx, b.sb, &sb.PortBinding{LogicalPort: id})
		if err != nil {
			return nil, unavailable(err)
		}
		for _, r := range rows {
			if out[id], err = b.state(ctx, r); err != nil {
				return nil, unavailable(err)
			}
		}
	}
	return out, nil
}

// WaitPortUp implements driver.Backend.
func (b *Backend) WaitPortUp(ctx context.Context, id string) error {
	sub := b.sb.Subscribe("Port_Binding")
	defer sub.Cancel()
	for {
		states, err := b.PortStates(ctx, []string{id})
		if err != nil && ctx.Err() != nil {
			return err
		}
		if states[id].Up {
			return nil
		}
		if _, err := sub.Next(ctx); err != nil {
			return err
		}
	}
}
