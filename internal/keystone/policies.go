package keystone

import (
	"context"
	"slices"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Policy is a text that a service may keep here, and an association says which endpoints it is for. Nothing in the cloud reads it.
type Policy = db.Policy

// PolicyAssociation ties a policy to an endpoint, to a service, or to a service in a region.
type PolicyAssociation = db.PolicyAssociation

var policyColumns = []string{"blob", "type"}

// Policy returns a policy.
func (s *Service) Policy(ctx context.Context, id string) (*Policy, error) {
	p, err := db.GetPolicy(ctx, s.db.Read(ctx), id)
	return p, found(err, "policy", id)
}

// ListPolicies lists policies.
func (s *Service) ListPolicies(ctx context.Context, o ListOptions) ([]*Policy, error) {
	return db.ListPolicies(ctx, s.db.Read(ctx), o.on("p.id"))
}

// CreatePolicy stores a policy.
func (s *Service) CreatePolicy(ctx context.Context, a Attrs) (*Policy, error) {
	p := &Policy{ID: s.newID(), Blob: db.JSON{V: a["blob"]}, Extra: a.extra(nil, policyColumns...)}
	a.text("type", &p.Type)
	return p, s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return db.Insert(ctx, tx, p) })
}

// UpdatePolicy changes a policy.
func (s *Service) UpdatePolicy(ctx context.Context, id string, a Attrs) (*Policy, error) {
	var p *Policy
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if p, err = db.GetPolicy(ctx, tx, id); err != nil {
			return found(err, "policy", id)
		}
		if err := a.matchID(id); err != nil {
			return err
		}
		if blob, ok := a["blob"]; ok {
			p.Blob = db.JSON{V: blob}
		}
		a.text("type", &p.Type)
		p.Extra = a.extra(p.Extra, policyColumns...)
		return db.Update(ctx, tx, p)
	})
	return p, err
}

// DeletePolicy removes a policy with its associations.
func (s *Service) DeletePolicy(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		return found(db.Delete(ctx, tx, &Policy{ID: id}), "policy", id)
	})
}

// checkAssociation demands that all of an association exists.
func (s *Service) checkAssociation(ctx context.Context, a *PolicyAssociation) error {
	if _, err := s.Policy(ctx, a.PolicyID); err != nil {
		return err
	}
	if a.EndpointID != "" {
		_, err := s.Endpoint(ctx, a.EndpointID)
		return err
	}
	if _, err := db.GetService(ctx, s.db.Read(ctx), a.ServiceID); err != nil {
		return found(err, "service", a.ServiceID)
	}
	if a.RegionID == "" {
		return nil
	}
	_, err := db.GetRegion(ctx, s.db.Read(ctx), a.RegionID)
	return found(err, "region", a.RegionID)
}

// AssociatePolicy ties a policy, in place of the one tied before.
func (s *Service) AssociatePolicy(ctx context.Context, a *PolicyAssociation) error {
	if err := s.checkAssociation(ctx, a); err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return db.Associate(ctx, tx, a) })
}

// CheckPolicyAssociation fails with 404 unless the association exists.
func (s *Service) CheckPolicyAssociation(ctx context.Context, a *PolicyAssociation) error {
	if err := s.checkAssociation(ctx, a); err != nil {
		return err
	}
	ok, err := db.IsAssociated(ctx, s.db.Read(ctx), a)
	if err == nil && !ok {
		return rest.NotFound("Could not find policy association.")
	}
	return err
}

// DissociatePolicy ends an association; that there was none is no error, as upstream has it.
func (s *Service) DissociatePolicy(ctx context.Context, a *PolicyAssociation) error {
	if err := s.checkAssociation(ctx, a); err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := db.Dissociate(ctx, tx, a); !store.IsNotFound(err) {
			return err
		}
		return nil
	})
}

// PolicyForEndpoint is the one tied to the endpoint itself; or to its service in its region, or in one above that; or to its service.
func (s *Service) PolicyForEndpoint(ctx context.Context, endpointID string) (*Policy, error) {
	e, err := s.Endpoint(ctx, endpointID)
	if err != nil {
		return nil, err
	}
	list, err := db.AssociationsFor(ctx, s.db.Read(ctx), e.ID, e.ServiceID)
	if err != nil {
		return nil, err
	}
	parents, err := s.regionParents(ctx)
	if err != nil {
		return nil, err
	}
	if id := ruling(list, e, parents); id != "" {
		return s.Policy(ctx, id)
	}
	return nil, rest.NotFound("No policy is associated with endpoint %s.", endpointID)
}

// ruling picks from associations the id of the policy that rules an endpoint.
func ruling(list []*PolicyAssociation, e *Endpoint, parents map[string]string) string {
	pick := func(endpoint, service, region string) string {
		for _, a := range list {
			if a.EndpointID == endpoint && a.ServiceID == service && a.RegionID == region {
				return a.PolicyID
			}
		}
		return ""
	}
	if id := pick(e.ID, "", ""); id != "" {
		return id
	}
	if e.RegionID != nil {
		for region := *e.RegionID; region != ""; region = parents[region] {
			if id := pick("", e.ServiceID, region); id != "" {
				return id
			}
		}
	}
	return pick("", e.ServiceID, "")
}

func (s *Service) regionParents(ctx context.Context) (map[string]string, error) {
	rows, err := db.ListRegions(ctx, s.db.Read(ctx), func(*db.Select) {})
	out := map[string]string{}
	for _, r := range rows {
		if r.ParentRegionID != nil {
			out[r.ID] = *r.ParentRegionID
		}
	}
	return out, err
}

// EndpointsOfPolicy lists the endpoints that a policy rules.
func (s *Service) EndpointsOfPolicy(ctx context.Context, policyID string) ([]*Endpoint, error) {
	if _, err := s.Policy(ctx, policyID); err != nil {
		return nil, err
	}
	list, err := db.PolicyAssociations(ctx, s.db.Read(ctx), "")
	if err != nil {
		return nil, err
	}
	endpoints, err := s.Endpoints(ctx, ListOptions{})
	if err != nil {
		return nil, err
	}
	parents, err := s.regionParents(ctx)
	return slices.DeleteFunc(endpoints, func(e *Endpoint) bool { return ruling(list, e, parents) != policyID }), err
}
