package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/scheduler"
	"gostack/internal/placement"
	"gostack/internal/rest"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// What the operations have in common that bring a server to another host while it is off: resize, cold migration, evacuation.

// mover is one such operation on its way.
type mover struct {
	o         *Ops
	op        saga.Operation
	server    string
	migration string
	source    nova.Site
	p         *nova.MoveProgress
	flavor    *nova.MovedFlavor // what the server becomes; nil: what it is
}

// pick chooses a host, or the next alternate.
func (m *mover) pick(ctx context.Context, w nova.Placing, note func(format string, args ...any)) error {
	p, o := m.p, m.o
	if len(p.Tried) >= o.Scheduler.Attempts() {
		p.Details = "hosts that failed: " + strings.Join(p.Tried, ", ") + "; last: " + p.LastError
		note("%s", p.Details)
		return saga.Permanent(exhausted(m.server))
	}
	left := slices.DeleteFunc(slices.Clone(p.Alternates), func(a nova.Place) bool { return slices.Contains(p.Tried, a.Host) })
	if len(left) == 0 || m.op.Attempt > 1 {
		stale, err := o.leftBehind(ctx, m.server)
		if err != nil {
			return err
		}
		w.Ignore, w.Moving, w.Fresh = slices.Concat(w.Ignore, p.Tried, stale), true, true
		left, err = o.Choose(ctx, w)
		var none *scheduler.NoValidHostError
		if errors.As(err, &none) {
			p.Details = eliminations(none.Considered, none.Eliminated)
			note("%s", p.Details)
			return saga.Permanent(err)
		}
		if err != nil {
			return err
		}
	}
	p.Choice, p.Alternates = &left[0], left[1:]
	return nil
}

// leftBehind are the hosts that have not given up a server yet which was evacuated from them: it must not come back there before.
func (o *Ops) leftBehind(ctx context.Context, server string) (hosts []string, err error) {
	list, err := db.ListMigrations(ctx, o.Nova.DB.Read(ctx), nova.MigrationFilter{ServerID: server, Type: nova.TypeEvacuation, Statuses: []string{nova.MoveDone}})
	for _, m := range list {
		hosts = append(hosts, m.SourceCompute)
	}
	return hosts, err
}

// claim gives the migration what the server has on its source, and the server what it takes from the chosen host, or from the next alternate
// when that has gone meanwhile.
func (m *mover) claim(ctx context.Context, tx store.Tx, status string, allowed func(host string) bool) error {
	o, p := m.o, m.p
	srv, err := db.GetServer(ctx, tx, m.server)
	if store.IsNotFound(err) {
		return gone(nil)
	}
	if err != nil {
		return err
	}
	fits, err := o.Nova.GroupAllows(ctx, tx, srv)
	if err != nil {
		return err
	}
	if _, err := o.Nova.Placement.Move(ctx, tx, m.server, m.migration, placement.ConsumerMigration); err != nil {
		return err
	}
	for {
		var err error
		if p.Zone, err = o.Nova.ZoneOf(ctx, tx, p.Choice.Host); err != nil {
			return err
		}
		err = errTaken
		if fits(p.Choice.Host) && (allowed == nil || allowed(p.Choice.Host)) && (srv.PinnedZone == nil || *srv.PinnedZone == p.Zone) {
			flavor := srv.Flavor
			if m.flavor != nil {
				flavor = m.flavor.Flavor
			}
			err = o.Nova.ClaimOn(ctx, tx, srv, flavor, p.Choice.Host, placement.Claim{Consumer: m.server, Project: srv.ProjectID, User: srv.UserID, Allocations: p.Choice.Allocations})
		}
		if err == nil {
			break
		}
		if !errors.Is(err, errTaken) && !errors.Is(err, placement.ErrCapacity) || len(p.Alternates) == 0 {
			return err
		}
		p.Choice, p.Alternates = &p.Alternates[0], p.Alternates[1:]
	}
	node, err := db.GetComputeNodeOf(ctx, tx, p.Choice.Host)
	if err != nil && !store.IsNotFound(err) {
		return err
	}
	columns := map[string]any{"dest_compute": p.Choice.Host, "dest_node": p.Choice.Node, "status": status}
	if err == nil {
		columns["dest_host"] = node.Info.HostIP
	}
	if source, err := db.GetComputeNodeOf(ctx, tx, m.source.Host); err == nil {
		p.Address = source.Info.LinkAddress
	} else if !store.IsNotFound(err) {
		return err
	}
	return db.SetMigration(ctx, tx, m.migration, o.Nova.Now(), columns)
}

// unclaim gives the server back what it had.
func (m *mover) unclaim(ctx context.Context, tx store.Tx) error {
	return m.o.giveBack(ctx, tx, m.server, m.migration)
}

// giveBack gives a server what its migration has held, in place of what it has on a destination. Done before, it does nothing.
func (o *Ops) giveBack(ctx context.Context, tx store.Tx, server, migration string) error {
	_, err := o.Nova.Placement.Move(ctx, tx, migration, server, placement.ConsumerInstance)
	return err
}

func (m *mover) host() string {
	if m.p.Choice == nil {
		return ""
	}
	return m.p.Choice.Host
}

// onChosen makes a call to the chosen host; a host that cannot do it is noted and another one is picked.
func (m *mover) onChosen(ctx context.Context, method string, args any) error {
	err := m.o.call(ctx, m.op.Attempt, m.host(), method, args)
	if e := (elsewhere{}); errors.As(err, &e) {
		m.p.Tried, m.p.LastError = append(m.p.Tried, m.host()), e.Error()
		return saga.Rewind("pick host", e.error)
	}
	return err
}

// fetchImages brings what the server's disk stands on to the chosen host. When the image service has it no more, a disk that comes from
// another host must stand alone.
func (m *mover) fetchImages(ctx context.Context, srv *nova.Server) error {
	if srv.ImageID == "" {
		return nil
	}
	if m.host() == m.source.Host {
		return nil
	}
	_, err := m.o.Nova.Images.Image(ctx, nil, srv.ImageID)
	if rest.IsNotFound(err) {
		m.p.Alone = true
		return nil
	}
	if err != nil {
		return err
	}
	return m.onChosen(ctx, rpc.EnsureImage, guestImage(srv))
}

// bind moves the server's ports to a host.
func (o *Ops) bind(ctx context.Context, server, host string) ([]string, error) {
	ports, err := o.Nova.Network.PortsOf(ctx, []string{server})
	if err != nil || len(ports[server]) == 0 {
		return nil, err
	}
	ids := portIDs(ports[server])
	_, err = o.Nova.Network.BindPorts(ctx, ids, host)
	return ids, refused(err)
}

// awaitAll waits until ports are up.
func (o *Ops) awaitAll(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	ready, err := o.Nova.Network.PortsReady(ctx, ids)
	if err == nil && !ready {
		err = saga.Wait(100*time.Millisecond, "the ports are not up yet")
	}
	return err
}

// event notes a piece of a move among the events of the user's action.
func (o *Ops) event(ctx context.Context, tx store.Tx, op saga.Operation, name, host string) error {
	now, result := o.Nova.Now(), "Success"
	return db.AddActionEvent(ctx, tx, op.ID, &nova.ActionEvent{Event: name, Host: host, StartedAt: now, FinishedAt: &now, Result: &result})
}

// callOn makes a call to a host that must do it, nobody else can: it is tried until the step's deadline.
func (o *Ops) callOn(ctx context.Context, host, method string, args any) error {
	err := o.Nova.Hosts.Call(ctx, host, method, args, nil)
	if err == nil || errors.Is(err, driver.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%s on %s: %w", method, host, err)
}
