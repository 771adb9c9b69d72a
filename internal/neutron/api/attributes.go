package api

import (
	"context"
	"time"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// The lengths of upstream's columns.
const (
	nameLength        = 255
	descriptionLength = 255
	projectLength     = 255
	deviceIDLength    = 255
)

// standard are the attributes of all resources.
func standard() []attr.Attribute {
	return append(untagged(), attr.Attribute{Name: "tags", Post: true, Default: []string{}, Check: tagList})
}

// untagged are the standard attributes of resources that have no tags.
func untagged() []attr.Attribute {
	return []attr.Attribute{
		{Name: "id", Column: "t.id"},
		{Name: "project_id", Post: true, Required: true, Check: attr.String(projectLength), Column: "t.project_id"},
		{Name: "tenant_id", Column: "t.project_id"},
		{Name: "description", Post: true, Put: true, Default: "", Check: attr.String(descriptionLength), Column: "t.description"},
		{Name: "revision_number", Column: "t.revision_number", Kind: attr.Int},
		{Name: "created_at", Column: "t.created_at"},
		{Name: "updated_at", Column: "t.updated_at"},
	}
}

// named is the attribute name.
func named() []attr.Attribute {
	return []attr.Attribute{{Name: "name", Post: true, Put: true, Default: "", Check: attr.String(nameLength), Column: "t.name"}}
}

// tagList takes tags: texts of 1 to 255 characters without commas, each once.
func tagList(v any) (any, string) {
	list, reason := attr.Strings(255)(v)
	if reason != "" {
		return nil, reason
	}
	seen := map[string]bool{}
	tags := []string{}
	for _, t := range list.([]string) { //nolint:forcetypeassert // Strings gives nothing else
		if reason := badTag(t); reason != "" {
			return nil, reason
		}
		if !seen[t] {
			seen[t] = true
			tags = append(tags, t)
		}
	}
	return tags, ""
}

func badTag(t string) string {
	if t == "" {
		return "'' is not a valid tag: it is empty"
	}
	for _, c := range t {
		if c == ',' || c == '/' {
			return "'" + t + "' is not a valid tag: it contains ',' or '/'"
		}
	}
	return ""
}

// timestamp writes a time as Neutron does, in UTC and whole seconds.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// base begins a view with the standard attributes.
func base(s *db.Standard) attr.Values {
	return attr.Values{
		"id": s.ID, "project_id": s.ProjectID, "tenant_id": s.ProjectID, "description": s.Description, "revision_number": s.Revision,
		"created_at": timestamp(s.CreatedAt), "updated_at": timestamp(s.UpdatedAt), "tags": s.Tags(),
	}
}

// text shows an empty text as null.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// number shows 0 as null.
func number(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// list shows an absent list as an empty one.
func listOf[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// viewed makes a page of views.
func viewed[T any](rows []*T, err error, view func(*T) attr.Values) ([]attr.Values, error) {
	if err != nil {
		return nil, err
	}
	out := make([]attr.Values, len(rows))
	for i, r := range rows {
		out[i] = view(r)
	}
	return out, nil
}

// one makes one view.
func one[T any](row *T, err error, view func(*T) attr.Values) (attr.Values, error) {
	if err != nil {
		return nil, err
	}
	return view(row), nil
}

// networkTarget is what policies ask of a resource's network.
func (a *api) networkTarget(ctx context.Context, c *policy.Caller, v attr.Values) (policy.Target, error) {
	rows, err := a.n.Networks(ctx, c, db.Query{Where: []db.Cond{db.Where("t.id = ?", v.String("network_id"))}})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, absentNetwork(v.String("network_id"))
	}
	return policy.Target{"network:project_id": rows[0].ProjectID, "network:tenant_id": rows[0].ProjectID, "shared": rows[0].Shared}, nil
}
