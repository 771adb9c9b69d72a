package libvirt

import (
	"context"
	"errors"
	"fmt"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// pressEvery is how often the power button is pressed again: a guest that is
// still booting ignores it (upstream presses every ten seconds too).
const pressEvery = 10 * time.Second

// pollEvery is how often a state that is being waited for is looked at.
const pollEvery = 100 * time.Millisecond

type state struct {
	driver.PowerState
	passing bool // a step of some operation, not worth telling
}

// stateOf asks libvirtd; a shut down domain with a saved memory image is
// suspended.
func (d *Driver) stateOf(ctx context.Context, dom rpc.Domain) (state, error) {
	return libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (state, error) {
		s, reason, err := l.DomainGetState(dom, 0)
		if err != nil {
			return state{}, err
		}
		switch rpc.DomainState(s) {
		case rpc.DomainRunning, rpc.DomainBlocked:
			return state{PowerState: driver.Running}, nil
		case rpc.DomainPaused:
			switch rpc.DomainPausedReason(reason) {
			case rpc.DomainPausedMigration, rpc.DomainPausedSave, rpc.DomainPausedFromSnapshot,
				rpc.DomainPausedSnapshot, rpc.DomainPausedStartingUp, rpc.DomainPausedPostcopy, rpc.DomainPausedPostcopyFailed:
				return state{driver.Paused, true}, nil
			}
			return state{PowerState: driver.Paused}, nil
		case rpc.DomainShutdown:
			return state{driver.Running, true}, nil
		case rpc.DomainShutoff:
			saved, err := l.DomainHasManagedSaveImage(dom, 0)
			if err != nil {
				return state{}, err
			}
			if saved == 1 {
				return state{PowerState: driver.Suspended}, nil
			}
			return state{PowerState: driver.Shutdown}, nil
		case rpc.DomainCrashed:
			return state{PowerState: driver.Crashed}, nil
		case rpc.DomainPmsuspended:
			return state{PowerState: driver.Suspended}, nil
		}
		return state{PowerState: driver.NoState}, nil
	})
}

// PowerState answers what libvirtd says now.
func (d *Driver) PowerState(ctx context.Context, id string) (driver.PowerState, error) {
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return driver.NoState, err
	}
	s, err := d.stateOf(ctx, dom)
	return s.PowerState, err
}

// Start powers the domain on, from saved memory when there is some.
func (d *Driver) Start(ctx context.Context, id string) error {
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return err
	}
	return d.start(ctx, dom)
}

func (d *Driver) start(ctx context.Context, dom rpc.Domain) error {
	s, err := d.stateOf(ctx, dom)
	switch {
	case err != nil:
		return err
	case s.PowerState == driver.Running:
		return d.plugDevices(ctx, dom) // one that was suspended may not have all of them yet
	case s.PowerState == driver.Paused:
		return d.unpause(ctx, dom)
	}
	// Where hosts share storage, only one of them may run a server: the one that its files belong to.
	if foreign, err := d.foreign(libvirt.UUIDString(dom.UUID)); err != nil {
		return err
	} else if foreign {
		return driver.Refuse(driver.CodeBadState, "Instance %s belongs to another host.", libvirt.UUIDString(dom.UUID))
	}
	err = d.do(ctx, func(l *rpc.Libvirt) error {
		_, err := l.DomainCreateWithFlags(dom, 0)
		return err
	})
	if libvirt.Is(err, rpc.ErrOperationInvalid) {
		// Started meanwhile, perhaps by this very call before a lost answer.
		if s, again := d.stateOf(ctx, dom); again == nil && s.PowerState == driver.Running {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("start domain: %w", err)
	}
	if s.PowerState == driver.Suspended {
		return d.plugDevices(ctx, dom)
	}
	return nil
}

// Stop presses the power button and waits for grace, then cuts the power.
func (d *Driver) Stop(ctx context.Context, id string, grace time.Duration) error {
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return err
	}
	down, err := d.askDown(ctx, dom, grace)
	if err != nil || down {
		return err
	}
	return d.cut(ctx, dom)
}

// askDown presses the button of a running guest until it is off (true) or
// grace is over (false).
func (d *Driver) askDown(ctx context.Context, dom rpc.Domain, grace time.Duration) (bool, error) {
	end := time.Now().Add(grace)
	var press time.Time
	for {
		s, err := d.stateOf(ctx, dom)
		if err != nil {
			return false, err
		}
		if s.PowerState == driver.Shutdown {
			return true, nil
		}
		now := time.Now()
		if s.PowerState != driver.Running || !now.Before(end) {
			return false, nil
		}
		if !now.Before(press) {
			press = now.Add(pressEvery)
			err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainShutdownFlags(dom, rpc.DomainShutdownAcpiPowerBtn) })
			if err != nil && !libvirt.Is(err, rpc.ErrOperationInvalid) {
				return false, fmt.Errorf("press the power button: %w", err)
			}
		}
		if err := pause(ctx, min(pollEvery, end.Sub(now))); err != nil {
			return false, err
		}
	}
}

// cut ends the domain's process, first letting it flush its disks, and forgets
// saved memory.
func (d *Driver) cut(ctx context.Context, dom rpc.Domain) error {
	err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainDestroyFlags(dom, rpc.DomainDestroyGraceful) })
	if err != nil && !gone(err) {
		err = d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainDestroyFlags(dom, rpc.DomainDestroyDefault) })
	}
	if err != nil && !gone(err) {
		return fmt.Errorf("power off domain: %w", err)
	}
	err = d.do(ctx, func(l *rpc.Libvirt) error {
		saved, err := l.DomainHasManagedSaveImage(dom, 0)
		if err != nil || saved == 0 {
			return err
		}
		return l.DomainManagedSaveRemove(dom, 0)
	})
	if err != nil && !gone(err) {
		return fmt.Errorf("remove saved memory: %w", err)
	}
	return nil
}

// gone: the domain does not run, or is not there.
func gone(err error) bool { return libvirt.Is(err, rpc.ErrOperationInvalid, rpc.ErrNoDomain) }

// Reboot restarts the server; see driver.Driver.
func (d *Driver) Reboot(ctx context.Context, id string, kind driver.RebootKind, grace time.Duration) error {
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return err
	}
	down := false
	if kind == driver.RebootSoft {
		if down, err = d.askDown(ctx, dom, grace); err != nil {
			return err
		}
	}
	if !down {
		if err := d.cut(ctx, dom); err != nil {
			return err
		}
	}
	return d.start(ctx, dom)
}

// Pause freezes the guest in memory.
func (d *Driver) Pause(ctx context.Context, id string) error {
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return err
	}
	s, err := d.stateOf(ctx, dom)
	if err != nil || s.PowerState == driver.Paused {
		return err
	}
	if s.PowerState != driver.Running {
		return driver.Refuse(driver.CodeBadState, "Instance %s is not running.", id)
	}
	if err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainSuspend(dom) }); err != nil {
		return fmt.Errorf("pause domain: %w", err)
	}
	return nil
}

// Unpause lets a paused guest go on.
func (d *Driver) Unpause(ctx context.Context, id string) error {
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return err
	}
	return d.unpause(ctx, dom)
}

func (d *Driver) unpause(ctx context.Context, dom rpc.Domain) error {
	s, err := d.stateOf(ctx, dom)
	if err != nil || s.PowerState == driver.Running {
		return err
	}
	if s.PowerState != driver.Paused {
		return driver.Refuse(driver.CodeBadState, "Instance %s is not paused.", libvirt.UUIDString(dom.UUID))
	}
	if err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainResume(dom) }); err != nil {
		return fmt.Errorf("unpause domain: %w", err)
	}
	return nil
}

// Suspend saves the guest's memory to disk (libvirt's managed save).
func (d *Driver) Suspend(ctx context.Context, id string) error {
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return err
	}
	s, err := d.stateOf(ctx, dom)
	if err != nil || s.PowerState == driver.Suspended {
		return err
	}
	if s.PowerState != driver.Running && s.PowerState != driver.Paused {
		return driver.Refuse(driver.CodeBadState, "Instance %s is not running.", id)
	}
	if err := d.unplugDevices(ctx, dom); err != nil {
		return err
	}
	err = d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainManagedSave(dom, 0) })
	if err != nil {
		if s, again := d.stateOf(ctx, dom); again == nil && s.PowerState == driver.Suspended {
			return nil
		}
		return errors.Join(fmt.Errorf("save domain: %w", err), d.plugDevices(ctx, dom))
	}
	return nil
}

// Resume starts a suspended guest from its saved memory.
func (d *Driver) Resume(ctx context.Context, id string) error { return d.Start(ctx, id) }
