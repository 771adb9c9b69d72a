package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// worker does operations on servers of its own, one after the other.
type worker struct {
	*run
	name    string
	rnd     *rand.Rand
	made    int
	servers []*server
	known   map[string]bool // ids of all servers it ever made
}

// server as its worker believes it to be.
type server struct {
	id, name string
	status   string // when it was last seen stable
	sure     bool   // nothing was asked for since
	deleting bool
}

// view of a server in the API.
type view struct {
	ID, Name, Status string
	Task             *string `json:"OS-EXT-STS:task_state"`
	Host             string  `json:"OS-EXT-SRV-ATTR:host"`
	Fault            struct{ Message, Details string }
	Flavor           struct{ VCPUs, RAM int }
}

// work does n operations.
func (w *worker) work(ctx context.Context, n int) {
	for range n {
		if ctx.Err() != nil {
			return
		}
		op, s := w.draw()
		if err := w.perform(ctx, op, s); err != nil {
			w.finding("%s: %s of %s: %v", w.name, op.name, s.id, err)
			w.forget(s)
		}
	}
	for _, s := range slices.Clone(w.servers) {
		if _, err := w.settle(ctx, s); err != nil {
			w.finding("%s: at the end: %v", w.name, err)
		}
	}
}

// draw picks an operation and the server it is for.
func (w *worker) draw() (operation, *server) {
	if len(w.servers) == 0 || len(w.servers) < w.Servers && w.rnd.IntN(3) == 0 {
		w.made++
		s := &server{name: fmt.Sprintf("crash-%s-%d", w.name, w.made)}
		return createOperation, s
	}
	s := w.servers[w.rnd.IntN(len(w.servers))]
	blind := w.rnd.IntN(10) == 0
	fits := func(op operation) bool {
		return !w.without(op.name) && (blind || len(op.from) == 0 || slices.Contains(op.from, s.status))
	}
	weights := 0
	for _, op := range operations {
		if fits(op) {
			weights += op.weight
		}
	}
	n := w.rnd.IntN(weights)
	for _, op := range operations {
		if !fits(op) {
			continue
		}
		if n -= op.weight; n < 0 {
			return op, s
		}
	}
	panic("unreachable")
}

// perform sends the operation, and usually waits until it has ended. Sometimes the next one is sent on its heels.
func (w *worker) perform(ctx context.Context, op operation, s *server) error {
	hasty := w.rnd.IntN(4) == 0
	before, sure := s.status, s.sure
	s.sure = false
	a, err := op.do(ctx, w, s)
	if err != nil {
		return err
	}
	if w.Verbose {
		fmt.Fprintf(w.Out, "%s %s %s of %s %s: %d\n", time.Now().UTC().Format(time.TimeOnly), w.name, op.name, s.name, s.id, a.Status)
	}
	if a.Status == http.StatusBadRequest && strings.Contains(string(a.Body), "no such action") {
		w.drop(op.name)
		return nil
	}
	w.count(op.name, a)
	switch a.Status {
	case http.StatusOK, http.StatusAccepted, http.StatusCreated, http.StatusNoContent:
	case http.StatusNotFound, http.StatusConflict:
	default:
		w.note("%s answered %d: %.160s", op.name, a.Status, a.Body)
	}
	if hasty {
		return nil
	}
	seen, err := w.settle(ctx, s)
	if err != nil {
		return err
	}
	s.sure = s.sure && op.name != "reset state" // which shows at once what was asked for, and a little later what is true
	if seen == nil || !sure || a.Status >= 300 || len(op.to) == 0 {
		return nil
	}
	if seen.Status == "ERROR" {
		w.note("%s ended in ERROR: %.160s %.200s", op.name, seen.Fault.Message, seen.Fault.Details)
	} else if !slices.Contains(op.to, seen.Status) && seen.Status != before && !(seen.Status == "SHUTOFF" && w.stopsGuests()) {
		return fmt.Errorf("server %s was %s, is %s, should be %v", s.id, before, seen.Status, op.to)
	}
	return nil
}

// settle waits until nothing happens to the server any more. It is nil when the server is gone.
func (w *worker) settle(ctx context.Context, s *server) (*view, error) {
	if s.id == "" {
		return nil, nil
	}
	var last string
	for end := time.Now().Add(w.Settle); ; {
		var body struct{ Server view }
		ok, err := w.client.Get(ctx, "/compute/v2.1/servers/"+s.id, &body)
		if err != nil {
			return nil, err
		}
		if !ok {
			if !s.deleting {
				w.forget(s)
				return nil, fmt.Errorf("server %s is gone, and nobody has deleted it", s.id)
			}
			w.forget(s)
			return nil, nil
		}
		v := &body.Server
		last = v.Status
		if v.Task != nil {
			last += " " + *v.Task
		}
		if v.Task == nil && stable[v.Status] && !s.deleting {
			s.status, s.sure = v.Status, true
			return v, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("server %s is stuck: %s for %s", s.id, last, w.Settle)
		}
		if !sleep(ctx, 30*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
}

// stable are the states in which nothing is under way.
var stable = map[string]bool{
	"ACTIVE": true, "SHUTOFF": true, "ERROR": true, "PAUSED": true, "SUSPENDED": true, "RESCUE": true, "SHELVED": true, "SHELVED_OFFLOADED": true, "VERIFY_RESIZE": true,
}

func (w *worker) forget(s *server) {
	w.servers = slices.DeleteFunc(w.servers, func(o *server) bool { return o == s })
}
