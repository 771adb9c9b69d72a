package neutron

import (
	"context"
	"slices"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// serviceTypes are what flavors can be of: upstream's names of the plugins that are served here.
var serviceTypes = []string{"L3_ROUTER_NAT", "CORE", "FLAVORS", "QOS", "TRUNK", "SEGMENTS", "METERING", "LOG_API", "PORTFORWARDING", "AUTO-ALLOCATED-TOPOLOGY"}

// serviceDrivers are the drivers that a service profile may name.
var serviceDrivers = []string{"neutron.services.ovn_l3.service_providers.ovn.OvnDriver"}

// Flavors are what users choose a kind of router by (extension flavors).
func (s *Service) Flavors() Kind[db.Flavor, *db.Flavor] {
	return Kind[db.Flavor, *db.Flavor]{
		s: s, absent: FlavorNotFound, seen: everyone, list: db.Flavors,
		create: func(_ context.Context, _ *unit, _ *policy.Caller, f *db.Flavor, v attr.Values) error {
			f.ProjectID, f.Name, f.ServiceType, f.Enabled, f.Profiles = "", v.String("name"), v.String("service_type"), v.Bool("enabled"), []string{}
			if !slices.Contains(serviceTypes, f.ServiceType) {
				return bad("InvalidFlavorServiceType", "Invalid service type %s.", f.ServiceType)
			}
			return nil
		},
		update: func(ctx context.Context, u *unit, _ *policy.Caller, f *db.Flavor, v attr.Values) error {
			setText(v, "name", &f.Name)
			setBool(v, "enabled", &f.Enabled)
			return u.flavorUnused(ctx, f.ID)
		},
		remove: func(ctx context.Context, u *unit, f *db.Flavor) error { return u.flavorUnused(ctx, f.ID) },
	}
}

// FlavorNotFound is a 404.
func FlavorNotFound(id string) error {
	return missing("FlavorNotFound", "Flavor %s could not be found.", id)
}

func (u *unit) flavorUnused(ctx context.Context, id string) error {
	used, err := u.tx.NewSelect().Model((*db.Router)(nil)).Where("t.flavor_id = ?", id).Exists(ctx)
	if err == nil && used {
		err = conflict("FlavorInUse", "Flavor %s is used by some service instance.", id)
	}
	return err
}

// routerFlavor checks that routers may be of a flavor (extension l3-flavors).
func (u *unit) routerFlavor(ctx context.Context, id string) error {
	f, err := u.s.Flavors().one(ctx, u, id, "")
	if err != nil {
		return err
	}
	switch {
	case f.ServiceType != "L3_ROUTER_NAT":
		return bad("InvalidFlavorServiceType", "Invalid service type %s.", f.ServiceType)
	case !f.Enabled:
		return fault(503, "FlavorDisabled", "Flavor is not enabled.")
	case len(f.Profiles) == 0:
		return missing("ServiceProfileNotFound", "Service Profile None could not be found.")
	}
	enabled, err := u.tx.NewSelect().Model((*db.ServiceProfile)(nil)).Where("t.enabled AND t.id = ?", f.Profiles[0]).Exists(ctx)
	if err == nil && !enabled {
		err = fault(503, "ServiceProfileDisabled", "Service Profile is not enabled.")
	}
	return err
}

// ServiceProfiles say which driver serves a flavor.
func (s *Service) ServiceProfiles() Kind[db.ServiceProfile, *db.ServiceProfile] {
	check := func(p *db.ServiceProfile) error {
		if p.Driver == "" && p.MetaInfo == "" {
			return invalidInput("Service Profile needs either a driver or metainfo.")
		}
		if p.Driver != "" && !slices.Contains(serviceDrivers, p.Driver) {
			return missing("ServiceProfileDriverNotFound", "Service Profile driver %s could not be found.", p.Driver)
		}
		return nil
	}
	apply := func(p *db.ServiceProfile, v attr.Values) error {
		setText(v, "driver", &p.Driver)
		setText(v, "metainfo", &p.MetaInfo)
		setBool(v, "enabled", &p.Enabled)
		return check(p)
	}
	return Kind[db.ServiceProfile, *db.ServiceProfile]{
		s: s, absent: ServiceProfileNotFound, seen: everyone,
		create: func(_ context.Context, _ *unit, _ *policy.Caller, p *db.ServiceProfile, v attr.Values) error {
			p.ProjectID = ""
			return apply(p, v)
		},
		update: func(ctx context.Context, u *unit, _ *policy.Caller, p *db.ServiceProfile, v attr.Values) error {
			if err := u.profileUnused(ctx, p.ID); err != nil {
				return err
			}
			return apply(p, v)
		},
		remove: func(ctx context.Context, u *unit, p *db.ServiceProfile) error { return u.profileUnused(ctx, p.ID) },
	}
}

// ServiceProfileNotFound is a 404.
func ServiceProfileNotFound(id string) error {
	return missing("ServiceProfileNotFound", "Service Profile %s could not be found.", id)
}

func (u *unit) profileUnused(ctx context.Context, id string) error {
	used, err := u.tx.NewSelect().Model((*db.FlavorProfile)(nil)).Where("t.profile_id = ?", id).Exists(ctx)
	if err == nil && used {
		err = conflict("ServiceProfileInUse", "Service Profile %s is used by some service instance.", id)
	}
	return err
}

// AddProfile associates a flavor with a service profile.
func (s *Service) AddProfile(ctx context.Context, flavor, profile string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		f, err := s.Flavors().one(ctx, u, flavor, "")
		if err != nil {
			return err
		}
		if _, err := s.ServiceProfiles().one(ctx, u, profile, ""); err != nil {
			return err
		}
		if slices.Contains(f.Profiles, profile) {
			return conflict("FlavorServiceProfileBindingExists", "Service Profile %s is already associated with flavor %s.", profile, flavor)
		}
		return db.Insert(ctx, u.tx, &db.FlavorProfile{FlavorID: flavor, ProfileID: profile})
	})
}

// RemoveProfile ends the association.
func (s *Service) RemoveProfile(ctx context.Context, flavor, profile string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		if err := u.flavorUnused(ctx, flavor); err != nil {
			return err
		}
		err := db.Delete(ctx, u.tx, &db.FlavorProfile{FlavorID: flavor, ProfileID: profile})
		if store.IsNotFound(err) {
			err = missing("FlavorServiceProfileBindingNotFound", "Service Profile %s is not associated with flavor %s.", profile, flavor)
		}
		return err
	})
}
