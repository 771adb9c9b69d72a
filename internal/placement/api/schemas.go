package api

import (
	"fmt"
	"regexp"
	"strings"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

// customName is the form of custom traits and resource classes.
var customName = regexp.MustCompile(`^CUSTOM_[A-Z0-9_]+$`)

// Forms of names in bodies and queries (placement/schemas/common.py).
const (
	uuidKey     = `^[0-9a-fA-F-]{36}$`
	classKey    = `^[A-Z0-9_]+$`
	numberGroup = `[1-9][0-9]*`
	namedGroup  = `[a-zA-Z0-9_-]{1,64}`
	uuidText    = `{"type": "string", "format": "uuid"}`
	idText      = `{"type": "string", "minLength": 1, "maxLength": 255}`
)

// since is the schema from a microversion 1.minor on, until the next in the list.
type since struct {
	minor  int
	schema *rest.Schema
}

func setBody(route *rest.Route, schema *rest.Schema) { route.Body = schema }

func setQuery(route *rest.Route, schema *rest.Schema) { route.Query = schema }

// versioned repeats a route for each of its schemas.
func versioned(route rest.Route, set func(*rest.Route, *rest.Schema), schemas []since) []rest.Route {
	routes := make([]rest.Route, len(schemas))
	for i, s := range schemas {
		routes[i] = route
		routes[i].Min = rest.V(1, s.minor)
		if i+1 < len(schemas) {
			routes[i].Max = rest.V(1, schemas[i+1].minor-1)
		}
		set(&routes[i], s.schema)
	}
	return routes
}

// object makes the schema of an object with these members and no others; those with a "!" in front are required.
func object(members ...string) string {
	var properties, required []string
	for i := 0; i < len(members); i += 2 {
		name, mandatory := strings.CutPrefix(members[i], "!")
		if mandatory {
			required = append(required, fmt.Sprintf("%q", name))
		}
		properties = append(properties, fmt.Sprintf("%q: %s", name, members[i+1]))
	}
	return fmt.Sprintf(`{"type": "object", "additionalProperties": false, "required": [%s], "properties": {%s}}`,
		strings.Join(required, ", "), strings.Join(properties, ", "))
}

// keyed makes the schema of an object whose keys have a form and whose members are alike.
func keyed(key string, atLeast int, member string) string {
	return fmt.Sprintf(`{"type": "object", "additionalProperties": false, "minProperties": %d, "patternProperties": {%q: %s}}`,
		atLeast, key, member)
}

func providerSchema(withUUID, withParent bool) *rest.Schema {
	members := []string{"!name", `{"type": "string", "maxLength": 200}`}
	if withUUID {
		members = append(members, "uuid", uuidText)
	}
	if withParent {
		members = append(members, "parent_provider_uuid", `{"anyOf": [`+uuidText+`, {"type": "null"}]}`)
	}
	return rest.JSON(object(members...))
}

func inventoryMembers(required ...string) []string {
	number := func(least int) string {
		return fmt.Sprintf(`{"type": "integer", "minimum": %d, "maximum": %d}`, least, placement.MaxInt)
	}
	members := []string{
		"total", number(1), "reserved", number(0), "min_unit", number(1), "max_unit", number(1), "step_size", number(1),
		"allocation_ratio", fmt.Sprintf(`{"type": "number", "maximum": %g}`, placement.MaxAllocationRatio),
		"resource_provider_generation", `{"type": "integer"}`,
	}
	for _, name := range required {
		for i := range members {
			if members[i] == name {
				members[i] = "!" + name
			}
		}
	}
	return members
}

func inventorySchema(required ...string) *rest.Schema {
	members := inventoryMembers(required...)
	for _, name := range required {
		if name == "resource_class" {
			members = append(members, "!resource_class", fmt.Sprintf(`{"type": "string", "pattern": %q}`, classKey))
		}
	}
	return rest.JSON(object(members...))
}

var inventoriesSchema = object(
	"!resource_provider_generation", `{"type": "integer"}`,
	"!inventories", fmt.Sprintf(`{"type": "object", "patternProperties": {%q: %s}}`, classKey, object(inventoryMembers("total")...)),
)

var (
	classSchema = object("!name", `{"type": "string", "pattern": "`+customName.String()+`", "maxLength": 255}`)

	providerTraitsSchema = object(
		"!traits", `{"type": "array", "items": `+idText+`}`, "!resource_provider_generation", `{"type": "integer"}`)

	aggregatesSchema     = `{"type": "array", "uniqueItems": true, "items": ` + uuidText + `}`
	aggregatesSchema1_19 = object("!aggregates", aggregatesSchema, "!resource_provider_generation", `{"type": "integer"}`)
)

// What allocations are made of.
var (
	amounts  = keyed(classKey, 1, `{"type": "integer", "minimum": 1}`)
	mappings = fmt.Sprintf(`{"type": "object", "minProperties": 1, "patternProperties": {%q: {"type": "array", "minItems": 1, "items": %s}}}`,
		namedGroup, uuidText)
	typeText = fmt.Sprintf(`{"type": "string", "pattern": %q, "minLength": 1, "maxLength": 255}`, classKey)
)

func byProvider(atLeast int) string {
	return keyed(uuidKey, atLeast, object("generation", `{"type": "integer"}`, "!resources", amounts))
}

// allocationMembers are the members of what one consumer shall have, from 1.12 on.
func allocationMembers(minor int, mayBeEmpty bool) []string {
	atLeast := 1
	if mayBeEmpty {
		atLeast = 0
	}
	members := []string{"!allocations", byProvider(atLeast), "!project_id", idText, "!user_id", idText}
	if minor >= 28 {
		members = append(members, "!consumer_generation", `{"type": ["integer", "null"]}`)
	}
	if minor >= 34 {
		members = append(members, "mappings", mappings)
	}
	if minor >= 38 {
		members = append(members, "!consumer_type", typeText)
	}
	return members
}

func listedAllocations(members ...string) *rest.Schema {
	item := object("!resource_provider", object("!uuid", uuidText), "!resources", amounts)
	return rest.JSON(object(append(members, "!allocations", `{"type": "array", "minItems": 1, "items": `+item+`}`)...))
}

// many is the schema for several consumers.
func many(minor, atLeast int) string {
	return keyed(uuidKey, atLeast, object(allocationMembers(minor, true)...))
}

func reshapeSchema(minor int) *rest.Schema {
	return rest.JSON(object("!inventories", keyed(uuidKey, 1, inventoriesSchema), "!allocations", many(minor, 0)))
}

var (
	allocationSchemas = []since{
		{0, listedAllocations()},
		{8, listedAllocations("!project_id", idText, "!user_id", idText)},
		{12, rest.JSON(object(allocationMembers(12, false)...))},
		{28, rest.JSON(object(allocationMembers(28, true)...))},
		{34, rest.JSON(object(allocationMembers(34, true)...))},
		{38, rest.JSON(object(allocationMembers(38, true)...))},
	}
	manySchemas = []since{
		{13, rest.JSON(many(13, 1))}, {28, rest.JSON(many(28, 1))}, {34, rest.JSON(many(34, 1))}, {38, rest.JSON(many(38, 1))},
	}
	reshapeSchemas = []since{{30, reshapeSchema(30)}, {34, reshapeSchema(34)}, {38, reshapeSchema(38)}}
)

// Queries are checked as objects of lists of texts.
func texts(item string) string { return `{"type": "array", "items": ` + item + `}` }

func querySchema(names ...string) *rest.Schema { return rest.JSON(queryObject(names...)) }

func queryObject(names ...string) string {
	var members []string
	for _, name := range names {
		form := `{"type": "string"}`
		switch strings.TrimPrefix(name, "!") {
		case "uuid", "provider_in_tree":
			form = uuidText
		case "limit":
			form = `{"type": "string", "pattern": "^[1-9][0-9]*$"}`
		case "group_policy":
			form = `{"enum": ["none", "isolate"]}`
		case "project_id", "user_id":
			form = idText
		case "consumer_type":
			form = `{"type": "string", "pattern": "^[A-Z0-9_]+$|^all|^unknown$", "minLength": 1, "maxLength": 255}`
		}
		members = append(members, strings.Replace(name, "provider_", "", 1), texts(form))
	}
	return object(members...)
}

// groupQueries is the schema of a candidates query with groups: each of the kinds may carry a suffix.
func groupQueries(suffix string, kinds []string, others ...string) *rest.Schema {
	patterns := fmt.Sprintf(`"patternProperties": {"^(%s)(%s)?$": %s}, `, strings.Join(kinds, "|"), suffix, texts(`{"type": "string"}`))
	return rest.JSON(strings.Replace(queryObject(others...), `"additionalProperties"`, patterns+`"additionalProperties"`, 1))
}

var (
	providerQueries = []since{
		{0, querySchema("name", "uuid")},
		{3, querySchema("name", "uuid", "member_of")},
		{4, querySchema("name", "uuid", "member_of", "resources")},
		{14, querySchema("name", "uuid", "member_of", "resources", "provider_in_tree")},
		{18, querySchema("name", "uuid", "member_of", "resources", "provider_in_tree", "required")},
	}
	usageQueries = []since{
		{9, querySchema("!project_id", "user_id")},
		{38, querySchema("!project_id", "user_id", "consumer_type")},
	}

	groupKinds       = []string{"resources", "required", "member_of"}
	groupKindsInTree = append(groupKinds[:3:3], "in_tree")
	candidateQueries = []since{
		{10, querySchema("!resources")},
		{16, querySchema("!resources", "limit")},
		{17, querySchema("!resources", "limit", "required")},
		{21, querySchema("!resources", "limit", "required", "member_of")},
		{25, groupQueries(numberGroup, groupKinds, "limit", "group_policy")},
		{31, groupQueries(numberGroup, groupKindsInTree, "limit", "group_policy")},
		{33, groupQueries(namedGroup, groupKindsInTree, "limit", "group_policy")},
		{35, groupQueries(namedGroup, groupKindsInTree, "limit", "group_policy", "root_required")},
		{36, groupQueries(namedGroup, groupKindsInTree, "limit", "group_policy", "root_required", "same_subtree")},
	}
)
