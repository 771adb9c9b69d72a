package db

import (
	"context"

	"github.com/uptrace/bun"
)

// RegisteredLimit is a row of keystone_registered_limits.
type RegisteredLimit struct {
	bun.BaseModel `bun:"keystone_registered_limits,alias:r"`

	ID           string  `bun:"id,pk"`
	ServiceID    string  `bun:"service_id"`
	RegionID     *string `bun:"region_id"`
	ResourceName string  `bun:"resource_name"`
	DefaultLimit int64   `bun:"default_limit"`
	Description  *string `bun:"description"`
}

// Limit is a row of keystone_limits.
type Limit struct {
	bun.BaseModel `bun:"keystone_limits,alias:l"`

	ID                string  `bun:"id,pk"`
	RegisteredLimitID string  `bun:"registered_limit_id"`
	TargetID          string  `bun:"target_id"`
	IsDomain          bool    `bun:"is_domain"`
	ResourceLimit     int64   `bun:"resource_limit"`
	Description       *string `bun:"description"`
}

// FullLimit is a limit with what it is a limit of.
type FullLimit struct {
	Limit        `bun:",extend"`
	ServiceID    string  `bun:"service_id"`
	RegionID     *string `bun:"region_id"`
	ResourceName string  `bun:"resource_name"`
	DomainID     string  `bun:"domain_id"` // of the project; empty for a domain
}

// GetRegisteredLimit returns a registered limit.
func GetRegisteredLimit(ctx context.Context, h bun.IDB, id string) (*RegisteredLimit, error) {
	return get(ctx, h, &RegisteredLimit{ID: id})
}

// FindRegisteredLimit returns that of a service's resource in a region, nil being every region.
func FindRegisteredLimit(ctx context.Context, h bun.IDB, serviceID string, regionID *string, resource string) (*RegisteredLimit, error) {
	r := new(RegisteredLimit)
	q := h.NewSelect().Model(r).Where("r.service_id = ?", serviceID).Where("r.resource_name = ?", resource)
	if regionID == nil {
		q.Where("r.region_id IS NULL")
	} else {
		q.Where("r.region_id = ?", *regionID)
	}
	return r, q.Scan(ctx)
}

// ListRegisteredLimits runs a list query that narrow has narrowed.
func ListRegisteredLimits(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*RegisteredLimit, error) {
	var out []*RegisteredLimit
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// LimitsRegistered tells whether a project or domain has a limit in place of a registered one.
func LimitsRegistered(ctx context.Context, h bun.IDB, registeredID string) (bool, error) {
	return h.NewSelect().Model((*Limit)(nil)).Where("l.registered_limit_id = ?", registeredID).Exists(ctx)
}

// ListLimits runs a list query that narrow has narrowed; r is the registered limit, p the project or domain.
func ListLimits(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*FullLimit, error) {
	var out []*FullLimit
	q := h.NewSelect().Model(&out).ColumnExpr("l.*, r.service_id, r.region_id, r.resource_name, p.domain_id").
		Join("JOIN keystone_registered_limits AS r ON r.id = l.registered_limit_id").
		Join("JOIN keystone_projects AS p ON p.id = l.target_id")
	narrow(q)
	return out, q.Scan(ctx)
}

// EffectiveLimit is what holds for one resource of a service and one project or domain.
type EffectiveLimit struct {
	ResourceName string  `bun:"resource_name"`
	RegionID     *string `bun:"region_id"`
	DefaultLimit int64   `bun:"default_limit"`
	TargetID     *string `bun:"target_id"` // nil: nobody asked about has a limit of its own
	Limit        *int64  `bun:"resource_limit"`
}

// EffectiveLimits returns the limits of a type of service with those that some projects and domains have in their place.
func EffectiveLimits(ctx context.Context, h bun.IDB, serviceType string, targets []string) ([]EffectiveLimit, error) {
	var out []EffectiveLimit
	err := h.NewRaw(`SELECT r.resource_name, r.region_id, r.default_limit, l.target_id, l.resource_limit
FROM keystone_registered_limits r JOIN keystone_services s ON s.id = r.service_id
LEFT JOIN keystone_limits l ON l.registered_limit_id = r.id AND l.target_id IN (?)
WHERE s.type = ?`, bun.List(targets), serviceType).Scan(ctx, &out)
	return out, err
}
