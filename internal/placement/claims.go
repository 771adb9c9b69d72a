package placement

import (
	"context"
	"time"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// ConsumerInstance is the consumer type of servers, and ConsumerMigration that of what a moving server holds elsewhere.
const (
	ConsumerInstance  = "INSTANCE"
	ConsumerMigration = "MIGRATION"
)

// A Claim takes resources for one consumer.
type Claim struct {
	Consumer string // UUID
	Project  string
	User     string
	Type     string // "" is ConsumerInstance

	// Allocations are amounts by provider UUID and resource class.
	Allocations map[string]map[string]int
}

// Claim takes resources in the caller's transaction, in place of what the consumer had, so repeating it is harmless. When
// they do not fit (errors.Is ErrCapacity) nothing was written and the transaction can go on. At most ten statements.
func (s *Service) Claim(ctx context.Context, tx store.Tx, claim Claim) error {
	return s.allocate(ctx, tx, []ConsumerChange{claim.change()})
}

// ClaimAll is Claim for several consumers, all or none, in as many statements as for one.
func (s *Service) ClaimAll(ctx context.Context, tx store.Tx, claims []Claim) error {
	changes := make([]ConsumerChange, len(claims))
	for i, claim := range claims {
		changes[i] = claim.change()
	}
	return s.allocate(ctx, tx, changes)
}

func (claim Claim) change() ConsumerChange {
	change := ConsumerChange{
		Consumer: claim.Consumer, Project: claim.Project, User: claim.User, Type: claim.Type,
		Allocations: make(Allocations, len(claim.Allocations)),
	}
	if change.Type == "" {
		change.Type = ConsumerInstance
	}
	for provider, resources := range claim.Allocations {
		for class, amount := range resources {
			if amount <= 0 {
				continue
			}
			if change.Allocations[provider] == nil {
				change.Allocations[provider] = make(map[string]int64, len(resources))
			}
			change.Allocations[provider][class] = int64(amount)
		}
	}
	return change
}

// Release gives back all that a consumer has, in the caller's transaction. A consumer that has nothing is no error.
func (s *Service) Release(ctx context.Context, tx store.Tx, consumer string) error {
	_, err := s.release(ctx, tx, consumer)
	return err
}

// Move gives all that one consumer has to another, which must have nothing: a migration record takes over what its server
// has on the source host. It returns whether there was anything.
func (s *Service) Move(ctx context.Context, tx store.Tx, from, to, consumerType string) (bool, error) {
	consumers, err := db.ConsumersByUUID(ctx, tx, []string{from})
	if err != nil || consumers[from] == nil {
		return false, err
	}
	old, err := db.AllocationsOf(ctx, tx, []string{from})
	if err != nil {
		return false, err
	}
	allocations := Allocations{}
	for _, row := range old {
		if allocations[row.ProviderUUID] == nil {
			allocations[row.ProviderUUID] = map[string]int64{}
		}
		allocations[row.ProviderUUID][row.ResourceClass] = row.Used
	}
	return true, s.allocate(ctx, tx, []ConsumerChange{
		{Consumer: from},
		{
			Consumer: to, Project: consumers[from].ProjectID, User: consumers[from].UserID, Type: consumerType,
			Allocations: allocations,
		},
	})
}

// A Consumer is who has allocations.
type Consumer struct {
	UUID       string
	Project    string
	User       string
	Type       string // empty when it was never told
	Generation int64
	Since      time.Time // of the latest allocation

	Allocations Allocations
}

// Consumers returns all consumers with their allocations, by UUID: for audits. One statement.
func (s *Service) Consumers(ctx context.Context) (map[string]*Consumer, error) {
	rows, err := db.Allocations(ctx, s.DB.Read(ctx), "", "")
	return consumersOf(rows), err
}

// Consumer returns one consumer with its allocations, or nil when it has none.
func (s *Service) Consumer(ctx context.Context, uuid string) (*Consumer, error) {
	rows, err := db.Allocations(ctx, s.DB.Read(ctx), uuid, "")
	return consumersOf(rows)[uuid], err
}

func consumersOf(rows []db.ConsumerAllocation) map[string]*Consumer {
	consumers := map[string]*Consumer{}
	for _, row := range rows {
		consumer := consumers[row.ConsumerUUID]
		if consumer == nil {
			consumer = &Consumer{
				UUID: row.ConsumerUUID, Project: row.ProjectID, User: row.UserID, Type: row.Type,
				Generation: row.ConsumerGeneration, Allocations: Allocations{},
			}
			consumers[row.ConsumerUUID] = consumer
		}
		if consumer.Allocations[row.ProviderUUID] == nil {
			consumer.Allocations[row.ProviderUUID] = map[string]int64{}
		}
		consumer.Allocations[row.ProviderUUID][row.ResourceClass] = row.Used
		if row.CreatedAt.After(consumer.Since) {
			consumer.Since = row.CreatedAt
		}
	}
	return consumers
}
