package policy

import (
	"regexp"
	"strings"
)

// AccessRule is a request that a token of an application credential may make. In Path, * stands for anything without a slash, ** for
// anything, and {name} for one segment (the documentation of keystonemiddleware, "access rules").
type AccessRule struct {
	Service string `json:"service"` // a type of the catalogue
	Method  string `json:"method"`
	Path    string `json:"path"`
}

// AccessRules are all the requests a token may make.
type AccessRules []AccessRule

var wildcards = regexp.MustCompile(`\{[^}]*\}|\*\*|\*`)

// Allow tells whether a request is among them. Paths are what the service's catalogue address is followed by, or that with what came before:
// clients write either "/v2.1/servers" or "/compute/v2.1/servers".
func (a AccessRules) Allow(service, method string, paths ...string) bool {
	for _, rule := range a {
		if rule.Service != service || rule.Method != method {
			continue
		}
		for _, p := range paths {
			if rule.matches(p) {
				return true
			}
		}
	}
	return false
}

func (r AccessRule) matches(path string) bool {
	var pattern strings.Builder
	pattern.WriteString("^")
	at := 0
	for _, span := range wildcards.FindAllStringIndex(r.Path, -1) {
		pattern.WriteString(regexp.QuoteMeta(r.Path[at:span[0]]))
		if r.Path[span[0]:span[1]] == "**" {
			pattern.WriteString(".*")
		} else {
			pattern.WriteString("[^/]+")
		}
		at = span[1]
	}
	pattern.WriteString(regexp.QuoteMeta(r.Path[at:]) + "$")
	expression, err := regexp.Compile(pattern.String())
	return err == nil && expression.MatchString(path)
}
