package db

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// Seen narrows a query to what a project sees, which is said twice: as a condition on a row, and as selections of the ids of all such rows.
// A query that an index makes short anyway looks at each row. Others take the union, because a condition with OR across tables makes a database
// read everybody's rows for one page.
func (p Query) Seen(row Cond, all ...Cond) Query {
	if slices.ContainsFunc(p.Where, narrow) {
		return p.And(row)
	}
	sql, args := make([]string, len(all)), []any(nil)
	for i, s := range all {
		sql[i] = s.SQL
		args = append(args, s.Args...)
	}
	return p.And(Cond{"t.id IN (" + strings.Join(sql, " UNION ALL ") + ")", args})
}

// selective are the columns of which few rows have the same value, and an index.
var selective = []string{"t.id", "t.name", "t.network_id", "t.device_id", "t.mac_address", "t.host", "t.security_group_id"}

func narrow(c Cond) bool {
	column, _, _ := strings.Cut(c.SQL, " ")
	return slices.Contains(selective, column)
}

// Owned selects the ids of what a project owns.
func Owned(table, project string) Cond {
	return Cond{"SELECT x.id FROM ? x WHERE x.project_id = ?", []any{bun.Ident(table), project}}
}

// Shared selects the ids of objects that RBAC policies open to a project for an action.
func Shared(action, project string) Cond {
	return Cond{"SELECT r.object_id FROM neutron_rbac_policies r WHERE r.target_project IN ('*', ?) AND r.action = ?", []any{project, action}}
}

// OwnPorts selects the ids of a project's ports and of those on its networks.
func OwnPorts(project string) []Cond {
	return []Cond{
		Owned("neutron_ports", project),
		{"SELECT x.id FROM neutron_networks y JOIN neutron_ports x ON x.network_id = y.id WHERE y.project_id = ?", []any{project}},
	}
}

// OwnSubnets selects the ids of a project's subnets, of those of its networks and of networks shared with it.
func OwnSubnets(project string) []Cond {
	shared := Shared(AccessAsShared, project)
	return []Cond{
		Owned("neutron_subnets", project),
		{"SELECT x.id FROM neutron_networks y JOIN neutron_subnets x ON x.network_id = y.id WHERE y.project_id = ?", []any{project}},
		{"SELECT x.id FROM neutron_subnets x WHERE x.network_id IN (" + shared.SQL + ")", shared.Args},
	}
}

// ServersByAddress returns the devices of Nova's ports with an address that contains the fragment; project "" is all.
func ServersByAddress(ctx context.Context, h bun.IDB, project, fragment string, v6 bool) ([]string, error) {
	var ids []string
	q := h.NewSelect().TableExpr("neutron_allocations a").Join("JOIN neutron_ports p ON p.id = a.port_id").ColumnExpr("p.device_id").
		Where("a.ip_address LIKE ? ESCAPE '!'", "%"+likeText.Replace(fragment)+"%").Where("(a.ip_address LIKE '%:%') = ?", v6).
		Where("p.device_owner LIKE 'compute:%'").GroupExpr("p.device_id").OrderExpr("p.device_id")
	if project != "" {
		q.Where("p.project_id = ?", project)
	}
	return ids, q.Scan(ctx, &ids)
}

var likeText = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")
