package keystone

import (
	"context"
	"strings"

	"gostack/internal/keystone/db"
)

// CatalogEntry is a service in the catalogue, as clients read it.
type CatalogEntry struct {
	Endpoints []CatalogEndpoint `json:"endpoints"`
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	Name      string            `json:"name"`
}

// CatalogEndpoint is where a service answers.
type CatalogEndpoint struct {
	ID        string  `json:"id"`
	Interface string  `json:"interface"`
	RegionID  *string `json:"region_id"`
	URL       string  `json:"url"`
	Region    *string `json:"region"`
}

// Catalog returns the enabled services with their enabled endpoints. $(project_id)s, $(tenant_id)s and $(user_id)s in an address are
// replaced; an address that needs what is not there, or anything else, is left out, as upstream does.
func (s *Service) Catalog(ctx context.Context, userID, projectID string) ([]CatalogEntry, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	rows, filter, err := s.catalogRows(ctx)
	if err != nil {
		return nil, err
	}
	out := []CatalogEntry{}
	for _, r := range rows {
		if !filter.sees(projectID, &r) {
			continue
		}
		if len(out) == 0 || out[len(out)-1].ID != r.ServiceID {
			out = append(out, CatalogEntry{Endpoints: []CatalogEndpoint{}, ID: r.ServiceID, Type: r.ServiceType, Name: r.ServiceName})
		}
		if r.EndpointID == "" {
			continue // a service without endpoints
		}
		address, ok := substitute(r.URL, userID, projectID)
		if !ok {
			continue
		}
		e := &out[len(out)-1]
		e.Endpoints = append(e.Endpoints, CatalogEndpoint{
			ID: r.EndpointID, Interface: r.Interface, RegionID: r.RegionID, URL: address, Region: r.RegionID,
		})
	}
	return out, nil
}

// catalogRows returns the rows of the present generation, from memory if they are there.
func (s *Service) catalogRows(ctx context.Context) ([]db.CatalogRow, *endpointFilter, error) {
	m := s.memory
	m.mu.Lock()
	generation, rows, filter, of := m.identity, m.catalog, m.endpointFilter, m.catalogOf
	m.mu.Unlock()
	if of == generation && of != 0 {
		return rows, filter, nil
	}
	rows, err := db.CatalogRows(ctx, s.db.Read(ctx))
	if err != nil {
		return nil, nil, err
	}
	filter = nil
	if len(rows) > 0 && rows[0].Filtered {
		if filter, err = s.loadEndpointFilter(ctx); err != nil {
			return nil, nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.catalog, m.endpointFilter, m.catalogOf = rows, filter, generation
	return rows, filter, nil
}

// substitute replaces $(name)s and %(name)s in an endpoint's address; false if a name has no value.
func substitute(address, userID, projectID string) (string, bool) {
	address = strings.ReplaceAll(address, "$(", "%(")
	var out strings.Builder
	for {
		before, after, more := strings.Cut(address, "%(")
		out.WriteString(before)
		if !more {
			return out.String(), true
		}
		name, rest, closed := strings.Cut(after, ")s")
		value := map[string]string{"project_id": projectID, "tenant_id": projectID, "user_id": userID}[name]
		if !closed || value == "" {
			return "", false
		}
		out.WriteString(value)
		address = rest
	}
}

// ValidEndpointURL tells whether an address has only the substitutions that the catalogue knows
// (keystone/common/utils.py, check_endpoint_url).
func ValidEndpointURL(address string) bool {
	_, ok := substitute(address, "user", "project")
	return ok
}
