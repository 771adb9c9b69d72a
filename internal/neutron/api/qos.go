package api

import (
	"context"
	"strings"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// largest is the greatest number that upstream's columns hold.
const largest = 1<<31 - 1

var dscpMarks = []int64{0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 46, 48, 56}

// dscpMark takes one of the code points that RFC 2474 and its successors name.
func dscpMark(v any) (any, string) {
	n, reason := attr.Integer(-1<<31, largest)(v)
	if reason != "" {
		return nil, reason
	}
	for _, mark := range dscpMarks {
		if n == mark {
			return n, ""
		}
	}
	return nil, "'" + attr.Show(v) + "' is not in " + marksText()
}

func marksText() string {
	var text []string
	for _, m := range dscpMarks {
		text = append(text, attr.Show(m))
	}
	return "[" + strings.Join(text, ", ") + "]"
}

// qosPolicies are policies with the rules they have.
func (a *api) qosPolicies() *resource {
	return &resource{
		Table: attr.NewTable("policy", "policies", standard(), named(), []attr.Attribute{
			{Name: "shared", Post: true, Put: true, Default: false, Check: attr.Boolean, Filter: true},
			{Name: "is_default", Post: true, Put: true, Default: false, Check: attr.Boolean, Column: "t.is_default", Kind: attr.Bool},
			{Name: "rules"},
		}),
		Path: "qos/policies",
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.QoSPolicies(ctx, c, q)
			return viewed(rows, err, qosPolicyView)
		},
		Create: func(ctx context.Context, _ *policy.Caller, v attr.Values) (attr.Values, error) {
			p, err := a.n.CreateQoSPolicy(ctx, v)
			return one(p, err, qosPolicyView)
		},
		Update: func(ctx context.Context, _ *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			p, err := a.n.UpdateQoSPolicy(ctx, id, v)
			return one(p, err, qosPolicyView)
		},
		Delete:  func(ctx context.Context, _ *policy.Caller, id string) error { return a.n.DeleteQoSPolicy(ctx, id) },
		Absent:  neutron.QoSPolicyNotFound,
		Filters: map[string]func([]string) (db.Cond, error){"shared": sharedFilter("t.id")},
	}
}

func qosPolicyView(p *db.QoSPolicy) attr.Values {
	rules := make([]map[string]any, len(p.Rules))
	for i, r := range p.Rules {
		rules[i] = qosRuleValues(r)
		rules[i]["id"], rules[i]["type"], rules[i]["qos_policy_id"] = r.ID, r.Kind, r.PolicyID
	}
	v := base(&p.Standard)
	v["name"], v["shared"], v["is_default"], v["rules"] = p.Name, p.Shared, p.IsDefault, rules
	return v
}

// qosKind is a kind of rules: its values, as attributes of its rules and as parameters of its type.
type qosKind struct {
	name       string
	attributes []attr.Attribute
	parameters []any
	// alias: its rules are also reached without their policy (extensions qos-rules-alias and qos-pps-minimum-rule-alias).
	alias bool
}

func amount(name, column string, required bool) attr.Attribute {
	a := attr.Attribute{Name: name, Post: true, Put: true, Required: required, Check: attr.Integer(0, largest), Column: column, Kind: attr.Int}
	if !required {
		a.Default = int64(0)
	}
	return a
}

func direction(words ...string) attr.Attribute {
	return attr.Attribute{Name: "direction", Post: true, Put: true, Default: "egress", Check: attr.OneOf(words...), Column: "t.direction"}
}

func span(name string) map[string]any {
	return map[string]any{"parameter_name": name, "parameter_type": "range", "parameter_values": map[string]any{"start": 0, "end": largest}}
}

func choices(name string, values any) map[string]any {
	return map[string]any{"parameter_name": name, "parameter_type": "choices", "parameter_values": values}
}

var directions = []string{"ingress", "egress"}

var qosKinds = []qosKind{
	{
		neutron.QoSBandwidthLimit,
		[]attr.Attribute{amount("max_kbps", "t.rate", true), amount("max_burst_kbps", "t.burst", false), direction(directions...)},
		[]any{span("max_kbps"), span("max_burst_kbps"), choices("direction", directions)},
		true,
	},
	{
		neutron.QoSDSCPMarking,
		[]attr.Attribute{{Name: "dscp_mark", Post: true, Put: true, Required: true, Check: dscpMark, Column: "t.mark", Kind: attr.Int}},
		[]any{choices("dscp_mark", dscpMarks)},
		true,
	},
	{
		neutron.QoSMinimumBandwidth,
		[]attr.Attribute{amount("min_kbps", "t.rate", true), direction(directions...)},
		[]any{span("min_kbps"), choices("direction", directions)},
		true,
	},
	{
		neutron.QoSPacketRateLimit,
		[]attr.Attribute{amount("max_kpps", "t.rate", true), amount("max_burst_kpps", "t.burst", false), direction(directions...)},
		nil, false,
	},
	{
		neutron.QoSMinimumPacketRate,
		[]attr.Attribute{amount("min_kpps", "t.rate", true), direction("ingress", "egress", "any")},
		nil, true,
	},
}

// qosRuleValues are the values that a rule of its kind has.
func qosRuleValues(r *db.QoSRule) map[string]any {
	v := map[string]any{}
	if r.Kind != neutron.QoSDSCPMarking {
		v["direction"] = r.Direction
	}
	switch r.Kind {
	case neutron.QoSBandwidthLimit:
		v["max_kbps"], v["max_burst_kbps"] = r.Rate, r.Burst
	case neutron.QoSDSCPMarking:
		v["dscp_mark"] = r.Mark
	case neutron.QoSMinimumBandwidth:
		v["min_kbps"] = r.Rate
	case neutron.QoSPacketRateLimit:
		v["max_kpps"], v["max_burst_kpps"] = r.Rate, r.Burst
	case neutron.QoSMinimumPacketRate:
		v["min_kpps"] = r.Rate
	}
	return v
}

func qosRuleView(r *db.QoSRule) attr.Values {
	v := attr.Values(qosRuleValues(r))
	v["id"], v["ext_parent:project_id"], v["ext_parent:tenant_id"], v["project_id"] = r.ID, r.PolicyProject, r.PolicyProject, r.PolicyProject
	v["ext_parent:policy_id"] = r.PolicyID
	return v
}

// qosRules are the rules of all kinds, below their policies and, for most, by themselves.
func (a *api) qosRules() (out []*resource) {
	for _, k := range qosKinds {
		attributes := append([]attr.Attribute{{Name: "id", Column: "t.id"}}, k.attributes...)
		list := func(ctx context.Context, _ *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.QoSRules(ctx, k.name, q)
			return viewed(rows, err, qosRuleView)
		}
		rules := &resource{
			Table: attr.NewTable(k.name+"_rule", k.name+"_rules", attributes), Path: k.name + "_rules", NoBulk: true, Unowned: true,
			Under: "qos/policies", UnderColumn: "t.policy_id", PolicyName: "policy_" + k.name + "_rule", List: list,
			Create: func(ctx context.Context, _ *policy.Caller, v attr.Values) (attr.Values, error) {
				r, err := a.n.CreateQoSRule(ctx, k.name, v.String(parentID), v)
				return one(r, err, qosRuleView)
			},
			UpdateIn: func(ctx context.Context, _ *policy.Caller, parent, id string, v attr.Values) (attr.Values, error) {
				r, err := a.n.UpdateQoSRule(ctx, k.name, parent, id, v)
				return one(r, err, qosRuleView)
			},
			DeleteIn: func(ctx context.Context, parent, id string) error { return a.n.DeleteQoSRule(ctx, k.name, parent, id) },
			AbsentIn: neutron.QoSRuleNotFound,
			Owner:    a.ownerOf(a.qosPolicies),
		}
		out = append(out, rules)
		if k.alias {
			alias := *rules
			alias.Table = attr.NewTable("alias_"+k.name+"_rule", "alias_"+k.name+"_rules", attributes)
			alias.Path, alias.Under, alias.PolicyName, alias.Single = "qos/alias_"+k.name+"_rules", "", "alias_"+k.name+"_rule", true
			out = append(out, &alias)
		}
	}
	return out
}

// ruleTypeRoutes tell which rules are enforced (extensions qos-rule-type-details and qos-rule-type-filter).
func (a *api) ruleTypeRoutes() (routes []rest.Route) {
	list := func(r *rest.Request) (any, error) {
		all := map[string]bool{}
		for _, name := range []string{"all_rules", "all_supported"} {
			if text := r.Query(name); text != "" {
				b, reason := attr.Boolean(text)
				if reason != "" {
					return nil, attr.Bad("Invalid input for operation: %s.", reason)
				}
				all[name] = b == true
			}
		}
		if all["all_rules"] && all["all_supported"] {
			return nil, attr.Bad("Bad rule_types request: Only one type of filtering is possible: all_rules or all_supported.").WithType("BadRequest")
		}
		types := []any{}
		for _, k := range qosKinds {
			if neutron.QoSEnforced(k.name) || all["all_rules"] {
				types = append(types, map[string]any{"type": k.name})
			}
		}
		return map[string]any{"rule_types": types}, nil
	}
	show := func(r *rest.Request) (any, error) {
		if !r.Caller.IsAdmin() { // whatever the policy says (upstream's QoSPlugin.get_rule_type)
			return nil, rest.Forbidden("Not authorized.").WithType("NotAuthorized")
		}
		for _, k := range qosKinds {
			if k.name != id(r) {
				continue
			}
			drivers := []any{}
			if neutron.QoSEnforced(k.name) {
				drivers = append(drivers, map[string]any{"name": "OVNQosDriver", "supported_parameters": k.parameters})
			}
			return map[string]any{"rule_type": map[string]any{"type": k.name, "drivers": drivers}}, nil
		}
		return nil, rest.NotFound("The resource could not be found.").WithType("HTTPNotFound")
	}
	for _, path := range spellings("qos/rule-types") {
		routes = append(routes,
			rest.Route{Method: "GET", Path: "/v2.0/" + path, Policy: "get_rule_type", Handle: list},
			rest.Route{Method: "GET", Path: "/v2.0/" + path + "/{id}", Policy: "get_rule_type", Handle: show})
	}
	return routes
}

// resourceRequest is what a port asks of Placement: the bandwidth that its policy guarantees on a physical network (extensions
// port-resource-request and port-resource-request-groups).
func resourceRequest(p *db.Port) any {
	g := neutron.RequestOf(p)
	if g == nil {
		return nil
	}
	return map[string]any{
		"request_groups": []any{map[string]any{"id": g.ID, "required": g.Required, "resources": g.Resources}}, "same_subtree": []string{g.ID},
	}
}
