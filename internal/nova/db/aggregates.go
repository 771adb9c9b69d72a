package db

import (
	"context"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Aggregate is a row of nova_aggregates with its hosts.
type Aggregate struct {
	bun.BaseModel `bun:"nova_aggregates,alias:g"`

	ID        int64             `bun:"id,pk,autoincrement"`
	UUID      string            `bun:"uuid"`
	Name      string            `bun:"name"`
	Metadata  map[string]string `bun:"metadata"`
	CreatedAt time.Time         `bun:"created_at"`
	UpdatedAt *time.Time        `bun:"updated_at"`
	Hosts     []string          `bun:"-"`
}

// AggregateHost is a row of nova_aggregate_hosts.
type AggregateHost struct {
	bun.BaseModel `bun:"nova_aggregate_hosts,alias:gh"`

	AggregateID int64  `bun:"aggregate_id,pk"`
	Host        string `bun:"host,pk"`
}

// ListAggregates returns all aggregates with their hosts, in two statements.
func ListAggregates(ctx context.Context, h bun.IDB) ([]*Aggregate, error) {
	all, err := list[Aggregate](ctx, h, func(q *bun.SelectQuery) { q.Order("g.id") })
	if err != nil || len(all) == 0 {
		return all, err
	}
	hosts, err := list[AggregateHost](ctx, h, func(q *bun.SelectQuery) { q.Order("gh.host") })
	byID := map[int64]*Aggregate{}
	for _, a := range all {
		byID[a.ID] = a
	}
	for _, gh := range hosts {
		if a := byID[gh.AggregateID]; a != nil {
			a.Hosts = append(a.Hosts, gh.Host)
		}
	}
	return all, err
}

// GetAggregate returns an aggregate with its hosts.
func GetAggregate(ctx context.Context, h bun.IDB, id int64) (*Aggregate, error) {
	a := new(Aggregate)
	if err := h.NewSelect().Model(a).Where("g.id = ?", id).Scan(ctx); err != nil {
		return nil, err
	}
	hosts, err := list[AggregateHost](ctx, h, func(q *bun.SelectQuery) { q.Where("gh.aggregate_id = ?", id).Order("gh.host") })
	for _, gh := range hosts {
		a.Hosts = append(a.Hosts, gh.Host)
	}
	return a, err
}

// GetAggregateByUUID returns an aggregate with its hosts.
func GetAggregateByUUID(ctx context.Context, h bun.IDB, uuid string) (*Aggregate, error) {
	var id int64
	if err := h.NewSelect().Model((*Aggregate)(nil)).Column("id").Where("g.uuid = ?", uuid).Scan(ctx, &id); err != nil {
		return nil, err
	}
	return GetAggregate(ctx, h, id)
}

// UpdateAggregate stores an aggregate's own columns.
func UpdateAggregate(ctx context.Context, tx store.Tx, a *Aggregate) error {
	if err := touch(ctx, tx, WatchAggregate, strconv.FormatInt(a.ID, 10)); err != nil {
		return err
	}
	return one(tx.NewUpdate().Model(a).WherePK().Exec(ctx))
}

// DeleteAggregate removes an aggregate.
func DeleteAggregate(ctx context.Context, tx store.Tx, id int64) error {
	if err := touch(ctx, tx, WatchAggregate, strconv.FormatInt(id, 10)); err != nil {
		return err
	}
	return one(tx.NewDelete().Model((*Aggregate)(nil)).Where("id = ?", id).Exec(ctx))
}

// DeleteAggregateHost takes a host from an aggregate.
func DeleteAggregateHost(ctx context.Context, tx store.Tx, id int64, host string) error {
	if err := touch(ctx, tx, WatchAggregate, strconv.FormatInt(id, 10)); err != nil {
		return err
	}
	return one(tx.NewDelete().Model(&AggregateHost{AggregateID: id, Host: host}).WherePK().Exec(ctx))
}

// ForgetAggregateHost takes a host from all aggregates.
func ForgetAggregateHost(ctx context.Context, tx store.Tx, host string) error {
	_, err := tx.NewDelete().Model((*AggregateHost)(nil)).Where("host = ?", host).Exec(ctx)
	return err
}

// AggregatesOf returns the aggregates that a host is in, without their hosts. One statement.
func AggregatesOf(ctx context.Context, h bun.IDB, host string) ([]*Aggregate, error) {
	return list[Aggregate](ctx, h, func(q *bun.SelectQuery) {
		q.Join("JOIN nova_aggregate_hosts AS gh ON gh.aggregate_id = g.id").Where("gh.host = ?", host).Order("g.id")
	})
}

// CountServersOn counts the servers on some hosts.
func CountServersOn(ctx context.Context, h bun.IDB, hosts []string) (int64, error) {
	return h.NewSelect().Model((*Server)(nil)).Where("s.host IN (?)", bun.List(hosts)).Count(ctx)
}
