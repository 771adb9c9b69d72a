// Package simulated is a hypervisor of nothing but memory, for scale tests,
// benchmarks and machines that cannot run guests. It is never a default.
//
// It keeps the contract of driver.Driver to the letter (same refusals, same
// events), takes the time it is told to take, and can keep its servers in a
// file, so that a restarted process adopts them as it would real ones. A host
// costs a few hundred bytes, a server about as much, and neither a goroutine.
package simulated

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// Options say what the host pretends to be.
type Options struct {
	Hostname string
	VCPUs    int      // 0: 64
	MemoryMB int      // 0: 262144
	DiskGB   int      // 0: 4096
	CPU      []string // features of the processor, which servers use; a host takes a running one only when it has all of its
	Delays   Delays
	Images   driver.ImageSource // nil: images are there

	// NUMA are the host's cells, and which of their processors servers have for themselves; nil: one with all that the host has, all shared.
	NUMA *hardware.Host

	// PCI are devices that servers may have for themselves.
	PCI []hardware.PCIDevice

	// Storage holds the servers' files; hosts with the same one share it. nil: the host's own.
	Storage *Storage

	// Consoles are the kinds of consoles that the host says to have.
	Consoles []driver.ConsoleKind

	// StateFile is a journal that keeps the servers across restarts; empty:
	// nothing does.
	StateFile string
}

// Delays are how long things take.
type Delays struct {
	Image   time.Duration // EnsureImage, once for each image
	Disks   time.Duration
	Define  time.Duration
	Power   time.Duration // Start, Stop, Reboot, Pause, ...
	Destroy time.Duration
	Plug    time.Duration // AttachInterface, DetachInterface

	Snapshot time.Duration
	Move     time.Duration // live migration
}

// Driver is one simulated host.
type Driver struct {
	Options
	since time.Time // the host pretends to be up since then

	mu      sync.Mutex
	file    *os.File // journal, when there is a state file
	servers map[string]*server
	storage *Storage
	images  map[string]bool
	watch   map[chan driver.Event]struct{}
	in      map[string]driver.LivePlan // moves expected here, by server
	out     map[string]*move           // moves begun here
}

var _ driver.Driver = (*Driver)(nil)

// server is what the host has of a server; exported fields are kept in the
// state file.
type server struct {
	Spec    driver.GuestSpec  `json:"spec"`
	Defined bool              `json:"defined"` // else it has disks only
	State   driver.PowerState `json:"state"`
	Boots   int               `json:"boots"`
	Since   time.Time         `json:"since"`

	Snapshots map[string]string `json:"snapshots,omitempty"` // what is in each
	Passwords map[string]string `json:"passwords,omitempty"` // by user
	NMIs      int               `json:"nmis,omitempty"`
}

// New makes a host, with the servers of its state file.
func New(o Options) (*Driver, error) {
	if o.Hostname == "" {
		return nil, errors.New("simulated driver: a host name is needed")
	}
	if o.VCPUs == 0 {
		o.VCPUs = 64
	}
	if o.MemoryMB == 0 {
		o.MemoryMB = 256 << 10
	}
	if o.DiskGB == 0 {
		o.DiskGB = 4096
	}
	d := &Driver{Options: o, since: time.Now(), storage: o.Storage}
	if d.storage == nil {
		d.storage = &Storage{}
	}
	if err := d.load(); err != nil {
		return nil, fmt.Errorf("simulated driver: %s: %w", o.StateFile, err)
	}
	return d, nil
}

// Name is "simulated".
func (d *Driver) Name() string { return "simulated" }

// HostInfo describes the host; what servers use counts as used.
func (d *Driver) HostInfo(context.Context) (driver.HostInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := driver.HostInfo{
		Hostname: d.Hostname, HostIP: "127.0.0.1", HypervisorType: "simulated", HypervisorVersion: 1000000, VirtType: "simulated",
		VCPUs: d.VCPUs, MemoryMB: d.MemoryMB, DiskGB: d.DiskGB,
		CPU:       driver.CPUInfo{Arch: "x86_64", Model: "simulated", Vendor: "gostack", Features: []string{}, Topology: driver.CPUTopology{Cells: 1, Sockets: 1, Cores: d.VCPUs, Threads: 1}},
		Uptime:    uptime(time.Now(), d.since),
		Supported: [][3]string{{"x86_64", "simulated", "hvm"}},
		Traits:    slices.Clone(hostTraits),
	}
	h.NUMA, h.PCI = d.NUMA, d.PCI
	if h.NUMA == nil {
		h.NUMA = &hardware.Host{Cells: []hardware.Cell{{CPUs: hardware.Range(0, d.VCPUs), MemoryMB: d.MemoryMB}}}
	} else {
		h.VCPUs = 0
		for _, cell := range h.NUMA.Cells {
			h.VCPUs, h.PCPUs = h.VCPUs+len(cell.CPUs), h.PCPUs+len(cell.Dedicated)
		}
	}
	for _, s := range d.servers {
		if !s.Defined {
			continue
		}
		f := s.Spec.Flavor
		h.DiskGBUsed += f.RootGB + f.EphemeralGB
		if s.State == driver.Running {
			h.RunningServers++
			h.MemoryMBUsed += f.MemoryMB
		}
	}
	h.DiskGBFree = max(0, h.DiskGB-h.DiskGBUsed)
	return h, nil
}

// hostTraits say that the host can do whatever an image asks of a machine that is not there.
var hostTraits = []string{
	"COMPUTE_GRAPHICS_MODEL_CIRRUS", "COMPUTE_GRAPHICS_MODEL_NONE", "COMPUTE_GRAPHICS_MODEL_QXL", "COMPUTE_GRAPHICS_MODEL_VGA", "COMPUTE_GRAPHICS_MODEL_VIRTIO",
	"COMPUTE_IMAGE_TYPE_AKI", "COMPUTE_IMAGE_TYPE_AMI", "COMPUTE_IMAGE_TYPE_ARI", "COMPUTE_IMAGE_TYPE_ISO", "COMPUTE_IMAGE_TYPE_PLOOP", "COMPUTE_IMAGE_TYPE_QCOW2",
	"COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_IMAGE_TYPE_VDI", "COMPUTE_IMAGE_TYPE_VHD", "COMPUTE_IMAGE_TYPE_VHDX", "COMPUTE_IMAGE_TYPE_VMDK",
	"COMPUTE_NET_ATTACH_INTERFACE", "COMPUTE_NET_VIF_MODEL_E1000", "COMPUTE_NET_VIF_MODEL_E1000E", "COMPUTE_NET_VIF_MODEL_RTL8139", "COMPUTE_NET_VIF_MODEL_VIRTIO",
	"COMPUTE_NET_VIF_MODEL_VMXNET3", "COMPUTE_NODE", "COMPUTE_STORAGE_BUS_IDE", "COMPUTE_STORAGE_BUS_SATA", "COMPUTE_STORAGE_BUS_SCSI", "COMPUTE_STORAGE_BUS_USB",
	"COMPUTE_STORAGE_BUS_VIRTIO",
}

// uptime is how long the host pretends to run, in the form of uptime(1): clients take it apart.
func uptime(now, since time.Time) string {
	up := now.Sub(since).Truncate(time.Minute)
	days, clock := int(up.Hours())/24, fmt.Sprintf("%2d:%02d", int(up.Hours())%24, int(up.Minutes())%60)
	if days > 0 {
		clock = fmt.Sprintf("%d days, %s", days, clock)
	}
	return fmt.Sprintf(" %s up %s,  0 users,  load average: 0.00, 0.00, 0.00", now.UTC().Format(time.TimeOnly), clock)
}

// EnsureImage takes its delay once for each image.
func (d *Driver) EnsureImage(ctx context.Context, image driver.Image) error {
	d.mu.Lock()
	known := d.images[image.ID]
	d.mu.Unlock()
	if known {
		return nil
	}
	if d.Images != nil {
		r, err := d.Images(ctx, image)
		if err != nil {
			return err
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
	if err := wait(ctx, d.Delays.Image); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.images == nil {
		d.images = map[string]bool{}
	}
	d.images[image.ID] = true
	return nil
}

// HasImage tells whether an image has been fetched.
func (d *Driver) HasImage(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.images[id]
}

// PrepareDisks notes that the server has disks.
func (d *Driver) PrepareDisks(ctx context.Context, spec driver.GuestSpec) error {
	if err := wait(ctx, d.Delays.Disks); err != nil {
		return err
	}
	return d.change(spec.ID, func() error {
		return d.storage.with(func(dirs map[string]*dir) error {
			if dirs[spec.ID] == nil {
				d.storage.made++
				dirs[spec.ID] = &dir{Owner: d.Hostname, Disk: fmt.Sprintf("disk %d of %s", d.storage.made, d.Hostname), GB: spec.Flavor.RootGB, Since: time.Now().UTC()}
			}
			return nil
		})
	})
}

// Define stores the server.
func (d *Driver) Define(ctx context.Context, spec driver.GuestSpec) error {
	if err := wait(ctx, d.Delays.Define); err != nil {
		return err
	}
	return d.change(spec.ID, func() error {
		s := d.ensure(spec)
		if spec.Tagged() && spec.ConfigDrive != nil {
			files, err := driver.LocateDevices(spec.ConfigDrive, tagged(spec))
			if err != nil {
				return err
			}
			spec.ConfigDrive = files
		}
		s.Spec, s.Defined = spec, true
		return nil
	})
}

// ensure answers the server's entry, making it; d.mu is held.
func (d *Driver) ensure(spec driver.GuestSpec) *server {
	s := d.servers[spec.ID]
	if s == nil {
		s = &server{Spec: spec, State: driver.Shutdown, Since: time.Now().UTC()}
		if d.servers == nil {
			d.servers = map[string]*server{}
		}
		d.servers[spec.ID] = s
	}
	return s
}

// Destroy forgets the server.
func (d *Driver) Destroy(ctx context.Context, id string) error {
	if err := wait(ctx, d.Delays.Destroy); err != nil {
		return err
	}
	return d.change(id, func() error {
		d.undefine(id)
		return d.storage.with(func(dirs map[string]*dir) error {
			d.remove(dirs, id)
			if f := dirs[id+asideSuffix]; f != nil && f.Owner == d.Hostname {
				delete(dirs, id+asideSuffix)
			}
			return nil
		})
	})
}

// List answers the defined servers.
func (d *Driver) List(context.Context) ([]driver.Guest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var guests []driver.Guest
	for id, s := range d.servers {
		if !s.Defined {
			continue
		}
		g := driver.Guest{ID: id, Name: s.Spec.Name, Project: s.Spec.Project.ID, State: s.State, VCPUs: s.Spec.Flavor.VCPUs, MemMB: s.Spec.Flavor.MemoryMB}
		for _, n := range s.Spec.NICs {
			g.PortIDs = append(g.PortIDs, n.PortID)
		}
		guests = append(guests, g)
	}
	return guests, nil
}

// Disks answers the servers that have disks here, or aside.
func (d *Driver) Disks(context.Context) ([]driver.DiskSet, error) {
	var sets []driver.DiskSet
	err := d.storage.with(func(dirs map[string]*dir) error {
		for key, f := range dirs {
			if id, aside := strings.CutSuffix(key, asideSuffix); f.Owner == d.Hostname {
				sets = append(sets, driver.DiskSet{ID: id, Since: f.Since, Aside: aside})
			}
		}
		return nil
	})
	return sets, err
}

// AttachInterface adds a NIC.
func (d *Driver) AttachInterface(ctx context.Context, id string, nic driver.NIC) error {
	if err := wait(ctx, d.Delays.Plug); err != nil {
		return err
	}
	return d.on(id, func(s *server) error {
		if !slices.ContainsFunc(s.Spec.NICs, func(n driver.NIC) bool { return n.PortID == nic.PortID }) {
			s.Spec.NICs = append(slices.Clip(s.Spec.NICs), nic)
		}
		return nil
	})
}

// DetachInterface removes a NIC.
func (d *Driver) DetachInterface(ctx context.Context, id, portID string) error {
	if err := wait(ctx, d.Delays.Plug); err != nil {
		return err
	}
	return d.on(id, func(s *server) error {
		s.Spec.NICs = slices.DeleteFunc(slices.Clone(s.Spec.NICs), func(n driver.NIC) bool { return n.PortID == portID })
		return nil
	})
}

// change runs fn on a server's entry under the lock and keeps what came of it.
func (d *Driver) change(id string, fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := fn(); err != nil {
		return err
	}
	return d.keep(id)
}

// on is change for a defined server.
func (d *Driver) on(id string, fn func(*server) error) error {
	return d.change(id, func() error {
		s := d.servers[id]
		if s == nil || !s.Defined {
			return driver.Refuse(driver.CodeNotFound, "Instance %s could not be found.", id)
		}
		return fn(s)
	})
}

func wait(ctx context.Context, t time.Duration) error {
	if t <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
