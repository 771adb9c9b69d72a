package ops_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/simulated"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store/storetest"
)

var operator = resttest.Personas["admin"]

// unhurried is a move that does not end by itself while a test looks at it, however busy the machine is.
const unhurried = time.Hour

// liveWorld has servers that take their time to move.
func liveWorld(t *testing.T, hosts int, move time.Duration) *world {
	t.Helper()
	w := newWorld(t, storetest.Either(t, novatest.Migrations...), hosts)
	for _, h := range w.Hosts {
		h.Delays.Move = move
	}
	w.Run()
	return w
}

func (w *world) live(srv *nova.Server, in nova.LiveRequest) error {
	return w.Nova.LiveMigrate(context.Background(), operator, srv.ID, in)
}

// lastMove is the server's youngest migration.
func (w *world) lastMove(srv *nova.Server) *nova.Migration {
	w.T.Helper()
	list, err := w.Nova.Migrations(context.Background(), nova.MigrationFilter{ServerID: srv.ID}, "")
	must(w.T, err)
	if len(list) == 0 {
		w.T.Fatal("there is no migration")
	}
	return list[0]
}

func (w *world) until(srv *nova.Server, status string) *nova.Migration {
	w.T.Helper()
	var m *nova.Migration
	novatest.Until(w.T, "the migration is "+status, func() bool {
		m = w.lastMove(srv)
		return m.Status == status
	})
	return m
}

// on fails unless the server runs on a host, with its port, and everything is as the database says.
func (w *world) on(srv *nova.Server, host string) *nova.Server {
	w.T.Helper()
	now := w.Settled(srv.ID)
	if now == nil || now.Host != host || now.VMState != nova.Active || now.TaskState != "" {
		w.T.Fatalf("server %+v, want on %s", now, host)
	}
	if s, err := w.Hosts[host].PowerState(context.Background(), srv.ID); err != nil || s != driver.Running {
		w.T.Errorf("on %s it is %v, %v", host, s, err)
	}
	if at := w.Network.HostOf(srv.ID); at != host || w.Network.Migrating() != 0 {
		w.T.Errorf("its port is on %q, %d ports are between hosts", at, w.Network.Migrating())
	}
	w.Clean(w.T)
	return now
}

func (w *world) other(host string) string {
	for name := range w.Hosts {
		if name != host {
			return name
		}
	}
	return ""
}

func TestLiveMigrationIsProved(t *testing.T) {
	prove := func(done, undone func(t *testing.T, w *world)) func(t *testing.T) *sagatest.World {
		return func(t *testing.T) *sagatest.World {
			make := proofOn(2, func(w *world) { w.settled("one") }, func(ctx context.Context, w *world) error {
				srv := w.Servers()[0]
				return w.Nova.LiveMigrate(ctx, operator, srv.ID, nova.LiveRequest{Host: w.other(srv.Host)})
			}, done, undone)
			return make(t)
		}
	}
	arrived := func(t *testing.T, w *world) {
		srv := w.Servers()[0]
		m := w.lastMove(srv)
		if m.Status != nova.MoveCompleted || m.DestCompute != srv.Host || m.SourceCompute == srv.Host {
			t.Errorf("migration %+v of a server on %s", m, srv.Host)
		}
		w.on(srv, m.DestCompute)
	}
	sagatest.Prove(t, nova.KindLive, prove(arrived, func(t *testing.T, w *world) {
		// Unwound, it stays where it was; but once it runs on the destination, that is where it is.
		srv := w.Servers()[0]
		m := w.lastMove(srv)
		if srv.Host == m.DestCompute {
			arrived(t, w)
			return
		}
		if m.Status != nova.MoveError && m.Status != nova.MoveFailed && m.Status != nova.MoveCancelled {
			t.Errorf("migration is %s", m.Status)
		}
		w.on(srv, m.SourceCompute)
	}))
}

func TestLiveMigrationWithProgressAndForce(t *testing.T) {
	w := liveWorld(t, 2, unhurried)
	srv := w.settled("one")
	from, to := srv.Host, w.other(srv.Host)
	disk := w.Hosts[from].DiskOf(srv.ID)
	must(t, w.live(srv, nova.LiveRequest{}))
	m := w.moving(srv)
	if now, err := w.Nova.ServerFor(t.Context(), operator, srv.ID); err != nil || nova.Status(now.VMState, now.TaskState) != "MIGRATING" || now.Host != from {
		t.Errorf("meanwhile: %+v, %v", now, err)
	}
	// Nothing else may be done to it meanwhile.
	if err := w.Nova.Power(t.Context(), w.caller, srv.ID, nova.ActStop, ""); !conflict(err) {
		t.Errorf("stop: %v", err)
	}
	if err := w.live(srv, nova.LiveRequest{}); !conflict(err) {
		t.Errorf("a second move: %v", err)
	}
	must(t, w.Nova.ForceLive(t.Context(), operator, srv.ID, fmt.Sprint(m.ID)))
	w.on(srv, to)
	if m = w.lastMove(srv); m.Status != nova.MoveCompleted || *m.MemoryRemaining != 0 {
		t.Errorf("migration %+v", m)
	}
	if now := w.Hosts[to].DiskOf(srv.ID); now != disk {
		t.Errorf("the disk is %q, was %q", now, disk)
	}
	if err := w.Nova.ForceLive(t.Context(), operator, srv.ID, fmt.Sprint(m.ID)); !conflict(err) {
		t.Errorf("force after the end: %v", err)
	}
}

// moving waits until a server is on its way.
func (w *world) moving(srv *nova.Server) *nova.Migration {
	w.T.Helper()
	var m *nova.Migration
	novatest.Until(w.T, "progress is seen", func() bool {
		m = w.lastMove(srv)
		return m.MemoryTotal != nil && *m.MemoryTotal == 512<<20 && *m.MemoryRemaining > 0 && *m.DiskTotal > 0
	})
	return m
}

func conflict(err error) bool {
	var e *rest.Error
	return errors.As(err, &e) && e.Status == 409
}

func TestLiveMigrationOnSharedStorage(t *testing.T) {
	w := newWorld(t, storetest.Either(t, novatest.Migrations...), 0)
	w.Storage = &simulated.Storage{}
	w.AddHost("host-1")
	w.AddHost("host-2")
	w.Run()
	srv := w.settled("one")
	yes, no := true, false
	if err := w.live(srv, nova.LiveRequest{Block: &yes, Host: w.other(srv.Host), Wait: true}); !refusedSaying(err, srv.Host+" is not on local storage: Block migration can not be used with shared storage.") {
		t.Errorf("block migration: %v", err)
	}
	if m := w.until(srv, nova.MoveError); m.DestCompute != "" {
		t.Errorf("refused migration %+v", m)
	}
	w.on(srv, srv.Host)
	must(t, w.live(srv, nova.LiveRequest{Block: &no, Wait: true}))
	w.on(srv, w.other(srv.Host))
}

func refusedSaying(err error, text string) bool {
	var e *rest.Error
	return errors.As(err, &e) && e.Status == 400 && e.Message == text
}

func TestLiveMigrationAborted(t *testing.T) {
	w := liveWorld(t, 2, unhurried)
	one := w.settled("one")
	from := one.Host
	two, err := w.Nova.CreateServers(t.Context(), operator, onHost(from))
	must(t, err)
	second := w.Settled(two[0].ID)
	must(t, w.live(one, nova.LiveRequest{}))
	m := w.until(one, nova.MoveRunning)
	// One at a time: the second waits for its turn, and can be ended before it has come.
	must(t, w.live(second, nova.LiveRequest{}))
	queued := w.until(second, nova.MoveQueued)
	if err := w.Nova.AbortLive(t.Context(), operator, second.ID, fmt.Sprint(queued.ID), false); !refusedSaying(err,
		fmt.Sprintf("Migration %d state of instance %s is queued. Cannot abort live migration while the migration is in this state.", queued.ID, second.ID)) {
		t.Errorf("abort in the queue before 2.65: %v", err)
	}
	if err := w.Nova.AbortLive(t.Context(), operator, second.ID, fmt.Sprint(m.ID), true); !rest.IsNotFound(err) {
		t.Errorf("abort of another server's: %v", err)
	}
	must(t, w.Nova.AbortLive(t.Context(), operator, second.ID, fmt.Sprint(queued.ID), true))
	w.until(second, nova.MoveCancelled)
	w.Settled(second.ID)
	must(t, w.Nova.AbortLive(t.Context(), operator, one.ID, fmt.Sprint(m.ID), false))
	w.until(one, nova.MoveCancelled)
	w.on(one, from)
	w.on(second, from)
}

func onHost(host string) nova.CreateRequest {
	return nova.CreateRequest{
		Name: "second", FlavorID: "1", ImageID: novatest.ImageID, Min: 1, Max: 1, DiskConfig: "MANUAL", Host: host,
	}
}

func TestLiveMigrationRefused(t *testing.T) {
	w := liveWorld(t, 2, 0)
	srv := w.settled("one")
	to := w.other(srv.Host)
	yes, no := true, false
	check := func(what string, in nova.LiveRequest, text string) {
		t.Helper()
		in.Wait = true
		if err := w.live(srv, in); !refusedSaying(err, text) {
			t.Errorf("%s: %v", what, err)
		}
		w.on(srv, srv.Host)
	}
	check("unknown host", nova.LiveRequest{Host: "nowhere"}, "Compute host nowhere could not be found.")
	check("unknown host, forced", nova.LiveRequest{Host: "nowhere", Force: true}, "Compute service of nowhere is unavailable at this time.")
	check("the same host", nova.LiveRequest{Host: srv.Host}, "Unable to migrate instance ("+srv.ID+") to current host ("+srv.Host+").")
	check("no shared storage", nova.LiveRequest{Host: to, Block: &no},
		srv.Host+" is not on shared storage: Shared storage live-migration requires either shared storage or boot-from-volume with no local disks.")
	_, _, err := w.Nova.UpdateService(t.Context(), "", nova.BinaryCompute, to, nova.ServiceUpdate{Disabled: &yes})
	must(t, err)
	check("a disabled host", nova.LiveRequest{Host: to}, "No valid host was found. There are not enough hosts available.")
	if status := w.lastMove(srv).Status; status != nova.MoveError {
		t.Errorf("a refused move is %s", status)
	}
	check("none left", nova.LiveRequest{}, "No valid host was found. There are not enough hosts available.")
	// Forced, the scheduler is not asked.
	must(t, w.live(srv, nova.LiveRequest{Host: to, Force: true, Wait: true}))
	srv = w.on(srv, to)
	to = w.other(to)
	_, _, err = w.Nova.UpdateService(t.Context(), "", nova.BinaryCompute, to, nova.ServiceUpdate{ForcedDown: &yes})
	must(t, err)
	check("a host that is down", nova.LiveRequest{Host: to}, "Compute service of "+to+" is unavailable at this time.")
	_, _, err = w.Nova.UpdateService(t.Context(), "", nova.BinaryCompute, to, nova.ServiceUpdate{ForcedDown: &no})
	must(t, err)
	must(t, w.Nova.Power(t.Context(), w.caller, srv.ID, nova.ActStop, ""))
	w.Settled(srv.ID)
	if err := w.live(srv, nova.LiveRequest{}); !conflict(err) {
		t.Errorf("a stopped server: %v", err)
	}
}

// Where nobody fits, nobody moves; and who takes the scheduler's place must fit all the same.
func TestLiveMigrationToAFullHost(t *testing.T) {
	w := liveWorld(t, 2, 0)
	srv := w.settled("one")
	to := w.other(srv.Host)
	must(t, w.Nova.SetQuotas(t.Context(), operator.ProjectID, "", nova.Limits{"ram": -1}, true))
	must(t, w.Nova.CreateFlavor(t.Context(), operator, &nova.Flavor{ID: "fat", Name: "fat", MemoryMB: 256<<10 - 600, VCPUs: 1, RootGB: 1, IsPublic: true}))
	in := onHost(to)
	in.FlavorID = "fat"
	made, err := w.Nova.CreateServers(t.Context(), operator, in)
	must(t, err)
	if now := w.Settled(made[0].ID); now.Host != to {
		t.Fatalf("%s on %q", now.VMState, now.Host)
	}
	none := "No valid host was found. There are not enough hosts available."
	for _, in := range []nova.LiveRequest{{Host: to, Wait: true}, {Wait: true}} {
		if err := w.live(srv, in); !refusedSaying(err, none) {
			t.Errorf("%+v: %v", in, err)
		}
		w.on(srv, srv.Host)
	}
	err = w.live(srv, nova.LiveRequest{Host: to, Force: true, Wait: true})
	var e *rest.Error
	if !errors.As(err, &e) || e.Status != 400 || !strings.HasPrefix(e.Message, "Migration pre-check error: Unable to migrate "+srv.ID+" to "+to+": Lack of memory(host:") {
		t.Errorf("forced: %v", err)
	}
	w.on(srv, srv.Host)
	must(t, w.Nova.Delete(t.Context(), operator, made[0].ID))
	w.Settled(made[0].ID)
	must(t, w.live(srv, nova.LiveRequest{Host: to, Wait: true}))
	w.on(srv, to)
}

// A lock holds for everybody but administrators, also on what has begun.
func TestLiveMigrationOfALockedServer(t *testing.T) {
	w := liveWorld(t, 2, unhurried)
	srv := w.settled("one")
	manager := resttest.Personas["manager"]
	must(t, w.Nova.Lock(t.Context(), w.caller, srv.ID, nil))
	locked := func(what string, err error) {
		t.Helper()
		var e *rest.Error
		if !errors.As(err, &e) || e.Status != 409 || e.Message != "Instance "+srv.ID+" is locked" {
			t.Errorf("%s: %v", what, err)
		}
	}
	locked("move", w.Nova.LiveMigrate(t.Context(), manager, srv.ID, nova.LiveRequest{}))
	must(t, w.live(srv, nova.LiveRequest{}))
	number := fmt.Sprint(w.until(srv, nova.MoveRunning).ID)
	locked("force", w.Nova.ForceLive(t.Context(), manager, srv.ID, number))
	locked("abort", w.Nova.AbortLive(t.Context(), manager, srv.ID, number, true))
	must(t, w.Nova.AbortLive(t.Context(), operator, srv.ID, number, true))
	w.until(srv, nova.MoveCancelled)
	w.on(srv, srv.Host)
}

// live_migration_timeout_action
func TestLiveMigrationThatTakesTooLong(t *testing.T) {
	w := liveWorld(t, 2, unhurried)
	w.Nova.Config.Live.CompletionTimeout = 200 * time.Millisecond
	srv := w.settled("one")
	must(t, w.live(srv, nova.LiveRequest{}))
	w.until(srv, nova.MoveCancelled)
	if now := w.on(srv, srv.Host); now.Fault == nil || now.Fault.Details != "Live migration failed: it took too long" {
		t.Errorf("fault %+v", now.Fault)
	}
	w.Nova.Config.Live.ForceComplete = true
	must(t, w.live(srv, nova.LiveRequest{}))
	w.until(srv, nova.MoveCompleted)
	srv = w.on(srv, w.other(srv.Host))
	if srv.Fault != nil {
		t.Errorf("fault %+v", srv.Fault)
	}
	// Below 0 there is no end: it goes on until somebody says so.
	w.Nova.Config.Live.CompletionTimeout = -1
	must(t, w.live(srv, nova.LiveRequest{}))
	m := w.moving(srv)
	must(t, w.Nova.ForceLive(t.Context(), operator, srv.ID, fmt.Sprint(m.ID)))
	w.on(srv, w.other(srv.Host))
}

// The source's agent loses all it knew of the move, or the destination gives up: the guest goes on where it was.
func TestLiveMigrationOutlivesItsAgents(t *testing.T) {
	w := liveWorld(t, 2, unhurried)
	srv := w.settled("one")
	from, to := srv.Host, w.other(srv.Host)
	must(t, w.live(srv, nova.LiveRequest{}))
	w.moving(srv)
	w.Agents[from].Stop()
	must(t, w.Hosts[from].LiveForget(t.Context(), srv.ID))
	w.StartAgent(from)
	w.until(srv, nova.MoveFailed)
	w.on(srv, from)

	// It arrives while nobody looks: the hosts say so afterwards.
	must(t, w.live(srv, nova.LiveRequest{}))
	w.moving(srv)
	w.Agents[from].Stop()
	must(t, w.Hosts[from].LiveForce(t.Context(), srv.ID))
	novatest.Until(t, "it is on the other host", func() bool {
		s, err := w.Hosts[to].PowerState(t.Context(), srv.ID)
		return err == nil && s == driver.Running
	})
	w.StartAgent(from)
	w.until(srv, nova.MoveCompleted)
	w.on(srv, to)
}

// Deletion beats a move, wherever it is.
func TestDeleteWhileMigrating(t *testing.T) {
	w := liveWorld(t, 2, unhurried)
	srv := w.settled("one")
	must(t, w.live(srv, nova.LiveRequest{}))
	w.until(srv, nova.MoveRunning)
	must(t, w.Nova.Delete(t.Context(), w.caller, srv.ID))
	if w.Settled(srv.ID) != nil {
		t.Error("it lives")
	}
	list, err := db.ListMigrations(t.Context(), w.DB.Read(t.Context()), nova.MigrationFilter{ServerID: srv.ID})
	if err != nil || len(list) != 1 || list[0].Status != nova.MoveCancelled {
		t.Errorf("migrations %+v, %v", list, err)
	}
	w.Clean(t)
}
