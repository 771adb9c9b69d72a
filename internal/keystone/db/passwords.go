package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// OldPassword is a row of keystone_old_passwords.
type OldPassword struct {
	bun.BaseModel `bun:"keystone_old_passwords,alias:o"`

	ID           int64     `bun:"id,pk,autoincrement"`
	UserID       string    `bun:"user_id"`
	PasswordHash string    `bun:"password_hash"`
	ReplacedAt   time.Time `bun:"replaced_at"`
}

// PasswordHistory returns the hashes of a user's former passwords, the latest first, at most so many.
func PasswordHistory(ctx context.Context, h bun.IDB, userID string, most int) ([]string, error) {
	var out []string
	err := h.NewSelect().Model((*OldPassword)(nil)).Column("password_hash").Where("o.user_id = ?", userID).
		Order("o.id DESC").Limit(int64(most)).Scan(ctx, &out)
	return out, err
}

// KeepPassword adds a former password's hash and drops those that are more than so many back.
func KeepPassword(ctx context.Context, tx store.Tx, userID, hash string, at time.Time, most int) error {
	if _, err := tx.NewInsert().Model(&OldPassword{UserID: userID, PasswordHash: hash, ReplacedAt: at}).Exec(ctx); err != nil {
		return err
	}
	_, err := tx.NewRaw(`DELETE FROM keystone_old_passwords WHERE user_id = ? AND id NOT IN
	(SELECT id FROM keystone_old_passwords WHERE user_id = ? ORDER BY id DESC LIMIT ?)`, userID, userID, most).Exec(ctx)
	return err
}

// CountFailure counts a wrong password; afresh if the last lock has run out.
func CountFailure(ctx context.Context, tx store.Tx, userID string, now time.Time, afresh bool) error {
	q := tx.NewUpdate().Model((*User)(nil)).Set("failed_count = failed_count + 1")
	if afresh {
		q = tx.NewUpdate().Model((*User)(nil)).Set("failed_count = 1")
	}
	_, err := q.Set("failed_at = ?", now).Where("id = ?", userID).Exec(ctx)
	return err
}

// NoteLogin forgets the wrong passwords before and notes the day.
func NoteLogin(ctx context.Context, tx store.Tx, userID string, day time.Time) error {
	_, err := tx.NewUpdate().Model((*User)(nil)).Set("failed_count = 0").Set("failed_at = NULL").Set("last_active_at = ?", day).
		Where("id = ?", userID).Exec(ctx)
	return err
}
