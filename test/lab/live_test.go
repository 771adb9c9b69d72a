package lab_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// ticks are numbers that come over a connection, one after the other.
type ticks struct {
	mu      sync.Mutex
	part    string
	count   int
	bad     string
	last    time.Time
	silence time.Duration
}

// Write implements io.Writer.
func (k *ticks) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); k.last.IsZero() {
		k.last = now
	} else {
		k.silence, k.last = max(k.silence, now.Sub(k.last)), now
	}
	k.part += string(p)
	for {
		line, rest, whole := strings.Cut(k.part, "\n")
		if !whole {
			return len(p), nil
		}
		if n, err := strconv.Atoi(strings.TrimSpace(line)); k.bad == "" && (err != nil || n != k.count+1) {
			k.bad = fmt.Sprintf("%q after %d", line, k.count)
		}
		k.count++
		k.part = rest
	}
}

// live moves a running server to a host. The SSH connection that was there before is there afterwards: a counter that runs on it misses
// nothing.
func (w *walk) live(g *guest, shell *ssh.Client, host string) {
	w.Helper()
	session, err := shell.NewSession()
	w.must(err)
	defer session.Close()
	var out ticks
	session.Stdout = &out
	w.must(session.Start("i=0; while [ $i -lt 1200 ]; do i=$((i+1)); echo $i; usleep 100000; done"))
	begin := time.Now()
	w.do(http.MethodPost, "/compute/v2.1/servers/"+g.id+"/action", map[string]any{"os-migrateLive": map[string]any{"host": host, "block_migration": "auto"}})
	w.await(g, "ACTIVE")
	took := time.Since(begin).Round(time.Millisecond)
	why := w.lab.Why(w.Context(), g.id)
	if g.host != host {
		w.Fatalf("server %s is on %s, not on %s\n%s", g.name, g.host, host, why)
	}
	if _, err := says(shell, "true"); err != nil {
		w.Fatalf("the connection did not survive: %v\n%s", err, why)
	}
	w.must(session.Close())
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.bad != "" || out.count == 0 {
		w.Fatalf("%d numbers came over the connection; %s", out.count, out.bad)
	}
	var list struct {
		Migrations []struct{ Status, Dest_Compute string } //nolint:revive // the API's name
	}
	w.into(&list, http.MethodGet, "/compute/v2.1/os-migrations?instance_uuid="+g.id, nil)
	if len(list.Migrations) == 0 || list.Migrations[0].Status != "completed" {
		w.Errorf("migrations %+v", list.Migrations)
	}
	paused := ""
	for line := range strings.Lines(why) {
		if i := strings.Index(line, "took "); i > 0 {
			paused = strings.TrimSpace(line[i:])
		}
	}
	w.tell("live to %s within %s (%s); the connection goes on, silent for %s", host, took, paused, out.silence.Round(time.Millisecond))
}

// moves sends a server to another host and back while a connection is open, and finds everything as it was.
func (w *walk) moves(g *guest, shell *ssh.Client, there, back string, others ...*guest) {
	w.Helper()
	w.live(g, shell, there)
	// Its floating IP leads to the new host, its own metadata service and the other guests are reached from there.
	fresh := w.mustShell(g)
	if out, err := says(fresh, "wget -q -O - http://169.254.169.254/latest/meta-data/hostname"); err != nil || out != g.name+".novalocal" {
		w.Errorf("after the move metadata says %q, %v", out, err)
	}
	for _, o := range others {
		if _, err := says(shell, "ping -c 3 -W 10 "+o.fixed); err != nil {
			w.Errorf("after the move %s is not reached: %v", o.name, err)
		}
	}
	w.screen(g)
	w.live(g, shell, back)
	w.clean()
}
