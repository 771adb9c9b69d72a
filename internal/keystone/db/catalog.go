package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Region is a row of keystone_regions.
type Region struct {
	bun.BaseModel `bun:"keystone_regions,alias:r"`

	ID             string         `bun:"id,pk"`
	ParentRegionID *string        `bun:"parent_region_id"`
	Description    string         `bun:"description"`
	Extra          map[string]any `bun:"extra"`
}

// Service is a row of keystone_services.
type Service struct {
	bun.BaseModel `bun:"keystone_services,alias:s"`

	ID      string         `bun:"id,pk"`
	Type    string         `bun:"type"`
	Name    string         `bun:"name"`
	Enabled bool           `bun:"enabled"`
	Extra   map[string]any `bun:"extra"`
}

// Endpoint is a row of keystone_endpoints.
type Endpoint struct {
	bun.BaseModel `bun:"keystone_endpoints,alias:e"`

	ID        string         `bun:"id,pk"`
	Interface string         `bun:"interface"` // admin, internal or public
	ServiceID string         `bun:"service_id"`
	RegionID  *string        `bun:"region_id"`
	URL       string         `bun:"url"` // may hold $(project_id)s and such
	Enabled   bool           `bun:"enabled"`
	Extra     map[string]any `bun:"extra"`
}

// GetRegion returns a region.
func GetRegion(ctx context.Context, h bun.IDB, id string) (*Region, error) {
	return get(ctx, h, &Region{ID: id})
}

// GetService returns a service.
func GetService(ctx context.Context, h bun.IDB, id string) (*Service, error) {
	return get(ctx, h, &Service{ID: id})
}

// GetEndpoint returns an endpoint.
func GetEndpoint(ctx context.Context, h bun.IDB, id string) (*Endpoint, error) {
	return get(ctx, h, &Endpoint{ID: id})
}

// ListRegions runs a list query that narrow has narrowed.
func ListRegions(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Region, error) {
	var out []*Region
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// ListServices runs a list query that narrow has narrowed.
func ListServices(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Service, error) {
	var out []*Service
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// ListEndpoints runs a list query that narrow has narrowed.
func ListEndpoints(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Endpoint, error) {
	var out []*Endpoint
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// RegionAndBelow returns a region's id and those of the regions below it. The depth is bounded, should a circle ever get in.
func RegionAndBelow(ctx context.Context, h bun.IDB, id string) ([]string, error) {
	var ids []string
	err := h.NewRaw(`WITH RECURSIVE down (id, depth) AS (
	SELECT id, 0 FROM keystone_regions WHERE id = ?
	UNION
	SELECT r.id, down.depth + 1 FROM keystone_regions r JOIN down ON r.parent_region_id = down.id WHERE down.depth < 100)
SELECT DISTINCT id FROM down`, id).Scan(ctx, &ids)
	return ids, err
}

// RegionHasEndpoints tells whether any of the regions has an endpoint.
func RegionHasEndpoints(ctx context.Context, h bun.IDB, ids []string) (bool, error) {
	if len(ids) == 0 {
		return false, nil
	}
	return h.NewSelect().Model((*Endpoint)(nil)).Where("e.region_id IN (?)", bun.List(ids)).Exists(ctx)
}

// CatalogRow is an endpoint with its service, as the catalogue shows them.
type CatalogRow struct {
	EndpointID  string  `bun:"endpoint_id"`
	Interface   string  `bun:"interface"`
	RegionID    *string `bun:"region_id"`
	URL         string  `bun:"url"`
	ServiceID   string  `bun:"service_id"`
	ServiceType string  `bun:"service_type"`
	ServiceName string  `bun:"service_name"`
	Filtered    bool    `bun:"filtered"` // some project sees but some endpoints
}

// CatalogRows returns the enabled endpoints of enabled services, ordered by service.
func CatalogRows(ctx context.Context, h bun.IDB) ([]CatalogRow, error) {
	var out []CatalogRow
	err := h.NewRaw(`SELECT s.id AS service_id, s.type AS service_type, s.name AS service_name,
	coalesce(e.id, '') AS endpoint_id, coalesce(e.interface, '') AS interface, e.region_id, coalesce(e.url, '') AS url,
	(EXISTS (SELECT 1 FROM keystone_project_endpoints) OR EXISTS (SELECT 1 FROM keystone_project_endpoint_groups)) AS filtered
FROM keystone_services s LEFT JOIN keystone_endpoints e ON e.service_id = s.id AND e.enabled
WHERE s.enabled ORDER BY s.type, s.id, e.id`).Scan(ctx, &out)
	return out, err
}

// DeleteRegions removes regions, those that belong to others of them included.
func DeleteRegions(ctx context.Context, tx store.Tx, ids []string) error {
	if _, err := tx.NewUpdate().Model((*Region)(nil)).Set("parent_region_id = NULL").Where("id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
		return err
	}
	_, err := tx.NewDelete().Model((*Region)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx)
	return err
}
