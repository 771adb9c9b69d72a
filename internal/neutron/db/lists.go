package db

import (
	"context"

	"github.com/uptrace/bun"
)

// sharedSQL tells whether an RBAC policy gives a project access to an object.
const sharedSQL = "EXISTS (SELECT 1 FROM neutron_rbac_policies r WHERE r.object_id = ? AND r.action = ? AND r.target_project IN ('*', ?))"

// SharedWith is true for rows whose column (an object's id) is shared with the project by the action.
func SharedWith(column, action, project string) Cond {
	return Cond{sharedSQL, []any{bun.Safe(column), action, project}}
}

// Plain lists rows of one table.
func Plain[T any](ctx context.Context, h bun.IDB, p Query) ([]*T, error) {
	return list[T](ctx, h, p, nil)
}

// Sharable lists rows that RBAC policies share, with Shared as the project of the query sees it.
func Sharable[T any](ctx context.Context, h bun.IDB, p Query) ([]*T, error) {
	return list[T](ctx, h, p, func(q *bun.SelectQuery) {
		q.ColumnExpr(sharedSQL+" AS shared", bun.Safe("t.id"), AccessAsShared, p.Project)
	})
}

// Networks lists networks with Shared as the project of the query sees it.
func Networks(ctx context.Context, h bun.IDB, p Query) ([]*Network, error) {
	return list[Network](ctx, h, p, func(q *bun.SelectQuery) {
		q.ColumnExpr(sharedSQL+" AS shared", bun.Safe("t.id"), AccessAsShared, p.Project).
			ColumnExpr(sharedSQL+" AS external_access", bun.Safe("t.id"), AccessAsExternal, p.Project)
	})
}

// Subnets lists subnets with what matters of their networks.
func Subnets(ctx context.Context, h bun.IDB, p Query) ([]*Subnet, error) {
	return list[Subnet](ctx, h, p, func(q *bun.SelectQuery) {
		q.Join("JOIN neutron_networks n ON n.id = t.network_id").
			ColumnExpr("n.project_id AS network_project, n.external AS network_external").
			ColumnExpr(sharedSQL+" AS shared", bun.Safe("t.network_id"), AccessAsShared, p.Project)
	})
}

// Ports lists ports with what matters of their networks, addresses and security groups: two statements.
func Ports(ctx context.Context, h bun.IDB, p Query) ([]*Port, error) {
	rows, err := BarePorts(ctx, h, p)
	if err != nil {
		return nil, err
	}
	return rows, LoadPortParts(ctx, h, rows)
}

// portParts are the rows of other tables that belong to ports.
const portParts = `SELECT port_id, 'address' AS kind, subnet_id AS ref, ip_address AS address, place FROM neutron_allocations WHERE port_id IN (?0)
UNION ALL SELECT port_id, 'group', group_id, '', 0 FROM neutron_port_security_groups WHERE port_id IN (?0)
UNION ALL SELECT port_id, 'trunk', id, '', 0 FROM neutron_trunks WHERE port_id IN (?0)
UNION ALL SELECT t.port_id, 'subport', s.port_id, p.mac_address, s.segmentation_id FROM neutron_trunks t JOIN neutron_subports s ON s.trunk_id = t.id
	JOIN neutron_ports p ON p.id = s.port_id WHERE t.port_id IN (?0)
UNION ALL SELECT s.port_id, 'parent', t.port_id, '', s.segmentation_id FROM neutron_subports s JOIN neutron_trunks t ON t.id = s.trunk_id WHERE s.port_id IN (?0)
UNION ALL SELECT p.id, 'minimum', r.direction, '', r.rate FROM neutron_ports p JOIN neutron_networks n ON n.id = p.network_id
	JOIN neutron_qos_rules r ON r.policy_id = CASE WHEN p.qos_policy_id <> '' THEN p.qos_policy_id ELSE n.qos_policy_id END AND r.kind = 'minimum_bandwidth'
	WHERE p.id IN (?0) AND p.device_owner NOT LIKE 'network:%'
ORDER BY 1, 5, 3, 4`

// LoadPortParts fills in the addresses, security groups and trunks of ports.
func LoadPortParts(ctx context.Context, h bun.IDB, ports []*Port) error {
	if len(ports) == 0 {
		return nil
	}
	byID := make(map[string]*Port, len(ports))
	ids := make([]string, len(ports))
	for i, p := range ports {
		byID[p.ID], ids[i] = p, p.ID
		p.FixedIPs, p.SecurityGroups, p.SubPorts = nil, nil, nil
		p.TrunkID, p.TrunkParent, p.TrunkTag, p.MinKbps = "", "", 0, nil
	}
	var parts []struct {
		PortID  string
		Kind    string
		Ref     string
		Address string
		Place   int64
	}
	if err := h.NewRaw(portParts, bun.List(ids)).Scan(ctx, &parts); err != nil {
		return err
	}
	for _, x := range parts {
		p := byID[x.PortID]
		switch x.Kind {
		case "group":
			p.SecurityGroups = append(p.SecurityGroups, x.Ref)
		case "minimum":
			if p.MinKbps == nil {
				p.MinKbps = map[string]int64{}
			}
			p.MinKbps[x.Ref] = x.Place
		case "trunk":
			p.TrunkID = x.Ref
		case "subport":
			p.SubPorts = append(p.SubPorts, SubPort{PortID: x.Ref, SegmentationType: "vlan", SegmentationID: x.Place, MACAddress: x.Address})
		case "parent":
			p.TrunkParent, p.TrunkTag = x.Ref, x.Place
		default:
			p.FixedIPs = append(p.FixedIPs, Allocation{SubnetID: x.Ref, IPAddress: x.Address, NetworkID: p.NetworkID, PortID: p.ID, Place: x.Place})
		}
	}
	return nil
}

// Routers lists routers with the addresses of their gateways: two statements.
func Routers(ctx context.Context, h bun.IDB, p Query) ([]*Router, error) {
	rows, err := list[Router](ctx, h, p, nil)
	if err != nil {
		return nil, err
	}
	return rows, LoadGatewayIPs(ctx, h, rows)
}

// LoadGatewayIPs fills in the addresses of routers' gateway ports, and the gateways beside the first.
func LoadGatewayIPs(ctx context.Context, h bun.IDB, routers []*Router) error {
	byID := map[string]*Router{}
	var ids []string
	for _, r := range routers {
		r.GatewayIPs, r.MoreGateways = nil, nil
		if r.GWPortID != "" {
			byID[r.ID], ids = r, append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var rows []struct{ RouterID, PortID, NetworkID, SubnetID, IPAddress string }
	err := h.NewRaw(`SELECT p.router_id, p.id AS port_id, p.network_id, a.subnet_id, a.ip_address FROM neutron_ports p
JOIN neutron_allocations a ON a.port_id = p.id WHERE p.router_id IN (?) AND p.device_owner = 'network:router_gateway'
ORDER BY p.created_at, p.id, a.place, a.ip_key`, bun.List(ids)).Scan(ctx, &rows)
	for _, x := range rows {
		r, a := byID[x.RouterID], Allocation{SubnetID: x.SubnetID, IPAddress: x.IPAddress, NetworkID: x.NetworkID, PortID: x.PortID}
		if x.PortID == r.GWPortID {
			r.GatewayIPs = append(r.GatewayIPs, a)
			continue
		}
		if n := len(r.MoreGateways); n == 0 || r.MoreGateways[n-1].PortID != x.PortID {
			r.MoreGateways = append(r.MoreGateways, Gateway{PortID: x.PortID, NetworkID: x.NetworkID})
		}
		last := &r.MoreGateways[len(r.MoreGateways)-1]
		last.IPs = append(last.IPs, a)
	}
	return err
}

// FloatingIPs lists floating IPs with what port_details shows and their port forwardings.
func FloatingIPs(ctx context.Context, h bun.IDB, p Query) ([]*FloatingIP, error) {
	rows, err := list[FloatingIP](ctx, h, p, func(q *bun.SelectQuery) {
		q.Join("LEFT JOIN neutron_ports p ON p.id = t.fixed_port_id").Join("JOIN neutron_networks n ON n.id = t.floating_network_id").
			ColumnExpr("n.qos_policy_id AS network_qos").
			ColumnExpr("COALESCE(p.name, '') AS port_name, COALESCE(p.network_id, '') AS port_network_id, COALESCE(p.mac_address, '') AS port_mac").
			ColumnExpr("COALESCE(p.admin_state_up, FALSE) AS port_admin_up, COALESCE(p.status, '') AS port_status").
			ColumnExpr("COALESCE(p.device_id, '') AS port_device_id, COALESCE(p.device_owner, '') AS port_device_owner")
	})
	if err != nil {
		return nil, err
	}
	return rows, LoadForwardings(ctx, h, rows)
}

// SecurityGroups lists security groups with their rules: two statements.
func SecurityGroups(ctx context.Context, h bun.IDB, p Query) ([]*SecurityGroup, error) {
	rows, err := list[SecurityGroup](ctx, h, p, func(q *bun.SelectQuery) {
		q.ColumnExpr("EXISTS (SELECT 1 FROM neutron_default_security_groups d WHERE d.group_id = t.id) AS is_default").
			ColumnExpr(sharedSQL+" AS shared", bun.Safe("t.id"), AccessAsShared, p.Project)
	})
	if err != nil || len(rows) == 0 {
		return rows, err
	}
	byID := make(map[string]*SecurityGroup, len(rows))
	ids := make([]string, len(rows))
	for i, g := range rows {
		byID[g.ID], ids[i] = g, g.ID
	}
	rules, err := SecurityGroupRules(ctx, h, Query{Where: []Cond{In("t.security_group_id", ids)}})
	for _, r := range rules {
		g := byID[r.SecurityGroupID]
		g.Rules = append(g.Rules, r)
	}
	return rows, err
}

// SecurityGroupRules lists rules with the project of their group.
func SecurityGroupRules(ctx context.Context, h bun.IDB, p Query) ([]*SecurityGroupRule, error) {
	return list[SecurityGroupRule](ctx, h, p, func(q *bun.SelectQuery) {
		q.Join("JOIN neutron_security_groups g ON g.id = t.security_group_id").
			ColumnExpr("g.project_id AS group_project").
			ColumnExpr("EXISTS (SELECT 1 FROM neutron_default_security_groups d WHERE d.group_id = g.id) AS of_default")
	})
}

// RBACPolicies lists RBAC policies.
func RBACPolicies(ctx context.Context, h bun.IDB, p Query) ([]*RBACPolicy, error) {
	return list[RBACPolicy](ctx, h, p, nil)
}
