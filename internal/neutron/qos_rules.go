package neutron

import (
	"context"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
)

// The kinds of QoS rules.
const (
	QoSBandwidthLimit    = "bandwidth_limit"
	QoSDSCPMarking       = "dscp_marking"
	QoSMinimumBandwidth  = "minimum_bandwidth"
	QoSPacketRateLimit   = "packet_rate_limit"
	QoSMinimumPacketRate = "minimum_packet_rate"
)

const (
	directionIngress = "ingress"
	directionEgress  = "egress"
	directionAny     = "any"
)

// qosEnforced are the kinds that OVN enforces, as upstream's OVN driver declares them. Rules of others may be written, but a policy with one
// is for nothing that OVN carries.
var qosEnforced = map[string]bool{QoSBandwidthLimit: true, QoSDSCPMarking: true, QoSMinimumBandwidth: true}

// QoSEnforced tells whether the engine enforces a kind of rules.
func QoSEnforced(kind string) bool { return qosEnforced[kind] }

// QoSRuleNotFound is a 404.
func QoSRuleNotFound(policyID, id string) error {
	return missing("QosRuleNotFound", "QoS rule %s for policy %s could not be found.", id, policyID)
}

// QoSRules lists the rules of a kind.
func (s *Service) QoSRules(ctx context.Context, kind string, q db.Query) ([]*db.QoSRule, error) {
	return db.QoSRules(ctx, s.DB.Read(ctx), q.And(db.Where("t.kind = ?", kind)))
}

// CreateQoSRule adds a rule to a policy. What v does not have of a kind's values is zero.
func (s *Service) CreateQoSRule(ctx context.Context, kind, policyID string, v attr.Values) (*db.QoSRule, error) {
	r := &db.QoSRule{PolicyID: policyID, Kind: kind}
	return r, s.write(ctx, func(ctx context.Context, u *unit) error {
		r.ID = s.newID()
		p, err := u.qosPolicy(ctx, policyID, "")
		if err != nil {
			return err
		}
		r.PolicyProject = p.ProjectID
		setRule(r, v)
		if err := u.inUse(ctx, kind, p.ID); err != nil {
			return err
		}
		if err := u.fitsPolicy(ctx, p, r); err != nil {
			return err
		}
		if err := db.Insert(ctx, u.tx, r); err != nil {
			return err
		}
		return u.qosRulesChanged(ctx, p)
	})
}

func setRule(r *db.QoSRule, v attr.Values) {
	setText(v, "direction", &r.Direction)
	for name, into := range map[string]*int64{
		"max_kbps": &r.Rate, "min_kbps": &r.Rate, "max_kpps": &r.Rate, "min_kpps": &r.Rate,
		"max_burst_kbps": &r.Burst, "max_burst_kpps": &r.Burst, "dscp_mark": &r.Mark,
	} {
		if v.Has(name) {
			*into = v.Int(name)
		}
	}
}

// fitsPolicy fails for a rule that says the same as another, or the opposite, and for one that something which has the policy cannot have.
func (u *unit) fitsPolicy(ctx context.Context, p *db.QoSPolicy, r *db.QoSRule) error {
	for _, o := range p.Rules {
		if o.ID == r.ID {
			continue
		}
		same := o.Kind == r.Kind
		anyBeside := same && o.Direction != r.Direction && (o.Direction == directionAny || r.Direction == directionAny)
		switch {
		case same && o.Direction == r.Direction, anyBeside:
			return conflict("QoSRulesConflict", "Rule %s conflicts with rule %s which already exists in QoS Policy %s.", r.Kind, o.ID, p.ID)
		case r.Kind == QoSBandwidthLimit && o.Kind == QoSMinimumBandwidth && r.Direction == o.Direction && o.Rate > r.Rate,
			r.Kind == QoSMinimumBandwidth && o.Kind == QoSBandwidthLimit && r.Direction == o.Direction && o.Rate < r.Rate:
			return conflict("QoSRuleParameterConflict",
				"Unable to add the rule with value %d to the policy %s as the existing rule of type %s restricts the bandwidth to %d.", r.Rate, p.ID, o.Kind, o.Rate)
		}
	}
	if qosEnforced[r.Kind] {
		return nil
	}
	var ports []string
	err := u.tx.NewRaw(`SELECT p.id FROM neutron_ports p JOIN neutron_networks n ON n.id = p.network_id
WHERE p.device_owner NOT LIKE 'network:%' AND (p.qos_policy_id = ?0 OR p.qos_policy_id = '' AND n.qos_policy_id = ?0) LIMIT 1`, p.ID).Scan(ctx, &ports)
	if err == nil && len(ports) > 0 {
		err = ruleNotSupported(r.Kind, ports[0])
	}
	return err
}

func ruleNotSupported(kind, port string) error {
	return conflict("QosRuleNotSupported", "Rule %s is not supported by port %s", kind, port)
}

// canHaveQoS fails when the engine cannot enforce a port's policy on it; it notes what the policy guarantees.
func (u *unit) canHaveQoS(ctx context.Context, port *db.Port) error {
	port.MinKbps = nil
	id := effectiveQoS(port)
	if id == "" {
		return nil
	}
	p, err := u.qosPolicy(ctx, id, "")
	if err != nil {
		return err
	}
	for _, r := range p.Rules {
		if !qosEnforced[r.Kind] {
			return ruleNotSupported(r.Kind, port.ID)
		}
		if r.Kind == QoSMinimumBandwidth {
			if port.MinKbps == nil {
				port.MinKbps = map[string]int64{}
			}
			port.MinKbps[r.Direction] = r.Rate
		}
	}
	return nil
}

func (u *unit) qosRulesChanged(ctx context.Context, p *db.QoSPolicy) error {
	if err := u.update(ctx, p); err != nil {
		return err
	}
	return u.qosChanged(ctx, p.ID)
}

// ruleOf returns a rule and its policy. An empty policyID stands for whichever it is of.
func (u *unit) ruleOf(ctx context.Context, kind, policyID, id string) (*db.QoSRule, *db.QoSPolicy, error) {
	rows, err := db.QoSRules(ctx, u.tx, db.ByID(id, "").And(db.Where("t.kind = ?", kind)))
	if err != nil {
		return nil, nil, err
	}
	if len(rows) == 0 || policyID != "" && rows[0].PolicyID != policyID {
		return nil, nil, QoSRuleNotFound(policyID, id)
	}
	p, err := u.qosPolicy(ctx, rows[0].PolicyID, "")
	return rows[0], p, err
}

// UpdateQoSRule changes the values that v names.
func (s *Service) UpdateQoSRule(ctx context.Context, kind, policyID, id string, v attr.Values) (*db.QoSRule, error) {
	var r *db.QoSRule
	return r, s.write(ctx, func(ctx context.Context, u *unit) error {
		var p *db.QoSPolicy
		var err error
		if r, p, err = u.ruleOf(ctx, kind, policyID, id); err != nil {
			return err
		}
		setRule(r, v)
		if err := u.inUse(ctx, kind, p.ID); err != nil {
			return err
		}
		if err := u.fitsPolicy(ctx, p, r); err != nil {
			return err
		}
		if err := db.Update(ctx, u.tx, r); err != nil {
			return err
		}
		return u.qosRulesChanged(ctx, p)
	})
}

// DeleteQoSRule removes a rule.
func (s *Service) DeleteQoSRule(ctx context.Context, kind, policyID, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		r, p, err := u.ruleOf(ctx, kind, policyID, id)
		if err != nil {
			return err
		}
		if err := u.inUse(ctx, kind, p.ID); err != nil {
			return err
		}
		if err := db.Delete(ctx, u.tx, r); err != nil {
			return err
		}
		return u.qosRulesChanged(ctx, p)
	})
}

// qosSpec is what a policy asks of the engine.
func qosSpec(p *db.QoSPolicy) (spec driver.QoSSpec) {
	if p == nil {
		return spec
	}
	for _, r := range p.Rules {
		switch {
		case r.Kind == QoSBandwidthLimit && r.Direction == directionEgress:
			spec.Egress = driver.Rate{Kbps: r.Rate, Burst: r.Burst}
		case r.Kind == QoSBandwidthLimit:
			spec.Ingress = driver.Rate{Kbps: r.Rate, Burst: r.Burst}
		case r.Kind == QoSDSCPMarking:
			spec.Mark, spec.DSCP = true, int(r.Mark)
		case r.Kind == QoSMinimumBandwidth && r.Direction == directionEgress:
			spec.MinEgressKbps = r.Rate
		}
	}
	return spec
}
