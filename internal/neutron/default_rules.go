package neutron

import (
	"context"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// DefaultRules are the rules that new security groups begin with (extension security-groups-default-rules).
func (s *Service) DefaultRules() Kind[db.DefaultRule, *db.DefaultRule] {
	return Kind[db.DefaultRule, *db.DefaultRule]{
		s: s, absent: DefaultRuleNotFound, seen: everyone,
		create: func(ctx context.Context, u *unit, c *policy.Caller, r *db.DefaultRule, v attr.Values) error {
			r.ProjectID = ""
			r.Direction, r.Ethertype, r.Protocol = v.String("direction"), v.String("ethertype"), v.String("protocol")
			r.PortRangeMin, r.PortRangeMax = v.IntPtr("port_range_min"), v.IntPtr("port_range_max")
			r.RemoteIPPrefix, r.RemoteGroupID, r.RemoteAddressGroupID = v.String("remote_ip_prefix"), v.String("remote_group_id"), v.String("remote_address_group_id")
			r.UsedInDefault, r.UsedInOthers = v.Bool("used_in_default_sg"), v.Bool("used_in_non_default_sg")
			rule := ruleFrom(r)
			if err := checkRule(rule); err != nil {
				return err
			}
			if r.RemoteGroupID != "" && r.RemoteGroupID != db.ParentGroup {
				if err := u.groupsExist(ctx, c, c.ProjectID, []string{r.RemoteGroupID}); err != nil {
					return err
				}
			}
			if r.RemoteAddressGroupID != "" {
				if _, err := s.AddressGroups().visible(ctx, u, c, r.RemoteAddressGroupID); err != nil {
					return err
				}
			}
			have, err := db.Plain[db.DefaultRule](ctx, u.tx, db.Query{})
			for _, old := range have {
				if sameRule(ruleFrom(old), rule) && old.UsedInDefault == r.UsedInDefault && old.UsedInOthers == r.UsedInOthers {
					return conflict("DefaultSecurityGroupRuleExists", "Default Security group rule already exists. Rule id is %s.", old.ID)
				}
			}
			return err
		},
	}
}

// DefaultRuleNotFound is a 404.
func DefaultRuleNotFound(id string) error {
	return missing("DefaultSecurityGroupRuleNotFound", "Default Security Group rule %s does not exist", id)
}

// everyone sees all.
func everyone(*policy.Caller) db.Cond { return db.Where("1 = 1") }

// ruleFrom makes a rule of a default one.
func ruleFrom(d *db.DefaultRule) *db.SecurityGroupRule {
	return &db.SecurityGroupRule{
		Direction: d.Direction, Ethertype: d.Ethertype, Protocol: d.Protocol, PortRangeMin: d.PortRangeMin, PortRangeMax: d.PortRangeMax,
		RemoteIPPrefix: d.RemoteIPPrefix, RemoteGroupID: d.RemoteGroupID, RemoteAddressGroupID: d.RemoteAddressGroupID,
	}
}

// firstRules gives a new group the default rules.
func (u *unit) firstRules(ctx context.Context, g *db.SecurityGroup, isDefault bool) error {
	all, err := db.Plain[db.DefaultRule](ctx, u.tx, db.Query{})
	if err != nil {
		return err
	}
	g.Rules = nil
	for _, d := range all {
		if isDefault && !d.UsedInDefault || !isDefault && !d.UsedInOthers {
			continue
		}
		r := ruleFrom(d)
		if r.RemoteGroupID == db.ParentGroup {
			r.RemoteGroupID = g.ID
		}
		r.ID, r.ProjectID, r.Description, r.CreatedAt, r.UpdatedAt = u.s.newID(), g.ProjectID, d.Description, u.now, u.now
		r.SecurityGroupID, r.GroupProject, r.OfDefault = g.ID, g.ProjectID, isDefault
		g.Rules = append(g.Rules, r)
	}
	if len(g.Rules) == 0 {
		return nil
	}
	return db.Insert(ctx, u.tx, &g.Rules)
}

// DefaultStatefulness says whether new security groups are stateful (extension security-groups-default-statefulness).
func (s *Service) DefaultStatefulness() Kind[db.DefaultStatefulness, *db.DefaultStatefulness] {
	return Kind[db.DefaultStatefulness, *db.DefaultStatefulness]{
		s: s, absent: DefaultStatefulnessNotFound,
		create: func(ctx context.Context, u *unit, _ *policy.Caller, d *db.DefaultStatefulness, v attr.Values) error {
			d.Stateful = v.Bool("stateful")
			has, err := u.tx.NewSelect().Model((*db.DefaultStatefulness)(nil)).Where("t.project_id = ?", d.ProjectID).Exists(ctx)
			if err == nil && has {
				err = conflict("SecurityGroupDefaultStatefulnessAlreadyExists",
					"A security group default statefulness setting already exists for project '%s'.", firstOf(d.ProjectID == "", "None", d.ProjectID))
			}
			return err
		},
		update: func(_ context.Context, _ *unit, _ *policy.Caller, d *db.DefaultStatefulness, v attr.Values) error {
			setBool(v, "stateful", &d.Stateful)
			return nil
		},
	}
}

// DefaultStatefulnessNotFound is a 404.
func DefaultStatefulnessNotFound(id string) error {
	return missing("SecurityGroupDefaultStatefulnessNotFound", "Security group default statefulness %s could not be found.", id)
}

// stateful is what a project's new groups are: by its own setting, by that for all, or else stateful.
func (u *unit) stateful(ctx context.Context, project string) (bool, error) {
	row := new(db.DefaultStatefulness)
	err := u.tx.NewSelect().Model(row).Where("t.project_id IN (?, '')", project).OrderExpr("t.project_id DESC").Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return true, nil
	}
	return row.Stateful, err
}
