package keystone

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gostack/internal/keystone/db"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// BootstrapSpec says what a cloud must have before anybody can log in.
type BootstrapSpec struct {
	// AdminPassword of the user admin. If it differs from the one stored it becomes the new one; empty keeps the one stored.
	AdminPassword secret.String
	// KeepAdmin leaves the password of a user admin who exists as it is, also when another replica creates it at this very moment.
	KeepAdmin bool
	Region    string // default RegionOne
	BaseURL   string // scheme, host and port that clients use, as http://10.0.0.1:5000
	Services  []BootstrapService
}

// BootstrapService is a service of the catalogue with one address for all its interfaces.
type BootstrapService struct {
	Type, Name string
	Path       string // below BaseURL, as /compute/v2.1
}

// Bootstrapped tells what Bootstrap found or made.
type Bootstrapped struct {
	AdminUserID, AdminProjectID string
	RoleIDs                     map[string]string // by name
	Changed                     bool              // something was missing
	AdminCreated                bool              // with the password of the spec
}

// impliedChain is upstream's hierarchy of default roles: each implies the next.
var impliedChain = []string{"admin", "manager", "member", "reader"}

// Bootstrap makes the default domain, the project and user admin, the default roles and what they imply, the grants of admin on the project
// and the system, the region, and the catalogue, where they are missing; and the key repository. It can run at every start: what is
// there stays as it is, but a disabled admin is enabled, a different password set, and addresses of catalogue entries follow BaseURL.
func (s *Service) Bootstrap(ctx context.Context, spec BootstrapSpec) (*Bootstrapped, error) {
	if spec.Region == "" {
		spec.Region = "RegionOne"
	}
	if _, err := s.keys.Setup(); err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	if err := s.setupCredentialKeys(ctx); err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	// Hashing takes long and must not hold up other writers.
	fresh := &User{}
	old, err := db.UserByName(ctx, s.db.Read(ctx), DefaultDomainID, "admin")
	if err != nil && !store.IsNotFound(err) {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	if err != nil && spec.AdminPassword.Empty() {
		return nil, errors.New("bootstrap: there is no user admin yet, and so a password is needed")
	}
	same := spec.AdminPassword.Empty() || spec.KeepAdmin && err == nil
	if err == nil && old.PasswordHash != "" && !same {
		if same, err = s.passwords.Verify(ctx, old.PasswordHash, spec.AdminPassword); err != nil {
			return nil, fmt.Errorf("bootstrap: %w", err)
		}
	}
	if !same {
		if err := s.setPassword(ctx, fresh, spec.AdminPassword); err != nil {
			return nil, fmt.Errorf("bootstrap: %w", err)
		}
	}
	var out *Bootstrapped
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		b := &bootstrap{Service: s, tx: tx, spec: spec, out: Bootstrapped{RoleIDs: map[string]string{}}}
		out = &b.out
		for _, step := range []func(context.Context) error{
			b.domainAndProject, b.roles, func(ctx context.Context) error { return b.admin(ctx, fresh) }, b.grants, b.region, b.catalog,
		} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		if !b.out.Changed {
			return nil
		}
		return s.changed(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	return out, nil
}

// HasAdmin tells whether the user admin exists, and so whether Bootstrap can do without a password.
func (s *Service) HasAdmin(ctx context.Context) (bool, error) {
	_, err := db.UserByName(ctx, s.db.Read(ctx), DefaultDomainID, "admin")
	if store.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// Ready says what is missing for letting anybody in.
func (s *Service) Ready(ctx context.Context) error {
	if _, _, err := s.keys.Keys(); err != nil {
		return err
	}
	return s.refresh(ctx)
}

type bootstrap struct {
	*Service
	tx   store.Tx
	spec BootstrapSpec
	out  Bootstrapped
}

// ensure inserts row unless the lookup before found one.
func (b *bootstrap) ensure(ctx context.Context, lookup error, row any) error {
	if !store.IsNotFound(lookup) {
		return lookup
	}
	b.out.Changed = true
	return db.Insert(ctx, b.tx, row)
}

func (b *bootstrap) domainAndProject(ctx context.Context) error {
	none := map[string]any{}
	_, err := db.GetProject(ctx, b.tx, DefaultDomainID)
	if err := b.ensure(ctx, err, &Project{
		ID: DefaultDomainID, Name: "Default", IsDomain: true, Enabled: true, Description: "The default domain", Options: none, Extra: none,
	}); err != nil {
		return err
	}
	p, err := db.ProjectByName(ctx, b.tx, DefaultDomainID, "admin")
	if store.IsNotFound(err) {
		p = &Project{
			ID: b.newID(), Name: "admin", DomainID: DefaultDomainID, ParentID: DefaultDomainID, Enabled: true,
			Description: "Bootstrap project for initializing the cloud.", Options: none, Extra: none,
		}
	}
	b.out.AdminProjectID = p.ID
	return b.ensure(ctx, err, p)
}

// roles makes the default roles, immutable as upstream's bootstrap does, and the chain of implications.
func (b *bootstrap) roles(ctx context.Context) error {
	for _, name := range slices.Concat(impliedChain, []string{"service"}) {
		r, err := db.RoleByName(ctx, b.tx, "", name)
		if store.IsNotFound(err) {
			r = &Role{ID: b.newID(), Name: name, Options: map[string]any{immutable: true}, Extra: map[string]any{}}
		}
		b.out.RoleIDs[name] = r.ID
		if err := b.ensure(ctx, err, r); err != nil {
			return err
		}
	}
	for i := range len(impliedChain) - 1 {
		prior, implied := b.out.RoleIDs[impliedChain[i]], b.out.RoleIDs[impliedChain[i+1]]
		ok, err := db.HasImpliedRole(ctx, b.tx, prior, implied)
		if err != nil || ok {
			if err != nil {
				return err
			}
			continue
		}
		b.out.Changed = true
		if err := db.Insert(ctx, b.tx, &db.ImpliedRole{PriorRoleID: prior, ImpliedRoleID: implied}); err != nil {
			return err
		}
	}
	return nil
}

func (b *bootstrap) admin(ctx context.Context, fresh *User) error {
	u, err := db.UserByName(ctx, b.tx, DefaultDomainID, "admin")
	if store.IsNotFound(err) {
		u = &User{ID: b.newID(), DomainID: DefaultDomainID, Name: "admin", CreatedAt: b.clock.Now(), Options: map[string]any{}, Extra: map[string]any{}}
		u.Enabled, u.PasswordHash, u.PasswordCreatedAt = true, fresh.PasswordHash, fresh.PasswordCreatedAt
		b.out.AdminUserID, b.out.AdminCreated = u.ID, true
		return b.ensure(ctx, err, u)
	}
	if err != nil {
		return err
	}
	b.out.AdminUserID = u.ID
	if b.spec.KeepAdmin {
		fresh = &User{}
	}
	if u.Enabled && fresh.PasswordHash == "" {
		return nil
	}
	b.out.Changed = true
	u.Enabled = true
	if fresh.PasswordHash != "" {
		u.PasswordHash, u.PasswordCreatedAt, u.PasswordExpiresAt = fresh.PasswordHash, fresh.PasswordCreatedAt, nil
		if err := b.revokeUsers(ctx, b.tx, u.ID); err != nil {
			return err
		}
	}
	return db.Update(ctx, b.tx, u)
}

func (b *bootstrap) grants(ctx context.Context) error {
	for _, g := range []Grant{
		{UserID: b.out.AdminUserID, ProjectID: b.out.AdminProjectID, RoleID: b.out.RoleIDs["admin"]},
		{UserID: b.out.AdminUserID, RoleID: b.out.RoleIDs["admin"]},
	} {
		ok, err := db.HasAssignment(ctx, b.tx, g.row())
		if err != nil {
			return err
		}
		if !ok {
			b.out.Changed = true
			if err := db.AddAssignment(ctx, b.tx, g.row()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bootstrap) region(ctx context.Context) error {
	_, err := db.GetRegion(ctx, b.tx, b.spec.Region)
	return b.ensure(ctx, err, &Region{ID: b.spec.Region, Extra: map[string]any{}})
}

func (b *bootstrap) catalog(ctx context.Context) error {
	for _, want := range b.spec.Services {
		have, err := db.ListServices(ctx, b.tx, func(q *db.Select) { q.Where("s.type = ?", want.Type).Order("s.id") })
		if err != nil {
			return err
		}
		if len(have) == 0 {
			have = []*CatalogService{{ID: b.newID(), Type: want.Type, Name: want.Name, Enabled: true, Extra: map[string]any{}}}
			b.out.Changed = true
			if err := db.Insert(ctx, b.tx, have[0]); err != nil {
				return err
			}
		}
		if err := b.endpoints(ctx, have[0], b.spec.BaseURL+want.Path); err != nil {
			return err
		}
	}
	return nil
}

func (b *bootstrap) endpoints(ctx context.Context, of *CatalogService, url string) error {
	have, err := db.ListEndpoints(ctx, b.tx, func(q *db.Select) {
		q.Where("e.service_id = ?", of.ID).Where("e.region_id = ?", b.spec.Region)
	})
	if err != nil {
		return err
	}
	byInterface := map[string]*Endpoint{}
	for _, e := range have {
		byInterface[e.Interface] = e
	}
	for _, name := range []string{"public", "internal", "admin"} {
		e := byInterface[name]
		switch {
		case e == nil:
			e = &Endpoint{ID: b.newID(), Interface: name, ServiceID: of.ID, RegionID: &b.spec.Region, URL: url, Enabled: true, Extra: map[string]any{}}
			err = db.Insert(ctx, b.tx, e)
		case e.URL != url:
			e.URL = url
			err = db.Update(ctx, b.tx, e)
		default:
			continue
		}
		b.out.Changed = true
		if err != nil {
			return err
		}
	}
	return nil
}
