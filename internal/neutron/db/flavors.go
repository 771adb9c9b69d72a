package db

import (
	"context"

	"github.com/uptrace/bun"
)

// Flavor is a row of neutron_flavors.
type Flavor struct {
	bun.BaseModel `bun:"neutron_flavors,alias:t"`
	Standard

	Name        string `bun:"name"`
	ServiceType string `bun:"service_type"`
	Enabled     bool   `bun:"enabled"`

	Profiles []string `bun:"-"`
}

// ServiceProfile is a row of neutron_service_profiles.
type ServiceProfile struct {
	bun.BaseModel `bun:"neutron_service_profiles,alias:t"`
	Standard

	Driver   string `bun:"driver"`
	MetaInfo string `bun:"metainfo"`
	Enabled  bool   `bun:"enabled"`
}

// FlavorProfile is a row of neutron_flavor_profiles.
type FlavorProfile struct {
	bun.BaseModel `bun:"neutron_flavor_profiles,alias:t"`

	FlavorID  string `bun:"flavor_id,pk"`
	ProfileID string `bun:"profile_id,pk"`
}

// Flavors lists flavors with their service profiles: two statements.
func Flavors(ctx context.Context, h bun.IDB, p Query) ([]*Flavor, error) {
	rows, err := list[Flavor](ctx, h, p, nil)
	if err != nil || len(rows) == 0 {
		return rows, err
	}
	byID := make(map[string]*Flavor, len(rows))
	ids := make([]string, len(rows))
	for i, f := range rows {
		byID[f.ID], ids[i], f.Profiles = f, f.ID, []string{}
	}
	var links []FlavorProfile
	err = h.NewSelect().Model(&links).Where("t.flavor_id IN (?)", bun.List(ids)).OrderExpr("t.profile_id").Scan(ctx)
	for _, l := range links {
		byID[l.FlavorID].Profiles = append(byID[l.FlavorID].Profiles, l.ProfileID)
	}
	return rows, err
}

// AgentDescription is a row of neutron_agent_descriptions.
type AgentDescription struct {
	bun.BaseModel `bun:"neutron_agent_descriptions,alias:t"`

	AgentID     string `bun:"agent_id,pk"`
	Description string `bun:"description"`
}

// AutoTopology is a row of neutron_auto_allocated_topologies.
type AutoTopology struct {
	bun.BaseModel `bun:"neutron_auto_allocated_topologies,alias:t"`

	ProjectID string `bun:"project_id,pk"`
	NetworkID string `bun:"network_id"`
	RouterID  string `bun:"router_id"`
}

// PortBinding is a row of neutron_port_bindings: an inactive binding.
type PortBinding struct {
	bun.BaseModel `bun:"neutron_port_bindings,alias:t"`

	PortID   string         `bun:"port_id,pk"`
	Host     string         `bun:"host,pk"`
	VNICType string         `bun:"vnic_type"`
	Profile  map[string]any `bun:"profile"`
}
