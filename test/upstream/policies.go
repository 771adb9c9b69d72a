package upstream

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
)

// Rules reads upstream's default rules of a service ("compute") as oslo.policy has them with new defaults and scopes enforced.
func Rules(dir, service string) ([]policy.Rule, error) {
	var rules []policy.Rule
	for file, name := range map[string]string{"base_rules.tsv": "rule", "policies.tsv": "policy"} {
		rows, err := Table(filepath.Join(dir, file), service)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			rule := policy.Rule{Name: r[name], Check: r["check_string"]}
			for s := range strings.SplitSeq(r["scope_types"], ",") {
				if s = strings.TrimSpace(s); s != "" {
					rule.Scopes = append(rule.Scopes, policy.Scope(s))
				}
			}
			rules = append(rules, rule)
		}
	}
	return rules, nil
}

// PolicyExceptions are rules that differ from upstream's table on purpose, with the reason.
type PolicyExceptions map[string]string

// ComparePolicies drives every route of svc as every persona, with things of the persona's own project and of another, and
// compares the answers with what upstream's table says. service is upstream's word ("compute").
func ComparePolicies(t *testing.T, svc *rest.Service, service string, except PolicyExceptions) {
	t.Helper()
	rules, err := Rules(Need(t), service)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]policy.Rule{}
	for _, r := range rules {
		byName[r.Name] = r
	}
	// Rules of ours that upstream's table lacks (its authors name some) are needed for the references of others.
	var ours []policy.Rule
	for _, r := range svc.Policies {
		if _, ok := byName[r.Name]; !ok {
			ours = append(ours, r)
		}
	}
	engine, err := policy.New(dedupe(rules), ours)
	if err != nil {
		t.Logf("upstream's table, as read: %v", err)
	}
	api := resttest.New(t, svc)
	targets := map[string]policy.Target{}
	for _, project := range []string{"project-1", "project-2"} {
		targets[project] = policy.Target{"project_id": project, "tenant_id": project, "user_id": "user-of-" + project, "domain_id": "default"}
	}
	var target policy.Target
	api.Server.Probe = func(*rest.Request) policy.Target { return target }

	var names []string
	for n := range resttest.Personas {
		names = append(names, n)
	}
	sort.Strings(names)
	unknown := map[string]bool{}
	for i := range svc.Routes {
		r := &svc.Routes[i]
		path := svc.Prefixes[0] + placeholders.ReplaceAllString(r.Path, "some-id")
		probe := api.With("X-Probe-Action", r.Action)
		if svc.Microversions != nil {
			v := svc.Microversions.Max
			if !r.Max.IsZero() {
				v = r.Max
			}
			probe = probe.At(fmt.Sprintf("%s %s", svc.Microversions.Service, v))
		}
		what := strings.TrimSpace(r.Method + " " + r.Path + " " + r.Action)
		if r.Policy != rest.Public {
			if a := probe.As("none").Do(r.Method, path, nil); a.Code != http.StatusUnauthorized {
				t.Errorf("%s without a token: %d", what, a.Code)
			}
		}
		if r.Policy == rest.Public || r.Policy == rest.Authenticated {
			continue
		}
		if _, ok := byName[r.Policy]; !ok {
			unknown[r.Policy] = true
			continue
		}
		if _, ok := except[r.Policy]; ok {
			continue
		}
		for _, name := range names {
			for project := range targets {
				target = targets[project]
				got := probe.As(name).Do(r.Method, path, nil).Code < 300
				want := engine.Check(r.Policy, resttest.Personas[name], target) == nil
				if got != want {
					t.Errorf("%s (%s) as %s on a thing of %s: allowed %v, upstream %v", what, r.Policy, name, project, got, want)
				}
			}
		}
	}
	for n := range unknown {
		if _, ok := except[n]; !ok {
			t.Errorf("policy %s is not in upstream's table", n)
		}
	}
}

var placeholders = regexp.MustCompile(`\{[^}]*\}`)

// dedupe keeps the first rule of each name.
func dedupe(rules []policy.Rule) (out []policy.Rule) {
	seen := map[string]bool{}
	for _, r := range rules {
		if !seen[r.Name] {
			seen[r.Name] = true
			out = append(out, r)
		}
	}
	return out
}
