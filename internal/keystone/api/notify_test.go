package api_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/keystone"
	"gostack/internal/keystone/api"
	"gostack/internal/notify"
	"gostack/internal/notify/notifytest"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

// TestWhatIsTold compares what is told with keystone/notifications.py, in CADF and in the basic format.
func TestWhatIsTold(t *testing.T) {
	for _, format := range []string{"cadf", "basic"} {
		t.Run(format, func(t *testing.T) {
			db := storetest.Either(t, keystone.Migrations, notify.Migrations)
			c := fuzzCloud(t, db)
			told, err := keystone.New(keystone.Options{
				DB: db, Keys: c.keys, Clock: c.clock, HashCost: 4, Notifications: keystone.Notifications{Format: format, OptOut: []string{"identity.region.created"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			ear := notifytest.Hear(t, db)
			a := resttest.Serve(t, rest.Config{Services: api.Services(told), Authenticator: told})
			login := func(password string, status int) string {
				answer := a.Post("/identity/v3/auth/tokens", `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"},
					"password": "`+password+`"}}}, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}`).Want(status)
				return answer.Header.Get("X-Subject-Token")
			}
			expect := func(what string, types ...string) []map[string]any {
				t.Helper()
				list := ear.Since(t)
				if diff := cmp.Diff(types, notifytest.Types(list)); diff != "" {
					t.Fatalf("%s:\n%s", what, diff)
				}
				var payloads []map[string]any
				for _, n := range list {
					if n.Service != "keystone" || n.Publisher != "identity.control-1" || n.Priority != "info" || n.Versioned {
						t.Errorf("%s: %+v", what, n)
					}
					payloads = append(payloads, notifytest.Payload(t, n))
				}
				return payloads
			}
			login("wrong", http.StatusUnauthorized)
			admin := a.As(login(adminPassword, http.StatusCreated))
			p := expect("authentication", "identity.authenticate", "identity.authenticate")
			if p[0]["outcome"] != "failure" || p[1]["outcome"] != "success" || p[1]["action"] != "authenticate" || p[1]["eventType"] != "activity" ||
				p[1]["typeURI"] != "http://schemas.dmtf.org/cloud/audit/1.0/event" || p[1]["initiator"].(map[string]any)["user_id"] == nil {
				t.Errorf("%v", p)
			}
			user := admin.Post("/identity/v3/users", `{"user": {"name": "u", "password": "secret-1", "domain_id": "default"}}`).Want(201).Text("user.id")
			admin.Patch("/identity/v3/users/"+user, `{"user": {"description": "d"}}`).Want(200)
			p = expect("user", "identity.user.created", "identity.user.updated")
			if p[0]["resource_info"] != user {
				t.Errorf("%v", p[0])
			}
			if format == "basic" && len(p[0]) != 1 {
				t.Errorf("%v", p[0])
			}
			if format == "cadf" {
				target, _ := p[0]["target"].(map[string]any)
				if p[0]["action"] != "created.user" || target["typeURI"] != "data/security/account/user" || target["id"] != user || p[0]["initiator"].(map[string]any)["username"] != "admin" {
					t.Errorf("%v", p[0])
				}
			}
			group := admin.Post("/identity/v3/groups", `{"group": {"name": "g", "domain_id": "default"}}`).Want(201).Text("group.id")
			admin.Put("/identity/v3/groups/"+group+"/users/"+user, nil).Want(204)
			admin.Delete("/identity/v3/groups/" + group + "/users/" + user).Want(204)
			p = expect("group", "identity.group.created", "identity.group.updated", "identity.group.updated")
			if format == "basic" && (p[1]["actor_id"] != user || p[1]["actor_operation"] != "added" || p[2]["actor_operation"] != "removed") {
				t.Errorf("%v", p)
			}
			role := admin.Post("/identity/v3/roles", `{"role": {"name": "r"}}`).Want(201).Text("role.id")
			project := admin.Post("/identity/v3/projects", `{"project": {"name": "p", "domain_id": "default"}}`).Want(201).Text("project.id")
			expect("project", "identity.role.created", "identity.project.created")
			grant := "/identity/v3/projects/" + project + "/users/" + user + "/roles/" + role
			admin.Put(grant, nil).Want(204)
			admin.Delete(grant).Want(204)
			if format == "cadf" {
				p = expect("grant", "identity.role_assignment.created", "identity.role_assignment.deleted")
				if p[0]["user"] != user || p[0]["project"] != project || p[0]["role"] != role || p[0]["inherited_to_projects"] != false {
					t.Errorf("%v", p[0])
				}
			} else {
				expect("grant", []string{}...)
			}
			admin.Post("/identity/v3/regions", `{"region": {"id": "R2"}}`).Want(201)
			domain := admin.Post("/identity/v3/domains", `{"domain": {"name": "d"}}`).Want(201).Text("domain.id")
			admin.Patch("/identity/v3/domains/"+domain, `{"domain": {"enabled": false}}`).Want(200)
			admin.Delete("/identity/v3/domains/" + domain).Want(204)
			admin.Delete("/identity/v3/projects/" + project).Want(204)
			admin.Delete("/identity/v3/users/" + user).Want(204)
			expect("domain", "identity.domain.created", "identity.domain.updated", "identity.domain.deleted", "identity.project.deleted", "identity.user.deleted")
			admin.Post("/identity/v3/users", `{"user": {"name": "admin", "domain_id": "default"}}`).Want(409)
			for _, n := range ear.Since(t) {
				t.Errorf("a refusal is told as %s", n.EventType)
			}
		})
	}
}
