package upstream

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Quirks are where a document of upstream's is known to be wrong.
type Quirks struct {
	// Skip leaves an answer out. The path is as the document has it.
	Skip func(r *http.Request, path string) bool
	// Mend changes an answer into what the document expects in its place.
	Mend func(path string, doc any)
	// Mistaken are members that the document has with another type; they are not judged, unless they are all there is.
	Mistaken map[string]bool
	// Accept excuses a difference.
	Accept func(err error) bool
}

var (
	documents     = map[string]*OpenAPI{}
	documentsLock sync.Mutex
)

// document reads the document of a service once.
func document(t testing.TB, service string) *OpenAPI {
	documentsLock.Lock()
	defer documentsLock.Unlock()
	if documents[service] == nil {
		documents[service] = LoadOpenAPI(t, service)
	}
	return documents[service]
}

// Judged compares the body of every answer of h that is no error with upstream's document of a service ("compute") and reports each
// difference once. prefix is what our addresses have before upstream's ("/compute"). Where there is no document h is returned as it is.
func Judged(t testing.TB, h http.Handler, service, prefix string, q Quirks) http.Handler {
	t.Helper()
	if Root() == "" {
		return h
	}
	d := document(t, service)
	seen := map[string]bool{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &body{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(rec, r)
		path := strings.TrimPrefix(strings.TrimSuffix(r.URL.Path, ".json"), prefix)
		if rec.status >= http.StatusBadRequest || rec.Len() == 0 || q.Skip != nil && q.Skip(r, path) {
			return
		}
		var doc any
		if err := json.Unmarshal(rec.Bytes(), &doc); err != nil {
			t.Errorf("%s %s: %v", r.Method, path, err)
			return
		}
		if q.Mend != nil {
			q.Mend(path, doc)
		}
		plain, err := json.Marshal(q.judgeable(doc))
		if err != nil {
			t.Error(err)
		}
		if err := d.Check(r.Method, path, rec.status, plain); err != nil && !seen[err.Error()] && (q.Accept == nil || !q.Accept(err)) {
			seen[err.Error()] = true
			t.Errorf("upstream's document at %s: %s %s: %v", r.Header.Get("OpenStack-API-Version"), r.Method, path, err)
		}
	})
}

// judgeable drops members that are null, which the documents call strings while upstream's samples have null, and the mistaken ones.
func (q Quirks) judgeable(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil || q.Mistaken[k] && len(v) > 1 {
				delete(v, k)
			} else {
				v[k] = q.judgeable(e)
			}
		}
	case []any:
		for i := range v {
			v[i] = q.judgeable(v[i])
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
