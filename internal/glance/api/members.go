package api

import (
	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// member loads the image for policies about one of its members.
func (a *api) member(r *rest.Request) (policy.Target, error) {
	t, err := a.image(r)
	if err != nil {
		return nil, err
	}
	t["member_id"] = r.Path("member_id")
	return t, nil
}

func (a *api) members(r *rest.Request) (any, error) {
	list, err := a.service.Members(r.Context(), r.Caller, loaded(r))
	if err != nil {
		return nil, err
	}
	views := make([]map[string]any, 0, len(list))
	for i := range list {
		t := target(r.Caller, loaded(r))
		t["member_id"] = list[i].MemberID
		if r.Can("get_member", t) {
			views = append(views, memberView(&list[i]))
		}
	}
	return map[string]any{"members": views, "schema": "/v2/schemas/members"}, nil
}

func (a *api) addMember(r *rest.Request) (any, error) {
	doc, _ := r.Body.(map[string]any)
	value, there := doc["member"]
	id, _ := value.(string)
	switch {
	case doc == nil:
		return nil, rest.BadRequest("Body expected in request.")
	case !there:
		return nil, rest.BadRequest("Member to be added not specified")
	case id == "":
		return nil, rest.BadRequest("Member can't be empty")
	case len(id) > 255:
		return nil, rest.BadRequest("Invalid input for field/attribute member: it is too long")
	}
	m, err := a.service.AddMember(r.Context(), loaded(r), id)
	if err != nil {
		return nil, err
	}
	return memberView(m), nil
}

func (a *api) showMember(r *rest.Request) (any, error) {
	m, err := a.found(r)
	if err != nil {
		return nil, err
	}
	return memberView(m), nil
}

func (a *api) setMember(r *rest.Request) (any, error) {
	doc, _ := r.Body.(map[string]any)
	value, there := doc["status"]
	if !there {
		return nil, rest.BadRequest("Status not specified")
	}
	if loaded(r).Visibility != glance.Shared {
		return nil, rest.Forbidden("Not allowed to update members for image %s.", loaded(r).ID)
	}
	m, err := a.found(r)
	if err != nil {
		return nil, err
	}
	status, _ := value.(string)
	if err := a.service.SetMember(r.Context(), m, status); err != nil {
		return nil, err
	}
	return memberView(m), nil
}

func (a *api) removeMember(r *rest.Request) (any, error) {
	if loaded(r).Visibility != glance.Shared {
		return nil, rest.Forbidden("Not allowed to delete members for image %s.", loaded(r).ID)
	}
	m, err := a.found(r)
	if err != nil {
		return nil, err
	}
	return nil, a.service.RemoveMember(r.Context(), m)
}

func (a *api) found(r *rest.Request) (*glance.Member, error) {
	return a.service.Member(r.Context(), r.Caller, loaded(r), r.Path("member_id"))
}
