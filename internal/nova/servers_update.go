package nova

import (
	"context"
	"net/netip"
	"slices"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// ServerUpdate are the attributes of a server that a user may change; nil leaves one as it is. What may be null has a Set beside it.
type ServerUpdate struct {
	Name, DiskConfig, AccessIPv4, AccessIPv6, Hostname *string
	Description, PinnedZone                            *string
	SetDescription, SetPinnedZone                      bool
}

// UpdateServer changes attributes of a server.
func (s *Service) UpdateServer(ctx context.Context, c *policy.Caller, id string, u ServerUpdate) (*Server, error) {
	var srv *Server
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if srv, err = s.serverFor(ctx, tx, c, id); err != nil {
			return err
		}
		for _, f := range []struct{ from, to *string }{
			{u.Name, &srv.Name}, {u.DiskConfig, &srv.DiskConfig}, {u.AccessIPv4, &srv.AccessIPv4}, {u.AccessIPv6, &srv.AccessIPv6}, {u.Hostname, &srv.Hostname},
		} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		srv.AccessIPv6 = shortIPv6(srv.AccessIPv6)
		if u.SetDescription {
			srv.Description = u.Description
		}
		if u.SetPinnedZone {
			if err := s.pin(ctx, tx, srv, u.PinnedZone); err != nil {
				return err
			}
		}
		srv.UpdatedAt = s.Now()
		return db.UpdateServer(ctx, tx, srv, "name", "disk_config", "access_ip_v4", "access_ip_v6", "hostname", "description", "pinned_zone", "updated_at")
	})
	return srv, err
}

// pin ties a server to the zone it is in, or unties it.
func (s *Service) pin(ctx context.Context, tx store.Tx, srv *Server, zone *string) error {
	if zone != nil {
		known, err := s.zoneKnown(ctx, tx, *zone)
		if err != nil {
			return err
		}
		if !known {
			return rest.BadRequest("The requested availability zone is not available")
		}
		if srv.Host != "" {
			in, err := s.ZoneOf(ctx, tx, srv.Host)
			if err != nil {
				return err
			}
			if in != *zone {
				return rest.Conflict("Instance %s is in availability zone %s and cannot be pinned to %s.", srv.ID, in, *zone)
			}
		}
	}
	srv.PinnedZone = zone
	return nil
}

// settledStates are those in which a server's metadata and tags may change.
var settledStates = []string{Active, Paused, Suspended, Stopped}

// ChangeMetadata changes a server's metadata: change gets the present items and returns the new ones.
func (s *Service) ChangeMetadata(ctx context.Context, c *policy.Caller, id, action string, change func(map[string]string) (map[string]string, error)) (map[string]string, error) {
	var items map[string]string
	err := s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) (err error) {
		if !slices.Contains(settledStates, srv.VMState) { // whatever task is under way
			return InvalidState(srv, action, "vm_state", srv.VMState)
		}
		have := make(map[string]string, len(srv.Metadata))
		for k, v := range srv.Metadata {
			have[k] = v
		}
		if items, err = change(have); err != nil {
			return err
		}
		limits, err := s.limits(ctx, tx, srv.ProjectID, srv.UserID)
		if err != nil {
			return err
		}
		if most := limits["metadata_items"]; most >= 0 && int64(len(items)) > most && len(items) > len(srv.Metadata) {
			return s.over("metadata_items", most, 0, int64(len(items)), "Maximum number of metadata items exceeds %d", most)
		}
		srv.Metadata, srv.UpdatedAt = items, s.Now()
		return db.UpdateServer(ctx, tx, srv, "metadata", "updated_at")
	})
	return items, err
}

// MaxTags is how many tags a server may have.
const MaxTags = 50

// ChangeTags changes a server's tags: change gets the present ones and returns the new ones.
func (s *Service) ChangeTags(ctx context.Context, c *policy.Caller, id, action string, change func([]string) ([]string, error)) ([]string, error) {
	var tags []string
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, err := s.serverFor(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if !slices.Contains(settledStates, srv.VMState) {
			return InvalidState(srv, action, "vm_state", srv.VMState)
		}
		if tags, err = change(slices.Clone(srv.Tags)); err != nil {
			return err
		}
		if len(tags) > MaxTags {
			return rest.BadRequest("The number of tags exceeded the per-server limit %d", MaxTags)
		}
		srv.Tags, srv.UpdatedAt = tags, s.Now()
		return db.UpdateServer(ctx, tx, srv, "tags", "updated_at")
	})
	return tags, err
}

// shortIPv6 is an address in its shortest form, as Nova keeps it: ::babe:220.12.22.2 is ::babe:dc0c:1602.
func shortIPv6(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.String()
	}
	return s
}
