// Package libvirt runs servers on the local libvirtd: KVM where the processor
// can, else QEMU's emulation.
//
// It owns the domains that carry its mark (an element in the domain's metadata
// with the cloud's and the server's id) and the directory that holds their
// disks. It never touches a domain without the mark, never lets what a guest
// wrote into its disk decide how the disk is read, and keeps no state in memory
// that matters: libvirtd and the directory are the truth.
package libvirt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// Options says how the driver is set up.
type Options struct {
	Client *libvirt.Client
	Dir    string // holds a directory for each server, and _base
	Owner  string // id of this cloud, written into each domain
	Images driver.ImageSource

	VirtType  string // "kvm" or "qemu"; empty: what the host can
	Hostname  string // empty: the host's name
	HostIP    string // address for others; empty: 127.0.0.1
	VNCListen string // empty: 127.0.0.1

	// Serial gives new definitions a serial console that can be talked to, in SerialDir, which must be one of this host alone. Empty:
	// /run/gostack/serial. Spice gives them a SPICE screen besides VNC, and the channel of an agent in the guest.
	Serial    bool
	SerialDir string
	Spice     bool

	// LiveDir holds the sockets of moves; the same path on every host. Empty: /run/gostack/live.
	LiveDir string

	// CPUShared are the processors that servers share, CPUDedicated those that servers have for themselves (upstream's cpu_shared_set and
	// cpu_dedicated_set). Both empty: all are shared.
	CPUShared, CPUDedicated hardware.CPUSet

	// PCI says which of the host's devices servers may have for themselves, Sysfs where the kernel lists them (empty: /sys).
	PCI   []hardware.PCISpec
	Sysfs string

	// CPUControl tells whether processor time can be shared out; nil looks at the host's cgroups.
	CPUControl func() bool

	// Datapath answers the datapath_type of an Open vSwitch bridge ("system",
	// "netdev"); nil asks ovs-vsctl.
	Datapath func(ctx context.Context, bridge string) (string, error)

	Log *slog.Logger // nil: slog.Default()
}

// Driver is the libvirt driver of one host.
type Driver struct {
	Options
	images keyed // one download of an image at a time
	server keyed // one change of a server's files at a time
	moves  moves

	modules string // see libvirtsModules

	mu   sync.Mutex
	caps *capabilities
}

var _ driver.Driver = (*Driver)(nil)

// New makes the driver and its directories. It does not need libvirtd to run.
func New(o Options) (*Driver, error) {
	if o.Client == nil || o.Dir == "" || o.Images == nil {
		return nil, errors.New("libvirt driver: client, directory and image source are needed")
	}
	if o.VNCListen == "" {
		o.VNCListen = "127.0.0.1"
	}
	if o.HostIP == "" {
		o.HostIP = "127.0.0.1"
	}
	if o.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		o.Hostname = name
	}
	if o.SerialDir == "" {
		o.SerialDir = "/run/gostack/serial"
	}
	if o.Sysfs == "" {
		o.Sysfs = "/sys"
	}
	if o.LiveDir == "" {
		o.LiveDir = "/run/gostack/live"
	}
	if o.Datapath == nil {
		o.Datapath = bridgeDatapath
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	d := &Driver{Options: o, modules: libvirtsModules}
	// Other than root, QEMU's user must get through; names are UUIDs, so it
	// need not list.
	if err := os.MkdirAll(d.baseDir(), 0o711); err != nil {
		return nil, fmt.Errorf("directory of servers: %w", err)
	}
	if d.Serial {
		if err := d.serialDir(); err != nil {
			return nil, err
		}
	}
	return d, d.sweep()
}

// Name is "libvirt".
func (d *Driver) Name() string { return "libvirt" }

// DomainName is the name of a server's domain, upstream's
// OS-EXT-SRV-ATTR:instance_name.
func DomainName(id string) string { return "instance-" + id }

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// checkID guards paths: ids become names of files.
func checkID(id string) error {
	if !uuidPattern.MatchString(id) {
		return driver.Refuse(driver.CodeUnsupported, "%q is not a UUID", id)
	}
	return nil
}

// lookup answers the server's domain, or driver.ErrNotFound.
func (d *Driver) lookup(ctx context.Context, id string) (rpc.Domain, error) {
	u, err := libvirt.ParseUUID(id)
	if err != nil {
		return rpc.Domain{}, driver.Refuse(driver.CodeNotFound, "Instance %s could not be found.", id)
	}
	dom, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (rpc.Domain, error) { return l.DomainLookupByUUID(u) })
	if libvirt.Is(err, rpc.ErrNoDomain) {
		return rpc.Domain{}, &driver.Fault{Code: driver.CodeNotFound, Message: "Instance " + id + " could not be found.", Cause: err}
	}
	return dom, err
}

// owned is lookup for changes that cannot be taken back: the domain must carry
// our mark.
func (d *Driver) owned(ctx context.Context, id string) (rpc.Domain, error) {
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return dom, err
	}
	ours, err := d.marked(ctx, dom)
	if libvirt.Is(err, rpc.ErrNoDomain) {
		return dom, &driver.Fault{Code: driver.CodeNotFound, Message: "Instance " + id + " could not be found.", Cause: err}
	}
	if err != nil {
		return dom, err
	}
	if !ours {
		return dom, driver.Refuse(driver.CodeBadState, "domain %s is not one of this cloud", id)
	}
	return dom, nil
}

// do runs one call on a domain.
func (d *Driver) do(ctx context.Context, fn func(*rpc.Libvirt) error) error {
	return libvirt.Do(ctx, d.Client, fn)
}

// keyed is a mutex for each key.
type keyed struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

// lock waits for the key until ctx ends; the answer unlocks it.
func (k *keyed) lock(ctx context.Context, key string) (func(), error) {
	for {
		k.mu.Lock()
		wait, taken := k.busy[key]
		if !taken {
			if k.busy == nil {
				k.busy = map[string]chan struct{}{}
			}
			done := make(chan struct{})
			k.busy[key] = done
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.busy, key)
				k.mu.Unlock()
				close(done)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pause waits, or answers ctx's error.
func pause(ctx context.Context, t time.Duration) error {
	select {
	case <-time.After(t):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
