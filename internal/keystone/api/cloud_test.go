package api_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gostack/internal/clock"
	"gostack/internal/keystone"
	"gostack/internal/keystone/api"
	"gostack/internal/keystone/fernet"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
	"gostack/internal/secret"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
	"gostack/test/upstream"
)

const adminPassword = "s3cret-of-admin"

// cloud is a bootstrapped Keystone behind the real router.
type cloud struct {
	*resttest.API
	t       testing.TB
	db      *store.DB
	service *keystone.Service
	clock   *clock.Manual
	made    *keystone.Bootstrapped
	keys    *fernet.Repository
	n       int // for names
	options keystone.Options
}

// each runs a story on both databases.
func each(t *testing.T, story func(t *testing.T, c *cloud)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { story(t, newCloud(t, db)) }, keystone.Migrations)
}

func newCloud(t *testing.T, db *store.DB) *cloud {
	t.Helper()
	c := fuzzCloud(t, db)
	c.API.Judge = judge(t)
	return c
}

// fuzzCloud is a cloud whose answers nobody judges.
func fuzzCloud(t testing.TB, db *store.DB) *cloud {
	t.Helper()
	return cloudWith(t, db, keystone.Options{})
}

// cloudWith is a cloud of other settings.
func cloudWith(t testing.TB, db *store.DB, o keystone.Options) *cloud {
	t.Helper()
	c := &cloud{
		t: t, db: db, options: o, clock: clock.NewManual(time.Date(2026, 11, 22, 10, 0, 0, 400_000_000, time.UTC)),
		keys: fernet.OpenRepository(filepath.Join(t.TempDir(), "keys"), 3),
	}
	c.service = c.replica()
	var err error
	if c.made, err = c.service.Bootstrap(t.Context(), bootstrapSpec); err != nil {
		t.Fatal(err)
	}
	c.API = resttest.Serve(t, rest.Config{Services: api.Services(c.service), Authenticator: c.service})
	return c
}

// document is upstream's OpenAPI document, read once; nil where it is not here.
var document *upstream.OpenAPI

var readDocument sync.Once

// judge compares every answer of every story with the document, whose status for all that has a body is 200.
func judge(t *testing.T) func(method, path string, status int, body []byte) error {
	if upstream.Root() == "" {
		return nil
	}
	readDocument.Do(func() { document = upstream.LoadOpenAPI(t, "identity") })
	return func(method, path string, _ int, body []byte) error {
		path, _, _ = strings.Cut(strings.TrimPrefix(path, "/identity"), "?")
		switch path {
		case "/v3/auth/projects", "/v3/auth/domains", "/v3/auth/catalog":
			return nil // the document has lists of links there; upstream's samples and code have an object
		}
		if strings.Contains(path, "/application_credentials") || strings.Contains(path, "/access_rules") {
			return nil // there it has the request's schema for the answer
		}
		if strings.HasSuffix(path, "/OS-OAUTH1/request_token") || strings.HasSuffix(path, "/OS-OAUTH1/access_token") {
			return nil // no JSON
		}
		if strings.Contains(path, "/config/") {
			return nil // there it has oneOf two schemas that are the same
		}
		var doc any
		if err := json.Unmarshal(body, &doc); err != nil {
			return err
		}
		body, err := json.Marshal(withoutNulls(doc))
		if err != nil {
			return err
		}
		return document.Check(method, path, 200, body)
	}
}

// withoutNulls drops members that are null: the document calls them strings, upstream's samples have null.
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

// replica is another process on the same database and keys.
func (c *cloud) replica() *keystone.Service {
	c.t.Helper()
	o := c.options
	o.DB, o.Keys, o.Clock, o.HashCost = c.db, c.keys, c.clock, 4
	s, err := keystone.New(o)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

var bootstrapSpec = keystone.BootstrapSpec{
	AdminPassword: secret.New(adminPassword), Region: "RegionOne", BaseURL: "http://cloud.example:5000",
	Services: []keystone.BootstrapService{
		{Type: "identity", Name: "keystone", Path: "/identity"},
		{Type: "compute", Name: "nova", Path: "/compute/v2.1"},
		{Type: "object-store", Name: "swift", Path: "/object-store/v1/AUTH_$(project_id)s"},
	},
}

// login asks for a token. scope is JSON, or "" for none.
func (c *cloud) login(user, password, scope string) *resttest.Answer {
	c.t.Helper()
	if scope != "" {
		scope = `, "scope": ` + scope
	}
	return c.As("none").Post("/identity/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"], "password": {"user":
		{"name": %q, "domain": {"id": "default"}, "password": %q}}}%s}}`, user, password, scope))
}

func (c *cloud) rescope(token, scope string) *resttest.Answer {
	c.t.Helper()
	if scope != "" {
		scope = `, "scope": ` + scope
	}
	return c.As("none").Post("/identity/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["token"], "token": {"id": %q}}%s}}`,
		token, scope))
}

// token logs in by password and returns the API used with that token.
func (c *cloud) token(user, password, scope string) string {
	c.t.Helper()
	return c.login(user, password, scope).Want(201).Header.Get("X-Subject-Token")
}

const (
	adminProject = `{"project": {"name": "admin", "domain": {"name": "Default"}}}`
	system       = `{"system": {"all": true}}`
	unscoped     = `"unscoped"`
)

// admin is the API used with the role admin on the project admin.
func (c *cloud) admin() *resttest.API {
	c.t.Helper()
	return c.As(c.token("admin", adminPassword, adminProject))
}

func (c *cloud) name(kind string) string {
	c.n++
	return fmt.Sprintf("%s-%d", kind, c.n)
}

// user makes a user with the password "pw" and returns id and name.
func (c *cloud) user(domain string) (id, name string) {
	c.t.Helper()
	name = c.name("user")
	id = c.admin().Post("/v3/users", fmt.Sprintf(`{"user": {"name": %q, "password": "pw", "domain_id": %q}}`, name, domain)).
		Want(201).Text("user.id")
	return id, name
}

func (c *cloud) project(domain, parent string) (id, name string) {
	c.t.Helper()
	name = c.name("project")
	if parent != "" {
		parent = fmt.Sprintf(`, "parent_id": %q`, parent)
	}
	id = c.admin().Post("/v3/projects", fmt.Sprintf(`{"project": {"name": %q, "domain_id": %q%s}}`, name, domain, parent)).
		Want(201).Text("project.id")
	return id, name
}

func (c *cloud) domain() string {
	c.t.Helper()
	return c.admin().Post("/v3/domains", fmt.Sprintf(`{"domain": {"name": %q}}`, c.name("domain"))).Want(201).Text("domain.id")
}

func (c *cloud) group(domain string) string {
	c.t.Helper()
	return c.admin().Post("/v3/groups", fmt.Sprintf(`{"group": {"name": %q, "domain_id": %q}}`, c.name("group"), domain)).
		Want(201).Text("group.id")
}

// grant gives a role by name; path is "projects/ID/users/ID" or the like.
func (c *cloud) grant(path, role string) {
	c.t.Helper()
	c.admin().Put("/v3/"+path+"/roles/"+c.made.RoleIDs[role], nil).Want(204)
}

func on(projectID string) string { return fmt.Sprintf(`{"project": {"id": %q}}`, projectID) }

func onDomain(id string) string { return fmt.Sprintf(`{"domain": {"id": %q}}`, id) }

// rows counts the rows of a table.
func (c *cloud) rows(table string) int {
	c.t.Helper()
	var n int
	if err := c.db.Read(c.t.Context()).NewSelect().Table(table).ColumnExpr("count(*)").Scan(c.t.Context(), &n); err != nil {
		c.t.Fatal(err)
	}
	return n
}
