package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// HostState is what changes all the time of a compute host: its hypervisor and its service in one row.
type HostState struct {
	NodeID       string     `bun:"id"`
	FailedBuilds int        `bun:"failed_builds"`
	UpdatedAt    time.Time  `bun:"updated_at"` // of the hypervisor
	Disabled     bool       `bun:"disabled"`
	ForcedDown   bool       `bun:"forced_down"`
	LastSeenAt   *time.Time `bun:"last_seen_at"`
}

// HostStates returns the state of every hypervisor that has a service, in order of age. One statement.
func HostStates(ctx context.Context, h bun.IDB) ([]HostState, error) {
	var rows []HostState
	err := h.NewSelect().TableExpr("nova_compute_nodes AS n").
		ColumnExpr("n.id, n.failed_builds, n.updated_at, sv.disabled, sv.forced_down, sv.last_seen_at").
		Join("JOIN nova_services AS sv ON sv.host = n.host AND sv.binary_name = 'nova-compute'").Order("n.seq").Scan(ctx, &rows)
	return rows, err
}

// ComputeNodesByID returns some hypervisors.
func ComputeNodesByID(ctx context.Context, h bun.IDB, ids []string) ([]*ComputeNode, error) {
	return list[ComputeNode](ctx, h, func(q *bun.SelectQuery) { q.Where("n.id IN (?)", bun.List(ids)) })
}

// CountByHost counts the servers on each host.
func CountByHost(ctx context.Context, h bun.IDB) (map[string]int, error) {
	var rows []struct {
		Host string `bun:"host"`
		N    int    `bun:"n"`
	}
	err := h.NewSelect().TableExpr("nova_servers AS s").ColumnExpr("s.host, COUNT(*) AS n").Where("s.host <> ''").Group("s.host").Scan(ctx, &rows)
	out := make(map[string]int, len(rows))
	for _, r := range rows {
		out[r.Host] = r.N
	}
	return out, err
}

// ImagesByHost returns the images that servers on hosts were made of.
func ImagesByHost(ctx context.Context, h bun.IDB) (map[string][]ImageCopy, error) {
	var rows []struct {
		Host  string    `bun:"host"`
		Image ImageCopy `bun:"image,type:json"`
	}
	err := h.NewSelect().TableExpr("nova_servers AS s").Column("s.host", "s.image").Where("s.host <> ''").Scan(ctx, &rows)
	out := map[string][]ImageCopy{}
	for _, r := range rows {
		out[r.Host] = append(out[r.Host], r.Image)
	}
	return out, err
}

// BuildFailed counts a build that failed on a host.
func BuildFailed(ctx context.Context, tx store.Tx, host string) error {
	_, err := tx.NewUpdate().Model((*ComputeNode)(nil)).Set("failed_builds = failed_builds + 1").Where("host = ?", host).Exec(ctx)
	return err
}

// BuildDone forgets the builds that failed on a host.
func BuildDone(ctx context.Context, tx store.Tx, host string) error {
	_, err := tx.NewUpdate().Model((*ComputeNode)(nil)).Set("failed_builds = 0").Where("host = ?", host).Where("failed_builds > 0").Exec(ctx)
	return err
}

// HasComputeHostOutside tells whether any compute service is on a host that is none of these.
func HasComputeHostOutside(ctx context.Context, h bun.IDB, hosts []string) (bool, error) {
	q := h.NewSelect().Model((*Service)(nil)).Where("sv.binary_name = 'nova-compute'")
	if len(hosts) > 0 {
		q.Where("sv.host NOT IN (?)", bun.List(hosts))
	}
	return q.Exists(ctx)
}

// HasHypervisor tells whether there is a hypervisor of a name, on a host when it is given.
func HasHypervisor(ctx context.Context, h bun.IDB, hostname, host string) (bool, error) {
	q := h.NewSelect().Model((*ComputeNode)(nil))
	if hostname != "" {
		q.Where("n.hostname = ?", hostname)
	}
	if host != "" {
		q.Where("n.host = ?", host)
	}
	return q.Exists(ctx)
}
