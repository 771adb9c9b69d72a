package neutron

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// This file is the extension external-gateway-multihoming: a router has a list of gateways, of which the first one is external_gateway_info.
// A request names a gateway by its network, and by addresses of it when the router has more than one on that network.

// gatewaysOf are all of a router's gateways, the first one first.
func gatewaysOf(r *db.Router) []db.Gateway {
	if r.GWPortID == "" {
		return nil
	}
	return append([]db.Gateway{{PortID: r.GWPortID, NetworkID: r.GWNetworkID, IPs: r.GatewayIPs}}, r.MoreGateways...)
}

// AddGateways gives a router gateways beside those it has.
func (s *Service) AddGateways(ctx context.Context, c *policy.Caller, id string, list []attr.Values) (*db.Router, error) {
	return s.changeRouter(ctx, id, func(ctx context.Context, u *unit, r *db.Router) error {
		return u.addGateways(ctx, c, r, list)
	})
}

func (u *unit) addGateways(ctx context.Context, c *policy.Caller, r *db.Router, list []attr.Values) error {
	for _, info := range list {
		if r.GWPortID == "" {
			if err := u.setGateway(ctx, c, r, info); err != nil {
				return err
			}
			continue
		}
		g, err := u.newGateway(ctx, c, r, info)
		if err != nil {
			return err
		}
		r.MoreGateways = append(r.MoreGateways, g)
	}
	return nil
}

// RemoveGateways takes gateways from a router.
func (s *Service) RemoveGateways(ctx context.Context, _ *policy.Caller, id string, list []attr.Values) (*db.Router, error) {
	return s.changeRouter(ctx, id, func(ctx context.Context, u *unit, r *db.Router) error {
		if len(list) > 0 && r.GWPortID == "" {
			return bad("UnableToRemoveGateways", "Unable to remove extra gateways from a router %s: the router does not have any external gateways", r.ID)
		}
		var gone []db.Gateway
		for _, info := range list {
			g, err := matchGateway(r, gatewaysOf(r), info)
			if err != nil {
				return err
			}
			if g == nil {
				return unmatched(r, "could not match gateway port IDs for gateway info with networks "+info.String("network_id"))
			}
			if !slices.ContainsFunc(gone, func(x db.Gateway) bool { return x.PortID == g.PortID }) {
				gone = append(gone, *g)
			}
		}
		slices.Reverse(gone)
		slices.SortStableFunc(gone, func(a, b db.Gateway) int { // the first gateway last, so that one that goes too does not take its place
			return map[bool]int{true: 1, false: 0}[a.PortID == r.GWPortID] - map[bool]int{true: 1, false: 0}[b.PortID == r.GWPortID]
		})
		for _, g := range gone {
			if err := u.dropGateway(ctx, r, g); err != nil {
				return err
			}
		}
		return nil
	})
}

// UpdateGateways makes a router's gateways what the list says: those it names are kept or get other addresses, others are taken away, and what
// it has not yet is added. The first of the list is then the router's first one.
func (s *Service) UpdateGateways(ctx context.Context, c *policy.Caller, id string, list []attr.Values) (*db.Router, error) {
	return s.changeRouter(ctx, id, func(ctx context.Context, u *unit, r *db.Router) error {
		if len(list) == 0 {
			return u.dropGateways(ctx, r)
		}
		for _, info := range list {
			if _, err := u.gatewayNetwork(ctx, c, r, info.String("network_id")); err != nil {
				return err
			}
		}
		if err := u.putFirst(r, list[0]); err != nil {
			return err
		}
		if err := u.setGateway(ctx, c, r, list[0]); err != nil {
			return err
		}
		var kept []string
		var added []attr.Values
		for _, info := range list[1:] {
			free := slices.DeleteFunc(slices.Clone(r.MoreGateways), func(g db.Gateway) bool { return slices.Contains(kept, g.PortID) })
			g, err := matchGateway(r, free, info)
			if err != nil && len(info.List("external_fixed_ips")) == 0 {
				return err
			}
			if g == nil {
				added = append(added, info)
				continue
			}
			kept = append(kept, g.PortID)
			if _, err := u.moveGateway(ctx, g.PortID, info); err != nil {
				return err
			}
		}
		for _, g := range slices.Clone(r.MoreGateways) {
			if !slices.Contains(kept, g.PortID) {
				if err := u.dropGateway(ctx, r, g); err != nil {
					return err
				}
			}
		}
		if err := u.addGateways(ctx, c, r, added); err != nil {
			return err
		}
		return db.LoadGatewayIPs(ctx, u.tx, []*db.Router{r})
	})
}

// dropGateways takes all gateways away, the first one last.
func (u *unit) dropGateways(ctx context.Context, r *db.Router) error {
	all := gatewaysOf(r)
	slices.Reverse(all)
	for _, g := range all {
		if err := u.dropGateway(ctx, r, g); err != nil {
			return err
		}
	}
	return nil
}

// putFirst makes the gateway that info names the router's first one, if there is such a gateway.
func (u *unit) putFirst(r *db.Router, info attr.Values) error {
	g, err := matchGateway(r, gatewaysOf(r), info)
	if g == nil || g.PortID == r.GWPortID {
		if len(info.List("external_fixed_ips")) > 0 {
			err = nil // it will get those addresses
		}
		return err
	}
	more := slices.DeleteFunc(gatewaysOf(r), func(x db.Gateway) bool { return x.PortID == g.PortID })
	r.GWPortID, r.GWNetworkID, r.GatewayIPs, r.MoreGateways = g.PortID, g.NetworkID, g.IPs, more
	return nil
}

// matchGateway finds the gateway that a request means; nil when the router has none on that network.
func matchGateway(r *db.Router, among []db.Gateway, info attr.Values) (*db.Gateway, error) {
	network := info.String("network_id")
	asks := asksOf(info.List("external_fixed_ips"))
	on := slices.DeleteFunc(slices.Clone(among), func(g db.Gateway) bool { return g.NetworkID != network })
	switch {
	case len(on) == 0:
		return nil, nil
	case len(asks) == 0 && len(on) == 1:
		return &on[0], nil
	case len(asks) == 0:
		return nil, unmatched(r, "multiple gateway ports are attached to the same network "+network+" but external_fixed_ips parameter is not specified in the request")
	}
	var wanted []string
	for i := range on {
		for _, a := range asks {
			wanted = append(wanted, a.ip.String())
			if slices.ContainsFunc(on[i].IPs, func(x db.Allocation) bool {
				return a.ip.IsValid() && x.IPAddress == a.ip.String() || !a.ip.IsValid() && x.SubnetID == a.subnet
			}) {
				return &on[i], nil
			}
		}
	}
	return nil, unmatched(r, "could not match a gateway port attached to network "+network+" based on the specified fixed IPs "+strings.Join(wanted[:len(asks)], ", "))
}

// unmatched is upstream's exception, which it answers with 500.
func unmatched(r *db.Router, reason string) error {
	return bad("UnableToMatchGateways", "Unable to match a requested gateway port to existing gateway ports for router %s: %s", r.ID, reason)
}
