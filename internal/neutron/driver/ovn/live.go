package ovn

import (
	"context"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
)

// live is the view of a single resource's plan: the database as it is.
type live struct{ b *Backend }

func (v live) answers(ctx context.Context, subnetID string) (*nb.DHCPOptions, error) {
	return ovsdb.Get[nb.DHCPOptions](ctx, v.b.nb, subnetID)
}

func (v live) hasGroup(ctx context.Context, id string) (bool, error) {
	return v.b.nb.Has(ctx, "Port_Group", id)
}

func (v live) bound(ctx context.Context, portID string) (string, error) {
	lsp, err := ovsdb.Get[nb.LogicalSwitchPort](ctx, v.b.nb, portID)
	if err != nil || lsp == nil {
		return "", err
	}
	return lsp.ExternalIDs[hostKey], nil
}

func (v live) mapped(ctx context.Context, host, physnet string) (bool, error) {
	all, err := v.b.Chassis(ctx)
	if err != nil {
		return false, err
	}
	for _, c := range all {
		if c.Host == host || c.Name == host {
			return c.Bridges[physnet] != "", nil
		}
	}
	return false, nil
}

func (v live) gateways(ctx context.Context, portID, physnet string) (now, possible []string, err error) {
	rows, err := ovsdb.List(ctx, v.b.nb, func(r *nb.GatewayChassis) bool {
		return r.ExternalIDs[parentKey] == routerPortID(portID)
	})
	if err != nil {
		return nil, nil, err
	}
	all, err := v.b.Chassis(ctx)
	if err != nil {
		return nil, nil, err
	}
	return byPriority(rows), candidates(all, physnet), nil
}
