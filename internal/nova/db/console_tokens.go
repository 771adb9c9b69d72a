package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// ConsoleToken is a row of nova_console_tokens: a ticket for a console.
type ConsoleToken struct {
	bun.BaseModel `bun:"nova_console_tokens,alias:ct"`

	TokenHash string    `bun:"token_hash,pk"`
	ServerID  string    `bun:"server_id"`
	Type      string    `bun:"console_type"`
	Host      string    `bun:"host"`
	Address   string    `bun:"address"`
	Port      int       `bun:"port"`
	Path      string    `bun:"path"`
	ExpiresAt time.Time `bun:"expires_at"`
}

// GetConsoleToken returns a ticket that is good at t.
func GetConsoleToken(ctx context.Context, h bun.IDB, hash string, t time.Time) (*ConsoleToken, error) {
	c := new(ConsoleToken)
	return c, h.NewSelect().Model(c).Where("ct.token_hash = ?", hash).Where("ct.expires_at > ?", t).Scan(ctx)
}

// DeleteConsoleTokens removes the tickets of a server and all that have expired at t.
func DeleteConsoleTokens(ctx context.Context, tx store.Tx, serverID string, t time.Time) error {
	_, err := tx.NewDelete().Model((*ConsoleToken)(nil)).Where("server_id = ? OR expires_at <= ?", serverID, t).Exec(ctx)
	return err
}

// DeleteExpiredConsoleTokens removes the tickets that have expired at t.
func DeleteExpiredConsoleTokens(ctx context.Context, tx store.Tx, t time.Time) error {
	_, err := tx.NewDelete().Model((*ConsoleToken)(nil)).Where("expires_at <= ?", t).Exec(ctx)
	return err
}
