package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/api"
	"gostack/test/upstream"
)

// Every route as every persona, compared with upstream's table.
func TestPoliciesAreUpstreams(t *testing.T) {
	upstream.ComparePolicies(t, api.New(&nova.Service{})[0], "compute", upstream.PolicyExceptions{})
}

// document is upstream's OpenAPI document, read once; nil where it is not here.
var document *upstream.OpenAPI

var readDocument sync.Once

// judged compares the body of every answer with upstream's document.
func judged(t *testing.T, h http.Handler) http.Handler {
	if upstream.Root() == "" {
		return h
	}
	readDocument.Do(func() { document = upstream.LoadOpenAPI(t, "compute") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &body{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(rec, r)
		if rec.status >= 400 || rec.Len() == 0 {
			return
		}
		path := strings.TrimPrefix(r.URL.Path, "/compute")
		if path == "/v2.1/servers" && r.Method == http.MethodPost {
			return // the document wants just one of two forms that do not exclude one another
		}
		if strings.HasPrefix(path, "/v2.1/os-hypervisors") && !strings.HasPrefix(r.Header.Get("OpenStack-API-Version"), "compute 2.5") {
			return // the document knows the form of 2.53 to 2.87 only
		}
		var doc any
		if err := json.Unmarshal(rec.Bytes(), &doc); err != nil {
			t.Error(err)
		}
		plain, err := json.Marshal(withoutNulls(doc))
		if err != nil {
			t.Error(err)
		}
		if strings.HasSuffix(path, "/os-migrations") {
			// the document forgets evacuations, which upstream's reference and code name
			plain = bytes.ReplaceAll(plain, []byte(`"migration_type":"evacuation"`), []byte(`"migration_type":"migration"`))
		}
		if strings.HasSuffix(path, "/diagnostics") {
			return // the document has memory as a list, upstream's samples and code have an object
		}
		if err := document.Check(r.Method, path, rec.status, plain); err != nil && !ambiguous(err) {
			t.Errorf("upstream's document at %s: %v", r.Header.Get("OpenStack-API-Version"), err)
		}
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

// withoutNulls drops members that are null: the document calls many of them strings, upstream's samples have null.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
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
