package rest

import (
	"net/url"
	"strconv"
	"strings"
)

// Page is what a list request asks for.
type Page struct {
	Limit  int // 0: no limit asked
	Marker string
	Sort   []SortKey
}

// SortKey is one column to order by.
type SortKey struct {
	Key  string
	Desc bool
}

// PageRule says how a service's lists page.
type PageRule struct {
	Max      int      // the most a page may hold; larger limits are cut to it; 0: no most
	Keys     []string // what may be sorted by; nil: the caller checks
	Defaults []SortKey
}

// Page reads limit, marker, sort_key/sort_dir (repeated, paired in order) and sort=key:dir,….
func (r *Request) Page(rule PageRule) (Page, error) {
	var p Page
	var err error
	if p.Limit, err = r.QueryInt("limit", 0); err != nil {
		return p, err
	}
	if rule.Max > 0 && (p.Limit == 0 || p.Limit > rule.Max) {
		p.Limit = rule.Max
	}
	p.Marker = r.query.Get("marker")
	keys, dirs := r.query["sort_key"], r.query["sort_dir"]
	for i, k := range keys {
		dir := ""
		if i < len(dirs) {
			dir = dirs[i]
		} else if len(dirs) == 1 {
			dir = dirs[0]
		}
		p.Sort = append(p.Sort, SortKey{k, strings.EqualFold(dir, "desc")})
		if dir != "" && !strings.EqualFold(dir, "asc") && !strings.EqualFold(dir, "desc") {
			return p, BadRequest("Invalid value for sort_dir: %s. It must be asc or desc.", dir)
		}
	}
	if s := r.query.Get("sort"); s != "" && len(keys) == 0 {
		for part := range strings.SplitSeq(s, ",") {
			k, dir, _ := strings.Cut(strings.TrimSpace(part), ":")
			if dir != "" && !strings.EqualFold(dir, "asc") && !strings.EqualFold(dir, "desc") {
				return p, BadRequest("Invalid value for sort direction: %s. It must be asc or desc.", dir)
			}
			p.Sort = append(p.Sort, SortKey{k, strings.EqualFold(dir, "desc")})
		}
	}
	for _, k := range p.Sort {
		if rule.Keys != nil && !contains(rule.Keys, k.Key) {
			return p, BadRequest("Invalid sort key: %s. Use one of: %s.", k.Key, strings.Join(rule.Keys, ", "))
		}
	}
	if len(p.Sort) == 0 {
		p.Sort = rule.Defaults
	}
	return p, nil
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// Link is a reference in an answer.
type Link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// NextLink is the address of the following page: this request with another marker. It is for absolute links; pass
// path as the path below the prefix.
func (r *Request) NextLink(marker string, limit int) string {
	return r.RootURL() + r.HTTP.URL.EscapedPath() + "?" + r.NextQuery(marker, limit)
}

// NextQuery is the query of the following page.
func (r *Request) NextQuery(marker string, limit int) string {
	q := url.Values{}
	for k, v := range r.query {
		q[k] = v
	}
	q.Set("marker", marker)
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return q.Encode()
}

// ParseBool reads a boolean as oslo.utils' strict bool_from_string does.
func ParseBool(s string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "t", "true", "on", "y", "yes":
		return true, true
	case "0", "f", "false", "off", "n", "no":
		return false, true
	}
	return false, false
}
