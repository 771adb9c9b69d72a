package keystone

import (
	"context"

	"gostack/internal/keystone/db"
	"gostack/internal/store"
)

var serviceColumns = []string{"type", "name", "enabled"}

// CatalogService returns a service of the catalogue.
func (s *Service) CatalogService(ctx context.Context, id string) (*CatalogService, error) {
	v, err := db.GetService(ctx, s.db.Read(ctx), id)
	return v, found(err, "service", id)
}

// CatalogServices lists the services of the catalogue.
func (s *Service) CatalogServices(ctx context.Context, o ListOptions) ([]*CatalogService, error) {
	return db.ListServices(ctx, s.db.Read(ctx), o.on("s.id"))
}

// CreateCatalogService adds a service to the catalogue.
func (s *Service) CreateCatalogService(ctx context.Context, a Attrs) (*CatalogService, error) {
	v := &CatalogService{ID: s.newID(), Enabled: true, Extra: a.extra(nil, serviceColumns...)}
	a.text("type", &v.Type)
	a.text("name", &v.Name)
	a.flag("enabled", &v.Enabled)
	return v, s.change(ctx, func(ctx context.Context, tx store.Tx) error { return db.Insert(ctx, tx, v) })
}

// UpdateCatalogService changes a service of the catalogue.
func (s *Service) UpdateCatalogService(ctx context.Context, id string, a Attrs) (*CatalogService, error) {
	var v *CatalogService
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if v, err = db.GetService(ctx, tx, id); err != nil {
			return found(err, "service", id)
		}
		if err := a.matchID(id); err != nil {
			return err
		}
		a.text("type", &v.Type)
		a.text("name", &v.Name)
		a.flag("enabled", &v.Enabled)
		v.Extra = a.extra(v.Extra, serviceColumns...)
		return db.Update(ctx, tx, v)
	})
	return v, err
}

// DeleteCatalogService removes a service with its endpoints.
func (s *Service) DeleteCatalogService(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := db.DissociateThing(ctx, tx, "service_id", id); err != nil {
			return err
		}
		return found(db.Delete(ctx, tx, &CatalogService{ID: id}), "service", id)
	})
}
