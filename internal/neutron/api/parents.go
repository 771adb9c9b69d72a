package api

import (
	"context"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// parentID is the name under which a new resource finds the id of its parent among its values.
const parentID = "ext_parent:id"

// root is the path of a resource's collection.
func (res *resource) root(spelling string) string {
	if res.Under == "" {
		return "/v2.0/" + spelling
	}
	return "/v2.0/" + res.Under + "/{parent}/" + spelling
}

// policyName is what the policies of a resource are named after.
func (res *resource) policyName() string {
	if res.PolicyName != "" {
		return res.PolicyName
	}
	return res.Resource
}

// within narrows a query to the parent in the path.
func (res *resource) within(r *rest.Request, q db.Query) db.Query {
	if res.Under == "" {
		return q
	}
	return q.And(db.Where(res.UnderColumn+" = ?", r.Path("parent")))
}

// ownerOf finds the parent of a path, as far as the caller may see it, and says whose it is.
func (a *api) ownerOf(parents func() *resource) func(r *rest.Request) (policy.Target, error) {
	return func(r *rest.Request) (policy.Target, error) {
		res := parents()
		id := r.Path("parent")
		views, err := res.List(r.Context(), r.Caller, db.Query{Where: []db.Cond{db.Where("t.id = ?", id)}})
		if err != nil {
			return nil, err
		}
		if len(views) == 0 {
			return nil, res.Absent(id)
		}
		project := views[0]["project_id"]
		return policy.Target{"ext_parent:project_id": project, "ext_parent:tenant_id": project}, nil
	}
}

// absent is the answer to a path whose resource is not there.
func (res *resource) absent(r *rest.Request) error {
	if res.AbsentIn != nil {
		return res.AbsentIn(r.Path("parent"), id(r))
	}
	return res.Absent(id(r))
}

// change and drop run the functions of a resource, of one below a parent with the parent's id.
func (res *resource) change(ctx context.Context, r *rest.Request, v attr.Values) (attr.Values, error) {
	if res.UpdateIn != nil {
		return res.UpdateIn(ctx, r.Caller, r.Path("parent"), id(r), v)
	}
	return res.Update(ctx, r.Caller, id(r), v)
}

func (res *resource) drop(ctx context.Context, r *rest.Request) error {
	if res.DeleteIn != nil {
		return res.DeleteIn(ctx, r.Path("parent"), id(r))
	}
	return res.Delete(ctx, r.Caller, id(r))
}
