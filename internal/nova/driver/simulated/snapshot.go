package simulated

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"gostack/internal/nova/driver"
)

// Snapshot keeps what the server is at this moment: a qcow2 file with no data in it and a line of text behind its header.
func (d *Driver) Snapshot(ctx context.Context, id, name string, quiesce driver.Quiesce) error {
	if err := wait(ctx, d.Delays.Snapshot); err != nil {
		return err
	}
	return d.on(id, func(s *server) error {
		if quiesce == driver.QuiesceMust && s.State == driver.Running && !agent(s.Spec) {
			return driver.Refuse(driver.CodeUnsupported, "QEMU guest agent is not enabled")
		}
		if _, there := s.Snapshots[name]; !there {
			if s.Snapshots == nil {
				s.Snapshots = map[string]string{}
			}
			s.Snapshots[name] = fmt.Sprintf("snapshot %s of %s after %d boots\n", name, s.Spec.Name, s.Boots)
		}
		return nil
	})
}

// OpenSnapshot answers the file.
func (d *Driver) OpenSnapshot(_ context.Context, id, name string) (io.ReadCloser, int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.servers[id]
	if s == nil || s.Snapshots[name] == "" {
		return nil, 0, driver.Refuse(driver.CodeNotFound, "Snapshot %s of instance %s could not be found.", name, id)
	}
	file := qcow2(int64(s.Spec.Flavor.RootGB)<<30, s.Snapshots[name])
	return io.NopCloser(bytes.NewReader(file)), int64(len(file)), nil
}

// DropSnapshot forgets it.
func (d *Driver) DropSnapshot(_ context.Context, id, name string) error {
	return d.change(id, func() error {
		if s := d.servers[id]; s != nil {
			delete(s.Snapshots, name)
		}
		return nil
	})
}

// agent tells whether the image says that there is a guest agent.
func agent(spec driver.GuestSpec) bool {
	return spec.Image != nil && (spec.Image.Properties[driver.PropQGA] == "yes" || spec.Image.Properties[driver.PropQGA] == "true")
}

// qcow2 is a version 2 file of an empty disk of size bytes, with a text where its first data would be.
func qcow2(size int64, text string) []byte {
	const cluster = 1 << 16
	h := make([]byte, 3*cluster)
	copy(h, "QFI\xfb")
	binary.BigEndian.PutUint32(h[4:], 2)
	binary.BigEndian.PutUint32(h[20:], 16)
	binary.BigEndian.PutUint64(h[24:], uint64(size))
	// One entry of the first table spans half a gigabyte.
	binary.BigEndian.PutUint32(h[36:], uint32((size+1<<29-1)>>29))
	binary.BigEndian.PutUint64(h[40:], cluster)
	return append(h, text...)
}
