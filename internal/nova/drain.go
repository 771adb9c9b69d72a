package nova

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// Drain moves every server away from a host. It is made of the operations that users have, so it may be interrupted at any moment and run again: what has
// begun goes on, what was moved stays moved.
type Drain struct {
	Host string
	// Live starts to move a running server live; nil: there is no such way, and running servers are moved cold.
	Live func(ctx context.Context, c *policy.Caller, serverID string) error
	// Cold moves running servers that cannot move live by stopping and starting them.
	Cold bool
	// Say tells progress.
	Say func(format string, args ...any)
	// Poll is how often servers are looked at; 0 is half a second.
	Poll time.Duration
}

// drainAtOnce is how many servers move at the same time: each takes disks and network of two hosts.
const drainAtOnce = 2

// departure is a server on its way.
type departure struct {
	server     *Server
	live       bool
	confirming bool
	begun      time.Time
}

// ErrDrained says that servers stay on the host; the text says how many.
var ErrDrained = errors.New("not every server could be moved")

// Drain disables nothing; its caller has. It returns when no server is on the host and none may come back to it, or when the rest cannot be moved.
func (s *Service) Drain(ctx context.Context, d Drain) error {
	if d.Poll == 0 {
		d.Poll = 500 * time.Millisecond
	}
	under, stuck, cold := map[string]*departure{}, map[string]bool{}, map[string]bool{}
	for moved := 0; ; {
		for id, p := range under {
			n, err := s.follow(ctx, d, p)
			if err != nil {
				return err
			}
			switch n {
			case departed:
				moved++
				delete(under, id)
			case failed:
				delete(under, id)
				if p.live && d.Cold {
					cold[id] = true
				} else {
					stuck[id] = true
				}
			}
		}
		waiting, err := s.takeDepartures(ctx, d, under, stuck, cold)
		if err != nil {
			return err
		}
		if len(under) == 0 && !waiting {
			held, err := s.heldMoves(ctx, d)
			if err != nil {
				return err
			}
			if n := len(stuck) + held; n > 0 {
				return fmt.Errorf("%w: %d moved, %d stay on host %s", ErrDrained, moved, n, d.Host)
			}
			d.Say("%d servers were moved; none is on host %s", moved, d.Host)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d.Poll):
		}
	}
}

// takeDepartures starts moves while there is room. waiting tells that servers are in the hands of other operations.
func (s *Service) takeDepartures(ctx context.Context, d Drain, under map[string]*departure, stuck, cold map[string]bool) (waiting bool, err error) {
	servers, err := db.ServersOnHost(ctx, s.DB.Read(ctx), d.Host)
	if err != nil {
		return false, err
	}
	for _, srv := range servers {
		switch {
		case under[srv.ID] != nil || stuck[srv.ID]:
			continue
		case srv.OperationID != nil, len(under) >= drainAtOnce:
			waiting = true
			continue
		}
		p, err := s.depart(ctx, d, srv, cold[srv.ID])
		if err != nil {
			stuck[srv.ID] = true
			d.Say("%s (%s) stays: %v", srv.Name, srv.ID, err)
			continue
		}
		if p == nil {
			waiting = true
			continue
		}
		under[srv.ID] = p
	}
	return waiting, nil
}

// depart starts one move; nil when the server has changed meanwhile and is to be looked at again.
func (s *Service) depart(ctx context.Context, d Drain, srv *Server, cold bool) (*departure, error) {
	p := &departure{server: srv, begun: s.Now()}
	var err error
	switch {
	case srv.VMState == Resized:
		return nil, errors.New("its owner has a resize to confirm or revert; openstack server resize confirm does it for them")
	case d.Live != nil && !cold && (srv.VMState == Active || srv.VMState == Paused):
		p.live = true
		err = d.Live(ctx, policy.Internal(), srv.ID)
	case srv.VMState == Active || srv.VMState == Stopped:
		err = s.Migrate(ctx, policy.Internal(), srv.ID, "")
	default:
		return nil, fmt.Errorf("a server that is %s cannot be moved; shelve or delete it, or bring it to ACTIVE or SHUTOFF", srv.VMState)
	}
	if err != nil && p.live && d.Cold {
		d.Say("%s (%s) cannot leave live: %v", srv.Name, srv.ID, err)
		p.live = false
		err = s.Migrate(ctx, policy.Internal(), srv.ID, "")
	}
	if err != nil {
		now, again := db.GetServer(ctx, s.DB.Read(ctx), srv.ID)
		if store.IsNotFound(again) || again == nil && now.OperationID != nil {
			return nil, nil
		}
		return nil, err
	}
	how := "cold"
	if p.live {
		how = "live"
	}
	d.Say("%s (%s) leaves, %s", srv.Name, srv.ID, how)
	return p, nil
}

// What has become of a departure.
type progress int

const (
	underway progress = iota
	departed
	failed
)

// follow looks at a server on its way, and confirms a cold move that has arrived.
func (s *Service) follow(ctx context.Context, d Drain, p *departure) (progress, error) {
	srv, err := db.GetServer(ctx, s.DB.Read(ctx), p.server.ID)
	if store.IsNotFound(err) {
		d.Say("%s (%s) was deleted meanwhile", p.server.Name, p.server.ID)
		return departed, nil
	}
	switch {
	case err != nil:
		return underway, err
	case srv.OperationID != nil:
		return underway, nil
	case srv.VMState == Resized && srv.Host != d.Host && !p.confirming:
		p.confirming = true
		return underway, s.ConfirmResize(ctx, policy.Internal(), srv.ID)
	case srv.Host == d.Host:
		why := "gostack why " + srv.ID + " tells why"
		if srv.Fault != nil {
			why = srv.Fault.Message + "; " + why
		}
		d.Say("%s (%s) could not be moved: %s", srv.Name, srv.ID, why)
		return failed, nil
	}
	d.Say("%s (%s) is on %s, after %s", srv.Name, srv.ID, srv.Host, s.Now().Sub(p.begun).Round(100*time.Millisecond))
	return departed, nil
}

// heldMoves confirms cold moves of an interrupted drain, and counts moves of users that could still bring a server back.
func (s *Service) heldMoves(ctx context.Context, d Drain) (held int, err error) {
	moves, err := s.MovesOf(ctx, d.Host)
	if err != nil {
		return 0, err
	}
	for _, m := range moves {
		if m.Status != MoveFinished || m.SourceCompute != d.Host {
			continue
		}
		if m.UserID != nil && *m.UserID == policy.Internal().UserID {
			if err := s.ConfirmResize(ctx, policy.Internal(), m.ServerID); err != nil {
				return 0, err
			}
			d.Say("the move of %s is confirmed", m.ServerID)
			continue
		}
		held++
		d.Say("server %s was resized or migrated away by its owner, who may still revert it to host %s; openstack server resize confirm %s ends that", m.ServerID, d.Host, m.ServerID)
	}
	return held, nil
}

// MovesOf are the moves from or to a host that are not over.
func (s *Service) MovesOf(ctx context.Context, host string) ([]*Migration, error) {
	return db.ListMigrations(ctx, s.DB.Read(ctx), MigrationFilter{Host: host, NotStatuses: endedMoves})
}
