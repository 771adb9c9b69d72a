package libvirt

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// The kinds of channels of a move. Neither libvirtd nor QEMU listens on a network: the source's QEMU and libvirtd connect to sockets of
// ours, and what they say comes out of the sockets of the destination's.
const (
	channelLibvirt = "libvirt" // from libvirtd to libvirtd
	channelMemory  = "memory"  // from QEMU to QEMU
	channelDisks   = "disks"   // from QEMU to the NBD server of the other QEMU
	channelFile    = "file"    // a file that is copied before the move
)

// channelHeader opens a channel.
type channelHeader struct {
	Server string `json:"server"`
	Ticket string `json:"ticket"`
	Kind   string `json:"kind"`
	File   string `json:"file,omitempty"`
	Size   int64  `json:"size,omitempty"`
}

// fileMax bounds a copied file: a config drive or the end of a console log.
const fileMax = 256 << 20

// dialPatience is how long a channel may take to come up.
const dialPatience = 20 * time.Second

func (d *Driver) channelPath(id, kind string) string {
	return filepath.Join(d.LiveDir, id, kind+".sock")
}

// openChannels makes the sockets of a move on its source. Whoever connects to one talks to its other end until close; memory comes after
// beforeMemory.
func (d *Driver) openChannels(ctx context.Context, plan driver.LivePlan, caps *capabilities, dial driver.Channels, beforeMemory func(context.Context) error) (closeAll func(), err error) {
	if err := d.channelDir(plan.ServerID, caps); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var open []net.Listener
	var work sync.WaitGroup
	closeAll = func() {
		cancel()
		for _, l := range open {
			_ = l.Close()
		}
		work.Wait()
	}
	before := map[string]func(context.Context) error{channelMemory: beforeMemory}
	for _, kind := range []string{channelLibvirt, channelMemory, channelDisks} {
		path := d.channelPath(plan.ServerID, kind)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			closeAll()
			return nil, err
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			closeAll()
			return nil, err
		}
		open = append(open, l)
		// QEMU runs as a user of its own; libvirtd is root.
		if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, caps.uid, caps.gid)); err != nil {
			closeAll()
			return nil, err
		}
		work.Go(func() {
			for {
				near, err := l.Accept()
				if err != nil {
					return
				}
				work.Go(func() {
					if err := d.carry(ctx, near, plan, kind, dial, before[kind]); err != nil && ctx.Err() == nil {
						d.Log.WarnContext(ctx, "channel of a migration", "server", plan.ServerID, "kind", kind, "error", err)
					}
				})
			}
		})
	}
	return closeAll, nil
}

// carry takes one connection to the other host. Nothing is said over it until before, if there is one, has succeeded.
func (d *Driver) carry(ctx context.Context, near net.Conn, plan driver.LivePlan, kind string, open driver.Channels, before func(context.Context) error) error {
	defer near.Close()
	dial, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	far, err := open(dial, channelHeader{Server: plan.ServerID, Ticket: plan.Ticket, Kind: kind})
	if err != nil {
		return err
	}
	if before != nil {
		if err := before(dial); err != nil {
			_ = far.Close()
			return err
		}
	}
	return relay(ctx, near, far)
}

// relay copies both ways until both have ended, or ctx has. The error is why it ended early.
func relay(ctx context.Context, a, b net.Conn) error {
	hangUp := func() {
		_ = a.Close()
		_ = b.Close()
	}
	defer hangUp()
	stop := context.AfterFunc(ctx, hangUp)
	defer stop()
	var both sync.WaitGroup
	var failed error
	var once sync.Once
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, err := io.Copy(way[0], way[1])
			half, ok := way[0].(interface{ CloseWrite() error })
			if err != nil {
				once.Do(func() { failed = err })
			}
			if err != nil || !ok || half.CloseWrite() != nil {
				once.Do(func() {}) // what follows is the echo of this end
				hangUp()
			}
		})
	}
	both.Wait()
	return failed
}

// push copies a file to the destination, which answers when it has it.
func (d *Driver) push(ctx context.Context, plan driver.LivePlan, name string, open driver.Channels) error {
	f, err := os.Open(filepath.Join(d.serverDir(plan.ServerID), name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	far, err := open(ctx, channelHeader{Server: plan.ServerID, Ticket: plan.Ticket, Kind: channelFile, File: name, Size: fi.Size()})
	if err != nil {
		return err
	}
	defer far.Close()
	stop := context.AfterFunc(ctx, func() { _ = far.Close() })
	defer stop()
	// A console log grows meanwhile: what was there at first is sent.
	if _, err := io.Copy(far, io.LimitReader(f, fi.Size())); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	var ok [2]byte
	if _, err := io.ReadFull(far, ok[:]); err != nil || string(ok[:]) != "ok" {
		return fmt.Errorf("copy %s: the destination did not take it: %w", name, err)
	}
	return nil
}

// ServeLive serves a channel of an incoming move.
func (d *Driver) ServeLive(ctx context.Context, peer string, header json.RawMessage, accept func() (net.Conn, error)) error {
	var h channelHeader
	if err := json.Unmarshal(header, &h); err != nil {
		return err
	}
	plan, ok := d.moves.expected(h.Server)
	if !ok || subtle.ConstantTimeCompare([]byte(plan.Ticket), []byte(h.Ticket)) != 1 || peer != plan.Source {
		return errors.New("nobody expects this migration")
	}
	if h.Kind == channelFile {
		conn, err := accept()
		if err != nil {
			return err
		}
		return d.take(plan, h, conn)
	}
	path, ok := map[string]string{channelLibvirt: d.Client.Socket(), channelMemory: d.channelPath(h.Server, channelMemory), channelDisks: d.channelPath(h.Server, channelDisks)}[h.Kind]
	if !ok {
		return fmt.Errorf("unknown kind of channel %q", h.Kind)
	}
	near, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	defer near.Close()
	if h.Kind == channelLibvirt {
		caps, err := d.capabilities(ctx)
		if err != nil {
			return err
		}
		expected, err := d.newcomer(plan, caps)
		if err != nil {
			return err
		}
		near = libvirt.MigrationOnly(near, expected.check)
	}
	conn, err := accept()
	if err != nil {
		return err
	}
	if err := relay(ctx, conn, near); err != nil && ctx.Err() == nil {
		d.Log.WarnContext(ctx, "channel of an incoming migration", "server", h.Server, "kind", h.Kind, "peer", peer, "error", err)
	}
	return nil
}

// take writes a file that comes before the move: only the kinds that are copied so, only for a server whose disks are.
func (d *Driver) take(plan driver.LivePlan, h channelHeader, conn net.Conn) error {
	allowed := h.File == consoleFile
	for _, k := range plan.Disks {
		allowed = allowed || (k.ReadOnly && k.File == h.File && !strings.Contains(h.File, "/"))
	}
	if !allowed || !plan.Block || h.Size < 0 || h.Size > fileMax {
		return fmt.Errorf("file %q of %d bytes is not wanted", h.File, h.Size)
	}
	path := filepath.Join(d.serverDir(h.Server), h.File)
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(part)
	_, err = io.CopyN(f, conn, h.Size)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	_, err = conn.Write([]byte("ok"))
	return err
}
