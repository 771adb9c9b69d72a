package api

import (
	"slices"
	"strings"

	"gostack/internal/keystone"
	"gostack/internal/rest"
)

// filterable is an attribute that a list can be narrowed by, and its column.
type filterable struct {
	name, column string
	flag         bool // a boolean
}

// comparators are what can follow an attribute's name and two underscores, as in name__icontains.
var comparators = []string{"contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"}

// listOptions reads filters, limit and marker. What it does not know it ignores, as upstream does.
func listOptions(r *rest.Request, known ...filterable) (keystone.ListOptions, error) {
	var o keystone.ListOptions
	for key, values := range r.QueryValues() {
		name, op, inexact := strings.Cut(key, "__")
		if !inexact {
			op = "equals"
		} else if !slices.Contains(comparators, op) {
			continue
		}
		i := slices.IndexFunc(known, func(f filterable) bool { return f.name == name })
		if i < 0 || known[i].flag && inexact {
			continue
		}
		f := keystone.Filter{Column: known[i].column, Op: op, Value: values[0]}
		if known[i].flag {
			f.Value = keystone.FilterBool(values[0])
		}
		o.Filters = append(o.Filters, f)
	}
	page, err := r.Page(rest.PageRule{})
	o.Limit, o.Marker = page.Limit, page.Marker
	return o, err
}

// collection shows a list with its links. A page that is full names the next one.
func collection[T any](r *rest.Request, key string, list []T, view func(*rest.Request, T) map[string]any) map[string]any {
	items := make([]any, len(list))
	var last any
	for i, e := range list {
		v := view(r, e)
		items[i], last = v, v["id"]
	}
	var next any
	if limit, err := r.QueryInt("limit", 0); err == nil && limit > 0 && len(list) == limit {
		id, _ := last.(string)
		next = r.NextLink(id, limit)
	}
	return map[string]any{key: items, "links": map[string]any{"next": next, "self": selfURL(r), "previous": nil}}
}

func selfURL(r *rest.Request) string {
	u := r.RootURL() + r.HTTP.URL.EscapedPath()
	if q := r.HTTP.URL.RawQuery; q != "" {
		u += "?" + q
	}
	return u
}
