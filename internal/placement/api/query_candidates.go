package api

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

var (
	numberedKey = regexp.MustCompile(`^(resources|required|member_of|in_tree)(` + numberGroup + `)?$`)
	namedKey    = regexp.MustCompile(`^(resources|required|member_of|in_tree)(` + namedGroup + `)?$`)
)

// candidateRequest reads the query of GET /allocation_candidates (placement/lib.py).
func candidateRequest(r *rest.Request) (placement.CandidateRequest, error) {
	query := r.QueryValues()
	req := placement.CandidateRequest{FlatOnly: !r.Version.AtLeast(1, 29)}
	if limits := query["limit"]; len(limits) > 0 {
		// A number too great to read is no limit.
		req.Limit, _ = strconv.Atoi(limits[0])
	}
	policies := query["group_policy"]
	req.Isolate = len(policies) > 0 && policies[0] == "isolate"
	if err := readRootTraits(r, &req); err != nil {
		return req, err
	}
	if err := readSubtrees(r, &req); err != nil {
		return req, err
	}
	if err := readGroups(r, &req); err != nil {
		return req, err
	}
	suffixed := 0
	for _, group := range req.Groups {
		if group.Suffix != "" {
			suffixed++
		}
	}
	if suffixed > 1 && len(policies) == 0 {
		return req, rest.BadRequest(`The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.`)
	}
	return req, nil
}

func badValue(format string, args ...any) error {
	return rest.BadRequest(format, args...).WithCode(string(placement.CodeQueryBadValue))
}

func readRootTraits(r *rest.Request, req *placement.CandidateRequest) error {
	values := r.QueryValues()["root_required"]
	if len(values) == 0 {
		return nil
	}
	if len(values) > 1 {
		return rest.BadRequest("Query parameter 'root_required' may be specified only once.").WithCode(string(placement.CodeQueryDuplicateKey))
	}
	required, forbidden, err := traitRules{forbidden: true}.parseTraits(values[0])
	if err != nil {
		return err
	}
	var conflicts []string
	for _, anyOf := range required {
		req.RootRequired = append(req.RootRequired, anyOf...)
	}
	req.RootForbidden = forbidden
	for _, name := range req.RootRequired {
		if slices.Contains(forbidden, name) {
			conflicts = append(conflicts, name)
		}
	}
	if len(conflicts) > 0 {
		return badValue("Conflicting required and forbidden traits found in root_required: %s", strings.Join(conflicts, ", "))
	}
	return nil
}

func readSubtrees(r *rest.Request, req *placement.CandidateRequest) error {
	for _, value := range r.QueryValues()["same_subtree"] {
		suffixes := trimmed(value)
		if slices.Contains(suffixes, "") {
			return badValue("Empty string (unsuffixed group) can not be specified in `same_subtree` ")
		}
		req.SameSubtree = append(req.SameSubtree, suffixes)
	}
	return nil
}

func readGroups(r *rest.Request, req *placement.CandidateRequest) error {
	pattern := numberedKey
	if r.Version.AtLeast(1, 33) {
		pattern = namedKey
	}
	for _, key := range keysInOrder(r.HTTP.URL.RawQuery) {
		parts := pattern.FindStringSubmatch(key)
		if parts == nil {
			continue
		}
		at := slices.IndexFunc(req.Groups, func(g placement.RequestGroup) bool { return g.Suffix == parts[2] })
		if at < 0 {
			at = len(req.Groups)
			req.Groups = append(req.Groups, placement.RequestGroup{Suffix: parts[2]})
		}
		if err := readGroupPart(r, &req.Groups[at], parts[1], r.QueryValues()[key]); err != nil {
			return err
		}
	}
	if r.Version.AtLeast(1, 36) {
		if err := checkSubtrees(req); err != nil {
			return err
		}
	} else if err := checkOrphans(req); err != nil {
		return err
	}
	return checkConflicts(r, req)
}

// keysInOrder lists the keys of a query as they first appear: of several mistakes the first is reported.
func keysInOrder(rawQuery string) []string {
	var keys []string
	for pair := range strings.SplitSeq(rawQuery, "&") {
		text, _, _ := strings.Cut(pair, "=")
		if key, err := url.QueryUnescape(text); err == nil && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func readGroupPart(r *rest.Request, group *placement.RequestGroup, kind string, values []string) (err error) {
	switch kind {
	case "resources":
		for _, value := range values {
			if group.Resources, err = parseResources(value); err != nil {
				return err
			}
		}
	case "required":
		group.Required, group.Forbidden, err = traitRulesOf(r).parseAllTraits(values)
	case "member_of":
		group.MemberOf, group.ForbiddenAggregates, err = parseAggregates(r, group.Suffix)
	case "in_tree":
		tree := strings.TrimSpace(last(values))
		if !rest.IsUUID(tree) {
			return rest.BadRequest("Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. Got: %s", last(values))
		}
		group.InTree = canonical(tree)
	}
	return err
}

// checkSubtrees applies the rules of 1.36: groups may be without resources when they are in a same_subtree.
func checkSubtrees(req *placement.CandidateRequest) error {
	var all, empty, bad, unknown []string
	inSubtree := slices.Concat(req.SameSubtree...)
	for _, group := range req.Groups {
		all = append(all, group.Suffix)
		if len(group.Resources) == 0 {
			empty = append(empty, group.Suffix)
			if !slices.Contains(inSubtree, group.Suffix) {
				bad = append(bad, group.Suffix)
			}
		}
	}
	for _, suffix := range inSubtree {
		if !slices.Contains(all, suffix) {
			unknown = append(unknown, suffix)
		}
	}
	switch {
	case len(empty) == len(all):
		return rest.BadRequest("There must be at least one resources or resources[$S] parameter.").WithCode(string(placement.CodeQueryMissingValue))
	case len(bad) > 0:
		return badValue("Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - %s.", quoted(bad))
	case len(unknown) > 0:
		return badValue("Real suffixes should be specified in `same_subtree`: %s not found in %s.", quoted(unknown), quoted(all))
	}
	return nil
}

func quoted(names []string) string { return "['" + strings.Join(names, "', '") + "']" }

// checkOrphans applies the rules before 1.36: each group has resources.
func checkOrphans(req *placement.CandidateRequest) error {
	var traits, aggregates []string
	empty := len(req.Groups) == 0
	for _, group := range req.Groups {
		if len(group.Resources) > 0 {
			continue
		}
		empty = true
		if len(group.Required) > 0 {
			traits = append(traits, "required"+group.Suffix)
		}
		if len(group.MemberOf)+len(group.ForbiddenAggregates) > 0 {
			aggregates = append(aggregates, "member_of"+group.Suffix)
		}
	}
	switch {
	case len(traits) > 0:
		return rest.BadRequest("All traits parameters must be associated with resources.  Found the following orphaned traits keys: %s",
			strings.Join(traits, ", "))
	case len(aggregates) > 0:
		return rest.BadRequest("All member_of parameters must be associated with resources. Found the following orphaned member_of keys: %s",
			strings.Join(aggregates, ", "))
	case len(req.Groups) == 0:
		return rest.BadRequest("At least one request group (`resources` or `resources{$S}`) is required.")
	case empty:
		return rest.BadRequest("All request groups must specify resources.")
	}
	return nil
}

func checkConflicts(r *rest.Request, req *placement.CandidateRequest) error {
	if !r.Version.AtLeast(1, 22) {
		return nil
	}
	var conflicts []string
	for _, group := range req.Groups {
		for _, anyOf := range group.Required {
			if !slices.ContainsFunc(anyOf, func(name string) bool { return !slices.Contains(group.Forbidden, name) }) {
				conflicts = append(conflicts, "required"+group.Suffix+": ("+strings.Join(slices.Sorted(slices.Values(anyOf)), ", ")+")")
			}
		}
	}
	if len(conflicts) > 0 {
		slices.Sort(conflicts)
		return rest.BadRequest("Conflicting required and forbidden traits found in the following traits keys: %s", strings.Join(conflicts, ", "))
	}
	return nil
}
