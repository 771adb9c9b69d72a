package api

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// list answers GET of a collection. What a caller may not get is left out, as upstream does.
func (a *api) list(r *rest.Request, res *resource) (any, error) {
	if err := refusedScope(r, "get_"+res.policyName()); err != nil {
		return nil, err
	}
	q, err := query(r, res)
	if err != nil {
		return nil, err
	}
	if res.Under != "" {
		if _, err := res.Owner(r); err != nil {
			return nil, err
		}
		q = res.within(r, q)
	}
	if res.AskedOf != nil && r.Caller.IsAdmin() {
		for _, name := range []string{"project_id", "tenant_id"} {
			for _, project := range r.QueryValues()[name] {
				if err := res.AskedOf(r.Context(), project); err != nil {
					return nil, err
				}
			}
		}
	}
	views, err := res.List(r.Context(), r.Caller, q)
	if store.IsNotFound(err) {
		return nil, res.Absent(q.Marker)
	}
	if err != nil {
		return nil, err
	}
	shown := make([]any, 0, len(views))
	for _, v := range views {
		if r.Can("get_"+res.policyName(), policy.Target(v)) {
			shown = append(shown, a.shape(r, res, v))
		}
	}
	answer := map[string]any{res.Collection: shown}
	if links := pageLinks(r, q, views); len(links) > 0 {
		answer[res.Collection+"_links"] = links
	}
	return answer, nil
}

// query reads filters, sorting and paging.
func query(r *rest.Request, res *resource) (db.Query, error) {
	var q db.Query
	values := r.QueryValues()
	var unknown []string
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		switch k {
		case "fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir":
			continue
		}
		cond, known, err := filter(res, k, values[k])
		if err != nil {
			return q, err
		}
		if !known {
			unknown = append(unknown, "'"+k+"'")
			continue
		}
		q = q.And(cond)
	}
	if len(unknown) > 0 {
		return q, attr.Bad("[%s] is invalid attribute for filtering", strings.Join(unknown, ", "))
	}
	var err error
	if q.Sort, err = sorting(values, res); err != nil {
		return q, err
	}
	return q, paging(values, &q)
}

func filter(res *resource, key string, values []string) (cond db.Cond, known bool, err error) {
	if f := res.Filters[key]; f != nil {
		cond, err = f(values)
		return cond, true, err
	}
	at := res.Get(key)
	if key == "changed_since" && res.Get("updated_at") != nil {
		cond, err = changedSince(values[0])
		return cond, true, err
	}
	if at == nil || at.Column == "" {
		cond, known = tagFilter(res, key, values)
		return cond, known, nil
	}
	switch at.Kind {
	case attr.Bool:
		alternatives := make([]db.Cond, len(values))
		for i, v := range values {
			b, reason := attr.Boolean(v)
			if reason != "" {
				return cond, true, rest.BadRequest("Invalid input for operation: %s.", reason).WithType("InvalidInput")
			}
			alternatives[i] = db.Where("("+at.Column+") = ?", b)
		}
		return db.Or(alternatives...), true, nil
	case attr.Int:
		numbers := make([]int64, 0, len(values))
		for _, v := range values {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return cond, true, rest.BadRequest("Invalid input for operation: '%s' is not an integer.", v).WithType("InvalidInput")
			}
			numbers = append(numbers, n)
		}
		return db.In(at.Column, numbers), true, nil
	}
	return db.In(at.Column, values), true, nil
}

// changedSince is the filter of the extension standard-attr-timestamp.
func changedSince(text string) (db.Cond, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05-0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return db.Where("t.updated_at >= ?", at.UTC()), nil
		}
	}
	return db.Cond{}, rest.BadRequest(
		"Invalid input for operation: The input changed_since must be in the following format: YYYY-MM-DDTHH:MM:SS[+/-HH:MM].").WithType("InvalidInput")
}

// tagFilter reads tags, tags-any, not-tags and not-tags-any.
func tagFilter(res *resource, key string, values []string) (db.Cond, bool) {
	if res.Get("tags") == nil {
		return db.Cond{}, false
	}
	var tags []db.Cond
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			tags = append(tags, db.Where("t.tags LIKE ? ESCAPE '!'", "%,"+likeText.Replace(t)+",%"))
		}
	}
	all := func() db.Cond {
		var sql []string
		var args []any
		for _, c := range tags {
			sql, args = append(sql, c.SQL), append(args, c.Args...)
		}
		return db.Cond{SQL: strings.Join(sql, " AND "), Args: args}
	}
	switch key {
	case "tags":
		return all(), true
	case "tags-any":
		return db.Or(tags...), true
	case "not-tags":
		c := all()
		return db.Cond{SQL: "NOT (" + c.SQL + ")", Args: c.Args}, true
	case "not-tags-any":
		c := db.Or(tags...)
		return db.Cond{SQL: "NOT " + c.SQL, Args: c.Args}, true
	}
	return db.Cond{}, false
}

var likeText = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

func sorting(values url.Values, res *resource) ([]db.Order, error) {
	keys, dirs := values["sort_key"], values["sort_dir"]
	if len(dirs) == 0 {
		for range keys {
			dirs = append(dirs, "asc")
		}
	}
	if len(keys) != len(dirs) {
		return nil, attr.Bad("The number of sort_keys and sort_dirs must be same")
	}
	var orders []db.Order
	for i, k := range keys {
		at := res.Get(k)
		if at == nil || at.Column == "" || at.NoSort {
			return nil, attr.Bad("['%s'] is invalid attribute for sort_keys", k)
		}
		if dirs[i] != "asc" && dirs[i] != "desc" {
			return nil, attr.Bad("['%s'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'", dirs[i])
		}
		orders = append(orders, db.Order{Expr: at.Column, Desc: dirs[i] == "desc"})
	}
	return orders, nil
}

func paging(values url.Values, q *db.Query) error {
	text := values.Get("limit")
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return rest.BadRequest("Bad limit request: Limit must be an integer 0 or greater and not '%s'.", text).WithType("BadRequest")
	}
	if q.Limit = n; n > 0 {
		q.Marker = values.Get("marker")
		q.Reverse = strings.EqualFold(values.Get("page_reverse"), "true")
	}
	return nil
}

// pageLinks are the links of a page that was asked for with a limit.
func pageLinks(r *rest.Request, q db.Query, views []attr.Values) []rest.Link {
	if q.Limit == 0 {
		return nil
	}
	link := func(rel string, at int, reverse bool) rest.Link {
		v := url.Values{}
		for k, x := range r.QueryValues() {
			if k != "marker" && k != "page_reverse" {
				v[k] = x
			}
		}
		if len(views) > 0 {
			v.Set("marker", views[at].String("id"))
		}
		if reverse {
			v.Set("page_reverse", "True")
		}
		return rest.Link{Rel: rel, Href: r.RootURL() + r.HTTP.URL.EscapedPath() + "?" + v.Encode()}
	}
	var links []rest.Link
	full := len(views) >= q.Limit
	if full || q.Reverse {
		links = append(links, link("next", len(views)-1, false))
	}
	if full || !q.Reverse {
		links = append(links, link("previous", 0, true))
	}
	return links
}
