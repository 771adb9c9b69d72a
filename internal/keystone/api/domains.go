package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const domainProperties = `"name": ` + resourceName + `, "description": ` + textOrNull + `, "enabled": ` + boolean + `,
	"tags": ` + tagList + `, "options": ` + immutability

func (a *api) domains() []rest.Route {
	create := body("domain", domainProperties+`, "explicit_domain_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}`, "name")
	return []rest.Route{
		{Method: "GET", Path: "/domains", Policy: "identity:list_domains", Target: ownDomain, Handle: a.listDomains},
		{Method: "POST", Path: "/domains", Policy: "identity:create_domain", Body: create, Status: http.StatusCreated, Handle: a.createDomain},
		{Method: "GET", Path: "/domains/{domain_id}", Policy: "identity:get_domain", Target: a.domainTarget, Handle: a.showDomain},
		{
			Method: "PATCH", Path: "/domains/{domain_id}", Policy: "identity:update_domain", Target: a.domainMustExist, Body: body("domain", domainProperties),
			Handle: a.updateDomain,
		},
		{
			Method: "DELETE", Path: "/domains/{domain_id}", Policy: "identity:delete_domain", Target: a.domainMustExist, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.DeleteDomain(r.Context(), r.Path("domain_id")) },
		},
	}
}

// ownDomain is the target of lists that a domain's own people may see: the domain of a domain-scoped token. What they see is narrowed to it.
func ownDomain(r *rest.Request) (policy.Target, error) {
	if r.Caller.DomainID == "" {
		return policy.Target{}, nil
	}
	id := r.Caller.DomainID
	return policy.Target{"target": policy.Target{
		"domain_id": id, "domain": policy.Target{"id": id}, "group": policy.Target{"domain_id": id},
	}}, nil
}

// domainTarget tells the policy of a domain. That there is none is told only to those whom the policy lets in.
func (a *api) domainTarget(r *rest.Request) (policy.Target, error) {
	d, err := a.Domain(r.Context(), r.Path("domain_id"))
	if rest.IsNotFound(err) {
		r.Loaded = err
		return policy.Target{}, nil
	}
	r.Loaded = d
	return policy.Target{"target": policy.Target{"domain": policy.Target{"id": r.Path("domain_id")}}}, err
}

// domainMustExist tells everybody that there is no such domain, as upstream does of one to be changed or deleted.
func (a *api) domainMustExist(r *rest.Request) (policy.Target, error) {
	target, err := a.domainTarget(r)
	if err == nil {
		_, err = loaded[*keystone.Project](r)
	}
	return target, err
}

// loaded returns what the target of a request found, or the 404 that it kept back.
func loaded[T any](r *rest.Request) (T, error) {
	if err, ok := r.Loaded.(error); ok {
		var none T
		return none, err
	}
	return r.Loaded.(T), nil
}

func (a *api) listDomains(r *rest.Request) (any, error) {
	o, err := listOptions(r, filterable{"name", "p.name", false}, filterable{"enabled", "p.enabled", true})
	if err != nil {
		return nil, err
	}
	if r.Caller.DomainID != "" {
		o = o.Equals("p.id", r.Caller.DomainID)
	}
	list, err := a.Domains(r.Context(), o)
	return collection(r, "domains", list, domainView), err
}

func (a *api) createDomain(r *rest.Request) (any, error) {
	d, err := a.CreateDomain(r.Context(), object(r, "domain"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"domain": domainView(r, d)}, nil
}

func (a *api) showDomain(r *rest.Request) (any, error) {
	d, err := loaded[*keystone.Project](r)
	if err != nil {
		return nil, err
	}
	return map[string]any{"domain": domainView(r, d)}, nil
}

func (a *api) updateDomain(r *rest.Request) (any, error) {
	d, err := a.UpdateDomain(r.Context(), r.Path("domain_id"), object(r, "domain"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"domain": domainView(r, d)}, nil
}
