package neutron

import (
	"context"
	"net/netip"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// maxRoutes of a router (upstream's max_routes).
const maxRoutes = 30

// Routers lists a caller's routers.
func (s *Service) Routers(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.Router, error) {
	if !c.IsAdmin() {
		q = q.And(db.Where("t.project_id = ?", c.ProjectID))
	}
	return db.Routers(ctx, s.DB.Read(ctx), q)
}

// CreateRouter makes a router, with a gateway if v has external_gateway_info.
func (s *Service) CreateRouter(ctx context.Context, c *policy.Caller, v attr.Values) (*db.Router, error) {
	r := &db.Router{Name: v.String("name"), AdminStateUp: v.Bool("admin_state_up"), Status: statusActive, EnableSNAT: true, AvailabilityZoneHints: v.Strings("availability_zone_hints")}
	setBool(v, "enable_default_route_ecmp", &r.DefaultRouteECMP)
	setBool(v, "enable_default_route_bfd", &r.DefaultRouteBFD)
	r.SetTags(v.Strings("tags"))
	if err := s.checkZones(ctx, r.AvailabilityZoneHints); err != nil {
		return nil, err
	}
	return r, s.write(ctx, func(ctx context.Context, u *unit) error {
		r.ID, r.Revision, r.GWPortID, r.GWNetworkID, r.MoreGateways = s.newID(), 0, "", "", nil
		project := v.String("project_id")
		if err := u.checkQuota(ctx, project, quotaRouter, 1); err != nil {
			return err
		}
		if r.FlavorID = v.String("flavor_id"); r.FlavorID != "" {
			if err := u.routerFlavor(ctx, r.FlavorID); err != nil {
				return err
			}
		}
		if err := u.create(ctx, r, project, v.String("description")); err != nil {
			return err
		}
		u.changed(kindRouter, r.ID)
		if v.Doc("external_gateway_info") == nil {
			return nil
		}
		if err := u.setGateway(ctx, c, r, v.Doc("external_gateway_info")); err != nil {
			return err
		}
		return db.Update(ctx, u.tx, r)
	})
}

func (u *unit) router(ctx context.Context, id string) (*db.Router, error) {
	rows, err := db.Routers(ctx, u.tx, db.ByID(id, ""))
	if err == nil && len(rows) == 0 {
		err = RouterNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// changeRouter runs change on a router and stores it.
func (s *Service) changeRouter(ctx context.Context, id string, change func(ctx context.Context, u *unit, r *db.Router) error) (*db.Router, error) {
	var r *db.Router
	return r, s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if r, err = u.router(ctx, id); err != nil {
			return err
		}
		if err := change(ctx, u, r); err != nil {
			return err
		}
		u.changed(kindRouter, id)
		return u.update(ctx, r)
	})
}

// UpdateRouter changes what v names.
func (s *Service) UpdateRouter(ctx context.Context, c *policy.Caller, id string, v attr.Values) (*db.Router, error) {
	return s.changeRouter(ctx, id, func(ctx context.Context, u *unit, r *db.Router) error {
		setText(v, "name", &r.Name)
		setText(v, "description", &r.Description)
		setBool(v, "admin_state_up", &r.AdminStateUp)
		setBool(v, "enable_default_route_ecmp", &r.DefaultRouteECMP)
		setBool(v, "enable_default_route_bfd", &r.DefaultRouteBFD)
		if v.Has("external_gateway_info") {
			if err := u.setGateway(ctx, c, r, v.Doc("external_gateway_info")); err != nil {
				return err
			}
		}
		if v.Has("routes") {
			return u.setRoutes(ctx, r, routesOf(v.List("routes")))
		}
		return nil
	})
}

// AddRoutes and RemoveRoutes change a router's extra routes one by one; what is there (or gone) already is no error.
func (s *Service) AddRoutes(ctx context.Context, id string, list []attr.Values) (*db.Router, error) {
	return s.changeRouter(ctx, id, func(ctx context.Context, u *unit, r *db.Router) error {
		routes := r.Routes
		for _, n := range routesOf(list) {
			if !hasRoute(routes, n) {
				routes = append(routes, n)
			}
		}
		return u.setRoutes(ctx, r, routes)
	})
}

// RemoveRoutes removes extra routes.
func (s *Service) RemoveRoutes(ctx context.Context, id string, list []attr.Values) (*db.Router, error) {
	return s.changeRouter(ctx, id, func(ctx context.Context, u *unit, r *db.Router) error {
		gone := routesOf(list)
		routes := []db.Route{}
		for _, n := range r.Routes {
			if !hasRoute(gone, n) {
				routes = append(routes, n)
			}
		}
		return u.setRoutes(ctx, r, routes)
	})
}

func hasRoute(routes []db.Route, n db.Route) bool {
	for _, r := range routes {
		if r == n {
			return true
		}
	}
	return false
}

// setRoutes replaces extra routes. A next hop is an address on one of the router's networks that is not the router's own.
func (u *unit) setRoutes(ctx context.Context, r *db.Router, routes []db.Route) error {
	if len(routes) > maxRoutes {
		return bad("RoutesExhausted", "Unable to complete operation for %s. The number of routes exceeds the maximum %d.", r.ID, maxRoutes)
	}
	on, err := u.routerAddresses(ctx, r.ID)
	if err != nil {
		return err
	}
	for i, n := range routes {
		hop, err1 := netip.ParseAddr(n.NextHop)
		dest, err2 := netip.ParsePrefix(n.Destination)
		if err1 != nil || err2 != nil || hop.Is4() != dest.Addr().Is4() {
			return invalidRoutes(n, "destination and nexthop are not of one IP version")
		}
		if hasRoute(routes[:i], n) {
			return bad("InvalidInput", "Invalid input for routes. Reason: Duplicate items in the list: '%s'.", n.Destination)
		}
		connected := false
		for _, a := range on {
			if a.IPAddress == n.NextHop {
				return invalidRoutes(n, "the nexthop is used by router")
			}
			connected = connected || netip.MustParsePrefix(a.CIDR).Contains(hop)
		}
		if !connected {
			return invalidRoutes(n, "the nexthop is not connected with router")
		}
	}
	r.Routes = routes
	return nil
}

func invalidRoutes(n db.Route, reason string) error {
	return bad("InvalidRoutes", "Invalid format for routes: {'destination': '%s', 'nexthop': '%s'}, %s", n.Destination, n.NextHop, reason)
}

// routerAddress is an address of a router, on an interface or its gateway.
type routerAddress struct {
	PortID, DeviceOwner, NetworkID, SubnetID, IPAddress, CIDR string
}

func (u *unit) routerAddresses(ctx context.Context, router string) (rows []routerAddress, err error) {
	err = u.tx.NewRaw(`SELECT p.id AS port_id, p.device_owner, p.network_id, a.subnet_id, a.ip_address, s.cidr
FROM neutron_ports p JOIN neutron_allocations a ON a.port_id = p.id JOIN neutron_subnets s ON s.id = a.subnet_id
WHERE p.router_id = ? ORDER BY p.id, a.place`, router).Scan(ctx, &rows)
	return rows, err
}

// DeleteRouter removes a router without interfaces.
func (s *Service) DeleteRouter(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		r, err := u.router(ctx, id)
		if err != nil {
			return err
		}
		used, err := u.tx.NewSelect().Model((*db.Port)(nil)).Where("t.router_id = ? AND t.device_owner = ?", id, ownerRouterInterface).Exists(ctx)
		if err != nil {
			return err
		}
		if used {
			return conflict("RouterInUse", "Router %s still has ports", id)
		}
		if err := u.dropGateways(ctx, r); err != nil {
			return err
		}
		u.changed(kindRouter, id)
		return db.Delete(ctx, u.tx, r)
	})
}
