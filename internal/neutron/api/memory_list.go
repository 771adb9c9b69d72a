package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/rest"
)

// memoryList answers GET of a collection that is made from what the engine knows, or counted: sorted, paged and with the fields that were asked
// for, as those that the database reads. id names the attribute that markers are; keys are the attributes to sort by.
func memoryList[T any](r *rest.Request, collection, id string, rows []T, keys ...string) (any, error) {
	values := r.QueryValues()
	var q db.Query
	if err := paging(values, &q); err != nil {
		return nil, err
	}
	views, err := viewsOf(rows)
	if err != nil {
		return nil, err
	}
	if err := sortViews(values, views, id, keys); err != nil {
		return nil, err
	}
	views = pageOf(q, views, id)
	answer := map[string]any{}
	marks := make([]attr.Values, len(views)) // what page links take their markers from
	for i, v := range views {
		marks[i] = attr.Values{"id": v[id]}
	}
	if links := pageLinks(r, q, marks); len(links) > 0 {
		answer[collection+"_links"] = links
	}
	shown := make([]any, len(views))
	fields := values["fields"]
	for i, v := range views {
		out := map[string]any{}
		for name, x := range v {
			if len(fields) == 0 || asked(fields, name) {
				out[name] = x
			}
		}
		shown[i] = out
	}
	answer[collection] = shown
	return answer, nil
}

// viewsOf are rows as their JSON is.
func viewsOf[T any](rows []T) ([]attr.Values, error) {
	text, err := json.Marshal(rows)
	if err != nil {
		return nil, err
	}
	views := []attr.Values{}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber() // addresses of IPv6 networks are counted exactly
	return views, dec.Decode(&views)
}

// sortViews sorts by the keys of the query, and by id in the end.
func sortViews(values url.Values, views []attr.Values, id string, keys []string) error {
	by, dirs := values["sort_key"], values["sort_dir"]
	if len(dirs) > 0 && len(dirs) != len(by) {
		return attr.Bad("The number of sort_keys and sort_dirs must be same")
	}
	for i, k := range by {
		switch {
		case k != id && !slices.Contains(keys, k):
			return attr.Bad("['%s'] is invalid attribute for sort_keys", k)
		case len(dirs) > 0 && dirs[i] != "asc" && dirs[i] != "desc":
			return attr.Bad("['%s'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'", dirs[i])
		}
	}
	slices.SortStableFunc(views, func(a, b attr.Values) int {
		for i, k := range by {
			if order := compareViews(a[k], b[k]); order != 0 {
				if len(dirs) > 0 && dirs[i] == "desc" {
					order = -order
				}
				return order
			}
		}
		return compareViews(a[id], b[id])
	})
	return nil
}

func compareViews(a, b any) int {
	x, isX := a.(json.Number)
	y, isY := b.(json.Number)
	if isX && isY {
		if order := cmp.Compare(len(x), len(y)); order != 0 { // counts: whole numbers without a sign
			return order
		}
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// pageOf is the page of a query. An unknown marker gives an empty one.
func pageOf(q db.Query, views []attr.Values, id string) []attr.Values {
	if q.Marker != "" {
		at := slices.IndexFunc(views, func(v attr.Values) bool { return v[id] == q.Marker })
		switch {
		case at < 0:
			return nil
		case q.Reverse:
			views = views[:at]
		default:
			views = views[at+1:]
		}
	}
	switch {
	case q.Limit == 0 || len(views) <= q.Limit:
		return views
	case q.Reverse:
		return views[len(views)-q.Limit:]
	}
	return views[:q.Limit]
}
