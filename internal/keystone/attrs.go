package keystone

import (
	"maps"
	"slices"
	"strings"

	"gostack/internal/rest"
)

// Attrs are the members of the object in a request, after the schema has judged them: {"name": …} of {"user": {"name": …}}.
// In an update an absent member stays as it is, and a null one is cleared.
type Attrs map[string]any

// text sets *to from a string member, or to "" from null.
func (a Attrs) text(key string, to *string) {
	if v, ok := a[key]; ok {
		*to, _ = v.(string)
	}
}

// flag sets *to from a boolean member.
func (a Attrs) flag(key string, to *bool) {
	if v, ok := a[key].(bool); ok {
		*to = v
	}
}

// extra merges the members that have no column into those stored. Keystone keeps what it does not know.
func (a Attrs) extra(stored map[string]any, columns ...string) map[string]any {
	out := maps.Clone(stored)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range a {
		if !slices.Contains(columns, k) && k != "id" && k != "links" {
			out[k] = v
		}
	}
	return out
}

// options merges resource options into those stored: null removes one.
func (a Attrs) options(stored map[string]any) map[string]any {
	out := maps.Clone(stored)
	if out == nil {
		out = map[string]any{}
	}
	wanted, _ := a["options"].(map[string]any)
	for k, v := range wanted {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

// name reads and trims the name, which then must not be empty.
func (a Attrs) name(to *string) error {
	v, ok := a["name"].(string)
	if !ok {
		return nil
	}
	if *to = strings.TrimSpace(v); *to == "" {
		return rest.BadRequest("Invalid input for field 'name': '%s' does not match '[\\\\S]+'", v)
	}
	return nil
}

// matchID refuses an update that tries to change the id.
func (a Attrs) matchID(id string) error {
	if v, ok := a["id"]; ok && v != nil && v != id {
		return rest.BadRequest("Cannot change ID")
	}
	return nil
}

// matchDomain refuses an update that tries to change the domain.
func (a Attrs) matchDomain(domainID string) error {
	v, ok := a["domain_id"]
	if !ok || v == domainID || v == nil && domainID == "" {
		return nil
	}
	return rest.BadRequest("Cannot change Domain ID")
}
