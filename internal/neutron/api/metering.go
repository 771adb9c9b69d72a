package api

import (
	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
)

// meteringLabels are the extension metering. Labels and rules do not change.
func (a *api) meteringLabels() *resource {
	res := serve(a.n.MeteringLabels(), resource{
		Table: attr.NewTable("metering_label", "metering_labels", owned(), named(), []attr.Attribute{
			{Name: "description", Post: true, Default: "", Check: attr.NullIsEmpty(attr.String(1024)), Column: "t.description"},
			{Name: "shared", Post: true, Default: false, Check: attr.Boolean, Column: "t.shared", Kind: attr.Bool},
		}),
		Path: "metering/metering-labels", Absent: neutron.MeteringLabelNotFound,
	}, func(l *db.MeteringLabel) attr.Values {
		return attr.Values{"id": l.ID, "project_id": l.ProjectID, "tenant_id": l.ProjectID, "name": l.Name, "description": l.Description, "shared": l.Shared}
	})
	res.Update = nil
	return res
}

// meteringLabelRules are those of the extensions metering and metering_source_and_destination_fields.
func (a *api) meteringLabelRules() *resource {
	prefix := attr.OrNull(attr.CIDR)
	res := serve(a.n.MeteringLabelRules(), resource{
		Table: attr.NewTable("metering_label_rule", "metering_label_rules", owned(), []attr.Attribute{
			{Name: "metering_label_id", Post: true, Required: true, Check: attr.UUID, Column: "t.metering_label_id"},
			{Name: "direction", Post: true, Required: true, Check: attr.OneOf("ingress", "egress"), Column: "t.direction"},
			{Name: "excluded", Post: true, Default: false, Check: attr.Boolean, Column: "t.excluded", Kind: attr.Bool},
			{Name: "remote_ip_prefix", Post: true, Default: attr.Null, Check: prefix, Column: "t.remote_ip_prefix"},
			{Name: "source_ip_prefix", Post: true, Default: attr.Null, Check: prefix, Column: "t.source_ip_prefix"},
			{Name: "destination_ip_prefix", Post: true, Default: attr.Null, Check: prefix, Column: "t.destination_ip_prefix"},
		}),
		Path: "metering/metering-label-rules", Absent: neutron.MeteringLabelRuleNotFound,
	}, func(r *db.MeteringLabelRule) attr.Values {
		return attr.Values{
			"id": r.ID, "project_id": r.ProjectID, "tenant_id": r.ProjectID, "metering_label_id": r.LabelID, "direction": r.Direction, "excluded": r.Excluded,
			"remote_ip_prefix": text(r.RemoteIPPrefix), "source_ip_prefix": text(r.SourceIPPrefix), "destination_ip_prefix": text(r.DestinationIPPrefix),
		}
	})
	res.Update = nil
	return res
}
