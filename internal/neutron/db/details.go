package db

import (
	"context"

	"github.com/uptrace/bun"
)

// BarePorts lists ports with what matters of their networks, without addresses and groups.
func BarePorts(ctx context.Context, h bun.IDB, p Query) ([]*Port, error) {
	return list[Port](ctx, h, p, func(q *bun.SelectQuery) {
		q.Join("JOIN neutron_networks n ON n.id = t.network_id").
			ColumnExpr("n.project_id AS network_project, n.name AS network_name, n.mtu AS network_mtu, n.dns_domain AS network_dns, n.qos_policy_id AS network_qos, n.physical_network AS network_physnet")
	})
}

// PortDetail is an address of a port (Ref its subnet, More a floating IP or empty) or a group (Ref its id, More its name).
type PortDetail struct {
	PortID  string
	Ref     string
	Address string
	More    string
	Place   int64
}

// PortDetails returns addresses with floating IPs, and groups with names, of ports.
func PortDetails(ctx context.Context, h bun.IDB, ports []*Port) (map[string][]PortDetail, error) {
	out := make(map[string][]PortDetail, len(ports))
	if len(ports) == 0 {
		return out, nil
	}
	ids := make([]string, len(ports))
	for i, p := range ports {
		ids[i] = p.ID
	}
	var rows []PortDetail
	err := h.NewRaw(`SELECT a.port_id, a.subnet_id AS ref, a.ip_address AS address, COALESCE(f.floating_ip_address, '') AS more, a.place
FROM neutron_allocations a LEFT JOIN neutron_floatingips f ON f.fixed_port_id = a.port_id AND f.fixed_ip_address = a.ip_address WHERE a.port_id IN (?)
UNION ALL SELECT m.port_id, m.group_id, '', g.name, 0
FROM neutron_port_security_groups m JOIN neutron_security_groups g ON g.id = m.group_id WHERE m.port_id IN (?)
ORDER BY 1, 5, 3, 2, 4`, bun.List(ids), bun.List(ids)).Scan(ctx, &rows)
	for _, r := range rows {
		out[r.PortID] = append(out[r.PortID], r)
	}
	return out, err
}
