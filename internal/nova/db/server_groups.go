package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// ServerGroup is a row of nova_server_groups. Its members are the servers whose server_group_id it is.
type ServerGroup struct {
	bun.BaseModel `bun:"nova_server_groups,alias:sg"`

	Seq       int64          `bun:"seq,pk,autoincrement"`
	ID        string         `bun:"id"`
	ProjectID string         `bun:"project_id"`
	UserID    string         `bun:"user_id"`
	Name      string         `bun:"name"`
	Policy    string         `bun:"policy"`
	Rules     map[string]int `bun:"rules"`
	CreatedAt time.Time      `bun:"created_at"`
	Members   []string       `bun:"-"`
}

// GetServerGroup returns a group with its members.
func GetServerGroup(ctx context.Context, h bun.IDB, id string) (*ServerGroup, error) {
	g := new(ServerGroup)
	if err := h.NewSelect().Model(g).Where("sg.id = ?", id).Scan(ctx); err != nil {
		return nil, err
	}
	return g, fillMembers(ctx, h, []*ServerGroup{g})
}

// ListServerGroups returns the groups of a project ("" is all), offset and limit (0: all), with their members, in two statements.
func ListServerGroups(ctx context.Context, h bun.IDB, project string, offset, limit int) ([]*ServerGroup, error) {
	all, err := list[ServerGroup](ctx, h, func(q *bun.SelectQuery) {
		if project != "" {
			q.Where("sg.project_id = ?", project)
		}
		q.Order("sg.seq").Limit(int64(limit)).Offset(int64(offset))
	})
	if err != nil {
		return nil, err
	}
	return all, fillMembers(ctx, h, all)
}

func fillMembers(ctx context.Context, h bun.IDB, groups []*ServerGroup) error {
	if len(groups) == 0 {
		return nil
	}
	ids := make([]string, len(groups))
	byID := map[string]*ServerGroup{}
	for i, g := range groups {
		ids[i], byID[g.ID] = g.ID, g
	}
	var rows []struct {
		ID    string `bun:"id"`
		Group string `bun:"server_group_id"`
	}
	err := h.NewSelect().TableExpr("nova_servers AS s").Column("s.id", "s.server_group_id").
		Where("s.server_group_id IN (?)", bun.List(ids)).Order("s.seq").Scan(ctx, &rows)
	for _, r := range rows {
		g := byID[r.Group]
		g.Members = append(g.Members, r.ID)
	}
	return err
}

// CountServerGroups counts a project's groups.
func CountServerGroups(ctx context.Context, h bun.IDB, project string) (int64, error) {
	return h.NewSelect().Model((*ServerGroup)(nil)).Where("sg.project_id = ?", project).Count(ctx)
}

// DeleteServerGroup removes a group; its members go on without one.
func DeleteServerGroup(ctx context.Context, tx store.Tx, id string) error {
	if err := touch(ctx, tx, WatchServerGroup, id); err != nil {
		return err
	}
	if _, err := tx.NewUpdate().Model((*Server)(nil)).Set("server_group_id = NULL").Where("server_group_id = ?", id).Exec(ctx); err != nil {
		return err
	}
	return one(tx.NewDelete().Model((*ServerGroup)(nil)).Where("id = ?", id).Exec(ctx))
}

// GroupHosts returns the members of a group with their hosts; a member that has none yet is at "".
func GroupHosts(ctx context.Context, h bun.IDB, group string) (map[string]string, error) {
	return hostsOf(ctx, h, func(q *bun.SelectQuery) { q.Where("s.server_group_id = ?", group) })
}

// HostsOfServers returns the hosts of those of the servers that live.
func HostsOfServers(ctx context.Context, h bun.IDB, ids []string) (map[string]string, error) {
	return hostsOf(ctx, h, func(q *bun.SelectQuery) { q.Where("s.id IN (?)", bun.List(ids)) })
}

func hostsOf(ctx context.Context, h bun.IDB, narrow func(*bun.SelectQuery)) (map[string]string, error) {
	var rows []struct {
		ID   string `bun:"id"`
		Host string `bun:"host"`
	}
	q := h.NewSelect().TableExpr("nova_servers AS s").Column("s.id", "s.host")
	narrow(q)
	err := q.Scan(ctx, &rows)
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[r.ID] = r.Host
	}
	return out, err
}

// ServerGroupRule returns a group without its members.
func ServerGroupRule(ctx context.Context, h bun.IDB, id string) (*ServerGroup, error) {
	g := new(ServerGroup)
	return g, h.NewSelect().Model(g).Where("sg.id = ?", id).Scan(ctx)
}

// CountGroupMembers counts the servers of a user in a group.
func CountGroupMembers(ctx context.Context, h bun.IDB, group, user string) (int64, error) {
	return h.NewSelect().Model((*Server)(nil)).Where("s.server_group_id = ?", group).Where("s.user_id = ?", user).Count(ctx)
}
