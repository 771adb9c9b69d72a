package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"gostack/test/upstream"
)

// judged compares the body of every answer with upstream's document.
func judged(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	return upstream.Judged(t, h, "network", "/network", upstream.Quirks{
		Skip: func(r *http.Request, path string) bool {
			return r.URL.Query().Has("fields") || unlike[path[strings.LastIndex(path, "/")+1:]]
		},
		Mistaken: mistaken,
		Accept:   onlyUntyped,
	})
}

// mistaken are members that the document has with another type than upstream's samples.
var mistaken = map[string]bool{
	"external_port_range": true, "internal_port_range": true, "min_prefixlen": true, "max_prefixlen": true, "default_prefixlen": true,
}

// unlike are member actions whose answer the document does not have as the plugin gives it: a list.
var unlike = map[string]bool{"onboard_network_subnets": true}

// untyped is what the checker says of a member that is no string: the document calls everything a string of which its tables of
// attributes say nothing. TestSamples compares the types of those with upstream's samples. Nor does it know that the agents' schedulers, which
// are controllers of an older kind, answer null.
var untyped = regexp.MustCompile(`(?m)^\s*- at ('.*': got (number|boolean|object|array), want string|'': got null, want object)\n?`)

// onlyUntyped tells whether an error of the document's check says nothing else.
func onlyUntyped(err error) bool {
	for line := range strings.SplitSeq(untyped.ReplaceAllString(err.Error(), ""), "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "- at '") && !strings.HasSuffix(line, ": validation failed") {
			return false
		}
	}
	return true
}
