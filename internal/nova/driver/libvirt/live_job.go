package libvirt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// livePoll is how often a move under way is looked at (upstream looks twice a second too).
const livePoll = 500 * time.Millisecond

// LiveStart begins a move on its source.
func (d *Driver) LiveStart(ctx context.Context, plan driver.LivePlan, open driver.Channels) error {
	dom, err := d.owned(ctx, plan.ServerID)
	if err != nil {
		return err
	}
	caps, err := d.capabilities(ctx)
	if err != nil {
		return err
	}
	resume, err := d.halfway(ctx, dom)
	if err != nil {
		return err
	}
	// The move outlives the call that begins it.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v, fresh := d.moves.begin(plan, cancel)
	if !fresh {
		cancel()
		return nil
	}
	closeChannels, err := d.openChannels(run, plan, caps, open, func(ctx context.Context) error {
		if resume {
			return nil
		}
		return d.holdEmulated(ctx, dom, v)
	})
	if err != nil {
		v.end(err, false)
		cancel()
		return err
	}
	go func() {
		defer cancel()
		err := d.moveOut(run, dom, v, resume, open)
		closeChannels()
		broken, stateErr := d.halfway(context.WithoutCancel(run), dom)
		v.end(err, err != nil && stateErr == nil && broken)
		if err != nil {
			d.Log.WarnContext(ctx, "a server did not move", "server", plan.ServerID, "to", plan.Address, "error", err)
		}
	}()
	return nil
}

// holdEmulated pauses an emulated guest before its memory goes. QEMU's emulator notes that it will write to a page a moment before it writes:
// a migration that looks in between sends the old page and forgets the new one, and the guest breaks on the other host
// (seen here with QEMU 7.2: one move in ten or so; with KVM the processor keeps that book). It goes on when it has arrived, or when the move has failed: libvirtd sees to
// both, as it does for one that is forced.
func (d *Driver) holdEmulated(ctx context.Context, dom rpc.Domain, v *move) error {
	def, err := d.definition(ctx, dom, 0)
	if err != nil || def.Type == "kvm" {
		return err
	}
	now, err := d.stateOf(ctx, dom)
	if err != nil || now.PowerState != driver.Running {
		return err
	}
	begin := time.Now()
	if err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainSuspend(dom) }); err != nil {
		return fmt.Errorf("pause an emulated guest whose memory goes to another host: %w", err)
	}
	v.mu.Lock()
	v.held = begin
	v.mu.Unlock()
	return nil
}

// halfway tells that a guest is past the point of return and lost its way: some of its memory is here, the processor is there.
func (d *Driver) halfway(ctx context.Context, dom rpc.Domain) (bool, error) {
	half, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (bool, error) {
		s, reason, err := l.DomainGetState(dom, 0)
		return rpc.DomainState(s) == rpc.DomainPaused && rpc.DomainPausedReason(reason) == rpc.DomainPausedPostcopyFailed, err
	})
	if libvirt.Is(err, rpc.ErrNoDomain) {
		return false, nil
	}
	return half, err
}

// moveOut moves the guest and returns when that has ended, one way or the other.
func (d *Driver) moveOut(ctx context.Context, dom rpc.Domain, v *move, resume bool, open driver.Channels) error {
	plan := v.plan
	m := libvirt.Migration{
		Connect: "qemu+unix:///system?socket=" + d.channelPath(plan.ServerID, channelLibvirt), Memory: "unix://" + d.channelPath(plan.ServerID, channelMemory),
		Bandwidth: uint64(max(0, plan.Limits.Bandwidth)),
		Flags:     rpc.MigrateLive | rpc.MigratePeer2peer | rpc.MigratePersistDest | rpc.MigrateUndefineSource,
	}
	if plan.Limits.PostCopy {
		m.Flags |= rpc.MigratePostcopy
	}
	switch {
	case resume:
		m.Flags |= rpc.MigratePostcopy | libvirt.MigratePostcopyResume
	case plan.Block:
		m.Flags |= rpc.MigrateNonSharedInc
		m.Disks = "unix://" + d.channelPath(plan.ServerID, channelDisks)
		files := []string{consoleFile}
		for _, k := range plan.Disks {
			if k.ReadOnly {
				files = append(files, filepath.Base(k.File))
			}
		}
		for _, name := range files {
			if err := d.push(ctx, plan, name, open); err != nil {
				return err
			}
		}
	default:
		// That the disks are shared was seen with the probe; libvirt believes it of network file systems only.
		m.Flags |= rpc.MigrateUnsafe
	}
	var err error
	if !resume {
		if m.XML, m.PersistXML, err = d.liveXML(ctx, dom, plan); err != nil {
			return err
		}
	}
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		d.oversee(watch, dom, v)
	}()
	err = d.Client.Migrate(ctx, dom, m)
	if err != nil && m.Flags&rpc.MigratePostcopy != 0 && !resume && strings.Contains(err.Error(), "Postcopy is not supported") {
		// QEMU there may not use userfaultfd (it is not root, vm.unprivileged_userfaultfd is off).
		m.Flags &^= rpc.MigratePostcopy
		v.mu.Lock()
		v.plan.Limits.PostCopy = false
		v.mu.Unlock()
		err = d.Client.Migrate(ctx, dom, m)
	}
	stop()
	<-watched
	if err == nil {
		v.mu.Lock()
		v.progress.MemoryProcessed, v.progress.MemoryRemaining = v.progress.MemoryTotal, 0
		v.progress.DiskProcessed, v.progress.DiskRemaining = v.progress.DiskTotal, 0
		v.mu.Unlock()
	}
	return err
}

// oversee follows a move: it counts, lets the guest be paused longer when the end does not come, and sees to the time that it may take.
func (d *Driver) oversee(ctx context.Context, dom rpc.Domain, v *move) {
	tick := time.NewTicker(livePoll)
	defer tick.Stop()
	gib := gigabytes(v.plan)
	steps := downtimeSteps(v.plan.Limits, gib)
	deadline := time.Duration(float64(v.plan.Limits.CompletionTimeout) * gib)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if stats, err := d.jobStats(ctx, dom, 0); err == nil && stats.running() {
			v.mu.Lock()
			v.progress = stats.progress()
			v.mu.Unlock()
		}
		elapsed := time.Since(v.began)
		for len(steps) > 0 && elapsed >= steps[0].after {
			ms := uint64(steps[0].downtime.Milliseconds())
			if err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainMigrateSetMaxDowntime(dom, ms, 0) }); err != nil {
				break // not at the point where it can be set yet
			}
			steps = steps[1:]
		}
		v.mu.Lock()
		abort, forced, postCopy := v.abort, v.forced, v.postCopy
		v.mu.Unlock()
		late := deadline > 0 && elapsed > deadline && !postCopy && !forced
		switch {
		case late && v.plan.Limits.ForceComplete:
			if err := d.force(ctx, dom, v); err != nil {
				d.Log.WarnContext(ctx, "a migration that takes too long is not forced", "server", v.plan.ServerID, "error", err)
			}
		case abort, late:
			v.mu.Lock()
			v.abort = true
			v.mu.Unlock()
			_ = d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainAbortJob(dom) }) // again, until it has ended
		}
	}
}

// gigabytes is the size of a move, at least two (nova/virt/libvirt/driver.py, _live_migration_data_gb).
func gigabytes(plan driver.LivePlan) float64 {
	n := 0.0
	if plan.Spec != nil {
		n = max(2, math.Ceil(float64(plan.Spec.Flavor.MemoryMB)/1024))
	}
	if plan.Block {
		for _, k := range plan.Disks {
			n += max(2, math.Ceil(float64(k.Size)/float64(gib)))
		}
	}
	return max(2, n)
}

// step is a longest pause that is allowed after some time.
type step struct{ after, downtime time.Duration }

// downtimeSteps lets the pause grow exponentially up to its bound (nova/virt/libvirt/migration.py, downtime_steps).
func downtimeSteps(l driver.LiveLimits, gib float64) []step {
	if l.Downtime <= 0 {
		return nil
	}
	n := max(1, l.DowntimeSteps)
	most := float64(l.Downtime.Milliseconds())
	offset := most / float64(n+1)
	base := math.Pow(most-offset, 1/float64(n))
	all := make([]step, n+1)
	for i := range all {
		all[i] = step{
			after:    time.Duration(float64(l.DowntimeDelay) * gib * float64(i)),
			downtime: time.Duration(offset+math.Pow(base, float64(i))) * time.Millisecond,
		}
	}
	return all
}

// LiveState says how a move goes.
func (d *Driver) LiveState(ctx context.Context, id string) (driver.LiveState, error) {
	var s driver.LiveState
	v := d.moves.leaving(id)
	if v != nil {
		s = v.state()
	}
	dom, err := d.owned(ctx, id)
	if errors.Is(err, driver.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Here = true
	now, err := d.stateOf(ctx, dom)
	if libvirt.Is(err, rpc.ErrNoDomain) {
		s.Here = false
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if !now.passing {
		s.Power = now.PowerState
	}
	if v != nil {
		return s, nil
	}
	// A move that an earlier process began.
	half, err := d.halfway(ctx, dom)
	if err != nil {
		return s, err
	}
	if half {
		s.Phase, s.PostCopy = driver.LiveBroken, true
		return s, nil
	}
	if stats, err := d.jobStats(ctx, dom, 0); err == nil && stats.running() {
		s.Phase, s.Progress = driver.LiveRunning, stats.progress()
	}
	return s, nil
}

// LiveAbort ends a move under way.
func (d *Driver) LiveAbort(ctx context.Context, id string) error {
	dom, err := d.owned(ctx, id)
	if err != nil {
		return err
	}
	v := d.moves.leaving(id)
	if v != nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.ended {
			return nil
		}
		if v.postCopy {
			return driver.Refuse(driver.CodeBadState, "The migration of instance %s is past the point of return.", id)
		}
		v.abort = true // oversee asks again until it has ended
	}
	err = d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainAbortJob(dom) })
	if libvirt.Is(err, rpc.ErrOperationInvalid) {
		return nil // not begun, or just over
	}
	return err
}

// LiveForce brings a move to its end.
func (d *Driver) LiveForce(ctx context.Context, id string) error {
	dom, err := d.owned(ctx, id)
	if err != nil {
		return err
	}
	v := d.moves.leaving(id)
	if v == nil {
		return driver.Refuse(driver.CodeBadState, "Instance %s is not being migrated.", id)
	}
	return d.force(ctx, dom, v)
}

func (d *Driver) force(ctx context.Context, dom rpc.Domain, v *move) error {
	v.mu.Lock()
	done, permitted := v.ended || v.forced, v.plan.Limits.PostCopy
	v.mu.Unlock()
	if done {
		return nil
	}
	after := false
	if permitted {
		err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainMigrateStartPostCopy(dom, 0) })
		after = err == nil
	}
	if !after {
		// Paused it writes no more memory; it goes on when it has arrived.
		if err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainSuspend(dom) }); err != nil {
			return fmt.Errorf("force a migration to its end: %w", err)
		}
	}
	v.mu.Lock()
	v.forced, v.postCopy = true, after
	v.mu.Unlock()
	return nil
}

// jobStats are libvirt's numbers of a job, by name.
type jobStats struct {
	kind   rpc.DomainJobType
	values map[string]int64
}

func (d *Driver) jobStats(ctx context.Context, dom rpc.Domain, flags rpc.DomainGetJobStatsFlags) (jobStats, error) {
	return libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (jobStats, error) {
		kind, params, err := l.DomainGetJobStats(dom, flags)
		s := jobStats{rpc.DomainJobType(kind), map[string]int64{}}
		for _, p := range params {
			switch n := p.Value.I.(type) {
			case uint64:
				s.values[p.Field] = int64(n)
			case int64:
				s.values[p.Field] = n
			case int32:
				s.values[p.Field] = int64(n)
			case uint32:
				s.values[p.Field] = int64(n)
			}
		}
		return s, err
	})
}

func (s jobStats) number(name string) int64 { return s.values[name] }

func (s jobStats) running() bool {
	return s.kind == rpc.DomainJobBounded || s.kind == rpc.DomainJobUnbounded
}

func (s jobStats) progress() driver.LiveProgress {
	return driver.LiveProgress{
		MemoryTotal: s.number(rpc.DomainJobMemoryTotal), MemoryProcessed: s.number(rpc.DomainJobMemoryProcessed), MemoryRemaining: s.number(rpc.DomainJobMemoryRemaining),
		DiskTotal: s.number(rpc.DomainJobDiskTotal), DiskProcessed: s.number(rpc.DomainJobDiskProcessed), DiskRemaining: s.number(rpc.DomainJobDiskRemaining),
		ElapsedMS: s.number(rpc.DomainJobTimeElapsed),
	}
}
