package simulated

import (
	"context"
	"fmt"

	"gostack/internal/nova/driver"
)

// RenewDisks counts new disks.
func (d *Driver) RenewDisks(ctx context.Context, spec driver.GuestSpec, _ bool) error {
	if err := wait(ctx, d.Delays.Disks); err != nil {
		return err
	}
	if s, err := d.PowerState(ctx, spec.ID); err != nil { // not defined, so off
		return d.PrepareDisks(ctx, spec)
	} else if s != driver.Shutdown && s != driver.Crashed {
		return driver.Refuse(driver.CodeBadState, "Instance %s is %s.", spec.ID, s)
	}
	return d.change(spec.ID, func() error {
		return d.storage.with(func(dirs map[string]*dir) error {
			if dir := dirs[spec.ID]; dir != nil {
				d.storage.made++
				dir.Disk = fmt.Sprintf("disk %d of %s", d.storage.made, d.Hostname)
			}
			return nil
		})
	})
}

// DropRescue has nothing to remove.
func (d *Driver) DropRescue(ctx context.Context, _ string) error { return wait(ctx, d.Delays.Disks) }

// SetPassword notes the password.
func (d *Driver) SetPassword(ctx context.Context, id, user, password string) error {
	if err := wait(ctx, d.Delays.Power); err != nil {
		return err
	}
	return d.on(id, func(s *server) error {
		switch {
		case !agent(s.Spec):
			return driver.Refuse(driver.CodeUnsupported, "QEMU guest agent is not enabled")
		case s.State != driver.Running:
			return driver.Refuse(driver.CodeBadState, "QEMU guest agent does not answer")
		}
		if s.Passwords == nil {
			s.Passwords = map[string]string{}
		}
		s.Passwords[user] = password
		return nil
	})
}

// InjectNMI counts it.
func (d *Driver) InjectNMI(ctx context.Context, id string) error {
	if err := wait(ctx, d.Delays.Power); err != nil {
		return err
	}
	return d.on(id, func(s *server) error {
		if s.State != driver.Running && s.State != driver.Paused {
			return driver.Refuse(driver.CodeBadState, "Instance %s is not running.", id)
		}
		s.NMIs++
		return nil
	})
}

// Guest is what tests see inside a simulated server.
type Guest struct {
	Passwords map[string]string
	NMIs      int
	Boots     int
	Disk      string            // which root disk it has
	Rescue    string            // image that it is rescued with
	Image     string            // image that its disk was made from
	Files     map[string][]byte // of the config drive
	Root      driver.DiskDevice
	Disks     []driver.LocalDisk // besides the root disk
}

// Inside looks into a server.
func (d *Driver) Inside(id string) (Guest, error) {
	var g Guest
	err := d.on(id, func(s *server) error {
		g = Guest{Passwords: s.Passwords, NMIs: s.NMIs, Boots: s.Boots, Files: map[string][]byte{}, Root: s.Spec.Root, Disks: s.Spec.LocalDisks()}
		if s.Spec.Image != nil {
			g.Image = s.Spec.Image.ID
		}
		if s.Spec.Rescue != nil {
			g.Rescue = s.Spec.Rescue.Image.ID
		}
		for _, f := range s.Spec.ConfigDrive {
			g.Files[f.Path] = f.Data
		}
		return d.storage.with(func(dirs map[string]*dir) error {
			if dir := dirs[id]; dir != nil {
				g.Disk = dir.Disk
			}
			return nil
		})
	})
	return g, err
}
