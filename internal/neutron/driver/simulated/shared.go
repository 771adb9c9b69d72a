package simulated

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"time"

	"golang.org/x/sys/unix"

	"gostack/internal/neutron/driver"
)

// journal is a file in which several processes keep one simulated network: each writes its changes at the end, under a lock, and reads those of the others.
type journal struct {
	f    *os.File
	read int64 // how much of it is in memory
}

// entry is a line of the journal. Without a spec it is a removal.
type entry struct {
	Kind string          `json:"kind"`
	ID   string          `json:"id"`
	Spec json.RawMessage `json:"spec,omitempty"`
}

// lookEvery is how often a process looks for changes of others while somebody waits for events.
const lookEvery = 50 * time.Millisecond

// Share makes a backend whose network is in a file that other processes have open too.
func Share(file string, hosts ...string) (*Backend, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	b := New(hosts...)
	b.journal = &journal{f: f}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				b.mu.Lock()
				_ = b.locked(unix.LOCK_SH, nil)
				b.mu.Unlock()
			}
		}
	}()
	return b, nil
}

// catchUp takes in what other processes have written. The caller holds b.mu.
func (b *Backend) catchUp() {
	if b.journal != nil {
		_ = b.locked(unix.LOCK_SH, nil)
	}
}

// change applies e here and, where the network is shared, for the others. The caller holds b.mu.
func (b *Backend) change(kind, id string, spec any) error {
	if b.journal == nil {
		b.apply(kind, id, spec)
		return nil
	}
	return b.locked(unix.LOCK_EX, func() error {
		e := entry{Kind: kind, ID: id}
		if spec != nil {
			raw, err := json.Marshal(spec)
			if err != nil {
				return err
			}
			e.Spec = raw
		}
		line, err := json.Marshal(e)
		if err == nil {
			_, err = b.journal.f.Write(append(line, '\n'))
		}
		return err
	})
}

// locked reads what is new, runs fn, and reads what fn wrote.
func (b *Backend) locked(how int, fn func() error) error {
	fd := int(b.journal.f.Fd())
	if err := unix.Flock(fd, how); err != nil {
		return err
	}
	defer func() { _ = unix.Flock(fd, unix.LOCK_UN) }()
	err := b.readNew()
	if err == nil && fn != nil {
		err = errors.Join(fn(), b.readNew())
	}
	return err
}

func (b *Backend) readNew() error {
	data, err := io.ReadAll(io.NewSectionReader(b.journal.f, b.journal.read, 1<<40))
	if err != nil {
		return err
	}
	for {
		line, rest, ok := bytes.Cut(data, []byte{'\n'})
		if !ok {
			return nil // a line that a dying process did not finish is overwritten by nobody and read by nobody
		}
		b.journal.read += int64(len(line)) + 1
		data = rest
		var e entry
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		spec, err := decode(e)
		if err != nil {
			return err
		}
		b.apply(e.Kind, e.ID, spec)
	}
}

func decode(e entry) (any, error) {
	if e.Spec == nil {
		return nil, nil
	}
	var spec any
	switch e.Kind {
	case network:
		spec = &driver.NetworkSpec{}
	case subnet:
		spec = &driver.SubnetSpec{}
	case port:
		spec = &driver.PortSpec{}
	case router:
		spec = &driver.RouterSpec{}
	case group:
		spec = &driver.SecurityGroupSpec{}
	default:
		return nil, fmt.Errorf("simulated network: a line of kind %q", e.Kind)
	}
	if err := json.Unmarshal(e.Spec, spec); err != nil {
		return nil, err
	}
	return reflect.ValueOf(spec).Elem().Interface(), nil
}

// same compares specs, of which one may have been read from the journal.
func (b *Backend) same(x, y any) bool {
	if b.journal == nil {
		return reflect.DeepEqual(x, y)
	}
	xs, err1 := json.Marshal(x)
	ys, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && bytes.Equal(xs, ys)
}
