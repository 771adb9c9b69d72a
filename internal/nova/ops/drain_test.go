package ops_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
	"gostack/internal/policy"
	"gostack/internal/store/storetest"
)

// drained drains a host and returns what was told.
func (w *world) drained(t *testing.T, d nova.Drain) (string, error) {
	t.Helper()
	var told []string
	d.Poll, d.Say = 10*time.Millisecond, func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	disabled := true
	_, _, err := w.Nova.UpdateService(t.Context(), "", nova.BinaryCompute, d.Host, nova.ServiceUpdate{Disabled: &disabled})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	err = w.Nova.Drain(ctx, d)
	return strings.Join(told, "\n"), err
}

func TestDrainMovesEveryServer(t *testing.T) {
	each(t, 3, func(t *testing.T, w *world) {
		ctx := t.Context()
		var all []*nova.Server
		for i := range 6 {
			all = append(all, w.settled(fmt.Sprint("s", i)))
		}
		host := all[0].Host
		must(t, w.Nova.Power(ctx, w.caller, all[0].ID, nova.ActStop, ""))
		w.Settled(all[0].ID)
		told, err := w.drained(t, nova.Drain{Host: host})
		if err != nil {
			t.Fatalf("%v\n%s", err, told)
		}
		for _, srv := range all {
			now := w.Settled(srv.ID)
			want := nova.Active
			if srv.ID == all[0].ID {
				want = nova.Stopped
			}
			if now.Host == host || now.VMState != want {
				t.Errorf("%s is %s on %s", now.Name, now.VMState, now.Host)
			}
			if srv.Host == host && !strings.Contains(told, srv.ID+") is on "+now.Host) {
				t.Errorf("of %s was told:\n%s", srv.Name, told)
			}
		}
		guests, err := w.Hosts[host].List(ctx)
		if err != nil || len(guests) != 0 {
			t.Errorf("left on the host: %+v %v", guests, err)
		}
		if moves, err := w.Nova.MovesOf(ctx, host); err != nil || len(moves) != 0 {
			t.Errorf("moves that are not over: %+v %v", moves, err)
		}
		w.Clean(t)
		// Again is nothing to do.
		if told, err := w.drained(t, nova.Drain{Host: host}); err != nil || !strings.HasPrefix(told, "0 servers") {
			t.Errorf("%v %s", err, told)
		}
	})
}

// What cannot move is named, and the rest moves all the same.
func TestDrainNamesWhatStays(t *testing.T) {
	once(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		paused := w.settled("paused")
		host := paused.Host
		must(t, w.Nova.Power(ctx, w.caller, paused.ID, nova.ActPause, ""))
		w.Settled(paused.ID)
		var mine *nova.Server
		for i := 0; mine == nil; i++ {
			if srv := w.settled(fmt.Sprint("s", i)); srv.Host == host {
				mine = srv
			}
		}
		told, err := w.drained(t, nova.Drain{Host: host})
		if !errors.Is(err, nova.ErrDrained) || !strings.Contains(told, paused.ID+") stays") || w.Settled(mine.ID).Host == host {
			t.Errorf("%v\n%s", err, told)
		}
		if now := w.Settled(paused.ID); now.Host != host || now.VMState != nova.Paused {
			t.Errorf("the paused server is %s on %s", now.VMState, now.Host)
		}
	})
}

// A server that cannot move live stays, or moves cold when that is wanted.
func TestDrainFallsBack(t *testing.T) {
	once(t, func(t *testing.T, w *world) {
		srv := w.settled("s")
		fails := func(context.Context, *policy.Caller, string) error { return errors.New("no common processor") }
		told, err := w.drained(t, nova.Drain{Host: srv.Host, Live: fails})
		if !errors.Is(err, nova.ErrDrained) || !strings.Contains(told, "no common processor") {
			t.Errorf("%v\n%s", err, told)
		}
		told, err = w.drained(t, nova.Drain{Host: srv.Host, Live: fails, Cold: true})
		if now := w.Settled(srv.ID); err != nil || now.Host == srv.Host || now.VMState != nova.Active || now.PowerState != int(driver.Running) {
			t.Errorf("%v %+v\n%s", err, now, told)
		}
	})
}

// A drain that was interrupted goes on where it was; a move of a user is the user's to end.
func TestDrainGoesOn(t *testing.T) {
	once(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("s")
		must(t, w.Nova.Migrate(ctx, policy.Internal(), srv.ID, ""))
		if w.Settled(srv.ID).VMState != nova.Resized {
			t.Fatal("not moved")
		}
		if told, err := w.drained(t, nova.Drain{Host: srv.Host}); err != nil {
			t.Errorf("%v\n%s", err, told)
		}
		if now := w.Settled(srv.ID); now.VMState != nova.Active {
			t.Errorf("the server is %s", now.VMState)
		}
	})
	once(t, func(t *testing.T, w *world) {
		srv := w.settled("s")
		must(t, w.Nova.Migrate(t.Context(), w.caller, srv.ID, ""))
		w.Settled(srv.ID)
		told, err := w.drained(t, nova.Drain{Host: srv.Host})
		if !errors.Is(err, nova.ErrDrained) || !strings.Contains(told, "may still revert") {
			t.Errorf("%v\n%s", err, told)
		}
		if now := w.Settled(srv.ID); now.VMState != nova.Resized {
			t.Errorf("the server is %s", now.VMState)
		}
	})
}

// once runs a story on SQLite with two hosts.
func once(t *testing.T, fn func(t *testing.T, w *world)) {
	w := newWorld(t, storetest.Either(t, novatest.Migrations...), 2)
	w.Run()
	fn(t, w)
}
