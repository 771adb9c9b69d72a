package api_test

import (
	"net/http"
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
		Mend: func(path string, doc any) {
			if strings.Contains(path, "/subnetpools") {
				drop(doc, "ip_version")
			}
		},
		Mistaken: mistaken,
	})
}

// mistaken are members that the document calls strings because their tables of attributes say nothing; upstream's samples have
// lists, objects and numbers there.
var mistaken = map[string]bool{"dns_assignment": true, "port_details": true, "security_group_rules": true, "port_range_min": true, "port_range_max": true,
	"rules": true, "drivers": true, "resource_request": true, "trunk_details": true,
	"port_forwardings": true, "external_port_range": true, "internal_port_range": true}

// unlike are member actions whose answer the document does not have as the plugin gives it: a list.
var unlike = map[string]bool{"onboard_network_subnets": true}

// drop removes a member everywhere: a read-only number, which the document calls a string.
func drop(v any, name string) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, name)
		for _, e := range v {
			drop(e, name)
		}
	case []any:
		for _, e := range v {
			drop(e, name)
		}
	}
}
