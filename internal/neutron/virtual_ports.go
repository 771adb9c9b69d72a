package neutron

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
)

// names are what the engine's DNS answers for a port: the names that its dns_assignment shows, where somebody has chosen one.
func (b *specs) names(p *db.Port) (out []driver.DNSName) {
	if p.DNSName == "" || trusted(p.DeviceOwner) {
		return nil
	}
	for _, a := range b.s.DNSAssignments(p) {
		ip := parseAddr(a.IPAddress)
		for _, name := range []string{a.Hostname, strings.TrimSuffix(a.FQDN, ".")} {
			name = strings.ToLower(name)
			i := slices.IndexFunc(out, func(n driver.DNSName) bool { return n.Name == name })
			if i < 0 {
				out = append(out, driver.DNSName{Name: name})
				i = len(out) - 1
			}
			if !slices.Contains(out[i].Addresses, ip) {
				out[i].Addresses = append(out[i].Addresses, ip)
			}
		}
	}
	return out
}

// A port that nobody plugs, whose address others on its network may use by their allowed address pairs, is a virtual one: a name for an
// address that moves between those others.

// couldBeVirtual tells whether a port is plugged by nobody.
func couldBeVirtual(p *db.Port) bool {
	return p.Host == "" && p.DeviceID == "" && p.NovaServer == "" && !trusted(p.DeviceOwner) && p.TrunkParent == "" && len(p.FixedIPs) > 0
}

// pairsChanged has the ports realised whose addresses the pairs of a port name, or named before.
func (u *unit) pairsChanged(ctx context.Context, p *db.Port, before []db.AddressPair) error {
	var ips []string
	for _, pair := range slices.Concat(p.AllowedAddressPairs, before) {
		ips = append(ips, strings.TrimSuffix(strings.TrimSuffix(pair.IPAddress, "/32"), "/128"))
	}
	if len(ips) == 0 {
		return nil
	}
	var ids []string
	err := u.tx.NewSelect().Model((*db.Allocation)(nil)).Column("port_id").
		Where("t.network_id = ? AND t.port_id <> ? AND t.ip_address IN (?)", p.NetworkID, p.ID, bun.List(ips)).Scan(ctx, &ids)
	u.changed(kindPort, ids...)
	return err
}

// findParents fills in the virtual parents of ports.
func (b *specs) findParents(ctx context.Context, ports []*db.Port) error {
	networks := map[string][]*db.Port{}
	var ids []string
	for _, p := range ports {
		if couldBeVirtual(p) {
			if networks[p.NetworkID] == nil {
				ids = append(ids, p.NetworkID)
			}
			networks[p.NetworkID] = append(networks[p.NetworkID], p)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := db.Find[db.Port](ctx, b.h, func(q *bun.SelectQuery) {
		q.Column("id", "network_id", "allowed_address_pairs").OrderExpr("t.id").
			Where("t.network_id IN (?) AND t.allowed_address_pairs IS NOT NULL AND t.allowed_address_pairs NOT IN ('', '[]', 'null')", bun.List(ids))
	})
	for _, parent := range rows {
		for _, p := range networks[parent.NetworkID] {
			if parent.ID != p.ID && slices.ContainsFunc(parent.AllowedAddressPairs, func(pair db.AddressPair) bool { return namesAddress(pair, p) }) {
				p.VirtualParents = append(p.VirtualParents, parent.ID)
			}
		}
	}
	return err
}

// namesAddress tells whether a pair is for the port's first address alone.
func namesAddress(pair db.AddressPair, p *db.Port) bool {
	ip, bits, _ := strings.Cut(pair.IPAddress, "/")
	return ip == p.FixedIPs[0].IPAddress && (bits == "" || bits == "32" || bits == "128")
}
