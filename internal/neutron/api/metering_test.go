package api_test

import (
	"testing"
)

// Labels and their rules: who may make them, what they must say, and that traffic is counted once.
func TestMetering(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin, m := c.as(t, "admin"), c.as(t, "member")
		const labels, rules = v2 + "/metering/metering-labels", v2 + "/metering/metering-label-rules"
		m.Post(labels, `{"metering_label": {"name": "l"}}`).Want(403)
		label := admin.Post(labels, `{"metering_label": {"name": "l", "description": "d", "project_id": "project-1"}}`).Want(201).
			Has("metering_label.project_id", "project-1").Has("metering_label.shared", false).Has("metering_label.description", "d").Text("metering_label.id")
		m.Get(labels+"/"+label).Want(200).Has("metering_label.name", "l")
		c.as(t, "other").Get(labels + "/" + label).Want(404)
		admin.Post(labels, `{"metering_label": {"name": "s", "shared": true}}`).Want(201).Has("metering_label.shared", true)
		if got := m.Get(labels).Want(200).Has("metering_labels.0.id", label).Len("metering_labels"); got != 1 { // policy shows one's own
			t.Errorf("a member sees %d labels", got)
		}
		admin.Get(labels+"?shared=true").Want(200).Has("metering_labels.0.name", "s")
		admin.Put(labels+"/"+label, `{"metering_label": {"name": "x"}}`).Want(405)
		rule := func(more string) string {
			return `{"metering_label_rule": {"metering_label_id": "` + label + `", "direction": "ingress"` + more + `}}`
		}
		admin.Post(rules, rule("")).Want(400).Has("NeutronError.type", "InvalidInput")
		admin.Post(rules, rule(`, "remote_ip_prefix": "10.0.0.0/24", "source_ip_prefix": "10.1.0.0/24"`)).Want(400).Has("NeutronError.type", "InvalidInput")
		admin.Post(rules, rule(`, "remote_ip_prefix": "10.0.0"`)).Want(400)
		admin.Post(rules, `{"metering_label_rule": {"metering_label_id": "`+label+`", "direction": "up", "remote_ip_prefix": "10.0.0.0/24"}}`).Want(400)
		admin.Post(rules, `{"metering_label_rule": {"metering_label_id": "3f3c8b1e-0000-4000-8000-000000000001", "direction": "egress", "remote_ip_prefix": "10.0.0.0/24"}}`).
			Want(404).Has("NeutronError.type", "MeteringLabelNotFound")
		first := admin.Post(rules, rule(`, "remote_ip_prefix": "10.0.0.0/24"`)).Want(201).Has("metering_label_rule.excluded", false).
			Has("metering_label_rule.source_ip_prefix", "<nil>").Text("metering_label_rule.id")
		admin.Post(rules, rule(`, "remote_ip_prefix": "10.0.0.128/25"`)).Want(409).Has("NeutronError.type", "MeteringLabelRuleOverlaps")
		admin.Post(rules, rule(`, "remote_ip_prefix": "10.0.0.128/25", "excluded": true`)).Want(201)
		admin.Post(rules, rule(`, "source_ip_prefix": "10.0.0.0/24", "destination_ip_prefix": "8.8.8.8/32"`)).Want(201)
		admin.Get(rules+"?metering_label_id="+label+"&excluded=true").Want(200).Has("metering_label_rules.0.remote_ip_prefix", "10.0.0.128/25")
		admin.Delete(rules + "/" + first).Want(204)
		admin.Get(rules+"/"+first).Want(404).Has("NeutronError.type", "MeteringLabelRuleNotFound")
		m.Delete(labels + "/" + label).Want(403)
		admin.Delete(labels + "/" + label).Want(204)
		if got := admin.Get(rules).Want(200).Len("metering_label_rules"); got != 0 {
			t.Errorf("%d rules are left of a label that is gone", got)
		}
	})
}
