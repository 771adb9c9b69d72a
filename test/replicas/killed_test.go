package replicas

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gostack/internal/app"
	"gostack/internal/saga"
)

// seed is GOSTACK_SEED, or a new one, and printed: the same seed kills at the same places.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	n := rand.Uint64()
	if s := os.Getenv("GOSTACK_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("GOSTACK_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0)) //nolint:gosec // a test's choice of places
}

// TestReplicasDie runs the whole story on one cloud: one replica is killed at step boundaries and the other goes on; both are killed at once; the database is restarted
// under load. At the end database, hosts and network agree.
func TestReplicasDie(t *testing.T) {
	if testing.Short() {
		t.Skip("long: starts PostgreSQL, RabbitMQ and three processes")
	}
	rnd := seed(t)
	c := newCloud(t)
	one, two := c.controls[0], c.controls[1]

	// A walk that is not disturbed tells which boundaries there are, and that either replica sees what the other does.
	one.kill()
	places := filepath.Join(one.dir, "places")
	one.start("GOSTACK_FAULTPOINT_LIST=" + places)
	one.ready()
	code, scout := c.boot(one, "scout")
	if code != http.StatusAccepted {
		t.Fatalf("boot: %d", code)
	}
	c.await(two, scout, "ACTIVE")
	if code, _ := c.send(one, http.MethodDelete, "/compute/v2.1/servers/"+scout, nil); code != http.StatusNoContent {
		t.Fatalf("delete: %d", code)
	}
	c.await(two, scout, "gone")
	b, err := os.ReadFile(places)
	if err != nil {
		t.Fatal(err)
	}
	var boundaries []string
	for _, place := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(place, "saga:nova.server.create:") {
			boundaries = append(boundaries, place)
		}
	}
	if len(boundaries) < 10 {
		t.Fatalf("only %d boundaries: %v", len(boundaries), boundaries)
	}

	// One dies there, the other goes on within seconds.
	rescued, died := 0, 0
	for i := range 5 {
		place := boundaries[rnd.IntN(len(boundaries))]
		one.kill()
		one.start("GOSTACK_FAULTPOINT=" + place)
		one.ready()
		name := fmt.Sprintf("victim-%d", i)
		_, server := c.boot(one, name)
		deadline := time.Now().Add(2 * time.Minute)
		for one.runs() && time.Now().Before(deadline) && (server == "" || c.status(two, server) != "ACTIVE") {
			time.Sleep(10 * time.Millisecond)
		}
		at := time.Now()
		if server == "" {
			if server = c.find(two, name); server == "" {
				t.Errorf("%s: the server is lost", place)
				continue
			}
		}
		c.await(two, server, "ACTIVE")
		t.Logf("killed at %s: ACTIVE %s later", place, time.Since(at).Round(time.Millisecond))
		workers := workersOf(two.why(server))
		if workers["control-1"] && workers["control-2"] {
			rescued++
		}
		if !one.runs() {
			died++
		}
		// The other is asked: at the last boundary a server is ACTIVE before its killer strikes.
		if code, _ := c.send(two, http.MethodDelete, "/compute/v2.1/servers/"+server, nil); code != http.StatusNoContent {
			t.Errorf("delete: %d", code)
		}
		c.await(two, server, "gone")
	}
	one.kill()
	one.start()
	one.ready()
	if died == 0 || rescued == 0 {
		t.Errorf("%d deaths, %d operations that both replicas worked on: nothing was proved", died, rescued)
	}

	// Both die in the middle of much work.
	var servers []string
	for i := range 8 {
		if code, server := c.boot(c.controls[i%2], fmt.Sprintf("both-%d", i)); code == http.StatusAccepted {
			servers = append(servers, server)
		}
	}
	time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond) // anywhere in that work
	one.kill()
	two.kill()
	one.start()
	two.start()
	one.ready()
	two.ready()
	for _, server := range servers {
		c.await(one, server, "ACTIVE")
	}

	// PostgreSQL is restarted under load: requests wait or are refused as unavailable, and what was accepted comes.
	var mu sync.Mutex
	answers := map[int]int{}
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			for i := range 5 {
				code, server := c.boot(c.controls[w%2], fmt.Sprintf("load-%d-%d", w, i))
				mu.Lock()
				answers[code]++
				if code == http.StatusAccepted {
					servers = append(servers, server)
				}
				mu.Unlock()
			}
		})
	}
	c.pg.Stop()
	c.pg.Start()
	work.Wait()
	for code := range answers {
		if code != http.StatusAccepted && code != http.StatusServiceUnavailable {
			t.Errorf("while the database was restarted requests were answered %v", answers)
			break
		}
	}
	t.Logf("answers during the restart: %v", answers)
	for _, p := range c.controls {
		p.ready()
	}
	for _, server := range servers {
		c.await(two, server, "ACTIVE")
	}
	c.clean()
	for i, server := range servers {
		if code, _ := c.send(c.controls[i%2], http.MethodDelete, "/compute/v2.1/servers/"+server, nil); code != http.StatusNoContent {
			t.Errorf("delete: %d", code)
		}
	}
	// What a commit of unknown outcome has made although its client was told 503 is found and deleted like anything else.
	for _, server := range c.list(one) {
		c.send(one, http.MethodDelete, "/compute/v2.1/servers/"+server, nil)
	}
	one.eventually("all servers are gone", func() bool { return len(c.list(one)) == 0 })
	c.clean()

	// What the killed ones led is free when their leases end.
	var status app.StatusReport
	one.eventually("two replicas live, lead, and nothing is left to do", func() bool {
		status = app.StatusReport{}
		out, _ := one.run("status")
		if json.Unmarshal(out, &status) != nil {
			return false
		}
		alive, leads := 0, 0
		for _, r := range status.Replicas {
			if r.Alive {
				alive++
			}
			leads += len(r.Leads)
		}
		return alive == 2 && leads > 0 && status.Operations == 0
	})
	t.Logf("control-1: %d conflicts, %d operations taken over", status.Conflicts, status.Rescued)
}

func (c *cloud) list(p *process) (servers []string) {
	c.t.Helper()
	var list struct{ Servers []struct{ ID string } }
	_, body := c.send(p, http.MethodGet, "/compute/v2.1/servers", nil)
	_ = json.Unmarshal(body, &list)
	for _, s := range list.Servers {
		servers = append(servers, s.ID)
	}
	return servers
}

func workersOf(stories []saga.Story) map[string]bool {
	workers := map[string]bool{}
	for _, s := range stories {
		for _, e := range s.Events {
			workers[e.Worker] = true
		}
	}
	return workers
}
