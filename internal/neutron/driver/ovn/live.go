package ovn

import (
	"context"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// view is what a plan looks up: the database for a single resource, the other plans for Sync.
type view interface {
	// answers is the subnet's row of DHCP answers, or nil.
	answers(ctx context.Context, subnetID string) (*nb.DHCPOptions, error)
	hasGroup(ctx context.Context, id string) (bool, error)
	// gateways are the hosts that a router's port has now, and all hosts there are.
	gateways(ctx context.Context, routerID, portID string) (now []driver.GatewayHost, all []driver.Chassis, err error)
	// mapped tells whether the host maps the physical network.
	mapped(ctx context.Context, host, physnet string) (bool, error)
	// chassisName is the name by which OVN finds the host: its own, if its chassis has that host name or is not there yet.
	chassisName(ctx context.Context, host string) (string, error)
	// bound is the host where a port was bound when it was last ensured.
	bound(ctx context.Context, portID string) (string, error)
}

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
	c, ok, err := v.b.chassisNamed(ctx, host)
	return ok && bridgeMappings(setting(c, "ovn-bridge-mappings"))[physnet] != "", err
}

func (v live) chassisName(ctx context.Context, host string) (string, error) {
	c, ok, err := v.b.chassisNamed(ctx, host)
	if err != nil || !ok || c.Hostname == host {
		return host, err
	}
	return c.Name, nil
}

func (v live) gateways(ctx context.Context, routerID, portID string) ([]driver.GatewayHost, []driver.Chassis, error) {
	now, err := v.b.present(ctx, routerID, portID)
	if err != nil {
		return nil, nil, err
	}
	all, err := v.b.Known(ctx, "")
	return now, all, err
}
