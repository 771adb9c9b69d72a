// Package attr is the engine that reads bodies and writes answers by tables of attributes, as Neutron's API defines its
// resources: for each attribute whether it may be given in POST and PUT, how it is checked and converted, its default,
// whether it is shown, by which policy it is guarded, and how it is filtered and sorted.
//
// It knows no resource. Messages are upstream's (neutron-lib, api/attributes and api/validators).
package attr

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"gostack/internal/rest"
)

// Values are converted attributes by name: string, bool, int64, nil, []Values, []string, map[string]any.
type Values map[string]any

// Has tells whether the attribute is there, be it nil.
func (v Values) Has(name string) bool { _, ok := v[name]; return ok }

// String returns a text, "" when it is absent or null.
func (v Values) String(name string) string { s, _ := v[name].(string); return s }

// Bool returns a boolean, false when it is absent or null.
func (v Values) Bool(name string) bool { b, _ := v[name].(bool); return b }

// Int returns a number, 0 when it is absent or null.
func (v Values) Int(name string) int64 { n, _ := v[name].(int64); return n }

// IntPtr returns a number, nil when it is absent or null.
func (v Values) IntPtr(name string) *int64 {
	if n, ok := v[name].(int64); ok {
		return &n
	}
	return nil
}

// Strings returns a list of texts.
func (v Values) Strings(name string) []string { s, _ := v[name].([]string); return s }

// List returns a list of sub-documents.
func (v Values) List(name string) []Values { l, _ := v[name].([]Values); return l }

// Doc returns a sub-document, nil when it is absent or null.
func (v Values) Doc(name string) Values { d, _ := v[name].(Values); return d }

// Check converts a decoded JSON value, or says why it cannot be: the reason in "Invalid input for x. Reason: …".
type Check func(v any) (any, string)

// Attribute is one row of a resource's table.
type Attribute struct {
	Name      string
	Post, Put bool
	// Required in POST.
	Required bool
	// Default is given to what POST does not name; nil leaves it out (upstream's ATTR_NOT_SPECIFIED). Null gives null.
	Default any
	Check   Check
	// Hidden is never shown.
	Hidden bool
	// Free is for whoever may change the resource: the policies create_<resource>:<name> and update_<resource>:<name> are declared upstream, but
	// the attribute lacks enforce_policy, so nobody asks them. Of other attributes they are asked if they are declared.
	Free bool
	// Sub names the members of a (list of) sub-document(s) that have policies of their own, as fixed_ips:ip_address.
	Sub []string
	// Column is the SQL expression to filter and sort by; empty: cannot (unless Filter).
	Column string
	Kind   Kind
	// NoSort keeps a column from being a sort key.
	NoSort bool
	// Filter says that the resource filters by it in a way of its own.
	Filter bool
}

// Kind is how a filter's text is compared with the column.
type Kind int

// The kinds of columns.
const (
	Text Kind = iota
	Bool
	Int
)

// Null is the default of attributes that are null when nobody gives them.
type null struct{}

// Null is a default: the attribute is there, as null.
var Null = null{}

// Table is a resource's attributes.
type Table struct {
	Resource   string // network
	Collection string // networks
	Attributes []Attribute
	byName     map[string]*Attribute
}

// NewTable makes a table.
func NewTable(resource, collection string, attributes ...[]Attribute) *Table {
	t := &Table{Resource: resource, Collection: collection, Attributes: slices.Concat(attributes...), byName: map[string]*Attribute{}}
	for i := range t.Attributes {
		t.byName[t.Attributes[i].Name] = &t.Attributes[i]
	}
	return t
}

// Get returns an attribute, nil if there is none of that name.
func (t *Table) Get(name string) *Attribute { return t.byName[name] }

// Bad is upstream's HTTPBadRequest with its type.
func Bad(format string, args ...any) *rest.Error {
	return rest.BadRequest(format, args...).WithType("HTTPBadRequest")
}

// Items unwraps a body: {"network": {…}}, or {"networks": […]} where bulk is allowed.
func (t *Table) Items(body any, bulk bool) (items []map[string]any, isBulk bool, err error) {
	doc, _ := body.(map[string]any)
	if len(doc) == 0 {
		return nil, false, Bad("Resource body required")
	}
	if list, ok := doc[t.Collection].([]any); ok && bulk {
		if len(list) == 0 {
			return nil, true, Bad("Resources required")
		}
		for _, e := range list {
			item, ok := e.(map[string]any)
			if !ok {
				return nil, true, Bad("Invalid format for the bodies of %s", t.Collection)
			}
			// {"networks": [{"network": {…}}]} is the same (neutron.api.v2.base prepare_request_body).
			if inner, ok := item[t.Resource].(map[string]any); ok && len(item) == 1 {
				item = inner
			}
			items = append(items, item)
		}
		return items, true, nil
	}
	item, ok := doc[t.Resource].(map[string]any)
	if !ok {
		return nil, false, Bad("Unable to find '%s' in request body", t.Resource)
	}
	return []map[string]any{item}, false, nil
}

// ForCreate checks and converts the body of a POST and fills in defaults. named tells which attributes the user gave.
func (t *Table) ForCreate(item map[string]any) (v Values, named []string, err error) {
	if err := t.unknown(item); err != nil {
		return nil, nil, err
	}
	v = Values{}
	for i := range t.Attributes {
		a := &t.Attributes[i]
		raw, given := item[a.Name]
		switch {
		case given && !a.Post:
			return nil, nil, Bad("Attribute '%s' not allowed in POST", a.Name)
		case given:
			if v[a.Name], err = a.convert(raw); err != nil {
				return nil, nil, err
			}
			named = append(named, a.Name)
		case a.Required:
			return nil, nil, Bad("Failed to parse request. Required attribute '%s' not specified", a.Name)
		case a.Post && a.Default != nil:
			v[a.Name] = a.fallback()
		}
	}
	return v, named, nil
}

// ForUpdate checks and converts the body of a PUT.
func (t *Table) ForUpdate(item map[string]any) (v Values, named []string, err error) {
	if err := t.unknown(item); err != nil {
		return nil, nil, err
	}
	v = Values{}
	for i := range t.Attributes {
		a := &t.Attributes[i]
		raw, given := item[a.Name]
		if !given {
			continue
		}
		if !a.Put {
			return nil, nil, Bad("Cannot update read-only attribute %s", a.Name)
		}
		if v[a.Name], err = a.convert(raw); err != nil {
			return nil, nil, err
		}
		named = append(named, a.Name)
	}
	return v, named, nil
}

func (t *Table) unknown(item map[string]any) error {
	var names []string
	for k := range item {
		if t.byName[k] == nil {
			names = append(names, "'"+k+"'")
		}
	}
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	return Bad("Unrecognized attribute(s) %s", strings.Join(names, ", "))
}

func (a *Attribute) convert(raw any) (any, error) {
	if a.Check == nil {
		return plain(raw), nil
	}
	v, reason := a.Check(raw)
	if reason != "" {
		return nil, Bad("Invalid input for %s. Reason: %s.", a.Name, strings.TrimSuffix(reason, "."))
	}
	return v, nil
}

func (a *Attribute) fallback() any {
	if a.Default == Null {
		return nil
	}
	return a.Default
}

// plain makes Go values of decoded JSON.
func plain(v any) any {
	if n, ok := v.(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			return i
		}
		f, _ := n.Float64()
		return f
	}
	return v
}

// Show writes a value as upstream's messages do.
func Show(v any) string { return show(v) }

// show writes a value as upstream's messages do.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case []any, map[string]any:
		b, _ := json.Marshal(v)
		return string(b)
	}
	return fmt.Sprint(v)
}
