package db

import (
	"context"

	"github.com/uptrace/bun"
)

// Log is a row of neutron_logs.
type Log struct {
	bun.BaseModel `bun:"neutron_logs,alias:t"`
	Standard

	Name         string `bun:"name"`
	Enabled      bool   `bun:"enabled"`
	ResourceType string `bun:"resource_type"`
	ResourceID   string `bun:"resource_id"` // a security group, or ""
	TargetID     string `bun:"target_id"`   // a port, or ""
	Event        string `bun:"event"`
}

// Logs lists logs.
func Logs(ctx context.Context, h bun.IDB, q Query) ([]*Log, error) { return list[Log](ctx, h, q, nil) }
