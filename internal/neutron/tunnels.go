package neutron

import (
	"context"

	"gostack/internal/neutron/db"
)

// lastVLAN is the last VLAN id of a bridge.
const lastVLAN = 4094

// tunnelVLAN takes a free VLAN of the hosts' bridges for a network that tunnel agents carry; 0 for one that they do not.
func (u *unit) tunnelVLAN(ctx context.Context, networkType string) (int64, error) {
	if !byAgent(networkType) {
		return 0, nil
	}
	var used []int64
	err := u.tx.NewSelect().Model((*db.Network)(nil)).Column("tunnel_vlan").Where("t.tunnel_vlan > 0").OrderExpr("t.tunnel_vlan").Scan(ctx, &used)
	if err != nil {
		return 0, err
	}
	free := int64(1)
	for _, id := range used {
		if id > free {
			break
		}
		free = id + 1
	}
	if free > lastVLAN {
		return 0, conflict("NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
	}
	return free, nil
}
