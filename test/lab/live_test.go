package lab_test

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// live moves a running server to a host. The SSH connection that was there before is there afterwards: a counter that runs on it misses
// nothing.
func (w *walk) live(g *guest, shell *ssh.Client, host string) {
	w.Helper()
	session, err := shell.NewSession()
	w.must(err)
	defer session.Close()
	var out strings.Builder
	session.Stdout = &out
	w.must(session.Start("i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo $i; usleep 100000; done"))
	begin := time.Now()
	w.do(http.MethodPost, "/compute/v2.1/servers/"+g.id+"/action", map[string]any{"os-migrateLive": map[string]any{"host": host, "block_migration": "auto"}})
	w.await(g, "ACTIVE")
	took := time.Since(begin).Round(time.Millisecond)
	if g.host != host {
		w.Fatalf("server %s is on %s, not on %s\n%s", g.name, g.host, host, w.lab.Why(w.Context(), g.id))
	}
	if _, err := says(shell, "true"); err != nil {
		w.Fatalf("the connection did not survive: %v", err)
	}
	w.must(session.Close())
	count := 0
	for line := range strings.Lines(out.String()) {
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err != nil || n != count+1 {
			w.Fatalf("over the connection came %q after %d", line, count)
		}
		count++
	}
	var list struct {
		Migrations []struct{ Status, Dest_Compute string } //nolint:revive // the API's name
	}
	w.into(&list, http.MethodGet, "/compute/v2.1/os-migrations?instance_uuid="+g.id, nil)
	if len(list.Migrations) == 0 || list.Migrations[0].Status != "completed" {
		w.Errorf("migrations %+v", list.Migrations)
	}
	w.tell("live to %s within %s, the connection goes on (%d ticks)", host, took, count)
	w.Logf("%s\n", w.lab.Why(w.Context(), g.id))
}
