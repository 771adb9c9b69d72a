package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gostack/internal/policy"
)

var (
	admin  = &policy.Caller{UserID: "a", ProjectID: "p0", Roles: []string{"Admin"}}
	member = &policy.Caller{UserID: "m", ProjectID: "p1", UserDomainID: "d1", Roles: []string{"member", "reader"}}
	sysR   = &policy.Caller{UserID: "s", SystemScope: "all", Roles: []string{"reader"}}
)

func TestLanguage(t *testing.T) {
	own := policy.Target{"project_id": "p1", "shared": true, "name": "%(project_id)s", "target": policy.Target{"user": map[string]any{"domain_id": "d1"}}, "none": nil}
	for _, c := range []struct {
		check  string
		caller *policy.Caller
		target policy.Target
		want   bool
	}{
		{"", member, nil, true},
		{"@", member, nil, true},
		{"!", admin, nil, false},
		{"role:admin", admin, nil, true},
		{"role:admin", member, nil, false},
		{"not role:admin", member, nil, true},
		{"role:member and project_id:%(project_id)s", member, own, true},
		{"role:member and project_id:%(project_id)s", member, policy.Target{"project_id": "p2"}, false},
		{"project_id:%(project_id)s", member, policy.Target{}, false},
		{"role:admin or (role:reader and system_scope:all)", sysR, nil, true},
		{"role:admin or (role:reader and system_scope:all)", member, nil, false},
		{"(role:admin) or (role:member and not (system_scope:all))", member, nil, true},
		{"field:networks:shared=True", member, own, true},
		{"field:networks:shared=False", member, own, false},
		{"field:port:name=~^%", member, own, true},
		{"field:port:name=~^network:", member, own, false},
		{"user_domain_id:%(target.user.domain_id)s", member, own, true},
		{"None:%(none)s", member, own, true},
		{"'p1':%(project_id)s", member, own, true},
		{"is_admin:True", admin, nil, true},
		{"is_admin:True", member, nil, false},
		// A value that looks like a pattern stays a value.
		{"project_id:%(name)s", member, own, false},
		{"nothing_known:%(project_id)s", member, own, false},
		{"domain_id:None", member, own, true},
		{"not project_id:None", member, own, true},
		{"domain_id:%(none)s", member, own, false},
	} {
		e, err := policy.New([]policy.Rule{{Name: "r", Check: c.check}})
		if err != nil {
			t.Errorf("%q: %v", c.check, err)
			continue
		}
		if got := e.Check("r", c.caller, c.target) == nil; got != c.want {
			t.Errorf("%q for %s on %v: %v", c.check, c.caller.UserID, c.target, got)
		}
	}
}

func TestBadChecksAreRefused(t *testing.T) {
	for _, check := range []string{"role:admin or", "(role:admin", "role:admin)", "word", "and role:x", ":x", "rule:missing"} {
		if _, err := policy.New([]policy.Rule{{Name: "r", Check: check}}); err == nil {
			t.Errorf("%q compiled", check)
		}
	}
}

func TestScopeAndUnknownRules(t *testing.T) {
	e, err := policy.New([]policy.Rule{{Name: "p", Check: "role:reader", Scopes: []policy.Scope{policy.Project}}, {Name: "loop", Check: "rule:loop"}})
	if err != nil {
		t.Fatal(err)
	}
	var denied *policy.Denied
	if err := e.Check("p", sysR, nil); !errors.As(err, &denied) || !denied.Scope {
		t.Errorf("a system token passed a project rule: %v", err)
	}
	unscoped := &policy.Caller{UserID: "u"}
	if err := e.Check("p", unscoped, nil); !errors.As(err, &denied) || denied.Scope {
		t.Errorf("an unscoped token must be refused for its lack of roles: %v", err)
	}
	if e.Check("p", member, nil) != nil {
		t.Error("a project token was refused")
	}
	if e.Check("nobody-declared-this", admin, nil) == nil || e.Check("loop", admin, nil) == nil || e.Check("p", nil, nil) == nil {
		t.Error("an unknown rule, a circle or no caller let somebody in")
	}
}

func TestOverride(t *testing.T) {
	e, err := policy.New([]policy.Rule{{Name: "a", Check: "role:admin"}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte("mine: role:member\na: rule:mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.Override(file); err != nil {
		t.Fatal(err)
	}
	if e.Check("a", member, nil) != nil || e.Check("a", sysR, nil) == nil {
		t.Error("the file does not rule")
	}
	if err := os.WriteFile(file, []byte("a: rule:nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e.Override(file) == nil {
		t.Error("a file that refers to an unknown rule was taken")
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("role:admin or (a:%(b)s and not @)")
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := policy.New([]policy.Rule{{Name: "r", Check: s}}); err == nil {
			_ = e.Check("r", member, policy.Target{"b": "c"})
		}
	})
}
