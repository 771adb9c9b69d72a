// Package resttest tells stories against a real router: a request, the expected answer, the expected change.
//
//	api := resttest.New(t, service)
//	api.As("member").Post("/compute/v2.1/os-keypairs", `{"keypair": {"name": "k"}}`).Want(200).Has("keypair.name", "k")
package resttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"gostack/internal/policy"
	"gostack/internal/rest"
)

// Personas are the callers that every API is tried with. Their token is their name.
//
// "none" has no token; "other" is a member of another project; the rest hold one role (and what it implies) in project "project-1",
// but for the system reader and system admin.
var Personas = map[string]*policy.Caller{
	"other":         caller("user-other", "project-2", "member", "reader"),
	"reader":        caller("user-reader", "project-1", "reader"),
	"member":        caller("user-member", "project-1", "member", "reader"),
	"manager":       caller("user-manager", "project-1", "manager", "member", "reader"),
	"admin":         caller("user-admin", "project-admin", "admin", "manager", "member", "reader"),
	"service":       caller("user-service", "project-service", "service"),
	"system-reader": {UserID: "user-sysreader", UserDomainID: "default", SystemScope: "all", Roles: []string{"reader"}},
	"system-admin":  {UserID: "user-sysadmin", UserDomainID: "default", SystemScope: "all", Roles: []string{"admin", "manager", "member", "reader"}},
}

func caller(user, project string, roles ...string) *policy.Caller {
	return &policy.Caller{
		UserID: user, UserName: user, UserDomainID: "default", UserDomainName: "Default",
		ProjectID: project, ProjectName: project, ProjectDomainID: "default", ProjectDomainName: "Default", Roles: roles,
	}
}

// Tokens authenticates by name: the token is the persona.
type Tokens map[string]*policy.Caller

// Authenticate implements rest.Authenticator.
func (t Tokens) Authenticate(_ context.Context, token string) (*policy.Caller, error) {
	if c := t[token]; c != nil {
		return c, nil
	}
	return nil, errors.New("no such token")
}

// API is a server under test.
type API struct {
	T       testing.TB
	Handler http.Handler
	Server  *rest.Server
	// Judge, when set, is given every answer: upstream's OpenAPI documents judge here.
	Judge  func(method, path string, status int, body []byte) error
	token  string
	header http.Header
}

// New serves the services with the personas as callers.
func New(t testing.TB, services ...*rest.Service) *API {
	t.Helper()
	return Serve(t, rest.Config{Services: services, Authenticator: Tokens(Personas)})
}

// Serve serves a configuration: for tests with an authenticator of their own.
func Serve(t testing.TB, cfg rest.Config) *API {
	t.Helper()
	if cfg.IdentityURL == "" {
		cfg.IdentityURL = "http://127.0.0.1:5000/identity"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s, err := rest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &API{T: t, Handler: s, Server: s, header: http.Header{}}
}

// As returns the same API used by another caller: a persona, or any token. "" and "none" send no token.
func (a *API) As(token string) *API {
	b := *a
	b.token = token
	if token == "none" {
		b.token = ""
	}
	return &b
}

// With returns the same API with a request header added.
func (a *API) With(key, value string) *API {
	b := *a
	b.header = maps.Clone(a.header)
	b.header.Set(key, value)
	return &b
}

// At returns the same API asking for a microversion, as in At("compute 2.53").
func (a *API) At(version string) *API { return a.With("OpenStack-API-Version", version) }

// On returns the same API that reports to another (sub)test.
func (a *API) On(t testing.TB) *API {
	b := *a
	b.T = t
	return &b
}

// Get, Head and Delete send a request without a body.
func (a *API) Get(path string) *Answer    { return a.Do("GET", path, nil) }
func (a *API) Head(path string) *Answer   { return a.Do("HEAD", path, nil) }   //nolint:revive // see Get
func (a *API) Delete(path string) *Answer { return a.Do("DELETE", path, nil) } //nolint:revive // see Get

// Post, Put and Patch send a body: a string or bytes as they are, nil for none, anything else as JSON.
func (a *API) Post(path string, body any) *Answer  { return a.Do("POST", path, body) }
func (a *API) Put(path string, body any) *Answer   { return a.Do("PUT", path, body) }   //nolint:revive // see Post
func (a *API) Patch(path string, body any) *Answer { return a.Do("PATCH", path, body) } //nolint:revive // see Post

// Do sends a request.
func (a *API) Do(method, path string, body any) *Answer {
	a.T.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	case []byte:
		b = v
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			a.T.Fatal(err)
		}
	}
	req := httptest.NewRequestWithContext(a.T.Context(), method, path, bytes.NewReader(b))
	if b != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.token != "" {
		req.Header.Set("X-Auth-Token", a.token)
	}
	for k, v := range a.header {
		req.Header[k] = v
	}
	rec := httptest.NewRecorder()
	a.Handler.ServeHTTP(rec, req)
	if a.Judge != nil && rec.Code < 300 && rec.Body.Len() > 0 {
		if err := a.Judge(method, path, rec.Code, rec.Body.Bytes()); err != nil {
			a.T.Errorf("%s %s: %v", method, path, err)
		}
	}
	return &Answer{T: a.T, What: method + " " + path + " as " + a.token, Code: rec.Code, Header: rec.Header(), Body: rec.Body.Bytes()}
}

// Answer is what came back.
type Answer struct {
	T      testing.TB
	What   string
	Code   int
	Header http.Header
	Body   []byte
}

// Want fails the test at once unless the status is code.
func (a *Answer) Want(code int) *Answer {
	a.T.Helper()
	if a.Code != code {
		a.T.Fatalf("%s: status %d, want %d\n%s", a.What, a.Code, code, a.Body)
	}
	return a
}

// Has compares the value at a dotted path ("servers.0.id") with want, by its printed form.
func (a *Answer) Has(path string, want any) *Answer {
	a.T.Helper()
	if got := a.At(path); fmt.Sprint(got) != fmt.Sprint(want) {
		a.T.Errorf("%s: %s is %v, want %v\n%s", a.What, path, got, want, a.Body)
	}
	return a
}

// Says fails unless the body contains text.
func (a *Answer) Says(text string) *Answer {
	a.T.Helper()
	if !bytes.Contains(a.Body, []byte(text)) {
		a.T.Errorf("%s: %q is not in\n%s", a.What, text, a.Body)
	}
	return a
}

// At returns the value at a dotted path, nil when there is none.
func (a *Answer) At(path string) any {
	var doc any
	d := json.NewDecoder(bytes.NewReader(a.Body))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return nil
	}
	for part := range strings.SplitSeq(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(v) {
				return nil
			}
			doc = v[i]
		default:
			return nil
		}
	}
	return doc
}

// Text returns the value at a path as a string.
func (a *Answer) Text(path string) string {
	a.T.Helper()
	v := a.At(path)
	if v == nil {
		a.T.Fatalf("%s: there is no %s in\n%s", a.What, path, a.Body)
	}
	return fmt.Sprint(v)
}

// Len returns the length of the list at a path.
func (a *Answer) Len(path string) int {
	list, _ := a.At(path).([]any)
	return len(list)
}

// JSON decodes the body into v.
func (a *Answer) JSON(v any) *Answer {
	a.T.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		a.T.Fatalf("%s: %v in\n%s", a.What, err, a.Body)
	}
	return a
}
