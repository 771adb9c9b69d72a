package keystone

import (
	"context"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

var endpointColumns = []string{"interface", "service_id", "region_id", "region", "url", "enabled"}

// Endpoint returns an endpoint.
func (s *Service) Endpoint(ctx context.Context, id string) (*Endpoint, error) {
	e, err := db.GetEndpoint(ctx, s.db.Read(ctx), id)
	return e, found(err, "endpoint", id)
}

// Endpoints lists endpoints.
func (s *Service) Endpoints(ctx context.Context, o ListOptions) ([]*Endpoint, error) {
	return db.ListEndpoints(ctx, s.db.Read(ctx), o.on("e.id"))
}

// CreateEndpoint adds an endpoint to a service.
func (s *Service) CreateEndpoint(ctx context.Context, a Attrs) (*Endpoint, error) {
	e := &Endpoint{ID: s.newID(), Enabled: true}
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := setEndpoint(ctx, tx, e, a); err != nil {
			return err
		}
		return db.Insert(ctx, tx, e)
	})
	return e, err
}

// UpdateEndpoint changes an endpoint.
func (s *Service) UpdateEndpoint(ctx context.Context, id string, a Attrs) (*Endpoint, error) {
	var e *Endpoint
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if e, err = db.GetEndpoint(ctx, tx, id); err != nil {
			return found(err, "endpoint", id)
		}
		if err := a.matchID(id); err != nil {
			return err
		}
		if err := setEndpoint(ctx, tx, e, a); err != nil {
			return err
		}
		return db.Update(ctx, tx, e)
	})
	return e, err
}

// setEndpoint writes the members of a request into e. The old member "region" makes the region if there is none.
func setEndpoint(ctx context.Context, tx store.Tx, e *Endpoint, a Attrs) error {
	a.text("interface", &e.Interface)
	a.text("service_id", &e.ServiceID)
	a.text("url", &e.URL)
	a.flag("enabled", &e.Enabled)
	e.Extra = a.extra(e.Extra, endpointColumns...)
	if !ValidEndpointURL(e.URL) {
		return rest.BadRequest("Cannot create an endpoint with an invalid URL: %s.", e.URL)
	}
	if _, err := db.GetService(ctx, tx, e.ServiceID); store.IsNotFound(err) {
		return rest.BadRequest("Could not find service: %s.", e.ServiceID)
	} else if err != nil {
		return err
	}
	region, named := a["region_id"].(string)
	old, oldNamed := a["region"].(string)
	if _, cleared := a["region_id"]; cleared && !named && !oldNamed {
		e.RegionID = nil
		return nil
	}
	fresh := false
	if !named {
		if !oldNamed {
			return nil
		}
		region, fresh = old, true
	}
	e.RegionID = &region
	_, err := db.GetRegion(ctx, tx, region)
	switch {
	case store.IsNotFound(err) && fresh:
		return db.Insert(ctx, tx, &Region{ID: region, Extra: map[string]any{}})
	case store.IsNotFound(err):
		return rest.BadRequest("Could not find region: %s.", region)
	}
	return err
}

// DeleteEndpoint removes an endpoint.
func (s *Service) DeleteEndpoint(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := db.DissociateThing(ctx, tx, "endpoint_id", id); err != nil {
			return err
		}
		return found(db.Delete(ctx, tx, &Endpoint{ID: id}), "endpoint", id)
	})
}
