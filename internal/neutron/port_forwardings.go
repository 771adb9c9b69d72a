package neutron

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// PortForwardingNotFound is a 404.
func PortForwardingNotFound(_, id string) error {
	return missing("PortForwardingNotFound", "Port Forwarding %s could not be found.", id)
}

// PortForwardings lists port forwardings.
func (s *Service) PortForwardings(ctx context.Context, q db.Query) ([]*db.PortForwarding, error) {
	return db.PortForwardings(ctx, s.DB.Read(ctx), q)
}

// PortRange reads "80" and "80:90".
func PortRange(text string) (first, last int64, ok bool) {
	a, b, two := strings.Cut(text, ":")
	if !two {
		b = a
	}
	first, err1 := strconv.ParseInt(a, 10, 64)
	last, err2 := strconv.ParseInt(b, 10, 64)
	return first, last, err1 == nil && err2 == nil && 1 <= first && first <= last && last <= 65535
}

// CreatePortForwarding leads ports of a floating IP to ports of an address inside.
func (s *Service) CreatePortForwarding(ctx context.Context, c *policy.Caller, floatingIP string, v attr.Values) (*db.PortForwarding, error) {
	x := &db.PortForwarding{FloatingIPID: floatingIP}
	return x, s.write(ctx, func(ctx context.Context, u *unit) error {
		x.ID = s.newID()
		return u.forward(ctx, c, x, v, func() error { return db.Insert(ctx, u.tx, x) })
	})
}

// UpdatePortForwarding changes what v names.
func (s *Service) UpdatePortForwarding(ctx context.Context, c *policy.Caller, floatingIP, id string, v attr.Values) (*db.PortForwarding, error) {
	var x *db.PortForwarding
	return x, s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if x, err = u.forwarding(ctx, floatingIP, id); err != nil {
			return err
		}
		return u.forward(ctx, c, x, v, func() error { return db.Update(ctx, u.tx, x) })
	})
}

func (u *unit) forwarding(ctx context.Context, floatingIP, id string) (*db.PortForwarding, error) {
	rows, err := db.PortForwardings(ctx, u.tx, db.ByID(id, "").And(db.Where("t.floatingip_id = ?", floatingIP)))
	if err == nil && len(rows) == 0 {
		err = PortForwardingNotFound(floatingIP, id)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// forward lays v over a port forwarding, checks it, has it stored and its router realised.
func (u *unit) forward(ctx context.Context, c *policy.Caller, x *db.PortForwarding, v attr.Values, store func() error) error {
	f, err := db.Get[db.FloatingIP](ctx, u.tx, x.FloatingIPID)
	if err != nil {
		return or(err, FloatingIPNotFound(x.FloatingIPID))
	}
	if f.FixedPortID != "" {
		return conflict("FloatingIPPortAlreadyAssociated",
			"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
			f.FloatingIPAddress, f.ID, v.String("internal_port_id"), v.String("internal_ip_address"), f.FloatingNetworkID)
	}
	if err := layForwarding(x, v); err != nil {
		return err
	}
	router, err := u.forwardingRouter(ctx, c, x, f)
	if err != nil {
		return err
	}
	if f.RouterID != "" && f.RouterID != router {
		return badRequest("port_forwarding", "The Floating IP %s had been set on router %s, the internal Neutron port %s can not reach it",
			f.ID, f.RouterID, x.InternalPortID)
	}
	if err := u.forwardingFree(ctx, x); err != nil {
		return err
	}
	f.RouterID, f.Status = router, statusActive
	x.Project, x.External, x.RouterID = f.ProjectID, f.FloatingIPAddress, router
	u.changed(kindRouter, router)
	if err := store(); err != nil {
		return err
	}
	return u.update(ctx, f)
}

// layForwarding changes what v names. A port and a range exclude each other; a range leads to one as long, or to a single port.
func layForwarding(x *db.PortForwarding, v attr.Values) error {
	setText(v, "description", &x.Description)
	setText(v, "protocol", &x.Protocol)
	for _, side := range []struct {
		name        string
		first, last *int64
	}{{"external_port", &x.ExternalFirst, &x.ExternalLast}, {"internal_port", &x.InternalFirst, &x.InternalLast}} {
		port, text := v.IntPtr(side.name), v.String(side.name+"_range")
		switch {
		case port != nil && text != "":
			return invalidInput("%s and %s_range are mutually exclusive", side.name, side.name)
		case port != nil:
			*side.first, *side.last = *port, *port
		case text != "":
			*side.first, *side.last, _ = PortRange(text)
		case *side.first == 0:
			return invalidInput("%s or %s_range is required", side.name, side.name)
		}
	}
	inside, outside := x.InternalLast-x.InternalFirst, x.ExternalLast-x.ExternalFirst
	if inside != outside && inside != 0 {
		return invalidInput("the external port range and the internal port range must have the same size, or the internal one must be a single port")
	}
	if port := v.String("internal_port_id"); port != "" && port != x.InternalPortID {
		x.InternalPortID, x.InternalIP = port, ""
	}
	setText(v, "internal_ip_address", &x.InternalIP)
	return nil
}

// forwardingRouter finds the router between a floating IP and the address inside.
func (u *unit) forwardingRouter(ctx context.Context, c *policy.Caller, x *db.PortForwarding, f *db.FloatingIP) (string, error) {
	p, err := u.port(ctx, x.InternalPortID)
	if err != nil {
		return "", err
	}
	if !seesAll(c) && p.ProjectID != c.ProjectID && p.NetworkProject != c.ProjectID {
		return "", PortNotFound(p.ID)
	}
	subnet := ""
	var v4 []string
	for _, a := range p.FixedIPs {
		if parseAddr(a.IPAddress).Is4() {
			v4 = append(v4, a.IPAddress)
			if x.InternalIP == "" {
				x.InternalIP = a.IPAddress
			}
			if a.IPAddress == x.InternalIP {
				subnet = a.SubnetID
			}
		}
	}
	switch {
	case len(v4) == 0:
		return "", badRequest("port_forwarding", "Requested internal port %s must allocate an IPv4 address at least", p.ID)
	case subnet == "":
		return "", badRequest("port_forwarding", "Requested internal IP address %s is not suitable for internal neutron port %s, as its fixed_ips are %s",
			x.InternalIP, p.ID, strings.Join(v4, ", "))
	}
	router, err := u.routerBetween(ctx, subnet, f.FloatingNetworkID)
	if err != nil || router != "" {
		return router, err
	}
	return "", badRequest("port_forwarding", "External network %s is not reachable from subnet %s. Cannot set Port forwarding for port %s with Floating IP %s",
		f.FloatingNetworkID, subnet, p.ID, f.ID)
}

// forwardingFree fails when a port of the range leads elsewhere already, or the address inside has a floating IP of its own.
func (u *unit) forwardingFree(ctx context.Context, x *db.PortForwarding) error {
	same, err := db.Find[db.PortForwarding](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Where("t.id <> ? AND t.protocol = ?", x.ID, x.Protocol).WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("t.floatingip_id = ? AND t.external_first <= ? AND t.external_last >= ?", x.FloatingIPID, x.ExternalLast, x.ExternalFirst).
				WhereOr("t.internal_port_id = ? AND t.internal_ip = ? AND t.internal_first <= ? AND t.internal_last >= ?",
					x.InternalPortID, x.InternalIP, x.InternalLast, x.InternalFirst)
		}).Limit(1)
	})
	if err != nil {
		return err
	}
	if len(same) > 0 {
		values := fmt.Sprintf("{'floatingip_id': '%s', 'protocol': '%s', 'external_port': %d}", x.FloatingIPID, x.Protocol, x.ExternalFirst)
		if same[0].FloatingIPID != x.FloatingIPID || same[0].ExternalFirst > x.ExternalLast || same[0].ExternalLast < x.ExternalFirst {
			values = fmt.Sprintf("{'internal_port_id': '%s', 'protocol': '%s', 'internal_ip_address': '%s', 'internal_port': %d}",
				x.InternalPortID, x.Protocol, x.InternalIP, x.InternalFirst)
		}
		return badRequest("port_forwarding", "A duplicate port forwarding entry with same attributes already exists, conflicting values are %s", values)
	}
	bound, err := db.Find[db.FloatingIP](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Where("t.fixed_port_id = ? AND t.fixed_ip_address = ?", x.InternalPortID, x.InternalIP)
	})
	if err == nil && len(bound) > 0 {
		err = conflict("PortHasBindingFloatingIP",
			"Cannot create port forwarding to floating IP %s (%s) with port %s using fixed IP %s, as that port already has a binding floating IP.",
			bound[0].FloatingIPAddress, bound[0].ID, x.InternalPortID, x.InternalIP)
	}
	return err
}

// DeletePortForwarding removes one; the last one frees its floating IP.
func (s *Service) DeletePortForwarding(ctx context.Context, floatingIP, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		x, err := u.forwarding(ctx, floatingIP, id)
		if err != nil {
			return err
		}
		return u.dropForwardings(ctx, []*db.PortForwarding{x})
	})
}

// dropForwardings removes port forwardings and frees the floating IPs that have none left.
func (u *unit) dropForwardings(ctx context.Context, rows []*db.PortForwarding) error {
	for _, x := range rows {
		u.changed(kindRouter, x.RouterID)
		if err := db.Delete(ctx, u.tx, x); err != nil {
			return err
		}
		left, err := u.tx.NewSelect().Model((*db.PortForwarding)(nil)).Where("t.floatingip_id = ?", x.FloatingIPID).Exists(ctx)
		if err != nil {
			return err
		}
		if left {
			continue
		}
		f, err := db.Get[db.FloatingIP](ctx, u.tx, x.FloatingIPID)
		if err != nil {
			return err
		}
		u.disassociate(f)
		if err := u.update(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// dropForwardingsTo removes what leads to ports, or to one address of a port if ip is not empty.
func (u *unit) dropForwardingsTo(ctx context.Context, ports []string, ip string) error {
	q := db.Query{Where: []db.Cond{db.In("t.internal_port_id", ports)}}
	if ip != "" {
		q = q.And(db.Where("t.internal_ip = ?", ip))
	}
	rows, err := db.PortForwardings(ctx, u.tx, q)
	if err != nil {
		return err
	}
	return u.dropForwardings(ctx, rows)
}

// forwards tells whether port forwardings need a floating IP.
func (u *unit) forwards(ctx context.Context, f *db.FloatingIP) error {
	if f.RouterID == "" || f.FixedPortID != "" {
		return nil
	}
	used, err := u.tx.NewSelect().Model((*db.PortForwarding)(nil)).Where("t.floatingip_id = ?", f.ID).Exists(ctx)
	if err == nil && used {
		err = conflict("FipInUseByPortForwarding", "Floating IP %s in use by Port Forwarding resources.", f.ID)
	}
	return err
}
