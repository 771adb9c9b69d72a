package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// HostState is what is unusual about a compute host.
type HostState struct {
	NodeID       string     `bun:"id"`
	FailedBuilds int        `bun:"failed_builds"`
	Served       bool       `bun:"served"` // it has a service
	Disabled     bool       `bun:"disabled"`
	ForcedDown   bool       `bun:"forced_down"`
	LastSeenAt   *time.Time `bun:"last_seen_at"`
}

// UnusualHosts returns the hypervisors that have no service, or one that is disabled, forced down or was not seen since a time, and those on which builds
// failed. One statement.
func UnusualHosts(ctx context.Context, h bun.IDB, since time.Time) ([]HostState, error) {
	var rows []HostState
	err := h.NewSelect().TableExpr("nova_compute_nodes AS n").
		ColumnExpr("n.id, n.failed_builds, sv.id IS NOT NULL AS served, COALESCE(sv.disabled, FALSE) AS disabled, COALESCE(sv.forced_down, FALSE) AS forced_down, sv.last_seen_at").
		Join("LEFT JOIN nova_services AS sv ON sv.host = n.host AND sv.binary_name = 'nova-compute'").
		Where("sv.id IS NULL OR sv.disabled OR sv.forced_down OR sv.last_seen_at IS NULL OR sv.last_seen_at < ? OR n.failed_builds > 0", since).Scan(ctx, &rows)
	return rows, err
}

// NodesMark says whether hypervisors have come, gone or changed in what decisions weigh: then it is another one.
type NodesMark struct {
	Count     int64 `bun:"count"`
	Newest    int64 `bun:"newest"`
	Revisions int64 `bun:"revisions"`
}

// MarkNodes reads the mark of all hypervisors.
func MarkNodes(ctx context.Context, h bun.IDB) (m NodesMark, err error) {
	err = h.NewSelect().TableExpr("nova_compute_nodes").
		ColumnExpr("COUNT(*) AS count, COALESCE(MAX(seq), 0) AS newest, CAST(COALESCE(SUM(revision), 0) AS BIGINT) AS revisions").Scan(ctx, &m)
	return m, err
}

// NodeRevision is a hypervisor's revision.
type NodeRevision struct {
	Seq      int64  `bun:"seq"`
	ID       string `bun:"id"`
	Revision int64  `bun:"revision"`
}

// NodeRevisions returns the revision of every hypervisor, in order of age.
func NodeRevisions(ctx context.Context, h bun.IDB) ([]NodeRevision, error) {
	var rows []NodeRevision
	err := h.NewSelect().TableExpr("nova_compute_nodes").Column("seq", "id", "revision").Order("seq").Scan(ctx, &rows)
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
