package db

import (
	"context"

	"github.com/uptrace/bun"
)

// QoSPolicy is a row of neutron_qos_policies.
type QoSPolicy struct {
	bun.BaseModel `bun:"neutron_qos_policies,alias:t"`
	Standard

	Name      string `bun:"name"`
	IsDefault bool   `bun:"is_default"`

	Shared bool       `bun:"shared,scanonly"`
	Rules  []*QoSRule `bun:"-"`
}

// QoSRule is a row of neutron_qos_rules. Rate and Burst are kilobits (or kilopackets) a second.
type QoSRule struct {
	bun.BaseModel `bun:"neutron_qos_rules,alias:t"`

	ID        string `bun:"id,pk"`
	PolicyID  string `bun:"policy_id"`
	Kind      string `bun:"kind"`
	Direction string `bun:"direction"` // "" for DSCP marking
	Rate      int64  `bun:"rate"`
	Burst     int64  `bun:"burst"`
	Mark      int64  `bun:"mark"`

	PolicyProject string `bun:"policy_project,scanonly"`
}

// QoSPolicies lists policies with their rules: two statements.
func QoSPolicies(ctx context.Context, h bun.IDB, q Query) ([]*QoSPolicy, error) {
	rows, err := list[QoSPolicy](ctx, h, q, func(s *bun.SelectQuery) {
		s.ColumnExpr(sharedSQL+" AS shared", bun.Safe("t.id"), AccessAsShared, q.Project)
	})
	if err != nil || len(rows) == 0 {
		return rows, err
	}
	byID := make(map[string]*QoSPolicy, len(rows))
	ids := make([]string, len(rows))
	for i, p := range rows {
		byID[p.ID], ids[i] = p, p.ID
	}
	rules, err := QoSRules(ctx, h, Query{Where: []Cond{In("t.policy_id", ids)}})
	for _, r := range rules {
		byID[r.PolicyID].Rules = append(byID[r.PolicyID].Rules, r)
	}
	return rows, err
}

// QoSRules lists rules with the project of their policy.
func QoSRules(ctx context.Context, h bun.IDB, q Query) ([]*QoSRule, error) {
	return list[QoSRule](ctx, h, q, func(s *bun.SelectQuery) {
		s.Join("JOIN neutron_qos_policies p ON p.id = t.policy_id").ColumnExpr("p.project_id AS policy_project")
	})
}
