package neutron

import (
	"context"
	"errors"
	"slices"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/rest"
)

// metadataPort keeps the network's metadata port: one per network, present on every host, with an address on each IPv4
// subnet that has DHCP (a guest learns its route to 169.254.169.254 from the subnet's DHCP answers). It is made when the first
// such subnet comes, named and owned as networking-ovn does.
func (u *unit) metadataPort(ctx context.Context, n *db.Network, sn *db.Subnet) error {
	if sn.IPVersion != 4 {
		return nil
	}
	rows, err := db.Ports(ctx, u.tx, db.Query{Where: []db.Cond{db.Where("t.network_id = ? AND t.device_owner = ?", n.ID, ownerDistributed)}})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		if !sn.EnableDHCP {
			return nil
		}
		p := &db.Port{
			NetworkID: n.ID, AdminStateUp: true, Status: statusDown, DeviceID: "ovnmeta-" + n.ID, DeviceOwner: ownerDistributed, NovaIndex: -1,
		}
		p.ProjectID = n.ProjectID
		return unlessFull(u.createPort(ctx, portRequest{row: p, given: true, asks: []fixedAsk{{subnet: sn.ID}}, network: n, noQuota: true}, nil))
	}
	p := rows[0]
	has := slices.ContainsFunc(p.FixedIPs, func(a db.Allocation) bool { return a.SubnetID == sn.ID })
	if has == sn.EnableDHCP {
		return nil
	}
	var asks []fixedAsk
	for _, a := range p.FixedIPs {
		if a.SubnetID != sn.ID {
			asks = append(asks, fixedAsk{subnet: a.SubnetID, ip: parseAddr(a.IPAddress)})
		}
	}
	if sn.EnableDHCP {
		asks = append(asks, fixedAsk{subnet: sn.ID})
	}
	if err := u.moveAddresses(ctx, p, asks); err != nil {
		return unlessFull(err)
	}
	u.changed(kindPort, p.ID)
	return u.update(ctx, p)
}

// unlessFull forgives that a subnet has no address for the metadata port: one of /31 or /32, or with a pool that is used up. Its
// guests do without the metadata service.
func unlessFull(err error) error {
	var e *rest.Error
	if errors.As(err, &e) && e.Type == "IpAddressGenerationFailure" {
		return nil
	}
	return err
}

// metadataIPs returns the address of the metadata port on each of the subnets.
func metadataIPs(ctx context.Context, h bun.IDB, subnets []string) (map[string]string, error) {
	ips := map[string]string{}
	if len(subnets) == 0 {
		return ips, nil
	}
	var rows []db.Allocation
	err := h.NewSelect().Model(&rows).Join("JOIN neutron_ports p ON p.id = t.port_id").
		Where("t.subnet_id IN (?) AND p.device_owner = ?", bun.List(subnets), ownerDistributed).Scan(ctx)
	for _, a := range rows {
		ips[a.SubnetID] = a.IPAddress
	}
	return ips, err
}

// portMACs returns the MAC addresses of ports.
func portMACs(ctx context.Context, h bun.IDB, ids []string) (map[string]string, error) {
	macs := map[string]string{}
	if len(ids) == 0 {
		return macs, nil
	}
	rows, err := db.Find[db.Port](ctx, h, func(q *bun.SelectQuery) { q.Column("id", "mac_address").Where("t.id IN (?)", bun.List(ids)) })
	for _, p := range rows {
		macs[p.ID] = p.MACAddress
	}
	return macs, err
}
