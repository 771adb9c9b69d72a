package rest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
)

func things() *rest.Service {
	echo := func(r *rest.Request) (any, error) {
		return map[string]any{"id": r.Path("id"), "version": r.Version.String(), "body": r.Body}, nil
	}
	owned := func(r *rest.Request) (policy.Target, error) {
		if r.Path("id") == "missing" {
			return nil, rest.NotFound("Thing %s could not be found.", r.Path("id"))
		}
		return policy.Target{"project_id": "project-1"}, nil
	}
	return &rest.Service{
		Name: "things", Prefixes: []string{"/thing/v2.1", "/v2.1"}, OptionalProject: true,
		Microversions: &rest.Microversions{Service: "thing", LegacyHeader: "X-Thing-Version", Min: rest.V(2, 1), Max: rest.V(2, 20)},
		Policies: []policy.Rule{
			{Name: "thing:show", Check: "role:reader and project_id:%(project_id)s", Scopes: []policy.Scope{policy.Project}},
			{Name: "thing:create", Check: "role:member and project_id:%(project_id)s"},
		},
		Routes: []rest.Route{
			{Method: "GET", Path: "/", Policy: rest.Public, Handle: echo},
			{Method: "GET", Path: "/things/{id}", Policy: "thing:show", Target: owned, Handle: echo, Max: rest.V(2, 9)},
			{Method: "GET", Path: "/things/{id}", Policy: "thing:show", Target: owned, Min: rest.V(2, 10), Handle: func(*rest.Request) (any, error) { return map[string]any{"new": true}, nil }},
			{Method: "GET", Path: "/things/detail", Policy: "thing:create", Handle: echo},
			{Method: "POST", Path: "/things", Policy: "thing:create", Status: 202, Handle: echo, Body: rest.JSON(`{
				"type": "object", "required": ["thing"], "additionalProperties": false,
				"properties": {"thing": {"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 5}, "id": {"type": "string", "format": "uuid"}}}}}`)},
			{Method: "POST", Path: "/things/{id}/action", Action: "stop", Policy: "thing:show", Target: owned, Handle: echo, Body: rest.AnyJSON},
			{Method: "POST", Path: "/things/{id}/action", Action: "dump", Policy: "thing:show", Target: owned, Handle: echo, Min: rest.V(2, 3)},
			{Method: "POST", Path: "/things/{id}/action", Action: "start", Policy: "thing:show", Target: owned, Handle: echo, Status: 202},
			{Method: "DELETE", Path: "/things/{id}", Policy: "thing:create", Target: owned, Status: 204, Handle: func(r *rest.Request) (any, error) {
				switch r.Path("id") {
				case "panic":
					panic("secret detail")
				case "fail":
					return nil, errors.New("secret detail")
				}
				return nil, nil
			}},
			{Method: "PUT", Path: "/things/{id}/file/{rest...}", Policy: "thing:create", Target: owned, Stream: true, Handle: func(r *rest.Request) (any, error) {
				n, err := io.Copy(io.Discard, r.HTTP.Body)
				return map[string]any{"n": n, "rest": r.Path("rest")}, err
			}},
		},
	}
}

func TestStory(t *testing.T) {
	api := resttest.New(t, things())
	member, reader := api.As("member"), api.As("reader")

	api.As("none").Get("/thing/v2.1/").Want(200)
	api.As("none").Get("/thing/v2.1/things/1").Want(401).Has("unauthorized.code", 401)
	api.As("none").Get("/thing/v2.1/unknown").Want(401)
	if h := api.As("wrong").Get("/v2.1/things/1").Want(401).Header; !strings.Contains(h.Get("Www-Authenticate"), "Keystone uri=") {
		t.Errorf("no WWW-Authenticate: %v", h)
	}
	a := reader.Get("/thing/v2.1/things/1").Want(200).Has("id", "1").Has("version", "2.1")
	if id := a.Header.Get("X-Openstack-Request-Id"); !strings.HasPrefix(id, "req-") {
		t.Errorf("request id %q", id)
	}
	if a.Header.Get("Openstack-Api-Version") != "thing 2.1" || a.Header.Get("X-Thing-Version") != "2.1" || len(a.Header["Vary"]) != 2 {
		t.Errorf("version headers: %v", a.Header)
	}
	reader.Get("/thing/v2.1/things/missing").Want(404).Has("itemNotFound.message", "Thing missing could not be found.")
	reader.Get("/thing/v2.1/things/detail").Want(403).Has("forbidden.message", "Policy doesn't allow thing:create to be performed.")
	api.As("other").Get("/thing/v2.1/things/1").Want(403)
	api.As("system-reader").Get("/thing/v2.1/things/1").Want(403)
	member.Get("/thing/v2.1/nothing").Want(404)
	member.Get("/elsewhere").Want(404)
	if h := member.Post("/thing/v2.1/things/1", `{}`).Want(405).Header; h.Get("Allow") != "DELETE, GET, HEAD" {
		t.Errorf("Allow: %q", h.Get("Allow"))
	}
	reader.Head("/thing/v2.1/things/1").Want(200)
	member.Delete("/thing/v2.1/things/1").Want(204)
	for _, id := range []string{"panic", "fail"} {
		if b := member.Delete("/thing/v2.1/things/" + id).Want(500).Body; bytes.Contains(b, []byte("secret")) {
			t.Errorf("the cause reached the user: %s", b)
		}
	}
	member.Put("/thing/v2.1/things/1/file/a/b%2Fc", strings.Repeat("x", 200000)).Want(200).Has("n", 200000).Has("rest", "a/b/c")
}

func TestMicroversions(t *testing.T) {
	reader := resttest.New(t, things()).As("reader")
	path := "/thing/v2.1/things/1"
	reader.At("thing 2.10").Get(path).Want(200).Has("new", true)
	reader.At("compute 2.90, thing latest").Get(path).Want(200).Has("new", true)
	reader.At("other 9.9").Get(path).Want(200).Has("version", "2.1")
	reader.With("X-Thing-Version", "2.9").Get(path).Want(200).Has("version", "2.9")
	reader.At("thing 2.21").Get(path).Want(406).Has("notAcceptable.message", "Version 2.21 is not supported by the API. Minimum is 2.1 and maximum is 2.20.")
	for _, bad := range []string{"2", "2.x", "2.01", "-1.0", "2.99999"} {
		reader.At("thing " + bad).Get(path).Want(400)
	}
}

func TestBodies(t *testing.T) {
	member := resttest.New(t, things()).As("member")
	path := "/thing/v2.1/things"
	member.Post(path, `{"thing": {"name": "a", "more": 1}}`).Want(202).Has("body.thing.name", "a")
	for body, says := range map[string]string{
		`{"thing": {"name": 7}}`:             "Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'",
		`{"thing": {"name": ""}}`:            "Invalid input for field/attribute name. Value: ''. '' should be non-empty",
		`{"thing": {"name": "toolong"}}`:     "'toolong' is too long",
		`{"thing": {"id": "no"}}`:            "'no' is not a 'uuid'",
		`{}`:                                 "'thing' is a required property",
		`{"thing": {}, "x": 1, "y": 2}`:      "Additional properties are not allowed ('x', 'y' were unexpected)",
		`{"thing": `:                         "Malformed request body",
		`{"thing": {}} trailing`:             "Malformed request body",
		``:                                   "None is not of type 'object'",
		strings.Repeat(`{"thing":`, 100):     "nested too deep",
		`{"thing": {"more": "\u0000"}}`:      "holds the character NUL",
		`{"password": {"thing": "hush"}}`:    "'thing' is a required property",
		`[` + strings.Repeat(" ", 200) + `]`: "[] is not of type 'object'",
	} {
		member.Post(path, body).Want(400).Says(says)
	}
	// What names a secret is not repeated: messages reach the log.
	if a := member.Post(path, `{"thing": "a", "password": "hush"}`).Want(400); bytes.Contains(a.Body, []byte("hush")) {
		t.Errorf("%s", a.Body)
	}
	member.Post(path, `{"thing": {"more": "\\u0000"}}`).Want(202)
	member.Get(path + "/1?a=%00").Want(400)
	member.Get(path + "/1?a=%ff").Want(400)
	member.Get(path + "/%00").Want(404)
	member.Get(path + "/%c3%28").Want(404)
	member.Post(path, `{"thing": {"name": "`+strings.Repeat("x", 120000)+`"}}`).Want(413)
	member.With("Content-Type", "text/plain").Post(path, `{}`).Want(415)
}

func TestActions(t *testing.T) {
	reader := resttest.New(t, things()).As("reader")
	reader.Post("/thing/v2.1/things/1/action", `{"stop": null}`).Want(200)
	reader.Post("/thing/v2.1/things/1/action", `{"start": {}}`).Want(202)
	reader.Post("/thing/v2.1/things/1/action", `{"jump": {}}`).Want(400).Has("badRequest.message", "There is no such action: jump")
	reader.Post("/thing/v2.1/things/1/action", `{"dump": {}}`).Want(404) // not yet: upstream's VersionNotFoundForAPIMethod
	for _, bad := range []string{`{}`, `[]`, ``, `nonsense`} {
		reader.Post("/thing/v2.1/things/1/action", bad).Want(400)
	}
}

func TestProjectInPath(t *testing.T) {
	svc := things()
	reader := resttest.New(t, svc).As("reader")
	reader.Get("/thing/v2.1/6f70656e737461636b20342065766572/things/1").Want(400).Says("doesn't match Context's project_id 'project-1'")
}

// What must stop the program at start.
func TestDeclarationsAreVerified(t *testing.T) {
	ok := func(*rest.Request) (any, error) { return nil, nil }
	for name, routes := range map[string][]rest.Route{
		"no policy":      {{Method: "GET", Path: "/a", Handle: ok}},
		"unknown policy": {{Method: "GET", Path: "/a", Policy: "x", Handle: ok}},
		"no handler":     {{Method: "GET", Path: "/a", Policy: rest.Public}},
		"twice":          {{Method: "GET", Path: "/a", Policy: rest.Public, Handle: ok}, {Method: "GET", Path: "/a", Policy: rest.Public, Handle: ok, Min: rest.V(2, 3)}},
		"bad schema":     {{Method: "GET", Path: "/a", Policy: rest.Public, Handle: ok, Body: rest.JSON(`{"type": 7}`)}},
	} {
		if _, err := rest.New(rest.Config{Services: []*rest.Service{{Name: "x", Prefixes: []string{"/x"}, Routes: routes}}}); err == nil {
			t.Errorf("%s: started", name)
		}
	}
}

// OSSA-2021-006: paths that clients invent must not grow anything.
func TestUnknownPathsLeaveNothingBehind(t *testing.T) {
	api := resttest.New(t, things()).As("member")
	for i := range 2000 {
		api.Get(fmt.Sprintf("/thing/v2.1/nothing-%d/%d", i, i)).Want(404)
	}
	families, err := api.Server.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "gostack_request_duration_seconds" && len(f.GetMetric()) != 1 {
			t.Errorf("%d series for paths that do not exist", len(f.GetMetric()))
		}
	}
}

// OSSA-2026-001: who the caller is comes from the token alone.
func TestIdentityHeadersAreDropped(t *testing.T) {
	svc := things()
	seen := http.Header{}
	svc.Routes = []rest.Route{{Method: "GET", Path: "/h", Policy: rest.Public, Handle: func(r *rest.Request) (any, error) {
		seen = r.HTTP.Header.Clone()
		return nil, nil
	}}}
	api := resttest.New(t, svc)
	for _, h := range []string{"X-Roles", "X-User-Id", "X-Project-Id", "X-Is-Admin-Project", "Openstack-System-Scope", "X-Identity-Status", "X-Service-Roles"} {
		api = api.With(h, "admin")
	}
	api.Get("/thing/v2.1/h").Want(200)
	for h := range seen {
		if h != "Accept" && h != "Content-Type" {
			t.Errorf("%s reached a handler", h)
		}
	}
}
