package api_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"gostack/internal/keystone"
	"gostack/internal/keystone/api"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

// OSSA-2020-001, OSSA-2017-001: no password and no token is ever in the log, nor in what is answered to bad requests.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	var log bytes.Buffer
	c := newCloud(t, storetest.SQLite(t, keystone.Migrations))
	c.API = resttest.Serve(t, rest.Config{
		Services: api.Services(c.service), Authenticator: c.service, Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	token := c.token("admin", adminPassword, adminProject)
	const hidden = "hunter2-hunter2"
	admin := c.As(token)
	answers := []*resttest.Answer{
		c.login("admin", hidden, ""), c.login("nobody", hidden, ""),
		c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": 1, "password": {"user": {"password": %q}}}}}`, hidden)),
		c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"password": {"user": {"password": %q}}, "token": {"id": %q}}}}`, hidden, hidden)),
		c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["token"], "token": {"id": [%q]}}}}`, hidden)),
		c.rescope(hidden, ""), c.As(hidden).Get("/v3/users"), admin.With("X-Subject-Token", hidden).Get("/v3/auth/tokens"),
		admin.Post("/v3/users", fmt.Sprintf(`{"user": {"password": %q}}`, hidden)),
		admin.Post("/v3/users", fmt.Sprintf(`{"user": {"name": "x", "password": [%q]}}`, hidden)),
		admin.Post("/v3/users", fmt.Sprintf(`{"user": {"name": "x", "password": %q}}`, hidden)).Want(201),
		admin.Post("/v3/users", fmt.Sprintf(`{"user": {"name": "x", "password": %q}}`, hidden)).Want(409),
		c.As("none").Post("/v3/users/"+c.made.AdminUserID+"/password", fmt.Sprintf(`{"user": {"original_password": %q}}`, hidden)),
		c.As("none").Post("/v3/users/"+c.made.AdminUserID+"/password", fmt.Sprintf(`{"user": {"original_password": %q, "password": %q}}`, hidden, hidden)),
	}
	admin.Get("/v3/users?password=" + url.QueryEscape(hidden)).Want(200)
	for _, a := range answers {
		if strings.Contains(string(a.Body), hidden) {
			t.Errorf("%s: %s", strings.ReplaceAll(a.What, token, "…"), a.Body)
		}
	}
	for _, secret := range []string{hidden, adminPassword, token} {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, secret) {
				t.Errorf("in the log: %s", line)
			}
		}
	}
	if n := strings.Count(log.String(), "\n"); n < len(answers) {
		t.Errorf("the log has %d lines for %d requests", n, len(answers))
	}
}

// Whatever clients send, an answer is never a 500, and nothing is changed by what is refused.
func FuzzLogin(f *testing.F) {
	for _, seed := range []string{
		`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": "x"}}}, "scope": "unscoped"}}`,
		`{"auth": {"identity": {"methods": ["token"], "token": {"id": "gAAAAAB"}}, "scope": {"project": {"id": "p", "domain": {"name": "d"}}}}}`,
		`{"auth": {"identity": {"methods": []}, "scope": {"system": null}}}`, `{"auth": {"identity": {"methods": ["password"]}, "scope": {"unscoped": null}}}`,
		`{"auth": {"identity": {"methods": ["external", "password"], "password": null}}}`, `[]`, `null`, `"\u0000"`,
		`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "\u0000", "password": "\ud800"}}}}}`,
	} {
		f.Add(seed)
	}
	db := storetest.SQLite(f, keystone.Migrations)
	c := fuzzCloud(f, db)
	f.Fuzz(func(t *testing.T, body string) {
		if a := c.On(t).As("none").Post("/v3/auth/tokens", body); a.Code < 400 || a.Code >= 500 {
			t.Errorf("%q: %d %s", body, a.Code, a.Body)
		}
	})
}

func FuzzLists(f *testing.F) {
	for _, seed := range []string{"name=x&name__icontains=%", "limit=1&marker='", "enabled=maybe&domain_id=", "tags=a,b&not-tags-any=,", "password_expires_at=lt:", "sort_key=id&sort_dir=x", "user.id=%00&effective"} {
		f.Add(seed)
	}
	c := fuzzCloud(f, storetest.SQLite(f, keystone.Migrations))
	admin := c.As(c.token("admin", adminPassword, adminProject))
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"users", "projects", "role_assignments", "groups", "roles", "endpoints"} {
			if a := admin.On(t).Get("/v3/" + path + "?" + (&url.URL{RawQuery: query}).Query().Encode()); a.Code != 200 && a.Code != 400 && a.Code != 404 {
				t.Errorf("%s?%q: %d %s", path, query, a.Code, a.Body)
			}
		}
	})
}
