package nova

import (
	"context"
	"time"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// The operations of shelving. An unshelving is a creation with a past: it begins with a CreateState.
const (
	KindShelve   = "nova.server.shelve"   // ShelveState
	KindOffload  = "nova.server.offload"  // OffloadState
	KindUnshelve = "nova.server.unshelve" // CreateState
)

// ShelveState is what a shelving begins with.
type ShelveState struct {
	ServerID string `json:"server_id"`
	ImageID  string `json:"image_id"`
	Running  bool   `json:"running"` // it ran before
}

// OffloadState is what the removal of a shelved server from its host begins with.
type OffloadState struct {
	ServerID string `json:"server_id"`
}

// Shelve starts to put a server away: it is turned off and made into an image, and then, at once or later, removed from its host.
func (s *Service) Shelve(ctx context.Context, c *policy.Caller, id string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "shelve", imageable...); err != nil {
			return err
		}
		image, err := s.imageOf(ctx, c, srv, srv.Name+"-shelved", imageSnapshot, nil)
		if err != nil {
			return err
		}
		return s.beginImage(ctx, tx, c, srv, image, work{
			action: "shelve", task: "shelving", kind: KindShelve, state: ShelveState{ServerID: id, ImageID: image, Running: RunsNow(srv)},
		})
	}, notWithTPM("shelve"))
}

// ShelveOffload starts to remove a shelved server from its host.
func (s *Service) ShelveOffload(ctx context.Context, c *policy.Caller, id string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "shelveOffload", Shelved); err != nil {
			return err
		}
		return s.beginOn(ctx, tx, c, srv, offload(id))
	})
}

func offload(id string) work {
	return work{action: "shelveOffload", task: "shelving_offloading", kind: KindOffload, state: OffloadState{ServerID: id}}
}

// GoOnToOffload starts the offload that follows a shelving, as a part of the same action, if it is to follow at once.
func (s *Service) GoOnToOffload(ctx context.Context, tx store.Tx, c *policy.Caller, id, shelving string) error {
	if s.Config.ShelvedOffloadTime != 0 {
		return nil
	}
	srv, err := db.GetServer(ctx, tx, id)
	if err != nil {
		return err
	}
	w := offload(id)
	if err := s.tie(ctx, tx, c, srv, w); err != nil {
		return err
	}
	if err := db.ContinueAction(ctx, tx, shelving, *srv.OperationID); err != nil {
		return err
	}
	return db.UpdateServer(ctx, tx, srv, "operation_id", "task_state", "updated_at")
}

// OffloadShelved removes from their hosts the servers that have been shelved for longer than the configuration allows.
func (s *Service) OffloadShelved(ctx context.Context) error {
	after := s.Config.ShelvedOffloadTime
	if after < 0 {
		return nil
	}
	list, err := db.ListServers(ctx, s.DB.Read(ctx), ServerFilter{States: []StateCondition{{VM: Shelved}}})
	if err != nil {
		return err
	}
	for _, srv := range list {
		at := srv.Kept.ShelvedAt
		if srv.OperationID != nil || at == nil || s.Now().Before(at.Add(after)) {
			continue
		}
		err := s.ShelveOffload(ctx, Keeper, srv.ID)
		if err != nil && !rest.IsNotFound(err) && rest.StatusOf(err) != 409 {
			return err
		}
	}
	return nil
}

// Keeper is the caller of what the cloud does to servers by itself.
var Keeper = &policy.Caller{UserName: "nova", Roles: []string{"admin"}}

// UnshelveRequest says where a shelved server shall go; the zero value is where it may.
type UnshelveRequest struct {
	Zone    *string // 2.77; nil with SetZone unties it from its zone (2.91)
	SetZone bool
	Host    string // 2.91
}

// Unshelve starts to bring a shelved server back.
func (s *Service) Unshelve(ctx context.Context, c *policy.Caller, id string, in UnshelveRequest) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "unshelve", Shelved, ShelvedOffloaded); err != nil {
			return err
		}
		if err := s.unshelveTo(ctx, tx, srv, in); err != nil {
			return err
		}
		if err := s.admitUnshelved(ctx, tx, srv); err != nil {
			return err
		}
		state := CreateState{ServerID: id, Stay: srv.VMState == Shelved, Moving: true, Host: in.Host}
		if err := s.begin(ctx, tx, c, srv, work{action: "unshelve", task: "unshelving", kind: KindUnshelve, state: state}); err != nil {
			return err
		}
		return db.UpdateServer(ctx, tx, srv, "operation_id", "task_state", "updated_at", "pinned_zone")
	})
}

// unshelveTo judges the wish for a place and ties the server to the zone that is asked for, or unties it (upstream's table of 2.91).
func (s *Service) unshelveTo(ctx context.Context, tx store.Tx, srv *Server, in UnshelveRequest) error {
	if !in.SetZone && in.Host == "" {
		return nil
	}
	if srv.VMState != ShelvedOffloaded {
		return rest.Conflict(`Specifying an availability zone or a host when unshelving server "%s" with status "%s" is not supported. The server status must be SHELVED_OFFLOADED.`, srv.ID, srv.VMState)
	}
	if in.Zone != nil {
		known, err := s.zoneKnown(ctx, tx, *in.Zone)
		if err != nil {
			return err
		}
		if !known {
			return rest.BadRequest("The requested availability zone is not available")
		}
	}
	if in.SetZone {
		srv.PinnedZone = in.Zone
	}
	if in.Host == "" {
		return nil
	}
	known, err := db.HasHypervisor(ctx, tx, "", in.Host)
	if err != nil {
		return err
	}
	if !known {
		return rest.BadRequest("Compute host %s could not be found.", in.Host)
	}
	zone, err := s.ZoneOf(ctx, tx, in.Host)
	if err == nil && srv.PinnedZone != nil && zone != *srv.PinnedZone {
		err = rest.Conflict(`Host "%s" is not in the availability zone "%s".`, in.Host, *srv.PinnedZone)
	}
	return err
}

// keepInterval is how often servers are looked after that time changes: shelved ones and deleted ones that can be restored.
const keepInterval = time.Minute

// KeepServers looks after servers that time changes until ctx ends. Any number of processes may.
func (s *Service) KeepServers(ctx context.Context) {
	tick := time.NewTicker(keepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.OffloadShelved(ctx); err != nil && ctx.Err() == nil {
			s.log().WarnContext(ctx, "shelved servers cannot be offloaded", "error", err)
		}
		if err := s.Reclaim(ctx); err != nil && ctx.Err() == nil {
			s.log().WarnContext(ctx, "deleted servers cannot be reclaimed", "error", err)
		}
	}
}
