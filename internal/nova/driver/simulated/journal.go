package simulated

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
)

// entry is a line of the journal: what became of a server; nil when it went.
type entry struct {
	ID     string  `json:"id"`
	Server *server `json:"server,omitempty"`
	Disks  *dir    `json:"disks,omitempty"`
	Aside  *dir    `json:"aside,omitempty"`
}

// load reads the journal and begins a new one with what is left of it.
func (d *Driver) load() error {
	if d.StateFile == "" {
		return nil
	}
	if err := d.replay(); err != nil {
		return err
	}
	part := d.StateFile + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	d.file = file
	for id := range d.known() {
		if err := d.keep(id); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return os.Rename(part, d.StateFile)
}

func (d *Driver) replay() error {
	file, err := os.Open(d.StateFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	d.servers = map[string]*server{}
	return errors.Join(d.storage.with(func(dirs map[string]*dir) error { return d.read(lines, dirs) }), lines.Err())
}

func (d *Driver) read(lines *bufio.Scanner, dirs map[string]*dir) error {
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // the last line of a killed process may be half
		}
		if e.Server == nil {
			delete(d.servers, e.ID)
		} else {
			d.servers[e.ID] = e.Server
		}
		for key, f := range map[string]*dir{e.ID: e.Disks, e.ID + asideSuffix: e.Aside} {
			if f == nil {
				delete(dirs, key)
			} else {
				dirs[key] = f
			}
		}
	}
	return nil
}

// known are the servers of which the host has anything.
func (d *Driver) known() map[string]bool {
	ids := map[string]bool{}
	for id := range d.servers {
		ids[id] = true
	}
	_ = d.storage.with(func(dirs map[string]*dir) error {
		for key := range dirs {
			ids[strings.TrimSuffix(key, asideSuffix)] = true
		}
		return nil
	})
	return ids
}

// keep writes a server's line; d.mu is held.
func (d *Driver) keep(id string) error {
	if d.file == nil {
		return nil
	}
	text, err := json.Marshal(entry{id, d.servers[id], d.storage.get(id), d.storage.get(id + asideSuffix)})
	if err != nil {
		return err
	}
	_, err = d.file.Write(append(text, '\n'))
	return err
}

// Close ends the journal.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file = nil
	return err
}
