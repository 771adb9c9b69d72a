package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Members returns an image's members, oldest first; only is a project id, or "" for all.
func Members(ctx context.Context, idb bun.IDB, imageID, only string) ([]Member, error) {
	members := []Member{}
	q := idb.NewSelect().Model(&members).Where("image_id = ?", imageID)
	if only != "" {
		q = q.Where("member_id = ?", only)
	}
	return members, q.Order("created_at", "member_id").Scan(ctx)
}

// GetMember returns one member, or an error that store.IsNotFound knows.
func GetMember(ctx context.Context, idb bun.IDB, imageID, memberID string) (*Member, error) {
	var m Member
	err := idb.NewSelect().Model(&m).Where("image_id = ?", imageID).Where("member_id = ?", memberID).Scan(ctx)
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// CountMembers returns how many members an image has.
func CountMembers(ctx context.Context, idb bun.IDB, imageID string) (int64, error) {
	return idb.NewSelect().Model((*Member)(nil)).Where("image_id = ?", imageID).Count(ctx)
}

// AddMember inserts a member; one that is there already is a store.IsUnique error.
func AddMember(ctx context.Context, tx store.Tx, m *Member) error {
	_, err := tx.NewInsert().Model(m).Exec(ctx)
	return member(ctx, "create", m, err)
}

// SaveMember writes a member's status. False: there is no such member.
func SaveMember(ctx context.Context, tx store.Tx, m *Member) (bool, error) {
	ok, err := changed(tx.NewUpdate().Model(m).WherePK().Column("status", "updated_at").Exec(ctx))
	if !ok {
		return ok, err
	}
	return ok, member(ctx, "update", m, err)
}

// RemoveMember deletes a member. False: there is no such member.
func RemoveMember(ctx context.Context, tx store.Tx, imageID, memberID string) (bool, error) {
	m := &Member{ImageID: imageID, MemberID: memberID}
	ok, err := changed(tx.NewDelete().Model(m).WherePK().Returning("*").Exec(ctx))
	if !ok {
		return ok, err
	}
	return ok, member(ctx, "delete", m, err)
}
