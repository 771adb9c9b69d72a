package simulated

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"gostack/internal/nova/driver"
)

// DiskOf is what is on a server's disk, "" when this host sees none: for tests that follow a disk on its moves.
func (d *Driver) DiskOf(id string) string {
	if f := d.storage.get(id); f != nil {
		return f.Disk
	}
	return ""
}

// SetAside puts a server aside.
func (d *Driver) SetAside(ctx context.Context, id, move, to string, _ time.Duration) error {
	if err := wait(ctx, d.Delays.Power); err != nil {
		return err
	}
	return d.change(id, func() error {
		return d.storage.with(func(dirs map[string]*dir) error {
			here, aside := dirs[id], dirs[id+asideSuffix]
			if aside != nil && aside.Move == move {
				if here == nil {
					d.undefine(id)
				}
				return nil
			}
			if here == nil {
				return driver.Refuse(driver.CodeNotFound, "Instance %s could not be found.", id)
			}
			d.undefine(id)
			here.Move, here.To = move, to
			dirs[id+asideSuffix] = here
			delete(dirs, id)
			return nil
		})
	})
}

// undefine forgets the definition; d.mu is held.
func (d *Driver) undefine(id string) {
	if s := d.servers[id]; s != nil {
		delete(d.servers, id)
		if s.Defined {
			d.tell(driver.Event{ServerID: id, Gone: true, State: driver.NoState})
		}
	}
}

// Restore takes back what is aside.
func (d *Driver) Restore(_ context.Context, id, move string) error {
	return d.change(id, func() error {
		return d.storage.with(func(dirs map[string]*dir) error {
			aside := dirs[id+asideSuffix]
			switch {
			case aside == nil || aside.Move != move:
				return nil
			case dirs[id] != nil:
				return driver.Refuse(driver.CodeBadState, "Instance %s has a copy in the place of its own disks.", id)
			}
			aside.Move, aside.To = "", ""
			dirs[id] = aside
			delete(dirs, id+asideSuffix)
			return nil
		})
	})
}

// DropAside forgets what is aside.
func (d *Driver) DropAside(_ context.Context, id string) error {
	return d.change(id, func() error {
		return d.storage.with(func(dirs map[string]*dir) error {
			delete(dirs, id+asideSuffix)
			return nil
		})
	})
}

// AsideFor answers for whom something is aside.
func (d *Driver) AsideFor(_ context.Context, id, move string) (string, error) {
	f := d.storage.get(id + asideSuffix)
	if f == nil || f.Move != move {
		return "", driver.Refuse(driver.CodeNotFound, "nothing of instance %s is aside", id)
	}
	return f.To, nil
}

// ExportDisks writes what stands for the disk.
func (d *Driver) ExportDisks(ctx context.Context, id, move string, _ bool, to io.Writer) error {
	if _, err := d.AsideFor(ctx, id, move); err != nil {
		return err
	}
	return json.NewEncoder(to).Encode(d.storage.get(id + asideSuffix))
}

// ImportDisks reads it.
func (d *Driver) ImportDisks(ctx context.Context, spec driver.GuestSpec, move string, open func(context.Context) (io.ReadCloser, error)) error {
	if f := d.storage.get(spec.ID); f != nil && f.Move == move {
		return nil
	}
	r, err := open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	var from dir
	if err := json.NewDecoder(bufio.NewReader(r)).Decode(&from); err != nil {
		return fmt.Errorf("disks: %w", err)
	}
	if spec.Flavor.RootGB > 0 && spec.Flavor.RootGB < from.GB {
		return driver.Refuse(driver.CodeDiskTooSmall, "Unable to resize disk down.")
	}
	return d.change(spec.ID, func() error {
		return d.storage.with(func(dirs map[string]*dir) error {
			dirs[spec.ID] = &dir{Owner: d.Hostname, Disk: from.Disk, GB: max(from.GB, spec.Flavor.RootGB), Move: move, Since: time.Now().UTC()}
			return nil
		})
	})
}

// DropCopy forgets the server but for what is aside.
func (d *Driver) DropCopy(_ context.Context, id string) error {
	return d.change(id, func() error {
		d.undefine(id)
		return d.storage.with(func(dirs map[string]*dir) error {
			d.remove(dirs, id)
			return nil
		})
	})
}

// remove forgets files unless they are another host's.
func (d *Driver) remove(dirs map[string]*dir, id string) {
	if f := dirs[id]; f != nil && f.Owner == d.Hostname {
		delete(dirs, id)
	}
}

// AdoptDisks takes over what another host has left on storage that is shared.
func (d *Driver) AdoptDisks(_ context.Context, id, move, from string) (shared bool, err error) {
	return shared, d.change(id, func() error {
		return d.storage.with(func(dirs map[string]*dir) error {
			f := dirs[id]
			switch {
			case f == nil:
			case f.Move == move:
				shared = f.From != ""
			case f.Owner == from:
				f.Owner, f.Move, f.From, shared = d.Hostname, move, from, true
			case f.Owner == d.Hostname:
				delete(dirs, id)
			default:
				return driver.Refuse(driver.CodeUnsupported, "the files of instance %s belong to host %s", id, f.Owner)
			}
			return nil
		})
	})
}

// Abandon gives adopted disks back and forgets others.
func (d *Driver) Abandon(_ context.Context, id, move string) error {
	return d.change(id, func() error {
		d.undefine(id)
		return d.storage.with(func(dirs map[string]*dir) error {
			if f := dirs[id]; f != nil && f.Move == move && f.From != "" {
				f.Owner, f.From, f.Move = f.From, "", ""
				return nil
			}
			d.remove(dirs, id)
			return nil
		})
	})
}

// SpecOf is what the host was told of a server; nil when it does not have it.
func (d *Driver) SpecOf(id string) *driver.GuestSpec {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.servers[id]
	if s == nil {
		return nil
	}
	spec := s.Spec
	return &spec
}
