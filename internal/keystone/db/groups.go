package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Group is a row of keystone_groups.
type Group struct {
	bun.BaseModel `bun:"keystone_groups,alias:g"`

	ID          string         `bun:"id,pk"`
	DomainID    string         `bun:"domain_id"`
	Name        string         `bun:"name"`
	Description string         `bun:"description"`
	Extra       map[string]any `bun:"extra"`
}

// Membership is a row of keystone_memberships: a user in a group.
type Membership struct {
	bun.BaseModel `bun:"keystone_memberships,alias:m"`

	UserID  string `bun:"user_id,pk"`
	GroupID string `bun:"group_id,pk"`
}

// GetGroup returns a group.
func GetGroup(ctx context.Context, h bun.IDB, id string) (*Group, error) {
	return get(ctx, h, &Group{ID: id})
}

// ListGroups runs a list query that narrow has narrowed.
func ListGroups(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Group, error) {
	var out []*Group
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// IsMember tells whether a user is in a group.
func IsMember(ctx context.Context, h bun.IDB, userID, groupID string) (bool, error) {
	return h.NewSelect().Model((*Membership)(nil)).Where("m.user_id = ?", userID).Where("m.group_id = ?", groupID).Exists(ctx)
}

// MemberIDs lists the users in a group.
func MemberIDs(ctx context.Context, h bun.IDB, groupID string) ([]string, error) {
	var ids []string
	err := h.NewSelect().Model((*Membership)(nil)).Column("user_id").Where("m.group_id = ?", groupID).Scan(ctx, &ids)
	return ids, err
}

// AddMember puts a user into a group; being there already is no error.
func AddMember(ctx context.Context, tx store.Tx, userID, groupID string) error {
	m := &Membership{UserID: userID, GroupID: groupID}
	_, err := tx.NewInsert().Model(m).On("CONFLICT DO NOTHING").Exec(ctx)
	return changed(ctx, "created", m, err)
}

// GroupsOfUser lists the groups that a user is in.
func GroupsOfUser(ctx context.Context, h bun.IDB, userID string, narrow func(*Select)) ([]*Group, error) {
	var out []*Group
	q := h.NewSelect().Model(&out).Where("g.id IN (SELECT group_id FROM keystone_memberships WHERE user_id = ?)", userID)
	narrow(q)
	return out, q.Scan(ctx)
}

// UsersInGroup lists the users in a group.
func UsersInGroup(ctx context.Context, h bun.IDB, groupID string, narrow func(*Select)) ([]*User, error) {
	var out []*User
	q := h.NewSelect().Model(&out).Where("u.id IN (SELECT user_id FROM keystone_memberships WHERE group_id = ?)", groupID)
	narrow(q)
	return out, q.Scan(ctx)
}
