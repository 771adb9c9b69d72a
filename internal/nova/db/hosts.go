package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/nova/rpc"
	"gostack/internal/store"
)

// Service is a row of nova_services: a process that serves Nova on a host.
type Service struct {
	bun.BaseModel `bun:"nova_services,alias:sv"`

	Seq            int64      `bun:"seq,pk,autoincrement"`
	ID             string     `bun:"id"`
	Binary         string     `bun:"binary_name"`
	Host           string     `bun:"host"`
	Disabled       bool       `bun:"disabled"`
	DisabledReason *string    `bun:"disabled_reason"`
	ForcedDown     bool       `bun:"forced_down"`
	LastSeenAt     *time.Time `bun:"last_seen_at"`
	CreatedAt      time.Time  `bun:"created_at"`
	UpdatedAt      time.Time  `bun:"updated_at"`
}

// ComputeNode is a row of nova_compute_nodes: the hypervisor of a host. Its id is the resource provider's.
type ComputeNode struct {
	bun.BaseModel `bun:"nova_compute_nodes,alias:n"`

	Seq       int64        `bun:"seq,pk,autoincrement"`
	ID        string       `bun:"id"`
	Host      string       `bun:"host"`
	Hostname  string       `bun:"hostname"` // hypervisor_hostname
	Info      rpc.HostInfo `bun:"info"`
	CreatedAt time.Time    `bun:"created_at"`
	UpdatedAt time.Time    `bun:"updated_at"`

	// FailedBuilds counts builds that failed here since the last that did not.
	FailedBuilds int `bun:"failed_builds"`
	// Revision counts the changes of what decisions weigh of it.
	Revision int64 `bun:"revision"`
}

// ListServices returns services, those of a binary or host when they are given.
func ListServices(ctx context.Context, h bun.IDB, binary, host string) ([]*Service, error) {
	return list[Service](ctx, h, func(q *bun.SelectQuery) {
		if binary != "" {
			q.Where("sv.binary_name = ?", binary)
		}
		if host != "" {
			q.Where("sv.host = ?", host)
		}
		q.Order("sv.seq")
	})
}

// ServicesOfHosts returns the services of a binary on some hosts.
func ServicesOfHosts(ctx context.Context, h bun.IDB, binary string, hosts []string) ([]*Service, error) {
	return list[Service](ctx, h, func(q *bun.SelectQuery) {
		q.Where("sv.binary_name = ?", binary).Where("sv.host IN (?)", bun.List(hosts))
	})
}

// GetService returns a service by id.
func GetService(ctx context.Context, h bun.IDB, id string) (*Service, error) {
	s := new(Service)
	return s, h.NewSelect().Model(s).Where("sv.id = ?", id).Scan(ctx)
}

// GetServiceOf returns the service of a binary on a host.
func GetServiceOf(ctx context.Context, h bun.IDB, binary, host string) (*Service, error) {
	s := new(Service)
	return s, h.NewSelect().Model(s).Where("sv.binary_name = ?", binary).Where("sv.host = ?", host).Scan(ctx)
}

// UpdateService stores the named columns.
func UpdateService(ctx context.Context, tx store.Tx, s *Service, columns ...string) error {
	if err := touch(ctx, tx, WatchService, s.ID); err != nil {
		return err
	}
	return one(tx.NewUpdate().Model(s).Column(columns...).Where("id = ?", s.ID).Exec(ctx))
}

// DeleteService removes a service, and with it the host's compute node.
func DeleteService(ctx context.Context, tx store.Tx, s *Service) error {
	if err := touch(ctx, tx, WatchService, s.ID); err != nil {
		return err
	}
	if s.Binary == rpc.ComputeTopic {
		if _, err := tx.NewDelete().Model((*ComputeNode)(nil)).Where("host = ?", s.Host).Exec(ctx); err != nil {
			return err
		}
	}
	return one(tx.NewDelete().Model((*Service)(nil)).Where("id = ?", s.ID).Exec(ctx))
}

// SeenServices notes that the services of a binary on these hosts were heard at t: one statement for all of them.
func SeenServices(ctx context.Context, tx store.Tx, binary string, hosts []string, t time.Time) error {
	_, err := tx.NewUpdate().Model((*Service)(nil)).Set("last_seen_at = ?", t).
		Where("binary_name = ?", binary).Where("host IN (?)", bun.List(hosts)).Exec(ctx)
	return err
}

// ListComputeNodes returns the hypervisors, those after a marker's seq, at most limit (0: all).
func ListComputeNodes(ctx context.Context, h bun.IDB, afterSeq int64, limit int) ([]*ComputeNode, error) {
	return list[ComputeNode](ctx, h, func(q *bun.SelectQuery) {
		q.Where("n.seq > ?", afterSeq).Order("n.seq")
		if limit > 0 {
			q.Limit(int64(limit))
		}
	})
}

// GetComputeNodeOf returns the hypervisor of a host.
func GetComputeNodeOf(ctx context.Context, h bun.IDB, host string) (*ComputeNode, error) {
	n := new(ComputeNode)
	return n, h.NewSelect().Model(n).Where("n.host = ?", host).Scan(ctx)
}

// UpdateComputeNode stores the named columns.
func UpdateComputeNode(ctx context.Context, tx store.Tx, n *ComputeNode, columns ...string) error {
	return one(tx.NewUpdate().Model(n).Column(columns...).Where("id = ?", n.ID).Exec(ctx))
}

// HostUse is what the servers on a host take.
type HostUse struct {
	Host     string `bun:"host"`
	Servers  int64  `bun:"servers"`
	VCPUs    int64  `bun:"vcpus"`
	MemoryMB int64  `bun:"memory_mb"`
	DiskGB   int64  `bun:"disk_gb"`
	Busy     int64  `bun:"busy"`
}

// UseOfHosts sums what servers take, by host.
func UseOfHosts(ctx context.Context, h bun.IDB) (map[string]HostUse, error) {
	var rows []HostUse
	err := h.NewSelect().TableExpr("nova_servers AS s").
		ColumnExpr("s.host, COUNT(*) AS servers, SUM(s.vcpus) AS vcpus, SUM(s.memory_mb) AS memory_mb, SUM(s.root_gb + s.ephemeral_gb) AS disk_gb").
		ColumnExpr("SUM(CASE WHEN s.task_state <> '' THEN 1 ELSE 0 END) AS busy").
		Where("s.host <> ''").Group("s.host").Scan(ctx, &rows)
	out := make(map[string]HostUse, len(rows))
	for _, r := range rows {
		out[r.Host] = r
	}
	return out, err
}
