package api_test

import (
	"net/http"
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/api"
	"gostack/test/upstream"
)

// Every route as every persona, compared with upstream's table.
func TestPoliciesAreUpstreams(t *testing.T) {
	upstream.ComparePolicies(t, api.New(&nova.Service{})[0], "compute", upstream.PolicyExceptions{})
}

// judged compares the body of every answer with upstream's document.
func judged(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	return upstream.Judged(t, h, "compute", "/compute", upstream.Quirks{
		Skip: func(r *http.Request, path string) bool {
			switch {
			case path == "/v2.1/servers" && r.Method == http.MethodPost:
				return true // the document wants just one of two forms that do not exclude one another
			case strings.HasPrefix(path, "/v2.1/os-hypervisors") && !strings.HasPrefix(r.Header.Get("OpenStack-API-Version"), "compute 2.5"):
				return true // the document knows the form of 2.53 to 2.87 only
			}
			return strings.HasSuffix(path, "/diagnostics") // the document has memory as a list, upstream's samples and code have an object
		},
		Mend: func(path string, doc any) {
			if strings.HasSuffix(path, "/topology") { // the document has siblings as a list of numbers, upstream's samples and code have a list of lists
				for _, node := range doc.(map[string]any)["nodes"].([]any) {
					node.(map[string]any)["siblings"] = []any{}
				}
			}
			if strings.HasSuffix(path, "/os-migrations") { // the document forgets evacuations, which upstream's reference and code name
				rows, _ := doc.(map[string]any)["migrations"].([]any)
				for _, row := range rows {
					if m, ok := row.(map[string]any); ok && m["migration_type"] == "evacuation" {
						m["migration_type"] = "migration"
					}
				}
			}
		},
		Accept: ambiguous,
	})
}

// ambiguous tells whether all that is wrong is that two forms fit where one should: addresses, whose formats are not judged.
func ambiguous(err error) bool {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "- at ") && !strings.Contains(line, "validation failed") && !strings.Contains(line, "'oneOf' failed, subschemas") {
			return false
		}
	}
	return true
}
