package neutron

import (
	"context"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// This file is the extension auto-allocated-topology: a network with a router to the default external network, made of the
// default subnet pools for a project that has nothing yet.

// AutoTopology returns the network of a project's topology, which it makes when there is none. With dryRun it only says
// whether it could.
func (s *Service) AutoTopology(ctx context.Context, c *policy.Caller, project string, dryRun bool) (network string, err error) {
	row := new(db.AutoTopology)
	if !dryRun {
		err := s.DB.Read(ctx).NewSelect().Model(row).Where("t.project_id = ?", project).Scan(ctx)
		if !store.IsNotFound(err) {
			return row.NetworkID, err
		}
	}
	return network, s.write(ctx, func(ctx context.Context, u *unit) error {
		external, versions, err := u.autoParts(ctx)
		if err != nil || dryRun {
			return err
		}
		has, err := u.tx.NewSelect().Model((*db.AutoTopology)(nil)).Where("t.project_id = ?", project).Exists(ctx)
		if err != nil {
			return err
		}
		if has { // another request was faster
			return u.tx.NewSelect().Model((*db.AutoTopology)(nil)).Column("network_id").Where("t.project_id = ?", project).Scan(ctx, &network)
		}
		network, err = u.makeTopology(ctx, c, project, external, versions)
		return err
	})
}

// autoParts finds the default external network and the IP versions with a default subnet pool.
func (u *unit) autoParts(ctx context.Context) (external string, versions []int64, err error) {
	fail := func(reason string) error { return conflict("AutoAllocationFailure", "Deployment error: %s.", reason) }
	err = u.tx.NewSelect().Model((*db.Network)(nil)).Column("id").Where("t.is_default AND t.external").Limit(1).Scan(ctx, &external)
	if store.IsNotFound(err) {
		return "", nil, fail("No default router:external network")
	}
	if err != nil {
		return "", nil, err
	}
	for _, version := range []int64{4, 6} {
		pool, err := u.defaultPool(ctx, version)
		if err != nil {
			return "", nil, err
		}
		if pool != "" {
			versions = append(versions, version)
		}
	}
	if len(versions) == 0 {
		return "", nil, fail("No default subnetpools defined")
	}
	return external, versions, nil
}

func (u *unit) makeTopology(ctx context.Context, c *policy.Caller, project, external string, versions []int64) (string, error) {
	n, err := u.s.CreateNetwork(ctx, c, attr.Values{"name": "auto_allocated_network", "project_id": project, "admin_state_up": true, "port_security_enabled": true})
	if err != nil {
		return "", err
	}
	r, err := u.s.CreateRouter(ctx, c, attr.Values{
		"name": "auto_allocated_router", "project_id": project, "admin_state_up": true, "external_gateway_info": attr.Values{"network_id": external},
	})
	if err != nil {
		return "", err
	}
	for _, version := range versions {
		v := attr.Values{
			"name": map[int64]string{4: "auto_allocated_subnet_v4", 6: "auto_allocated_subnet_v6"}[version], "network_id": n.ID, "project_id": project,
			"ip_version": version, "enable_dhcp": true, "use_default_subnetpool": true,
		}
		if version == 6 {
			v["ipv6_ra_mode"], v["ipv6_address_mode"] = "slaac", "slaac"
		}
		sn, err := u.s.CreateSubnet(ctx, nil, v)
		if err != nil {
			return "", err
		}
		if _, err := u.s.AddRouterInterface(ctx, c, r.ID, attr.Values{"subnet_id": sn.ID}); err != nil {
			return "", err
		}
	}
	return n.ID, db.Insert(ctx, u.tx, &db.AutoTopology{ProjectID: project, NetworkID: n.ID, RouterID: r.ID})
}

// DeleteAutoTopology takes a project's topology away. That there is none is no error; that it is used is one.
func (s *Service) DeleteAutoTopology(ctx context.Context, project string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		row := new(db.AutoTopology)
		err := u.tx.NewSelect().Model(row).Where("t.project_id = ?", project).Scan(ctx)
		if store.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		subnets, err := db.NetworkSubnets(ctx, u.tx, []string{row.NetworkID})
		if err != nil {
			return err
		}
		for _, sn := range subnets[row.NetworkID] {
			if _, err := s.RemoveRouterInterface(ctx, row.RouterID, attr.Values{"subnet_id": sn.ID}); err != nil {
				return err
			}
		}
		if err := s.DeleteRouter(ctx, row.RouterID); err != nil {
			return err
		}
		return s.DeleteNetwork(ctx, row.NetworkID)
	})
}
