package simulated

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"gostack/internal/nova/driver"
)

var _ driver.Mover = (*Driver)(nil)

// move is a server on its way to another host. It takes Delays.Move; its memory and, without shared storage, its disks arrive evenly.
type move struct {
	plan   driver.LivePlan
	cancel context.CancelFunc
	force  chan struct{}
	began  time.Time

	mu      sync.Mutex
	ended   bool
	err     error
	aborted bool
	forced  bool
	total   time.Duration
	memory  int64
}

// LiveSource describes a running server.
func (d *Driver) LiveSource(_ context.Context, id string) (driver.LiveSource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.servers[id]
	if s == nil || !s.Defined {
		return driver.LiveSource{}, driver.Refuse(driver.CodeNotFound, "Instance %s could not be found.", id)
	}
	if s.State != driver.Running && s.State != driver.Paused {
		return driver.LiveSource{}, driver.Refuse(driver.CodeBadState, "Instance %s is not running.", id)
	}
	from := driver.LiveSource{Dir: "/simulated", Probe: uuid.NewString(), Virt: "simulated", Machine: "simulated", CPU: strings.Join(d.CPU, ",")}
	if f := d.storage.get(id); f != nil {
		from.Disks = []driver.LiveDisk{{File: "disk", Format: "qcow2", Size: int64(f.GB) << 30, Allocated: int64(f.GB) << 28}}
	}
	d.storage.probe(from.Probe, true)
	return from, nil
}

// LiveUnprobe forgets a probe.
func (d *Driver) LiveUnprobe(_ context.Context, probe string) error {
	d.storage.probe(probe, false)
	return nil
}

func (s *Storage) probe(name string, there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probes == nil {
		s.probes = map[string]bool{}
	}
	if there {
		s.probes[name] = true
	} else {
		delete(s.probes, name)
	}
}

// LiveTarget takes everything that a simulated host has.
func (d *Driver) LiveTarget(ctx context.Context, _ string, from driver.LiveSource) (driver.LiveTarget, error) {
	if from.Virt != "simulated" {
		return driver.LiveTarget{}, driver.Refuse(driver.CodeUnsupported, "The supplied hypervisor type of is invalid.")
	}
	for f := range strings.SplitSeq(from.CPU, ",") {
		if f != "" && !slices.Contains(d.CPU, f) { // in upstream's words, as the driver libvirt
			return driver.LiveTarget{}, driver.Refuse(driver.CodeUnsupported, "Unacceptable CPU info: CPU doesn't have compatibility.\n\n0\n\nRefer to http://libvirt.org/html/libvirt-libvirt-host.html#virCPUCompareResult")
		}
	}
	info, err := d.HostInfo(ctx)
	if err != nil {
		return driver.LiveTarget{}, err
	}
	d.storage.mu.Lock()
	defer d.storage.mu.Unlock()
	return driver.LiveTarget{Dir: "/simulated", Shared: d.storage.probes[from.Probe], FreeBytes: int64(info.DiskGBFree) << 30}, nil
}

// LivePrepare expects a server.
func (d *Driver) LivePrepare(ctx context.Context, plan driver.LivePlan) error {
	if err := wait(ctx, d.Delays.Disks); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.in == nil {
		d.in = map[string]driver.LivePlan{}
	}
	d.in[plan.ServerID] = plan
	return nil
}

// LiveStart begins a move.
func (d *Driver) LiveStart(ctx context.Context, plan driver.LivePlan, open driver.Channels) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.servers[plan.ServerID]
	if old := d.out[plan.ServerID]; old != nil && old.plan.Ticket == plan.Ticket {
		return nil
	}
	if s == nil || !s.Defined {
		return driver.Refuse(driver.CodeNotFound, "Instance %s could not be found.", plan.ServerID)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m := &move{plan: plan, cancel: cancel, force: make(chan struct{}), began: time.Now(), total: d.Delays.Move, memory: int64(s.Spec.Flavor.MemoryMB) << 20}
	if d.out == nil {
		d.out = map[string]*move{}
	}
	d.out[plan.ServerID] = m
	go func() {
		defer cancel()
		err := d.moveOut(run, m, open)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ended, m.err = true, err
	}()
	return nil
}

// moveOut takes its time and then hands the server over: the destination has it when it has answered.
func (d *Driver) moveOut(ctx context.Context, m *move, open driver.Channels) error {
	conn, err := open(ctx, m.plan.Ticket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if m.total > 0 {
		end := time.NewTimer(m.total)
		defer end.Stop()
		var late <-chan time.Time
		if limit := m.plan.Limits.CompletionTimeout; limit > 0 && limit < m.total {
			late = time.After(limit)
		}
		select {
		case <-end.C:
		case <-late:
			if !m.plan.Limits.ForceComplete {
				m.mu.Lock()
				m.aborted = true
				m.mu.Unlock()
				return errors.New("it took too long")
			}
		case <-m.force:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// From here on nobody turns back: the destination has it, or says that it has not.
	id := m.plan.ServerID
	d.mu.Lock()
	s := d.servers[id]
	if s == nil {
		d.mu.Unlock()
		return errors.New("the server has gone")
	}
	copied := *s
	d.mu.Unlock()
	if err := json.NewEncoder(conn).Encode(handed{Server: &copied, Disk: d.storage.get(id)}); err != nil {
		return err
	}
	var ok [2]byte
	if _, err := io.ReadFull(conn, ok[:]); err != nil {
		return fmt.Errorf("the destination did not take the server: %w", err)
	}
	return d.change(id, func() error {
		d.undefine(id)
		return nil
	})
}

// handed is what goes from host to host.
type handed struct {
	Server *server `json:"server"`
	Disk   *dir    `json:"disk,omitempty"`
}

// ServeLive takes a server over.
func (d *Driver) ServeLive(_ context.Context, peer string, header json.RawMessage, accept func() (net.Conn, error)) error {
	var ticket string
	if err := json.Unmarshal(header, &ticket); err != nil {
		return err
	}
	d.mu.Lock()
	var plan driver.LivePlan
	for _, p := range d.in {
		if p.Ticket == ticket && p.Source == peer {
			plan = p
		}
	}
	d.mu.Unlock()
	if plan.ServerID == "" {
		return errors.New("nobody expects this migration")
	}
	conn, err := accept()
	if err != nil {
		return err
	}
	var h handed
	if err := json.NewDecoder(conn).Decode(&h); err != nil || h.Server == nil {
		return errors.Join(errors.New("the server did not come"), err)
	}
	err = d.change(plan.ServerID, func() error {
		if _, ok := d.in[plan.ServerID]; !ok {
			return errors.New("the migration was cancelled")
		}
		if d.servers == nil {
			d.servers = map[string]*server{}
		}
		d.servers[plan.ServerID] = h.Server
		d.tell(driver.Event{ServerID: plan.ServerID, State: h.Server.State})
		if !plan.Block || h.Disk == nil {
			return nil
		}
		return d.storage.with(func(dirs map[string]*dir) error {
			h.Disk.Owner = d.Hostname
			dirs[plan.ServerID] = h.Disk
			return nil
		})
	})
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte("ok"))
	return err
}

// LiveState says how a move goes.
func (d *Driver) LiveState(_ context.Context, id string) (driver.LiveState, error) {
	d.mu.Lock()
	m, v := d.out[id], d.servers[id]
	var s driver.LiveState
	if v != nil && v.Defined {
		s.Here, s.Power = true, v.State
	}
	d.mu.Unlock()
	if m == nil {
		return s, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	done := 1.0
	if !m.ended && m.total > 0 {
		done = min(1, float64(time.Since(m.began))/float64(m.total))
	}
	disk := int64(0)
	if m.plan.Block {
		for _, k := range m.plan.Disks {
			disk += k.Allocated
		}
	}
	p := &s.Progress
	p.MemoryTotal, p.MemoryProcessed, p.DiskTotal, p.DiskProcessed = m.memory, int64(done*float64(m.memory)), disk, int64(done*float64(disk))
	p.MemoryRemaining, p.DiskRemaining, p.ElapsedMS = p.MemoryTotal-p.MemoryProcessed, p.DiskTotal-p.DiskProcessed, time.Since(m.began).Milliseconds()
	switch {
	case !m.ended:
		s.Phase = driver.LiveRunning
	case m.err != nil:
		s.Phase, s.Error, s.Aborted = driver.LiveFailed, m.err.Error(), m.aborted
	default:
		s.Phase = driver.LiveDone
	}
	return s, nil
}

// LiveAbort ends a move.
func (d *Driver) LiveAbort(_ context.Context, id string) error {
	d.mu.Lock()
	m := d.out[id]
	d.mu.Unlock()
	if m != nil {
		m.mu.Lock()
		m.aborted = m.aborted || !m.ended
		m.mu.Unlock()
		m.cancel()
	}
	return nil
}

// LiveForce ends the wait.
func (d *Driver) LiveForce(_ context.Context, id string) error {
	d.mu.Lock()
	m := d.out[id]
	d.mu.Unlock()
	if m == nil {
		return driver.Refuse(driver.CodeBadState, "Instance %s is not being migrated.", id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.forced {
		m.forced = true
		close(m.force)
	}
	return nil
}

// LiveArrive makes the disks this host's.
func (d *Driver) LiveArrive(_ context.Context, plan driver.LivePlan) (driver.LiveResult, error) {
	err := d.on(plan.ServerID, func(*server) error {
		delete(d.in, plan.ServerID)
		return d.storage.with(func(dirs map[string]*dir) error {
			if f := dirs[plan.ServerID]; f != nil {
				f.Owner = d.Hostname
			}
			return nil
		})
	})
	return driver.LiveResult{}, err
}

// LiveLeave forgets what has gone.
func (d *Driver) LiveLeave(_ context.Context, plan driver.LivePlan) error {
	return d.change(plan.ServerID, func() error {
		delete(d.out, plan.ServerID)
		d.undefine(plan.ServerID)
		if !plan.Block {
			return nil
		}
		return d.storage.with(func(dirs map[string]*dir) error {
			d.remove(dirs, plan.ServerID)
			return nil
		})
	})
}

// LiveForget forgets a move that failed.
func (d *Driver) LiveForget(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := d.out[id]; m != nil {
		m.cancel()
		delete(d.out, id)
	}
	return nil
}

// LiveCancel forgets what came.
func (d *Driver) LiveCancel(_ context.Context, plan driver.LivePlan) error {
	return d.change(plan.ServerID, func() error {
		delete(d.in, plan.ServerID)
		d.undefine(plan.ServerID)
		if !plan.Block {
			return nil
		}
		return d.storage.with(func(dirs map[string]*dir) error {
			d.remove(dirs, plan.ServerID)
			return nil
		})
	})
}
