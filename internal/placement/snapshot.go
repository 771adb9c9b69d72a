package placement

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// An Inventory is how much of one resource class a provider has, and how much of it is given away.
type Inventory struct {
	Total           int64
	Reserved        int64
	MinUnit         int64
	MaxUnit         int64
	StepSize        int64
	AllocationRatio float64

	// Used is the sum of all allocations.
	Used int64

	UpdatedAt time.Time
}

// Limit is what can be given away at most, not rounded: verifying an allocation compares with this.
func (i Inventory) Limit() float64 { return float64(i.Total-i.Reserved) * i.AllocationRatio }

// Capacity is Limit rounded down, as shown in provider summaries.
func (i Inventory) Capacity() int64 {
	limit := i.Limit()
	if limit >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(max(limit, math.MinInt64))
}

// Accepts tells whether amount is a size that may be asked for: not below min_unit, not above max_unit, in whole steps.
func (i Inventory) Accepts(amount int64) bool {
	return amount >= i.MinUnit && amount <= i.MaxUnit && (i.StepSize <= 1 || amount%i.StepSize == 0)
}

// Has tells whether amount is an acceptable size and still free.
func (i Inventory) Has(amount int64) bool {
	return i.Accepts(amount) && float64(i.Used+amount) <= i.Limit()
}

// A Provider is a resource provider with everything that placing a workload needs to know about it.
type Provider struct {
	UUID       string
	Name       string
	Generation int64

	// Parent is empty for the root of a tree; Root is the provider's own UUID then.
	Parent string
	Root   string

	Inventories map[string]Inventory // by resource class
	Traits      []string             // sorted
	Aggregates  []string             // sorted
}

// HasTrait tells whether the provider has the trait.
func (p *Provider) HasTrait(name string) bool {
	_, found := slices.BinarySearch(p.Traits, name)
	return found
}

// InAggregate tells whether the provider belongs to the aggregate.
func (p *Provider) InAggregate(uuid string) bool {
	_, found := slices.BinarySearch(p.Aggregates, uuid)
	return found
}

func (p *Provider) hasAnyTrait(names []string) bool { return slices.ContainsFunc(names, p.HasTrait) }

func (p *Provider) inAnyAggregate(uuids []string) bool {
	return slices.ContainsFunc(uuids, p.InAggregate)
}

// A Snapshot is all of placement at one moment. It is read only: decisions made on it are verified when they are claimed.
type Snapshot struct {
	Providers []Provider // in order of UUID

	// CustomTraits and CustomResourceClasses are the names beyond the standard ones.
	CustomTraits          map[string]bool
	CustomResourceClasses map[string]bool
}

// HasTrait tells whether a trait of this name exists.
func (s *Snapshot) HasTrait(name string) bool { return s.CustomTraits[name] || IsStandardTrait(name) }

// HasResourceClass tells whether a resource class of this name exists.
func (s *Snapshot) HasResourceClass(name string) bool {
	return s.CustomResourceClasses[name] || IsStandardResourceClass(name)
}

// Provider returns the provider with this UUID, or nil.
func (s *Snapshot) Provider(uuid string) *Provider {
	i, found := slices.BinarySearchFunc(s.Providers, Provider{UUID: uuid}, byProviderUUID)
	if !found {
		return nil
	}
	return &s.Providers[i]
}

func byProviderUUID(a, b Provider) int { return cmp.Compare(a.UUID, b.UUID) }
