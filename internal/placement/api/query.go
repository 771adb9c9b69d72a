package api

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func last(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// canonical writes a UUID with dashes and in lower case; other texts stay as they are.
func canonical(text string) string {
	id, err := uuid.Parse(text)
	if err != nil {
		return text
	}
	return id.String()
}

// parseResources reads "VCPU:2,MEMORY_MB:1024".
func parseResources(text string) (map[string]int64, error) {
	const form = "Badly formed resources parameter. Expected resources query string parameter in form: " +
		"?resources=VCPU:2,MEMORY_MB:1024. Got: %s"
	if strings.TrimSpace(text) == "" {
		return nil, rest.BadRequest(form, "empty string.")
	}
	resources := map[string]int64{}
	for part := range strings.SplitSeq(text, ",") {
		class, number, found := strings.Cut(part, ":")
		if !found || strings.Contains(number, ":") {
			return nil, rest.BadRequest(form, part+".")
		}
		amount, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil {
			return nil, rest.BadRequest("Requested resource %s expected positive integer amount. Got: %s.", class, number)
		}
		if amount < 1 {
			return nil, rest.BadRequest("Requested resource %s requires amount >= 1. Got: %d.", class, amount)
		}
		resources[class] = amount
	}
	return resources, nil
}

// traitRules tell which forms of trait lists a microversion knows.
type traitRules struct{ forbidden, anyOf bool }

func traitRulesOf(r *rest.Request) traitRules {
	return traitRules{forbidden: r.Version.AtLeast(1, 22), anyOf: r.Version.AtLeast(1, 39)}
}

// parseTraits reads "A,B,!C", which asks for A and B and refuses C, or "in:A,B", which asks for one of them.
func (rules traitRules) parseTraits(text string) (required [][]string, forbidden []string, err error) {
	const invalid = "Invalid query string parameters: "
	if list, found := strings.CutPrefix(text, "in:"); found {
		const form = "The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' "
		if !rules.anyOf {
			return nil, nil, rest.BadRequest(invalid+form+"only supported since microversion 1.39. Got: %s", text)
		}
		names := trimmed(list)
		for _, name := range names {
			if name == "" {
				return nil, nil, rest.BadRequest(invalid+"Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC. "+
					"Got an empty trait in: %s", text)
			}
			if strings.HasPrefix(name, "!") {
				return nil, nil, rest.BadRequest(invalid+form+"does not support forbidden traits. Got: %s", text)
			}
		}
		return [][]string{names}, nil, nil
	}
	form := "HW_CPU_X86_VMX,CUSTOM_MAGIC"
	if rules.forbidden {
		form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC"
	}
	for _, name := range trimmed(text) {
		bare := strings.TrimLeft(name, "!")
		switch {
		case bare == "":
			return nil, nil, rest.BadRequest(invalid+"Expected 'required' parameter value of the form: %s. Got an empty trait in: %s", form, text)
		case bare == name:
			required = append(required, []string{name})
		case !rules.forbidden:
			return nil, nil, rest.BadRequest(invalid+"Expected 'required' parameter value of the form: %s. Got: %s", form, text)
		default:
			forbidden = append(forbidden, bare)
		}
	}
	return required, forbidden, nil
}

// parseAllTraits reads all values of a parameter; before 1.39 only the last one counts.
func (rules traitRules) parseAllTraits(values []string) (required [][]string, forbidden []string, err error) {
	if !rules.anyOf && len(values) > 1 {
		values = values[len(values)-1:]
	}
	for _, value := range values {
		more, less, err := rules.parseTraits(value)
		if err != nil {
			return nil, nil, err
		}
		required, forbidden = append(required, more...), append(forbidden, less...)
	}
	return required, forbidden, nil
}

func trimmed(list string) []string {
	names := strings.Split(list, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

// parseAggregates reads all member_of values of a group: "UUID", "in:UUID,UUID", "!UUID" or "!in:UUID,UUID".
func parseAggregates(r *rest.Request, suffix string) (memberOf [][]string, forbidden []string, err error) {
	values := r.QueryValues()["member_of"+suffix]
	if len(values) > 1 && !r.Version.AtLeast(1, 24) {
		return nil, nil, rest.BadRequest("Multiple member_of%s parameters are not supported", suffix)
	}
	for _, value := range values {
		list, negative := strings.CutPrefix(value, "!")
		list, several := strings.CutPrefix(list, "in:")
		if strings.Contains(value, ",") && !several {
			return nil, nil, rest.BadRequest("Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword "+
				"using the valid microversion. Got: %s", value)
		}
		aggregates := strings.Split(list, ",")
		for i, aggregate := range aggregates {
			if !rest.IsUUID(aggregate) {
				return nil, nil, rest.BadRequest("Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). Got: %s", aggregate)
			}
			aggregates[i] = canonical(aggregate)
		}
		switch {
		case !negative:
			memberOf = append(memberOf, aggregates)
		case !r.Version.AtLeast(1, 32):
			return nil, nil, rest.BadRequest("Forbidden member_of%s parameters are not supported in the specified microversion", suffix)
		default:
			forbidden = append(forbidden, aggregates...)
		}
	}
	return memberOf, forbidden, nil
}

// providerFilter reads the query of GET /resource_providers.
func providerFilter(r *rest.Request) (filter placement.ProviderFilter, err error) {
	query := r.QueryValues()
	filter.Name, filter.UUID, filter.InTree = last(query["name"]), canonical(last(query["uuid"])), canonical(last(query["in_tree"]))
	if filter.MemberOf, filter.ForbiddenAggregates, err = parseAggregates(r, ""); err != nil {
		return filter, err
	}
	if filter.Required, filter.Forbidden, err = traitRulesOf(r).parseAllTraits(query["required"]); err != nil {
		return filter, err
	}
	if query.Has("resources") {
		filter.Resources, err = parseResources(last(query["resources"]))
	}
	return filter, err
}
