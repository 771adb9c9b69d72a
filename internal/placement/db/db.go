// Package db holds placement's rows and queries: providers with their inventories, traits and aggregates, and consumers
// with their allocations.
//
// Resource classes, traits and aggregates are stored by name. Standard names are not stored at all. An inventory row
// carries the sum of its allocations in "used"; whoever writes allocations writes that in the same transaction.
// Generations, capacity and all other rules belong to the package above.
package db

import (
	"embed"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are placement's tables.
var Migrations = store.Migrations{Service: "placement", FS: files}

// Provider is a row of placement_providers. ParentUUID is empty for the root of a tree.
type Provider struct {
	bun.BaseModel `bun:"table:placement_providers,alias:p"`

	UUID       string `bun:",pk"`
	Name       string
	Generation int64
	ParentUUID string `bun:",nullzero"`
	RootUUID   string
	Revision   int64 // of the provider with its inventories, traits and aggregates; begins anywhere
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Inventory is a row of placement_inventories.
type Inventory struct {
	bun.BaseModel `bun:"table:placement_inventories,alias:i"`

	ProviderUUID    string `bun:",pk"`
	ResourceClass   string `bun:",pk"`
	Total           int64
	Reserved        int64
	MinUnit         int64
	MaxUnit         int64
	StepSize        int64
	AllocationRatio float64
	Used            int64
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// Consumer is a row of placement_consumers. Type is empty when the consumer was made before microversion 1.38.
type Consumer struct {
	bun.BaseModel `bun:"table:placement_consumers,alias:c"`

	UUID       string `bun:",pk"`
	ProjectID  string
	UserID     string
	Type       string `bun:"consumer_type,nullzero"`
	Generation int64
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Allocation is a row of placement_allocations.
type Allocation struct {
	bun.BaseModel `bun:"table:placement_allocations,alias:a"`

	ConsumerUUID  string `bun:",pk"`
	ProviderUUID  string `bun:",pk"`
	ResourceClass string `bun:",pk"`
	Used          int64
	CreatedAt     time.Time
}

// ProviderTrait is a row of placement_provider_traits.
type ProviderTrait struct {
	bun.BaseModel `bun:"table:placement_provider_traits,alias:pt"`

	ProviderUUID string `bun:",pk"`
	Trait        string `bun:",pk"`
}

// ProviderAggregate is a row of placement_provider_aggregates.
type ProviderAggregate struct {
	bun.BaseModel `bun:"table:placement_provider_aggregates,alias:pa"`

	ProviderUUID  string `bun:",pk"`
	AggregateUUID string `bun:",pk"`
}

// Trait is a custom trait, a row of placement_traits.
type Trait struct {
	bun.BaseModel `bun:"table:placement_traits,alias:t"`

	Name      string `bun:",pk"`
	CreatedAt time.Time
}

// ResourceClass is a custom resource class, a row of placement_resource_classes.
type ResourceClass struct {
	bun.BaseModel `bun:"table:placement_resource_classes,alias:rc"`

	Name      string `bun:",pk"`
	CreatedAt time.Time
	UpdatedAt time.Time
}
