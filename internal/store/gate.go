package store

import (
	"context"
	"sync"
)

// gate lets as many writes run at once as get along with each other: writes that meet are refused by the database and run again, so
// that more of them at once get less done; where they do not meet, one at a time wastes the time that each waits for the disk. The number
// grows by one in about as many successes as it is large, squared, and shrinks by half with a write that was refused, as TCP finds out what a line carries.
type gate struct {
	mu      sync.Mutex
	limit   float64
	most    int
	running int
	waiting []chan struct{} // the longest first
}

func newGate(most int) *gate { return &gate{limit: float64(most), most: most} }

// enter waits for its turn, which is in the order of arrival.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	if len(g.waiting) == 0 && g.running < int(g.limit) {
		g.running++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == turn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return ctx.Err()
		}
	}
	g.running-- // the turn came in the same moment
	g.admit()
	return ctx.Err()
}

// leave ends a turn. met says that others were in the way of it.
func (g *gate) leave(met bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if met {
		g.limit = max(1, g.limit/2)
	} else {
		g.limit = min(float64(g.most), g.limit+1/(g.limit*g.limit))
	}
	g.admit()
}

func (g *gate) admit() {
	for len(g.waiting) > 0 && g.running < int(g.limit) {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.running++
	}
}
