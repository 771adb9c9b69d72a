package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"gostack/internal/keystone/db"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

var none = map[string]any{}

// fill stores rows in one transaction.
func fill(t *testing.T, s *store.DB, rows ...any) {
	t.Helper()
	err := s.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
		for _, r := range rows {
			if err := db.Insert(ctx, tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func domain(id string) *db.Project {
	return &db.Project{ID: id, Name: "name-" + id, IsDomain: true, Enabled: true, Options: none, Extra: none}
}

func project(id, domain, parent string) *db.Project {
	return &db.Project{ID: id, Name: "name-" + id, DomainID: domain, ParentID: parent, Enabled: true, Options: none, Extra: none}
}

func user(id, domain string) *db.User {
	return &db.User{
		ID: id, Name: "name-" + id, DomainID: domain, Enabled: true, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC),
		Options: none, Extra: map[string]any{"email": id + "@example.org"},
	}
}

func role(id, domain string) *db.Role {
	return &db.Role{ID: id, Name: id, DomainID: domain, Options: none, Extra: none}
}

func grant(actorType, actor, targetType, target, role string, inherited bool) *db.Assignment {
	return &db.Assignment{
		ActorType: actorType, ActorID: actor, TargetType: targetType, TargetID: target, RoleID: role, Inherited: inherited,
	}
}

// world is a domain d with projects a > b > c and x, users u and v, and v in group g.
func world(t *testing.T, s *store.DB) {
	fill(t, s,
		domain("d"), domain("e"),
		project("a", "d", "d"), project("b", "d", "a"), project("c", "d", "b"), project("x", "d", "d"),
		user("u", "d"), user("v", "d"),
		&db.Group{ID: "g", Name: "g", DomainID: "d", Extra: none},
		&db.Membership{UserID: "v", GroupID: "g"},
		role("admin", ""), role("member", ""), role("reader", ""), role("local", "d"),
		&db.ImpliedRole{PriorRoleID: "admin", ImpliedRoleID: "member"},
		&db.ImpliedRole{PriorRoleID: "member", ImpliedRoleID: "reader"},
		&db.ImpliedRole{PriorRoleID: "reader", ImpliedRoleID: "member"}, // a circle must not hang
		&db.ImpliedRole{PriorRoleID: "local", ImpliedRoleID: "reader"},
	)
}

func TestEffectiveRoles(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.DB) {
		world(t, s)
		fill(t, s,
			grant("user", "u", "project", "a", "admin", false),
			grant("user", "u", "project", "x", "local", false),
			grant("group", "g", "project", "a", "member", true),
			grant("group", "g", "domain", "d", "admin", true),
			grant("group", "g", "domain", "d", "reader", false),
			grant("user", "v", "system", "system", "admin", false),
		)
		for _, c := range []struct {
			user  string
			scope db.Scope
			want  []string
		}{
			{"u", db.Scope{ProjectID: "a"}, []string{"admin", "member", "reader"}},
			{"u", db.Scope{ProjectID: "b"}, nil},
			{"u", db.Scope{ProjectID: "x"}, []string{"member", "reader"}}, // the domain's own role does not show
			{"u", db.Scope{DomainID: "d"}, nil},
			{"u", db.Scope{System: true}, nil},
			{"v", db.Scope{ProjectID: "a"}, []string{"admin", "member", "reader"}}, // from the domain
			{"v", db.Scope{ProjectID: "c"}, []string{"admin", "member", "reader"}},
			{"v", db.Scope{DomainID: "d"}, []string{"member", "reader"}}, // not what is inherited by the projects
			{"v", db.Scope{DomainID: "e"}, nil},
			{"v", db.Scope{System: true}, []string{"admin", "member", "reader"}},
			{"v", db.Scope{}, nil},
		} {
			got, err := db.EffectiveRoles(t.Context(), s.Read(t.Context()), c.user, c.scope)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, r := range got {
				names = append(names, r.Name)
			}
			if diff := cmp.Diff(c.want, names); diff != "" {
				t.Errorf("%s on %+v (-want +got):\n%s", c.user, c.scope, diff)
			}
		}
	}, db.Migrations)
}

func ids(projects []*db.Project) []string {
	var out []string
	for _, p := range projects {
		out = append(out, p.ID)
	}
	return out
}

func TestProjectsAndDomainsOfUser(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.DB) {
		world(t, s)
		fill(t, s,
			grant("user", "u", "project", "x", "reader", false),
			grant("user", "u", "project", "a", "reader", true),
			grant("group", "g", "domain", "d", "reader", true),
			grant("group", "g", "domain", "e", "reader", false),
			grant("user", "v", "domain", "d", "reader", false),
		)
		byID := func(q *bun.SelectQuery) { q.Order("p.id") }
		for name, want := range map[string][2][]string{
			"u": {{"b", "c", "x"}, nil},
			"v": {{"a", "b", "c", "x"}, {"d", "e"}},
			"w": {nil, nil},
		} {
			projects, err := db.ProjectsOfUser(t.Context(), s.Read(t.Context()), name, byID)
			if err != nil {
				t.Fatal(err)
			}
			domains, err := db.DomainsOfUser(t.Context(), s.Read(t.Context()), name, byID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, [2][]string{ids(projects), ids(domains)}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}, db.Migrations)
}

func TestTree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.DB) {
		world(t, s)
		up, err := db.Ancestors(t.Context(), s.Read(t.Context()), "c")
		if err != nil {
			t.Fatal(err)
		}
		down, err := db.Descendants(t.Context(), s.Read(t.Context()), "d")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]string{{"b", "a", "d"}, {"a", "x", "b", "c"}}, [][]string{ids(up), ids(down)}); diff != "" {
			t.Error(diff)
		}
		for id, want := range map[string]bool{"a": true, "c": false} {
			if got, err := db.HasChildren(t.Context(), s.Read(t.Context()), id); err != nil || got != want {
				t.Errorf("%s has children: %v, %v", id, got, err)
			}
		}
	}, db.Migrations)
}

func TestRowsComeBackAsTheyWere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.DB) {
		d := domain("d")
		p := project("p", "d", "d")
		p.SetTags([]string{"blue", "big one"})
		p.Options = map[string]any{"immutable": true}
		u := user("u", "d")
		at := time.Date(2027, 1, 1, 0, 0, 0, 123456000, time.UTC)
		u.PasswordExpiresAt = &at
		text := "it's"
		r := &db.Role{ID: "r", Name: "r", Description: &text, Options: none, Extra: none}
		fill(t, s, d, p, u, r)

		h := s.Read(t.Context())
		gotP, err := db.GetProject(t.Context(), h, "p")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, gotP); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"blue", "big one"}, gotP.Tags()); diff != "" {
			t.Error(diff)
		}
		gotU, err := db.GetUser(t.Context(), h, "u")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(u, gotU); diff != "" {
			t.Error(diff)
		}
		gotR, err := db.GetRole(t.Context(), h, "r")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, gotR); diff != "" {
			t.Error(diff)
		}
		for _, key := range []db.UserKey{
			{ID: "u"}, {Name: "name-u", DomainID: "d"}, {Name: "name-u", DomainName: "name-d"},
		} {
			got, err := db.FindUser(t.Context(), h, key)
			if err != nil {
				t.Fatalf("%+v: %v", key, err)
			}
			if got.ID != "u" || got.DomainName != "name-d" || !got.DomainEnabled {
				t.Errorf("%+v gave %+v", key, got)
			}
		}
		if _, err := db.FindUser(t.Context(), h, db.UserKey{Name: "name-u", DomainID: "x"}); !store.IsNotFound(err) {
			t.Errorf("got %v", err)
		}
	}, db.Migrations)
}

func TestNamesAreUniqueInTheirDomain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.DB) {
		fill(t, s, domain("d"), domain("e"), user("u", "d"))
		twin := user("u2", "d")
		twin.Name = "name-u"
		err := s.Write(t.Context(), func(ctx context.Context, tx store.Tx) error { return db.Insert(ctx, tx, twin) })
		if !store.IsUnique(err) {
			t.Errorf("got %v", err)
		}
		twin.DomainID = "e"
		fill(t, s, twin)
	}, db.Migrations)
}

func TestDeleteDomainContents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.DB) {
		world(t, s)
		fill(t, s, user("far", "e"), project("p", "e", "e"),
			grant("user", "far", "project", "a", "reader", false),
			grant("user", "u", "project", "p", "reader", false),
			grant("group", "g", "domain", "e", "reader", false),
			grant("user", "far", "project", "p", "reader", false),
			grant("user", "far", "domain", "d", "reader", true))
		err := s.Write(t.Context(), func(ctx context.Context, tx store.Tx) error { return db.DeleteDomainContents(ctx, tx, "d") })
		if err != nil {
			t.Fatal(err)
		}
		var left int
		for table, want := range map[string]int{
			"keystone_projects": 2, "keystone_users": 1, "keystone_groups": 0, "keystone_memberships": 0, "keystone_roles": 3,
			"keystone_assignments": 1,
		} {
			if err := s.Read(t.Context()).NewSelect().Table(table).ColumnExpr("count(*)").Scan(t.Context(), &left); err != nil {
				t.Fatal(err)
			}
			if left != want {
				t.Errorf("%s: %d rows left, want %d", table, left, want)
			}
		}
	}, db.Migrations)
}

func TestGenerationsAndRevocations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.DB) {
		at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
		fill(t, s,
			&db.Revocation{UserID: "u", IssuedBefore: at, RevokedAt: at},
			&db.Revocation{UserID: "u", IssuedBefore: at.Add(time.Second), RevokedAt: at.Add(time.Second)},
			&db.Revocation{AuditID: "a", IssuedBefore: at, RevokedAt: at.Add(2 * time.Second)})
		err := s.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
			if _, err := db.BumpIdentity(ctx, tx); err != nil {
				return err
			}
			g, err := db.BumpRevocations(ctx, tx)
			if err == nil && (g.Identity != 2 || g.Revocations != 2) {
				t.Errorf("bumped to %+v", g)
			}
			if err != nil {
				return err
			}
			return db.PurgeRevocations(ctx, tx, at.Add(time.Second))
		})
		if err != nil {
			t.Fatal(err)
		}
		h := s.Read(t.Context())
		if g, err := db.GetGenerations(t.Context(), h); err != nil || g.Identity != 2 {
			t.Errorf("generations %+v, %v", g, err)
		}
		last, err := db.LastRevocations(t.Context(), h, []string{"u", "v"})
		if err != nil || len(last) != 1 || !last["u"].Equal(at.Add(time.Second)) {
			t.Errorf("last %v, %v", last, err)
		}
		list, err := db.ListRevocations(t.Context(), h, at.Add(2*time.Second))
		if err != nil || len(list) != 1 || list[0].AuditID != "a" {
			t.Errorf("list %+v, %v", list, err)
		}
	}, db.Migrations)
}

func TestCatalog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.DB) {
		one, two := "one", "two"
		fill(t, s,
			&db.Region{ID: "one", Extra: none}, &db.Region{ID: "two", ParentRegionID: &one, Extra: none},
			&db.Service{ID: "s1", Type: "compute", Name: "nova", Enabled: true, Extra: none},
			&db.Service{ID: "s2", Type: "image", Name: "glance", Enabled: false, Extra: none},
			&db.Service{ID: "s3", Type: "network", Name: "neutron", Enabled: true, Extra: none},
			&db.Endpoint{ID: "e1", Interface: "public", ServiceID: "s1", RegionID: &two, URL: "http://c", Enabled: true, Extra: none},
			&db.Endpoint{ID: "e2", Interface: "admin", ServiceID: "s1", URL: "http://c", Enabled: false, Extra: none},
			&db.Endpoint{ID: "e3", Interface: "public", ServiceID: "s2", URL: "http://i", Enabled: true, Extra: none})
		h := s.Read(t.Context())
		got, err := db.CatalogRows(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		want := []db.CatalogRow{
			{
				EndpointID: "e1", Interface: "public", RegionID: &two, URL: "http://c", ServiceID: "s1", ServiceType: "compute",
				ServiceName: "nova",
			},
			{ServiceID: "s3", ServiceType: "network", ServiceName: "neutron"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		below, err := db.RegionAndBelow(t.Context(), h, "one")
		if err != nil || len(below) != 2 {
			t.Errorf("below: %v, %v", below, err)
		}
		if has, err := db.RegionHasEndpoints(t.Context(), h, below); err != nil || !has {
			t.Errorf("has endpoints: %v, %v", has, err)
		}
	}, db.Migrations)
}
