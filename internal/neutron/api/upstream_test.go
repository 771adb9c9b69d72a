package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gostack/test/upstream"
)

// document is upstream's OpenAPI document, read once; nil where it is not here.
var document *upstream.OpenAPI

var readDocument sync.Once

// judged compares the body of every answer with upstream's document.
func judged(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	if upstream.Root() == "" {
		return h
	}
	readDocument.Do(func() { document = upstream.LoadOpenAPI(t, "network") })
	seen := map[string]bool{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &body{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(rec, r)
		path := strings.TrimPrefix(strings.TrimSuffix(r.URL.Path, ".json"), "/network")
		if rec.status >= 400 || rec.Len() == 0 || r.URL.Query().Has("fields") || unlike[path[strings.LastIndex(path, "/")+1:]] {
			return
		}
		var doc any
		if err := json.Unmarshal(rec.Bytes(), &doc); err != nil {
			t.Error(err)
			return
		}
		if strings.Contains(path, "/subnetpools") {
			drop(doc, "ip_version")
		}
		plain, err := json.Marshal(withoutNulls(doc))
		if err != nil {
			t.Error(err)
		}
		if err := document.Check(r.Method, path, rec.status, plain); err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			t.Errorf("upstream's document: %s %s: %v", r.Method, path, err)
		}
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

// withoutNulls drops members that are null, which the document calls strings too.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if collection := len(v) == 1; e == nil || mistaken[k] && !collection {
				delete(v, k)
			} else {
				v[k] = withoutNulls(e)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i])
		}
	}
	return v
}

// body keeps what a handler writes.
type body struct {
	http.ResponseWriter
	bytes.Buffer
	status int
}

func (b *body) WriteHeader(status int) { b.status = status; b.ResponseWriter.WriteHeader(status) }

func (b *body) Write(p []byte) (int, error) {
	b.Buffer.Write(p)
	return b.ResponseWriter.Write(p)
}
