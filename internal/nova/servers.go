package nova

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// ServerNotFound is the refusal of an unknown server.
func ServerNotFound(id string) error { return rest.NotFound("Instance %s could not be found.", id) }

// ServerFor returns a server that c may know of: its own project's, any for an administrator. A foreign one is not found.
// A token without a project is let through, for the policy to refuse.
func (s *Service) ServerFor(ctx context.Context, c *policy.Caller, id string) (*Server, error) {
	return s.serverFor(ctx, s.DB.Read(ctx), c, id)
}

func (s *Service) serverFor(ctx context.Context, h store.Tx, c *policy.Caller, id string) (*Server, error) {
	srv, err := db.GetServer(ctx, h, id)
	if store.IsNotFound(err) {
		return nil, ServerNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	if !c.IsAdmin() && c.Scope() == policy.Project && c.ProjectID != srv.ProjectID {
		return nil, ServerNotFound(id)
	}
	return srv, nil
}

// DeletedServerFor is ServerFor among the servers that are gone.
func (s *Service) DeletedServerFor(ctx context.Context, c *policy.Caller, id string) (*Server, error) {
	srv, err := db.GetDeletedServer(ctx, s.DB.Read(ctx), id)
	if store.IsNotFound(err) {
		return nil, ServerNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	if !c.IsAdmin() && c.Scope() == policy.Project && c.ProjectID != srv.ProjectID {
		return nil, ServerNotFound(id)
	}
	return srv, nil
}

// ReservationOf returns the reservation id of a server that lives; "" when there is no such server.
func (s *Service) ReservationOf(ctx context.Context, id string) (string, error) {
	srv, err := db.GetServer(ctx, s.DB.Read(ctx), id)
	if store.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return srv.ReservationID, nil
}

// Servers returns a page of servers.
func (s *Service) Servers(ctx context.Context, f ServerFilter) ([]*Server, error) {
	return db.ListServers(ctx, s.DB.Read(ctx), f)
}

// CountServers counts what a filter takes, whatever its page.
func (s *Service) CountServers(ctx context.Context, f ServerFilter) (int64, error) {
	return db.CountServers(ctx, s.DB.Read(ctx), f)
}

// HostID is how owners see which of their servers share a host without learning its name: a hash over project and host.
func HostID(project, host string) string {
	if host == "" {
		return ""
	}
	sum := sha256.Sum224([]byte(project + host))
	return hex.EncodeToString(sum[:])
}

// InstanceName is the name of a server's domain at its hypervisor, by which operators find it there.
func InstanceName(s *Server) string { return "instance-" + s.ID }
