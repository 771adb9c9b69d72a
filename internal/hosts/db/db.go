// Package db holds the tables of package hosts: the authority, join tokens, hosts that have joined and keys that were removed. It owns the
// SQL and no rule.
package db

import (
	"context"
	"embed"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the schema changes.
var Migrations = store.Migrations{Service: "hosts", FS: files}

// The rows of hosts_authority.
const (
	CloudAuthority int64 = 1 // signs control and hosts
	OVNAuthority   int64 = 2 // signs the servers of OVN's databases, and control as their client
)

// Authority is a row of hosts_authority.
type Authority struct {
	bun.BaseModel `bun:"hosts_authority,alias:a"`

	ID          int64     `bun:"id,pk"`
	Certificate string    `bun:"certificate"`
	PrivateKey  string    `bun:"private_key"`
	CreatedAt   time.Time `bun:"created_at"`
}

// Token is a row of hosts_tokens.
type Token struct {
	bun.BaseModel `bun:"hosts_tokens,alias:t"`

	Hash      string     `bun:"token_hash,pk"`
	Host      string     `bun:"host"`
	CreatedAt time.Time  `bun:"created_at"`
	ExpiresAt time.Time  `bun:"expires_at"`
	UsedAt    *time.Time `bun:"used_at"`
	KeyPrint  string     `bun:"key_print"`
}

// Member is a row of hosts_members.
type Member struct {
	bun.BaseModel `bun:"hosts_members,alias:m"`

	Host      string    `bun:"host,pk"`
	KeyPrint  string    `bun:"key_print"`
	JoinedAt  time.Time `bun:"joined_at"`
	RenewedAt time.Time `bun:"renewed_at"`
	GoodUntil time.Time `bun:"good_until"`
}

// Removed is a row of hosts_removed.
type Removed struct {
	bun.BaseModel `bun:"hosts_removed,alias:r"`

	KeyPrint  string    `bun:"key_print,pk"`
	Host      string    `bun:"host"`
	RemovedAt time.Time `bun:"removed_at"`
	GoodUntil time.Time `bun:"good_until"`
}

// Insert stores a new row of any table.
func Insert(ctx context.Context, tx store.Tx, row any) error {
	_, err := tx.NewInsert().Model(row).Exec(ctx)
	return err
}

// GetAuthority returns an authority; a missing one is an error for which store.IsNotFound is true.
func GetAuthority(ctx context.Context, h bun.IDB, id int64) (*Authority, error) {
	a := new(Authority)
	return a, h.NewSelect().Model(a).Where("a.id = ?", id).Scan(ctx)
}

// GetToken returns a token by its hash.
func GetToken(ctx context.Context, h bun.IDB, hash string) (*Token, error) {
	t := new(Token)
	return t, h.NewSelect().Model(t).Where("t.token_hash = ?", hash).Scan(ctx)
}

// UpdateToken stores who has used a token.
func UpdateToken(ctx context.Context, tx store.Tx, t *Token) error {
	_, err := tx.NewUpdate().Model(t).Column("used_at", "key_print").WherePK().Exec(ctx)
	return err
}

// DeleteTokens forgets the tokens of a host, and those that had expired at t.
func DeleteTokens(ctx context.Context, tx store.Tx, host string, t time.Time) error {
	_, err := tx.NewDelete().Model((*Token)(nil)).Where("host = ? OR expires_at <= ?", host, t).Exec(ctx)
	return err
}

// GetMember returns a host that has joined.
func GetMember(ctx context.Context, h bun.IDB, host string) (*Member, error) {
	m := new(Member)
	return m, h.NewSelect().Model(m).Where("m.host = ?", host).Scan(ctx)
}

// ListMembers returns all hosts that have joined.
func ListMembers(ctx context.Context, h bun.IDB) (list []*Member, err error) {
	return list, h.NewSelect().Model(&list).Order("m.host").Scan(ctx)
}

// PutMember stores a host that has joined, or joined again.
func PutMember(ctx context.Context, tx store.Tx, m *Member) error {
	_, err := tx.NewInsert().Model(m).On("CONFLICT (host) DO UPDATE").
		Set("key_print = EXCLUDED.key_print, joined_at = EXCLUDED.joined_at, renewed_at = EXCLUDED.renewed_at, good_until = EXCLUDED.good_until").Exec(ctx)
	return err
}

// DeleteMember forgets a host.
func DeleteMember(ctx context.Context, tx store.Tx, host string) error {
	_, err := tx.NewDelete().Model((*Member)(nil)).Where("host = ?", host).Exec(ctx)
	return err
}

// PutRemoved stores a key that is refused from now on.
func PutRemoved(ctx context.Context, tx store.Tx, r *Removed) error {
	_, err := tx.NewInsert().Model(r).On("CONFLICT (key_print) DO NOTHING").Exec(ctx)
	return err
}

// DeleteRemoved forgets a removed key, and those whose certificates had ended at t.
func DeleteRemoved(ctx context.Context, tx store.Tx, keyPrint string, t time.Time) error {
	_, err := tx.NewDelete().Model((*Removed)(nil)).Where("key_print = ? OR good_until <= ?", keyPrint, t).Exec(ctx)
	return err
}

// ListRemoved returns the keys that are to be refused at t.
func ListRemoved(ctx context.Context, h bun.IDB, t time.Time) (list []*Removed, err error) {
	return list, h.NewSelect().Model(&list).Where("r.good_until > ?", t).Order("r.key_print").Scan(ctx)
}
