package simulated

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"gostack/internal/nova/driver"
)

// PowerState answers the server's state.
func (d *Driver) PowerState(_ context.Context, id string) (driver.PowerState, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.servers[id]
	if s == nil || !s.Defined {
		return driver.NoState, driver.Refuse(driver.CodeNotFound, "Instance %s could not be found.", id)
	}
	return s.State, nil
}

// power moves a server from one of the states in from to another one; a server
// that is there already stays. nil from means any state.
func (d *Driver) power(ctx context.Context, id string, to driver.PowerState, from ...driver.PowerState) error {
	if err := wait(ctx, d.Delays.Power); err != nil {
		return err
	}
	return d.on(id, func(s *server) error {
		if s.State == to {
			return nil
		}
		allowed := len(from) == 0
		for _, f := range from {
			allowed = allowed || s.State == f
		}
		if !allowed {
			return driver.Refuse(driver.CodeBadState, "Instance %s is %s.", id, s.State)
		}
		if f := d.storage.get(id); to == driver.Running && f != nil && f.Owner != d.Hostname {
			return driver.Refuse(driver.CodeBadState, "Instance %s belongs to another host.", id)
		}
		if to == driver.Running && s.State == driver.Shutdown {
			s.Boots++
		}
		s.State = to
		d.tell(driver.Event{ServerID: id, State: to})
		return nil
	})
}

// Start powers the server on.
func (d *Driver) Start(ctx context.Context, id string) error {
	return d.power(ctx, id, driver.Running)
}

// Stop powers it off; the guest always obeys.
func (d *Driver) Stop(ctx context.Context, id string, _ time.Duration) error {
	return d.power(ctx, id, driver.Shutdown)
}

// Reboot counts another boot.
func (d *Driver) Reboot(ctx context.Context, id string, _ driver.RebootKind, _ time.Duration) error {
	if err := d.power(ctx, id, driver.Shutdown); err != nil {
		return err
	}
	return d.power(ctx, id, driver.Running)
}

// Pause freezes a running server.
func (d *Driver) Pause(ctx context.Context, id string) error {
	return d.power(ctx, id, driver.Paused, driver.Running)
}

// Unpause lets it go on.
func (d *Driver) Unpause(ctx context.Context, id string) error {
	return d.power(ctx, id, driver.Running, driver.Paused)
}

// Suspend saves a running or paused server.
func (d *Driver) Suspend(ctx context.Context, id string) error {
	return d.power(ctx, id, driver.Suspended, driver.Running, driver.Paused)
}

// Resume starts it from there.
func (d *Driver) Resume(ctx context.Context, id string) error { return d.Start(ctx, id) }

// ConsoleLog has one line for each boot.
func (d *Driver) ConsoleLog(_ context.Context, id string, lines int) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.servers[id]
	if s == nil || !s.Defined {
		return nil, driver.Refuse(driver.CodeNotFound, "Instance %s could not be found.", id)
	}
	var log bytes.Buffer
	first := 0
	if lines >= 0 { // what follows the last line feed counts as a line
		first = min(max(0, s.Boots-lines+1), s.Boots)
	}
	for i := first; i < s.Boots; i++ {
		fmt.Fprintf(&log, "simulated boot %d of %s\n", i+1, s.Spec.Name)
	}
	return log.Bytes(), nil
}

// Console: nothing listens, but the address of one that Consoles names is told of a server that runs.
func (d *Driver) Console(_ context.Context, id string, kind driver.ConsoleKind) (driver.ConsoleAddress, error) {
	if slices.Contains(d.Consoles, kind) {
		return driver.ConsoleAddress{Kind: kind, Host: "127.0.0.1", Port: 5900}, d.on(id, func(s *server) error {
			if s.State != driver.Running && s.State != driver.Paused {
				return driver.Refuse(driver.CodeBadState, "Instance %s is not running.", id)
			}
			return nil
		})
	}
	return driver.ConsoleAddress{}, driver.Refuse(driver.CodeUnsupported, "console type %s is not available", kind)
}

// Diagnostics has what is known of a server that does nothing.
func (d *Driver) Diagnostics(_ context.Context, id string) (driver.Diagnostics, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.servers[id]
	if s == nil || !s.Defined {
		return driver.Diagnostics{}, driver.Refuse(driver.CodeNotFound, "Instance %s could not be found.", id)
	}
	if s.State != driver.Running && s.State != driver.Paused {
		return driver.Diagnostics{}, driver.Refuse(driver.CodeBadState, "Instance %s is not running.", id)
	}
	f := s.Spec.Flavor
	out := driver.Diagnostics{
		State: s.State.String(), Driver: "simulated", Hypervisor: "simulated", HypervisorOS: "linux",
		ConfigDrive: s.Spec.ConfigDrive != nil, NumCPUs: f.VCPUs, NumNICs: len(s.Spec.NICs), MemoryMaxMB: f.MemoryMB,
	}
	for i := range f.VCPUs {
		out.CPUs = append(out.CPUs, driver.CPUDiagnostics{ID: i})
	}
	for _, n := range s.Spec.NICs {
		out.NICs = append(out.NICs, driver.NICDiagnostics{MAC: n.MAC})
	}
	return out, nil
}

// eventBuffer is how many events a slow reader may be behind; what does not fit
// is dropped, as a reader must look for itself anyway.
const eventBuffer = 256

// Events streams state changes, first the state of each server.
func (d *Driver) Events(ctx context.Context) (<-chan driver.Event, error) {
	d.mu.Lock()
	ch := make(chan driver.Event, eventBuffer+len(d.servers))
	for id, s := range d.servers {
		if s.Defined {
			ch <- driver.Event{ServerID: id, State: s.State, At: time.Now().UTC()}
		}
	}
	if d.watch == nil {
		d.watch = map[chan driver.Event]struct{}{}
	}
	d.watch[ch] = struct{}{}
	d.mu.Unlock()
	context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.watch, ch)
		close(ch)
	})
	return ch, nil
}

// tell sends an event to every watcher; d.mu is held.
func (d *Driver) tell(e driver.Event) {
	e.At = time.Now().UTC()
	for ch := range d.watch {
		select {
		case ch <- e:
		default:
		}
	}
}
