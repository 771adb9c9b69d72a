package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/scheduler"
	"gostack/internal/placement"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// snapshotAge is how long decisions are made on one snapshot. Each counts in the following ones, and all are verified when they
// are claimed, so an old one costs a second try at most.
const snapshotAge = time.Second

// places decides where servers go, one decision at a time.
type places struct {
	mu   sync.Mutex
	snap *scheduler.Snapshot
	at   time.Time
	sick atomic.Pointer[map[string]bool] // hosts on which builds failed lately
}

// failing tells whether builds have failed on a host, so far as is known.
func (o *Ops) failing(host string) bool {
	sick := o.places.sick.Load()
	return sick == nil || (*sick)[host]
}

// Choose returns the best host for a wish and alternates, or a *scheduler.NoValidHostError. The choice counts in the decisions
// that follow; what makes it true is the claim (placement.Claim, with nova.Service.GroupAllows in the same transaction).
func (o *Ops) Choose(ctx context.Context, w nova.Placing) ([]nova.Place, error) {
	spec, err := o.Nova.SchedulerSpec(ctx, w)
	if err != nil {
		return nil, err
	}
	d, err := o.decide(ctx, o.attempts(spec), w.Fresh)
	if err != nil {
		return nil, err
	}
	return placesOf(d.Selections[0]), nil
}

// attempts has a decision name as many alternates as will be tried.
func (o *Ops) attempts(spec *scheduler.Spec) *scheduler.Spec {
	if spec.Alternates = o.Scheduler.Attempts() - 1; spec.Alternates == 0 {
		spec.Alternates = -1
	}
	return spec
}

func placesOf(s scheduler.Selection) []nova.Place {
	list := []nova.Place{place(s.Choice)}
	for _, a := range s.Alternates {
		list = append(list, place(a))
	}
	return list
}

// decide makes one decision on the present snapshot, or on a new one.
func (o *Ops) decide(ctx context.Context, spec *scheduler.Spec, fresh bool) (*scheduler.Decision, error) {
	o.places.mu.Lock()
	defer o.places.mu.Unlock()
	renew := func() error {
		snap, err := o.snapshot(ctx)
		if err == nil {
			o.places.snap, o.places.at = snap, time.Now()
		}
		return err
	}
	cached := !fresh && o.places.snap != nil && time.Since(o.places.at) <= snapshotAge
	if !cached {
		if err := renew(); err != nil {
			return nil, err
		}
	}
	d, err := scheduler.Select(o.places.snap, spec)
	var none *scheduler.NoValidHostError
	if cached && (errors.As(err, &none) || err == nil && len(d.Unplaced) > 0) {
		// A refusal must hold now, not a moment ago: a host may have come, or something become free.
		if err := renew(); err != nil {
			return nil, err
		}
		d, err = scheduler.Select(o.places.snap, spec)
	}
	if err != nil {
		return nil, err
	}
	o.places.snap.Keep(d)
	return d, nil
}

func place(c scheduler.Choice) nova.Place {
	return nova.Place{Host: c.Host, Node: c.Node, Allocations: c.Allocations}
}

func (o *Ops) snapshot(ctx context.Context) (*scheduler.Snapshot, error) {
	hosts, aggregates, err := o.Nova.SchedulerHosts(ctx, nova.SchedulerNeeds{Servers: o.Scheduler.CountsServers, Properties: o.Scheduler.CountsImageProperties()})
	if err != nil {
		return nil, err
	}
	from, err := o.Nova.Placement.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	sick := map[string]bool{}
	for i := range hosts {
		if hosts[i].FailedBuilds > 0 {
			sick[hosts[i].Name] = true
		}
	}
	o.places.sick.Store(&sick)
	config := o.Scheduler
	config.DefaultZone = o.Nova.DefaultZone()
	return scheduler.NewSnapshot(config, hosts, aggregates, from), nil
}

// pick is the first step of a creation: a host and what the server takes from it.
func (o *Ops) pick(ctx context.Context, r *saga.Run[nova.CreateState]) error {
	p := &r.State.Progress
	if p.Claimed {
		return nil
	}
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	o.known.keep(r.Operation.ID, srv)
	if len(p.Tried) >= o.Scheduler.Attempts() {
		p.Details = "hosts that failed: " + strings.Join(p.Tried, ", ") + "; last: " + p.LastError
		r.Note("%s", p.Details)
		return saga.Permanent(exhausted(srv.ID))
	}
	// The alternates of the first decision serve a second try on another host; a third try of the same step asks anew.
	left := slices.DeleteFunc(slices.Clone(p.Alternates), func(a nova.Place) bool { return slices.Contains(p.Tried, a.Host) })
	if len(left) == 0 || r.Attempt > 1 {
		left, err = o.Choose(ctx, nova.Placing{Server: srv, Ignore: p.Tried, Fresh: r.Attempt > 1, Host: r.State.Host, Moving: r.State.Moving, Plan: r.State.Plan})
		var none *scheduler.NoValidHostError
		if errors.As(err, &none) {
			p.Details = eliminations(none.Considered, none.Eliminated)
			r.Note("%s", p.Details)
			return saga.Permanent(err)
		}
		if err != nil {
			return err
		}
	}
	p.Choice, p.Alternates = &left[0], left[1:]
	return nil
}

// exhausted is upstream's refusal of a server whose build failed on every host that was tried.
func exhausted(server string) error {
	return fmt.Errorf("%s Exhausted all hosts available for retrying build failures for instance %s.", tooManyRetries, server) //nolint:staticcheck // upstream's sentence
}

const tooManyRetries = "Exceeded maximum number of retries."

// eliminations says how many hosts each filter refused.
func eliminations(considered int, by []scheduler.Elimination) string {
	parts := []string{fmt.Sprintf("%d hosts considered", considered)}
	for _, x := range by {
		parts = append(parts, fmt.Sprintf("%s refused %d (%s)", x.Filter, x.Hosts, strings.Join(x.Names, ", ")))
	}
	return strings.Join(parts, "; ")
}

// errTaken says that between the decision and the claim somebody else took what it needs.
var errTaken = errors.New("the host and its alternates have been taken meanwhile")

// claim takes the chosen host's resources, or the next alternate's.
func (o *Ops) claim(ctx context.Context, tx store.Tx, r *saga.Run[nova.CreateState]) error {
	p := &r.State.Progress
	if p.Claimed {
		p.Claimed = false
		return nil
	}
	srv, err := o.known.read(ctx, tx, r)
	if err != nil {
		return err
	}
	left, zone, err := o.take(ctx, tx, srv, append([]nova.Place{*p.Choice}, p.Alternates...))
	if err != nil {
		return err
	}
	p.Choice, p.Alternates = &left[0], left[1:]
	placed := *srv
	placed.Host, placed.Node, placed.AvailabilityZone = p.Choice.Host, p.Choice.Node, zone
	store.AfterCommit(ctx, func() { o.known.keep(r.Operation.ID, &placed) })
	return o.update(ctx, tx, r.Operation, "networking", map[string]any{"host": p.Choice.Host, "node": p.Choice.Node, "availability_zone": zone})
}

// take claims the first of places that still has room and that group and zone of the server allow, and returns it with those behind it
// and its zone.
func (o *Ops) take(ctx context.Context, tx store.Tx, srv *nova.Server, places []nova.Place) ([]nova.Place, string, error) {
	allows, err := o.Nova.GroupAllows(ctx, tx, srv)
	if err != nil {
		return nil, "", err
	}
	for ; ; places = places[1:] {
		err := errTaken
		zone, zoneErr := o.Nova.ZoneOf(ctx, tx, places[0].Host)
		if zoneErr != nil {
			return nil, "", zoneErr
		}
		if allows(places[0].Host) && (srv.PinnedZone == nil || *srv.PinnedZone == zone) {
			err = o.Nova.ClaimOn(ctx, tx, srv, srv.Flavor, places[0].Host, claimOf(srv, places[0]))
		}
		if err == nil {
			return places, zone, nil
		}
		if !errors.Is(err, errTaken) && !errors.Is(err, placement.ErrCapacity) || len(places) == 1 {
			return nil, "", err
		}
	}
}

func claimOf(srv *nova.Server, p nova.Place) placement.Claim {
	return placement.Claim{Consumer: srv.ID, Project: srv.ProjectID, User: srv.UserID, Allocations: p.Allocations}
}

func gone(err error) error {
	if err != nil {
		return err
	}
	return saga.Permanent(errors.New("the server is gone"))
}
