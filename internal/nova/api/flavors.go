package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

func (a *api) flavorRoutes() []rest.Route {
	create := windows(rest.Route{Method: "POST", Path: "/flavors", Policy: "os_compute_api:os-flavor-manage:create", Handle: a.createFlavor},
		window{rest.V(2, 1), flavorSchema(false, true)}, window{rest.V(2, 55), flavorSchema(true, true)}, window{rest.V(2, 102), flavorSchema(true, false)})
	return append(create,
		rest.Route{Method: "GET", Path: "/flavors", Policy: rest.Authenticated, Query: flavorQuery(false), Max: rest.V(2, 74), Handle: a.listFlavors},
		rest.Route{Method: "GET", Path: "/flavors", Policy: rest.Authenticated, Query: flavorQuery(true), Min: rest.V(2, 75), Handle: a.listFlavors},
		rest.Route{Method: "GET", Path: "/flavors/detail", Policy: rest.Authenticated, Query: flavorQuery(false), Max: rest.V(2, 74), Handle: a.listFlavors},
		rest.Route{Method: "GET", Path: "/flavors/detail", Policy: rest.Authenticated, Query: flavorQuery(true), Min: rest.V(2, 75), Handle: a.listFlavors},
		rest.Route{Method: "GET", Path: "/flavors/{id}", Policy: rest.Authenticated, Handle: a.showFlavor},
		rest.Route{Method: "PUT", Path: "/flavors/{id}", Policy: "os_compute_api:os-flavor-manage:update", Min: rest.V(2, 55), Handle: a.updateFlavor, Body: rest.JSON(`{
			"type": "object", "required": ["flavor"], "additionalProperties": false, "properties": {"flavor": {
				"type": "object", "required": ["description"], "additionalProperties": false, "properties": {"description": ` + flavorDescriptionSchema + `}}}}`)},
		rest.Route{Method: "DELETE", Path: "/flavors/{id}", Policy: "os_compute_api:os-flavor-manage:delete", Status: 202, Handle: func(r *rest.Request) (any, error) {
			return nil, a.nova.DeleteFlavor(r.Context(), r.Path("id"))
		}},
	)
}

const (
	// printable is text without control and format characters, and without line and paragraph separators (nova/api/validation/parameter_types.py, _is_printable).
	printable = `"pattern": "^[^\\p{C}\\p{Zl}\\p{Zp}]*$"`
	// flavorDescriptionSchema is printable, at most 64 KiB, and may be null; serverDescriptionSchema may have 255 characters only.
	flavorDescriptionSchema = `{"type": ["string", "null"], "minLength": 0, "maxLength": 65535, ` + printable + `}`
	serverDescriptionSchema = `{"type": ["string", "null"], "minLength": 0, "maxLength": 255, ` + printable + `}`
	// nameSchema is a printable name without white space around it (upstream's valid_name).
	nameSchema = `{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^\\p{Z}\\p{C}]([^\\p{C}\\p{Zl}\\p{Zp}]*[^\\p{Z}\\p{C}])?$"}`
)

// number is a whole number, as a number or as a string of digits.
func number(minimum int) string {
	return fmt.Sprintf(`{"type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": %d, "maximum": 2147483647, "minLength": 1}`, minimum)
}

func flavorSchema(description, rxtx bool) *rest.Schema {
	more := ""
	if description {
		more += `, "description": ` + flavorDescriptionSchema
	}
	if rxtx {
		more += `, "rxtx_factor": {"type": ["number", "string"], "pattern": "^[0-9]+(\\.[0-9]+)?$"}`
	}
	return rest.JSON(`{"type": "object", "required": ["flavor"], "additionalProperties": false, "properties": {"flavor": {
		"type": "object", "required": ["name", "ram", "vcpus", "disk"], "additionalProperties": false, "properties": {
			"name": ` + nameSchema + `,
			"id": {"type": ["string", "number", "null"], "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]([a-zA-Z0-9. _-]*[a-zA-Z0-9._-])?$"},
			"ram": ` + number(1) + `, "vcpus": ` + number(1) + `, "disk": ` + number(0) + `, "OS-FLV-EXT-DATA:ephemeral": ` + number(0) + `, "swap": ` + number(0) + `,
			"os-flavor-access:is_public": ` + booleanSchema + more + `}}}}`)
}

// booleanSchema is a boolean in any of the forms that Nova's schemas take.
const booleanSchema = `{"type": ["boolean", "string"], "enum": [true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t", false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f"]}`

func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		b, _ := rest.ParseBool(v)
		return b
	}
	return false
}

func flavorQuery(strict bool) *rest.Schema {
	return querySchema(strict, "limit", "marker", "is_public", "minRam", "minDisk", "sort_key", "sort_dir", "name")
}

// querySchema takes lists of strings under the known names; strict refuses others (microversion 2.75).
func querySchema(strict bool, names ...string) *rest.Schema {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = strconv.Quote(n) + `: {"type": "array", "items": {"type": "string"}}`
	}
	return rest.JSON(fmt.Sprintf(`{"type": "object", "properties": {%s}, "additionalProperties": %v}`, strings.Join(parts, ", "), !strict))
}

var flavorSortKeys = map[string]string{
	"flavorid": "id", "id": "seq", "name": "name", "memory_mb": "memory_mb", "vcpus": "vcpus", "root_gb": "root_gb", "ephemeral_gb": "ephemeral_gb",
	"swap": "swap_mb", "rxtx_factor": "rxtx_factor", "is_public": "is_public", "disabled": "disabled", "created_at": "created_at", "updated_at": "updated_at",
	"description": "description",
}

func (a *api) listFlavors(r *rest.Request) (any, error) {
	limit, marker, err := page(r)
	if err != nil {
		return nil, err
	}
	f := nova.FlavorFilter{Marker: marker, Limit: limit + 1, SortKey: "id"}
	if f.MinDisk, err = queryNumber(r, "minDisk", "Invalid minDisk filter [%s]"); err != nil {
		return nil, err
	}
	if f.MinMemory, err = queryNumber(r, "minRam", "Invalid minRam filter [%s]"); err != nil {
		return nil, err
	}
	if r.Version.AtLeast(2, 102) {
		f.Name = r.Query("name")
	}
	if k := r.Query("sort_key"); k != "" {
		column, ok := flavorSortKeys[k]
		if !ok {
			return nil, rest.BadRequest("Invalid sort key provided: %s", k)
		}
		f.SortKey = column
	}
	switch d := r.Query("sort_dir"); d {
	case "", "asc":
	case "desc":
		f.Desc = true
	default:
		return nil, rest.BadRequest("Unknown sort direction, must be 'desc' or 'asc'.")
	}
	if r.Caller.IsAdmin() {
		if f.Public, err = publicFilter(r.Query("is_public")); err != nil {
			return nil, err
		}
	} else {
		f.VisibleTo = r.Caller.ProjectID
	}
	if limit == 0 {
		return object{"flavors": []any{}}, nil
	}
	rows, err := a.nova.Flavors(r.Context(), f)
	if err != nil {
		return nil, err
	}
	full := len(rows) > limit
	rows = rows[:min(len(rows), limit)]
	detail := strings.HasSuffix(r.Route.Path, "/detail")
	views := make([]object, len(rows))
	for i, row := range rows {
		views[i] = a.flavorView(r, row, detail)
	}
	out := object{"flavors": views}
	if full {
		out["flavors_links"] = nextLinks(r, true, rows[len(rows)-1].ID)
	}
	return out, nil
}

// publicFilter is what an administrator's is_public asks for; nothing said means public ones, "None" both kinds.
func publicFilter(s string) (*bool, error) {
	switch strings.ToLower(s) {
	case "":
		yes := true
		return &yes, nil
	case "none":
		return nil, nil
	}
	b, ok := rest.ParseBool(s)
	if !ok {
		return nil, rest.BadRequest("Invalid is_public filter [%s]", s)
	}
	return &b, nil
}

func queryNumber(r *rest.Request, name, refusal string) (int64, error) {
	s := r.Query(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, rest.BadRequest(refusal, s)
	}
	return n, nil
}

func (a *api) showFlavor(r *rest.Request) (any, error) {
	f, err := a.nova.Flavor(r.Context(), r.Caller, r.Path("id"))
	if err != nil {
		return nil, err
	}
	return object{"flavor": a.flavorView(r, f, true)}, nil
}

func (a *api) flavorView(r *rest.Request, f *nova.Flavor, detail bool) object {
	v := object{"id": f.ID, "name": f.Name, "links": links(r, "flavors", f.ID)}
	if r.Version.AtLeast(2, 55) {
		v["description"] = f.Description
	}
	if !detail {
		return v
	}
	v["ram"], v["vcpus"], v["disk"] = f.MemoryMB, f.VCPUs, f.RootGB
	v["OS-FLV-EXT-DATA:ephemeral"], v["os-flavor-access:is_public"] = f.EphemeralGB, f.IsPublic
	v["swap"] = f.SwapMB
	if f.SwapMB == 0 && !r.Version.AtLeast(2, 75) {
		v["swap"] = ""
	}
	if !r.Version.AtLeast(2, 102) {
		v["OS-FLV-DISABLED:disabled"], v["rxtx_factor"] = f.Disabled, float(f.RxTxFactor)
	}
	if r.Version.AtLeast(2, 61) && r.Can("os_compute_api:os-flavor-extra-specs:index", nil) {
		v["extra_specs"] = notNil(f.ExtraSpecs)
	}
	return v
}

// numberOrText takes a string, or a number as it was written: an id of 1380452617 is not 1.380452617e+09.
type numberOrText string

func (n *numberOrText) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(n))
	}
	*n = numberOrText(b)
	return nil
}

// float is written with a point always, as Python writes it.
type float float64

func (f float) MarshalJSON() ([]byte, error) {
	s := strconv.FormatFloat(float64(f), 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return []byte(s), nil
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (a *api) createFlavor(r *rest.Request) (any, error) {
	var body struct {
		Flavor struct {
			Name        string
			ID          *numberOrText
			RAM         any
			VCPUs       any
			Disk        any
			Ephemeral   any `json:"OS-FLV-EXT-DATA:ephemeral"`
			Swap        any
			RxTx        any `json:"rxtx_factor"`
			Public      any `json:"os-flavor-access:is_public"`
			Description *string
		}
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	in := body.Flavor
	f := &nova.Flavor{Name: in.Name, Description: in.Description, IsPublic: in.Public == nil || truth(in.Public), RxTxFactor: 1}
	if in.ID != nil {
		if id := string(*in.ID); id != "auto" {
			f.ID = id
		}
	}
	for _, n := range []struct {
		name string
		from any
		to   *int64
		min  int64
	}{{"ram", in.RAM, &f.MemoryMB, 1}, {"vcpus", in.VCPUs, &f.VCPUs, 1}, {"disk", in.Disk, &f.RootGB, 0}, {"OS-FLV-EXT-DATA:ephemeral", in.Ephemeral, &f.EphemeralGB, 0}, {"swap", in.Swap, &f.SwapMB, 0}} {
		v, err := whole(n.from)
		if err != nil || v < n.min && n.from != nil || v > 0x7FFFFFFF {
			return nil, rest.BadRequest("Invalid input for field/attribute %s. Value: %v. %v is less than the minimum of %d", n.name, n.from, n.from, n.min)
		}
		*n.to = v
	}
	if in.RxTx != nil {
		v, err := strconv.ParseFloat(fmt.Sprint(in.RxTx), 64)
		if err != nil || v <= 0 || v > 3.40282e38 {
			return nil, rest.BadRequest("Invalid input received: 'rxtx_factor' argument must be a float between 0 and 3.40282e+38")
		}
		f.RxTxFactor = v
	}
	if err := a.nova.CreateFlavor(r.Context(), r.Caller, f); err != nil {
		return nil, err
	}
	return object{"flavor": a.flavorView(r, f, true)}, nil
}

// whole reads a number that may be written as a string; nil is 0.
func whole(v any) (int64, error) {
	switch v := v.(type) {
	case nil:
		return 0, nil
	case float64:
		return int64(v), nil
	case json.Number:
		return v.Int64()
	}
	return strconv.ParseInt(fmt.Sprint(v), 10, 64)
}

func (a *api) updateFlavor(r *rest.Request) (any, error) {
	var body struct{ Flavor struct{ Description *string } }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	f, err := a.nova.DescribeFlavor(r.Context(), r.Path("id"), body.Flavor.Description)
	if err != nil {
		return nil, err
	}
	return object{"flavor": a.flavorView(r, f, true)}, nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
