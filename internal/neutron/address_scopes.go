package neutron

import (
	"context"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// AddressScopes are sets of subnet pools whose addresses are not translated between each other (extension address-scope).
func (s *Service) AddressScopes() Kind[db.AddressScope, *db.AddressScope] {
	return Kind[db.AddressScope, *db.AddressScope]{
		s: s, absent: AddressScopeNotFound, rbac: "address_scope",
		create: func(_ context.Context, _ *unit, _ *policy.Caller, a *db.AddressScope, v attr.Values) error {
			a.Name, a.IPVersion, a.Shared = v.String("name"), v.Int("ip_version"), v.Bool("shared")
			return nil
		},
		update: func(ctx context.Context, u *unit, _ *policy.Caller, a *db.AddressScope, v attr.Values) error {
			setText(v, "name", &a.Name)
			if !v.Has("shared") {
				return nil
			}
			everyone, err := u.sharedWithAll(ctx, a.ID)
			switch {
			case err != nil:
				return err
			case everyone && !v.Bool("shared"):
				return bad("AddressScopeUpdateError", "Unable to update address scope %s : Shared address scope can't be unshared.", a.ID)
			case !everyone && v.Bool("shared"):
				a.Shared = true
				return db.Insert(ctx, u.tx, u.rbac("address_scope", a.ID, a.ProjectID, db.AccessAsShared, "*"))
			}
			return nil
		},
		remove: func(ctx context.Context, u *unit, a *db.AddressScope) error {
			used, err := u.tx.NewSelect().Model((*db.SubnetPool)(nil)).Where("t.address_scope_id = ?", a.ID).Exists(ctx)
			if err == nil && used {
				err = conflict("AddressScopeInUse",
					"Unable to complete operation on address scope %s. There are one or more subnet pools in use on the address scope.", a.ID)
			}
			return err
		},
	}
}

// AddressScopeNotFound is a 404.
func AddressScopeNotFound(id string) error {
	return missing("AddressScopeNotFound", "Address scope %s could not be found.", id)
}
