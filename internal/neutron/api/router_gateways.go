package api

import (
	"context"
	"fmt"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// gatewayActions are those of the extension external-gateway-multihoming.
func (a *api) gatewayActions(res *resource) (actions []memberAction) {
	for name, change := range map[string]func(context.Context, *policy.Caller, string, []attr.Values) (*db.Router, error){
		"add_external_gateways": a.n.AddGateways, "update_external_gateways": a.n.UpdateGateways, "remove_external_gateways": a.n.RemoveGateways,
	} {
		actions = append(actions, memberAction{Name: name, Do: func(ctx context.Context, r *rest.Request, router attr.Values, _ map[string]any) (any, error) {
			items, _, err := res.Items(r.Body, false)
			if err != nil {
				return nil, err
			}
			raw, given := items[0]["external_gateways"]
			if !given {
				return map[string]any{"router": a.shape(r, res, router)}, nil
			}
			list, reason := gatewayList(raw)
			if reason != "" {
				return nil, attr.Bad("Invalid input for external_gateways. Reason: %s.", reason)
			}
			if err := guardGateways(r, name, router, list); err != nil {
				return nil, err
			}
			row, err := change(ctx, r.Caller, router.String("id"), list)
			if err != nil {
				return nil, err
			}
			return map[string]any{"router": a.shape(r, res, a.routerView(row))}, nil
		}})
	}
	return actions
}

// gatewayList takes external_gateways: documents like external_gateway_info, each with its network.
func gatewayList(raw any) (list []attr.Values, reason string) {
	docs, ok := raw.([]any)
	if !ok {
		return nil, fmt.Sprintf("'%s' is not a list", attr.Show(raw))
	}
	for _, doc := range docs {
		v, reason := gateway(doc)
		if reason != "" {
			return nil, reason
		}
		info, ok := v.(attr.Values)
		if !ok {
			return nil, "Expected keys not found in dict: 'network_id'"
		}
		list = append(list, info)
	}
	return list, ""
}

// guardGateways asks the policies of what a request says of gateways. Taking one away needs no more right than naming it.
func guardGateways(r *rest.Request, action string, router attr.Values, list []attr.Values) error {
	for _, member := range []string{"", ":network_id", ":enable_snat", ":external_fixed_ips"} {
		rule := action + ":external_gateways" + member
		if !declared[rule] {
			continue
		}
		for _, info := range list {
			if member != "" && !info.Has(member[1:]) {
				continue
			}
			if err := r.Enforce(rule, policy.Target(router)); err != nil {
				return err
			}
		}
	}
	return nil
}
