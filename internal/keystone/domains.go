package keystone

import (
	"context"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Domain returns a domain.
func (s *Service) Domain(ctx context.Context, id string) (*Project, error) {
	return getDomain(ctx, s, id)
}

func getDomain(ctx context.Context, s *Service, id string) (*Project, error) {
	p, err := db.GetProject(ctx, s.db.Read(ctx), id)
	if err == nil && !p.IsDomain {
		return nil, rest.NotFound("Could not find domain: %s.", id)
	}
	return p, found(err, "domain", id)
}

// Domains lists domains.
func (s *Service) Domains(ctx context.Context, o ListOptions) ([]*Project, error) {
	return s.Projects(ctx, o.Equals("p.is_domain", true))
}

// CreateDomain makes a domain.
func (s *Service) CreateDomain(ctx context.Context, a Attrs) (*Project, error) {
	a["is_domain"] = true
	delete(a, "domain_id")
	delete(a, "parent_id")
	return s.CreateProject(ctx, a)
}

// UpdateDomain changes a domain.
func (s *Service) UpdateDomain(ctx context.Context, id string, a Attrs) (*Project, error) {
	var p *Project
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if p, err = getDomain(ctx, s, id); err != nil {
			return err
		}
		return s.updateProject(ctx, tx, p, a)
	})
	return p, err
}

// DeleteDomain removes a disabled domain with all its users, groups, roles and projects.
func (s *Service) DeleteDomain(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		p, err := getDomain(ctx, s, id)
		if err != nil {
			return err
		}
		return s.deleteDomain(ctx, tx, p)
	})
}

func (s *Service) deleteDomain(ctx context.Context, tx store.Tx, p *Project) error {
	if err := checkImmutableDelete("domain", p.ID, p.Options); err != nil {
		return err
	}
	if p.Enabled {
		return rest.Forbidden("Cannot delete a domain that is enabled, please disable it first.")
	}
	if err := db.DeleteDomainContents(ctx, tx, p.ID); err != nil {
		return err
	}
	return s.tell(ctx, "deleted", p)
}
