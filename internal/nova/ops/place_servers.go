package ops

import (
	"context"
	"errors"
	"strings"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
	"gostack/internal/nova/scheduler"
	"gostack/internal/placement"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type placeRun = saga.Run[nova.PlaceState]

// placeServers finds hosts for the servers of one request in one decision, claims them in one transaction and hands each server to an
// operation of its own. Servers that find none are in error, and so are all when fewer than were asked for at least find one.
func (o *Ops) placeServers() *saga.Definition[nova.PlaceState] {
	return &saga.Definition[nova.PlaceState]{
		Kind: nova.KindPlace, Deadline: 10 * time.Minute, Workers: 4,
		Steps:    []saga.Step[nova.PlaceState]{{Name: "pick hosts", Do: o.pickAll, Save: o.claimAll, Deadline: 2 * time.Minute}},
		OnDone:   func(ctx context.Context, tx store.Tx, r *placeRun) error { return o.noPlace(ctx, tx, r, noValidHost) },
		OnUndone: func(ctx context.Context, tx store.Tx, r *placeRun) error { return o.noPlace(ctx, tx, r, r.Cause) },
	}
}

var noValidHost = (&scheduler.NoValidHostError{}).Error()

// unplaced reads the servers that still belong to the operation: others have been deleted, or handed on.
func unplaced(ctx context.Context, h store.Tx, r *placeRun) (map[string]*nova.Server, error) {
	rows, err := db.ListServers(ctx, h, db.ServerFilter{IDs: r.State.Servers, Equal: map[string]any{"operation_id": r.Operation.ID}})
	out := make(map[string]*nova.Server, len(rows))
	for _, srv := range rows {
		out[srv.ID] = srv
	}
	return out, err
}

func (o *Ops) pickAll(ctx context.Context, r *placeRun) error {
	servers, err := unplaced(ctx, o.Nova.DB.Read(ctx), r)
	r.State.Places, r.State.Details = nil, ""
	if err != nil || len(servers) == 0 {
		return err
	}
	var ids []string
	for _, id := range r.State.Servers {
		if servers[id] != nil {
			ids = append(ids, id)
		}
	}
	spec, err := o.Nova.SchedulerSpec(ctx, nova.Placing{Server: servers[ids[0]]})
	if err != nil {
		return err
	}
	spec.Servers, spec.Least = ids, min(max(r.State.Least, 1), len(ids))
	d, err := o.decide(ctx, o.attempts(spec), r.Attempt > 1)
	var none *scheduler.NoValidHostError
	if errors.As(err, &none) {
		r.State.Details = eliminations(none.Considered, none.Eliminated)
		r.Note("%s", r.State.Details)
		return saga.Permanent(err)
	}
	if err != nil {
		return err
	}
	r.State.Places = make(map[string][]nova.Place, len(d.Selections))
	for _, s := range d.Selections {
		r.State.Places[s.Server] = placesOf(s)
	}
	if len(d.Unplaced) > 0 {
		r.State.Details = eliminations(d.Considered, d.Eliminated)
		r.Note("%d of %d found a host; %s", len(d.Selections), len(ids), r.State.Details)
	}
	return nil
}

// claimAll claims what was chosen, and starts the operations that make the servers.
func (o *Ops) claimAll(ctx context.Context, tx store.Tx, r *placeRun) error {
	servers, err := unplaced(ctx, tx, r)
	if err != nil {
		return err
	}
	taken, err := o.takeAll(ctx, tx, r.State, servers)
	if err != nil {
		return err
	}
	now := o.Nova.Now()
	for _, id := range r.State.Servers {
		t, found := taken[id]
		if !found {
			continue
		}
		state := nova.CreateState{ServerID: id, Plan: r.State.Plan, Progress: nova.CreateProgress{Choice: &t.places[0], Alternates: t.places[1:], Claimed: true}}
		operation, err := o.Engine.Start(ctx, tx, saga.Intent{
			Kind: nova.KindCreate, Resource: saga.Resource{Type: nova.ServerResource, ID: id}, State: state, Caller: r.Caller, RequestID: r.RequestID,
		})
		if err != nil {
			return err
		}
		srv := servers[id]
		srv.OperationID, srv.TaskState, srv.UpdatedAt = &operation, "networking", now
		srv.Host, srv.Node, srv.AvailabilityZone = t.places[0].Host, t.places[0].Node, t.zone
		if err := db.UpdateServer(ctx, tx, srv, "operation_id", "task_state", "updated_at", "host", "node", "availability_zone"); err != nil {
			return err
		}
		if err := db.HandAction(ctx, tx, id, r.Operation.ID, operation); err != nil {
			return err
		}
	}
	return nil
}

// taken is what was claimed for a server: the first of places.
type taken struct {
	places []nova.Place
	zone   string
}

// takeAll claims places for servers: all of the first choices at once when nothing speaks against them, else one after the other.
func (o *Ops) takeAll(ctx context.Context, tx store.Tx, state *nova.PlaceState, servers map[string]*nova.Server) (map[string]taken, error) {
	out := map[string]taken{}
	zones := map[string]string{}
	var claims []placement.Claim
	grouped := false
	for id, places := range state.Places {
		srv, host := servers[id], places[0].Host
		if srv == nil {
			continue
		}
		zone, known := zones[host]
		if !known {
			var err error
			if zone, err = o.Nova.ZoneOf(ctx, tx, host); err != nil {
				return nil, err
			}
			zones[host] = zone
		}
		grouped = grouped || pinned(srv) || srv.ServerGroupID != nil || srv.PinnedZone != nil && *srv.PinnedZone != zone
		out[id] = taken{places, zone}
		claims = append(claims, claimOf(srv, places[0]))
	}
	if len(claims) == 0 {
		return out, nil
	}
	if !grouped {
		err := o.Nova.Placement.ClaimAll(ctx, tx, claims)
		if err == nil || !errors.Is(err, placement.ErrCapacity) {
			return out, err
		}
	}
	clear(out)
	for _, id := range state.Servers {
		srv, places := servers[id], state.Places[id]
		if srv == nil || places == nil {
			continue
		}
		places, zone, err := o.take(ctx, tx, srv, places)
		if err != nil {
			return nil, err
		}
		out[id] = taken{places, zone}
		// Those that follow see it in their group.
		if err := db.UpdateServer(ctx, tx, withHost(srv, places[0]), "host", "node"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pinned tells whether a server has a place or devices of its own on its host, which are found when it is claimed.
func pinned(srv *nova.Server) bool {
	g, err := nova.WishOf(srv.Flavor, srv.ImageID, srv.Image).Guest()
	return err != nil || g != nil || srv.Flavor.ExtraSpecs[hardware.PCIAliasSpec] != ""
}

func withHost(srv *nova.Server, p nova.Place) *nova.Server {
	srv.Host, srv.Node = p.Host, p.Node
	return srv
}

// noPlace ends the creation of servers that have not been handed on.
func (o *Ops) noPlace(ctx context.Context, tx store.Tx, r *placeRun, cause string) error {
	servers, err := unplaced(ctx, tx, r)
	if err != nil {
		return err
	}
	op := r.Operation
	op.Cause = cause
	for _, srv := range servers {
		srv.VMState, srv.PowerState, srv.Fault = nova.InError, int(driver.NoState), o.fault(op, r.State.Details)
		srv.OperationID, srv.TaskState, srv.UpdatedAt, srv.Requested.AdminPass = nil, "", o.Nova.Now(), ""
		if err := db.UpdateServer(ctx, tx, srv, "vm_state", "power_state", "fault", "operation_id", "task_state", "updated_at", "requested"); err != nil {
			return err
		}
		e := o.actionEvent(op, "conductor_schedule_and_build_instances", "", strings.TrimSpace(cause))
		if err := db.FinishActionOn(ctx, tx, op.ID, srv.ID, e); err != nil {
			return err
		}
	}
	return nil
}
