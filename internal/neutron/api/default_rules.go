package api

import (
	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
)

// defaultRules is the extension security-groups-default-rules.
func (a *api) defaultRules() *resource {
	res := serve(a.n.DefaultRules(), resource{
		Table: attr.NewTable("default_security_group_rule", "default_security_group_rules", unowned(), ruleAttributes(), []attr.Attribute{
			{Name: "description", Post: true, Default: "", Check: attr.String(descriptionLength), Column: "t.description"},
			{Name: "remote_group_id", Post: true, Default: attr.Null, Check: attr.OrNull(groupOrParent), Column: "t.remote_group_id"},
			{Name: "used_in_default_sg", Post: true, Default: false, Check: attr.Boolean, Column: "t.used_in_default_sg", Kind: attr.Bool},
			{Name: "used_in_non_default_sg", Post: true, Default: true, Check: attr.Boolean, Column: "t.used_in_non_default_sg", Kind: attr.Bool},
		}),
		Path: "default-security-group-rules", Absent: neutron.DefaultRuleNotFound,
	}, func(r *db.DefaultRule) attr.Values {
		return attr.Values{
			"id": r.ID, "description": r.Description, "direction": r.Direction, "ethertype": r.Ethertype, "protocol": text(r.Protocol),
			"port_range_min": r.PortRangeMin, "port_range_max": r.PortRangeMax, "remote_ip_prefix": text(r.RemoteIPPrefix),
			"remote_group_id": text(r.RemoteGroupID), "remote_address_group_id": text(r.RemoteAddressGroupID),
			"used_in_default_sg": r.UsedInDefault, "used_in_non_default_sg": r.UsedInOthers,
		}
	})
	res.Update = nil
	return res
}

func groupOrParent(v any) (any, string) {
	if v == db.ParentGroup {
		return v, ""
	}
	return attr.UUID(v)
}

// defaultStatefulness is the extension security-groups-default-statefulness. Null as the project is everybody's default.
func (a *api) defaultStatefulness() *resource {
	return serve(a.n.DefaultStatefulness(), resource{
		Table: attr.NewTable("security_groups_default_statefulness", "security_groups_default_statefulness", []attr.Attribute{
			{Name: "id", Column: "t.id"},
			{Name: "project_id", Post: true, Check: attr.OrNull(attr.String(projectLength)), Column: "t.project_id"},
			{Name: "tenant_id", Column: "t.project_id", Hidden: true},
			{Name: "stateful", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.stateful", Kind: attr.Bool},
		}),
		Path: "security-groups-default-statefulness", Absent: neutron.DefaultStatefulnessNotFound, NoBulk: true,
	}, func(d *db.DefaultStatefulness) attr.Values {
		return attr.Values{"id": d.ID, "project_id": text(d.ProjectID), "stateful": d.Stateful}
	})
}
