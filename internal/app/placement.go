package app

import (
	"context"
	"fmt"

	"gostack/internal/placement"
	placementapi "gostack/internal/placement/api"
	"gostack/internal/store"
)

// placementAPI knows what hosts have and what servers hold of it.
var placementAPI = Component{
	Name: "placement-api", What: "Placement API: resource providers, inventories and allocations",
	Needs: []string{"keystone-api"}, Control: true, Migrations: []store.Migrations{placement.Migrations}, Build: buildPlacement,
}

func buildPlacement(_ context.Context, h *House) (Unit, error) {
	service := &placement.Service{DB: h.DB, Clock: h.Clock}
	h.Placement = service
	h.Serve(placementapi.New(service))
	h.Auditors = append(h.Auditors, Auditor{Area: "placement", Audit: func(ctx context.Context, repair bool) ([]Finding, error) {
		drifts, err := service.Audit(ctx, repair)
		findings := make([]Finding, len(drifts))
		for i, d := range drifts {
			findings[i] = Finding{
				ID: d.Provider, Repaired: repair,
				Problem: fmt.Sprintf("%d of %s is recorded as used, but %d is allocated", d.Recorded, d.Class, d.Allocated),
			}
		}
		return findings, err
	}})
	return Unit{}, nil
}
