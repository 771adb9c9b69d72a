package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"gostack/internal/keystone"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

// once runs a story on one database: what it tries does not depend on which.
func once(t *testing.T, story func(t *testing.T, c *cloud)) {
	t.Helper()
	story(t, newCloud(t, storetest.Either(t, keystone.Migrations)))
}

// applicationCredential logs in with one.
func (c *cloud) applicationCredential(id, secret string) *resttest.Answer {
	c.t.Helper()
	return c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["application_credential"],
		"application_credential": {"id": %q, "secret": %q}}}}`, id, secret))
}

// worker is a user with the password "pw", and one role on a fresh project.
func (c *cloud) worker(role string) (user, name, project string) {
	c.t.Helper()
	user, name = c.user("default")
	project, _ = c.project("default", "")
	c.grant("projects/"+project+"/users/"+user, role)
	return user, name, project
}

func TestApplicationCredentials(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		user, name, project := c.worker("member")
		_, other, otherProject := c.worker("member")
		me := c.As(c.token(name, "pw", on(project)))
		all := "/v3/users/" + user + "/application_credentials"
		for body, code := range map[string]int{
			`{"application_credential": {}}`:                                                           400,
			`{"application_credential": {"name": "x", "roles": [{"name": "admin"}]}}`:                  400,
			`{"application_credential": {"name": "x", "roles": [{"name": "nothing"}]}}`:                404,
			`{"application_credential": {"name": "x", "expires_at": "2020-01-01T00:00:00Z"}}`:          400,
			`{"application_credential": {"name": "x", "expires_at": "soon"}}`:                          400,
			`{"application_credential": {"name": "x", "access_rules": [{"id": "nothing"}]}}`:           404,
			`{"application_credential": {"name": "x", "access_rules": [{"path": "v2", "method": 1}]}}`: 400,
		} {
			if a := me.Post(all, body); a.Code != code {
				t.Errorf("%s: %d, want %d\n%s", body, a.Code, code, a.Body)
			}
		}
		made := me.Post(all, `{"application_credential": {"name": "robot", "description": "d", "expires_at": "2026-11-22T10:30:00.000000",
			"roles": [{"name": "reader"}]}}`).Want(201).
			Has("application_credential.unrestricted", false).Has("application_credential.project_id", project).
			Has("application_credential.expires_at", "2026-11-22T10:30:00.000000").Has("application_credential.roles.0.name", "reader")
		id, words := made.Text("application_credential.id"), made.Text("application_credential.secret")
		if len(words) != 86 {
			t.Errorf("the secret is %q", words)
		}
		me.Post(all, `{"application_credential": {"name": "robot"}}`).Want(409)
		me.Get(all+"/"+id).Want(200).Has("application_credential.secret", nil).Has("application_credential.description", "d")
		me.Get(all+"?name=robot").Want(200).Has("application_credentials.0.id", id)
		if n := me.Get(all + "?name=none").Want(200).Len("application_credentials"); n != 0 {
			t.Errorf("%d of another name", n)
		}
		// Nobody makes one for somebody else, or looks at it by writing the own id into the path.
		stranger := c.As(c.token(other, "pw", on(otherProject)))
		stranger.Post(all, `{"application_credential": {"name": "thief"}}`).Want(403)
		stranger.Get(all).Want(403)
		stranger.Get(all + "/" + id).Want(403)
		c.admin().Post(all, `{"application_credential": {"name": "x"}}`).Want(403)
		c.admin().Get(all + "/" + id).Want(200)

		login := c.applicationCredential(id, words).Want(201).Has("token.application_credential.id", id).
			Has("token.application_credential.restricted", true).Has("token.methods.0", "application_credential").
			Has("token.project.id", project).Has("token.expires_at", "2026-11-22T10:30:00.000000Z")
		if n := login.Len("token.roles"); n != 1 {
			t.Errorf("%d roles, only reader was given\n%s", n, login.Body)
		}
		robot := login.Header.Get("X-Subject-Token")
		c.applicationCredential(id, "x"+words).Want(401)
		c.applicationCredential("nothing", words).Want(401)
		c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["application_credential"], "application_credential":
			{"name": "robot", "user": {"name": %q, "domain": {"name": "Default"}}, "secret": %q}}}}`, name, words)).Want(201)
		c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["application_credential"], "application_credential":
			{"id": %q, "secret": %q}}, "scope": %s}}`, id, words, on(project))).Want(401).Says("cannot request a scope")
		c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["application_credential"], "application_credential":
			{"name": "robot", "secret": %q}}}}`, words)).Want(400)

		// A restricted one hands nothing on (OSSA-2026-005), and its token is exchanged for no other.
		r := c.As(robot)
		r.Post(all, `{"application_credential": {"name": "child"}}`).Want(403).Says("application_credential")
		r.Delete(all + "/" + id).Want(403)
		r.Post("/v3/OS-TRUST/trusts", fmt.Sprintf(`{"trust": {"trustor_user_id": %q, "trustee_user_id": %q, "impersonation": false,
			"project_id": %q, "roles": [{"name": "reader"}]}}`, user, c.made.AdminUserID, project)).Want(403)
		r.Post("/v3/users/"+user+"/credentials/OS-EC2", fmt.Sprintf(`{"tenant_id": %q}`, project)).Want(403)
		r.Post("/v3/credentials", fmt.Sprintf(`{"credential": {"type": "totp", "user_id": %q, "blob": "x"}}`, user)).Want(403)
		c.rescope(robot, "").Want(403)

		// An unrestricted one manages others, with no more roles than it has.
		free := me.Post(all, `{"application_credential": {"name": "free", "unrestricted": true, "roles": [{"name": "reader"}]}}`).Want(201)
		f := c.As(c.applicationCredential(free.Text("application_credential.id"), free.Text("application_credential.secret")).Want(201).
			Header.Get("X-Subject-Token"))
		f.Post(all, `{"application_credential": {"name": "child", "roles": [{"name": "member"}]}}`).Want(400)
		child := f.Post(all, `{"application_credential": {"name": "child"}}`).Want(201).Text("application_credential.id")
		f.Delete(all + "/" + child).Want(204)
		f.Delete(all + "/" + child).Want(404)

		// It ends with its time, its user's grant, its own deletion.
		c.clock.Advance(31 * time.Minute)
		r.Get(all).Want(401)
		c.applicationCredential(id, words).Want(401)
		me = c.As(c.token(name, "pw", on(project)))
		me.Delete(all + "/" + free.Text("application_credential.id")).Want(204)
		f.Get(all).Want(401)
		c.admin().Delete("/v3/projects/" + project + "/users/" + user + "/roles/" + c.made.RoleIDs["member"]).Want(204)
		if n := c.rows("keystone_application_credentials"); n != 0 {
			t.Errorf("%d application credentials are left without a grant", n)
		}
	})
}

// Access rules name the only requests that a token may make; a service that does not know them is not told about the token.
func TestAccessRules(t *testing.T) {
	once(t, func(t *testing.T, c *cloud) {
		user, name, project := c.worker("reader")
		me := c.As(c.token(name, "pw", on(project)))
		base := "/v3/users/" + user
		made := me.Post(base+"/application_credentials", `{"application_credential": {"name": "robot", "access_rules": [
			{"service": "identity", "method": "GET", "path": "/v3/users/*"}, {"service": "compute", "method": "GET", "path": "/v2.1/servers"},
			{"service": "identity", "method": "GET", "path": "/v3/users/{user_id}/access_rules/**"}]}}`).Want(201)
		rule := ""
		for i := range made.Len("application_credential.access_rules") {
			if made.Text(fmt.Sprintf("application_credential.access_rules.%d.service", i)) == "compute" {
				rule = made.Text(fmt.Sprintf("application_credential.access_rules.%d.id", i))
			}
		}
		id, words := made.Text("application_credential.id"), made.Text("application_credential.secret")
		login := c.applicationCredential(id, words).Want(201)
		if n := login.Len("token.application_credential.access_rules"); n != 3 {
			t.Errorf("%d rules in the token", n)
		}
		token := login.Header.Get("X-Subject-Token")
		r := c.As(token)
		r.Get(base).Want(200)
		c.As(token).Get("/identity" + base).Want(200)
		r.Get(base + "/access_rules/" + rule).Want(200)
		r.Get(base + "/access_rules").Want(401)
		r.Head(base).Want(401)
		r.Get("/v3/regions").Want(401)
		r.Delete(base + "/access_rules/" + rule).Want(401)

		admin := c.admin().With("X-Subject-Token", token)
		admin.Get("/v3/auth/tokens").Want(404)
		admin.With("OpenStack-Identity-Access-Rules", "1.0").Get("/v3/auth/tokens").Want(200)

		// The same words are the same rule; one in use stays.
		me.Post(base+"/application_credentials", `{"application_credential": {"name": "second", "access_rules": [
			{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]}}`).Want(201).Has("application_credential.access_rules.0.id", rule)
		if n := me.Get(base + "/access_rules").Want(200).Len("access_rules"); n != 3 {
			t.Errorf("%d rules", n)
		}
		me.Get(base+"/access_rules?service=compute").Want(200).Has("access_rules.0.id", rule).Has("access_rules.1", nil)
		me.Delete(base + "/access_rules/" + rule).Want(403)
		for i := range me.Get(base + "/application_credentials").Len("application_credentials") {
			_ = i
			me.Delete(base + "/application_credentials/" + me.Get(base+"/application_credentials").Text("application_credentials.0.id")).Want(204)
		}
		me.Delete(base + "/access_rules/" + rule).Want(204)
		me.Get(base + "/access_rules/" + rule).Want(404)
		// Rules of others do not exist, whatever the path says.
		_, stranger, theirs := c.worker("reader")
		c.As(c.token(stranger, "pw", on(theirs))).Get(base + "/access_rules").Want(403)
		// None at all allow nothing.
		none := me.Post(base+"/application_credentials", `{"application_credential": {"name": "none", "access_rules": []}}`).Want(201)
		nothing := c.applicationCredential(none.Text("application_credential.id"), none.Text("application_credential.secret")).Want(201)
		c.As(nothing.Header.Get("X-Subject-Token")).Get(base).Want(401)
	})
}

func (c *cloud) trust(trustor *resttest.API, trustorID, trusteeID, project, more string) *resttest.Answer {
	c.t.Helper()
	return trustor.Post("/v3/OS-TRUST/trusts", fmt.Sprintf(`{"trust": {"trustor_user_id": %q, "trustee_user_id": %q, "project_id": %q%s}}`,
		trustorID, trusteeID, project, more))
}

func TestTrusts(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		owner, ownerName, project := c.worker("member")
		helper, helperName := c.user("default")
		third, thirdName := c.user("default")
		me := c.As(c.token(ownerName, "pw", on(project)))
		const roles = `, "impersonation": true, "roles": [{"name": "reader"}]`
		for more, code := range map[string]int{
			`, "roles": [{"name": "reader"}]`:                                                400, // impersonation is required
			`, "impersonation": false`:                                                       403,
			`, "impersonation": false, "roles": [{"name": "admin"}]`:                         404,
			roles + `, "expires_at": "2020-01-01T00:00:00Z"`:                                 400,
			roles + `, "expires_at": ""`:                                                     400,
			`, "impersonation": false, "roles": [{"name": "reader", "other": "x"}]`:          400,
			`, "impersonation": false, "roles": [{"other": "x"}]`:                            400,
			roles + `, "remaining_uses": 0`:                                                  400,
			roles + `, "allow_redelegation": true, "remaining_uses": 2`:                      400,
			roles + `, "allow_redelegation": true, "redelegation_count": 9`:                  403,
			`, "impersonation": false, "roles": [{"id": "` + strings.Repeat("0", 32) + `"}]`: 404,
		} {
			if a := c.trust(me, owner, helper, project, more); a.Code != code {
				t.Errorf("%s: %d, want %d\n%s", more, a.Code, code, a.Body)
			}
		}
		c.trust(me, owner, "nobody", project, roles).Want(404)
		c.trust(c.admin(), owner, helper, project, roles).Want(403)
		made := c.trust(me, owner, helper, project, roles+`, "expires_at": "2026-11-22T10:30:00.000000Z"`).Want(201).
			Has("trust.expires_at", "2026-11-22T10:30:00.000000Z").Has("trust.redelegation_count", 0).Has("trust.remaining_uses", nil).
			Has("trust.deleted_at", nil).Has("trust.roles.0.name", "reader")
		id := made.Text("trust.id")
		one := "/v3/OS-TRUST/trusts/" + id
		me.Get(one).Want(200).Has("trust.roles.0.id", c.made.RoleIDs["reader"])
		me.Get(one+"/roles").Want(200).Has("roles.0.name", "reader")
		me.Head(one + "/roles/" + c.made.RoleIDs["reader"]).Want(200)
		me.Get(one + "/roles/" + c.made.RoleIDs["member"]).Want(404)
		me.Get("/v3/OS-TRUST/trusts?trustor_user_id="+owner).Want(200).Has("trusts.0.id", id).Has("trusts.0.roles", nil)
		me.Get("/v3/OS-TRUST/trusts").Want(403)
		me.Get("/v3/OS-TRUST/trusts?trustee_user_id=" + helper).Want(403)
		c.admin().Get("/v3/OS-TRUST/trusts").Want(200).Has("trusts.0.id", id)
		me.Get("/v3/OS-TRUST/trusts/nothing").Want(404)

		// The trustee acts in the trustor's name, on that project, with that role, until the trust ends.
		scope := func(id string) string { return fmt.Sprintf(`{"OS-TRUST:trust": {"id": %q}}`, id) }
		c.login(thirdName, "pw", scope(id)).Want(403)
		c.login(helperName, "pw", scope("nothing")).Want(401)
		login := c.login(helperName, "pw", scope(id)).Want(201).Has("token.user.id", owner).Has("token.OS-TRUST:trust.id", id).
			Has("token.OS-TRUST:trust.trustee_user.id", helper).Has("token.project.id", project).Has("token.expires_at", "2026-11-22T10:30:00.000000Z")
		if n := login.Len("token.roles"); n != 1 {
			t.Errorf("%d roles\n%s", n, login.Body)
		}
		token := login.Header.Get("X-Subject-Token")
		c.As(token).Get(one).Want(200)
		c.rescope(token, "").Want(403)
		c.rescope(token, on(project)).Want(403)
		c.As(token).Post("/v3/users/"+owner+"/application_credentials", `{"application_credential": {"name": "x"}}`).Want(403)
		c.trust(c.As(token), owner, third, project, roles).Want(403) // redelegation was not allowed
		// What its trustor's password change ends, and what the loss of the role ends.
		c.clock.Advance(time.Second)
		me.Post("/v3/users/"+owner+"/password", `{"user": {"original_password": "pw", "password": "pw2"}}`).Want(204)
		c.As(token).Get(one).Want(401)
		token = c.login(helperName, "pw", scope(id)).Want(201).Header.Get("X-Subject-Token")
		c.admin().Delete("/v3/projects/" + project + "/users/" + owner + "/roles/" + c.made.RoleIDs["member"]).Want(204)
		c.As(token).Get(one).Want(401)
		c.login(helperName, "pw", scope(id)).Want(403)
		c.grant("projects/"+project+"/users/"+owner, "member")
		me = c.As(c.token(ownerName, "pw2", on(project)))

		// Uses are counted, and the last of them leaves no trust.
		counted := c.trust(me, owner, helper, project, `, "impersonation": false, "roles": [{"name": "reader"}], "remaining_uses": 1`).Want(201).Text("trust.id")
		c.login(helperName, "pw", scope(counted)).Want(201).Has("token.user.id", helper)
		c.login(helperName, "pw", scope(counted)).Want(401)
		me.Get("/v3/OS-TRUST/trusts/" + counted).Want(404)

		// Redelegation: ever less, and the end of one is the end of all that came from it.
		first := c.trust(me, owner, helper, project, roles+`, "allow_redelegation": true, "redelegation_count": 2`).Want(201).
			Has("trust.redelegation_count", 2).Text("trust.id")
		h := c.As(c.login(helperName, "pw", scope(first)).Want(201).Header.Get("X-Subject-Token"))
		c.trust(h, owner, third, project, `, "impersonation": true, "roles": [{"name": "member"}], "allow_redelegation": true`).Want(403)
		c.trust(h, owner, third, project, roles+`, "remaining_uses": 1`).Want(403)
		c.trust(h, owner, third, project, roles+`, "allow_redelegation": true, "redelegation_count": 2`).Want(403)
		second := c.trust(h, owner, third, project, roles+`, "allow_redelegation": true`).Want(201).Has("trust.redelegation_count", 1).
			Has("trust.redelegated_trust_id", first).Text("trust.id")
		th := c.As(c.login(thirdName, "pw", scope(second)).Want(201).Has("token.user.id", owner).Header.Get("X-Subject-Token"))
		h.Delete("/v3/OS-TRUST/trusts/" + first).Want(204)
		th.Get("/v3/regions").Want(401)
		me.Get("/v3/OS-TRUST/trusts/" + second).Want(404)

		c.clock.Advance(time.Hour)
		c.admin().Get(one).Want(404)
		c.admin().Delete("/v3/users/" + owner).Want(204)
		if n := c.rows("keystone_trusts"); n != 0 {
			t.Errorf("%d trusts of a user who is gone", n)
		}
	})
}

func TestCredentials(t *testing.T) {
	once(t, func(t *testing.T, c *cloud) {
		user, name, project := c.worker("member")
		me := c.As(c.token(name, "pw", on(project)))
		for body, code := range map[string]int{
			`{"credential": {"type": "cert", "user_id": "` + user + `"}}`:                                               400,
			`{"credential": {"type": "ec2", "user_id": "` + user + `", "blob": "{}"}}`:                                  400,
			`{"credential": {"type": "ec2", "user_id": "` + user + `", "project_id": "` + project + `", "blob": "no"}}`: 400,
			`{"credential": {"type": "ec2", "user_id": "` + user + `", "project_id": "` + project + `", "blob": "{}"}}`: 400,
			`{"credential": {"type": "cert", "user_id": "` + c.made.AdminUserID + `", "blob": "x"}}`:                    403,
			`{"credential": {"type": "cert", "blob": "x"}}`:                                                             400,
		} {
			if a := me.Post("/v3/credentials", body); a.Code != code && !(code == 400 && a.Code == 403) {
				t.Errorf("%s: %d, want %d\n%s", body, a.Code, code, a.Body)
			}
		}
		const hidden = "very-hidden-blob"
		id := me.Post("/v3/credentials", fmt.Sprintf(`{"credential": {"type": "cert", "user_id": %q, "blob": %q, "note": "n"}}`, user, hidden)).
			Want(201).Has("credential.blob", hidden).Has("credential.project_id", nil).Has("credential.note", "n").Text("credential.id")
		ec2Body := fmt.Sprintf(`{"credential": {"type": "ec2", "user_id": %q, "project_id": %q, "blob": "{\"access\":\"181920\",\"secret\":\"k\"}"}}`, user, project)
		ec2 := me.Post("/v3/credentials", ec2Body).Want(201).Has("credential.blob", `{"access":"181920","secret":"k"}`).
			Has("credential.id", keystone.AccessKeyID("181920")).Text("credential.id")
		me.Post("/v3/credentials", ec2Body).Want(409)
		var blobs []string
		if err := c.db.Read(t.Context()).NewSelect().Table("keystone_credentials").Column("blob").Scan(t.Context(), &blobs); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(blobs, " "); len(blobs) != 2 || strings.Contains(text, hidden) || strings.Contains(text, "181920") {
			t.Errorf("stored in the clear: %v", blobs)
		}
		me.Get("/v3/credentials/"+id).Want(200).Has("credential.type", "cert")
		me.Get("/v3/credentials?type=ec2").Want(200).Has("credentials.0.id", ec2).Has("credentials.1", nil)
		me.Patch("/v3/credentials/"+id, `{"credential": {"blob": "other"}}`).Want(200).Has("credential.blob", "other")
		me.Patch("/v3/credentials/"+id, fmt.Sprintf(`{"credential": {"user_id": %q}}`, c.made.AdminUserID)).Want(403)
		me.Patch("/v3/credentials/"+ec2, `{"credential": {"blob": "{\"access\":\"181920\",\"secret\":\"k\",\"trust_id\":\"t\"}"}}`).Want(400)
		// Others' are not seen, not listed and not changed (OSSA-2019-006).
		_, strange, theirs := c.worker("member")
		stranger := c.As(c.token(strange, "pw", on(theirs)))
		for _, q := range []string{"", "?user_id=" + user, "?type=ec2"} {
			if n := stranger.Get("/v3/credentials" + q).Want(200).Len("credentials"); n != 0 {
				t.Errorf("%s shows %d credentials of others", q, n)
			}
		}
		stranger.Get("/v3/credentials/" + id).Want(403)
		stranger.Patch("/v3/credentials/"+id, `{"credential": {"blob": "x"}}`).Want(403)
		stranger.Delete("/v3/credentials/" + id).Want(403)
		if n := c.admin().Get("/v3/credentials").Want(200).Len("credentials"); n != 2 {
			t.Errorf("an admin sees %d", n)
		}

		// A rotation waits until everything is encrypted with the primary key; three keys stay.
		if err := c.service.RotateCredentialKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.service.RotateCredentialKeys(t.Context()); err == nil {
			t.Error("rotated twice without migrating")
		}
		me.Get("/v3/credentials/"+id).Want(200).Has("credential.blob", "other")
		for i := range 4 {
			if n, err := c.service.MigrateCredentials(t.Context()); err != nil || n != 2 {
				t.Fatalf("%d were migrated: %v", n, err)
			}
			if err := c.service.RotateCredentialKeys(t.Context()); err != nil {
				t.Fatal(i, err)
			}
			me.Get("/v3/credentials/"+ec2).Want(200).Has("credential.blob", `{"access":"181920","secret":"k"}`)
		}
		if n := c.rows("keystone_credential_keys"); n != 3 {
			t.Errorf("%d keys are kept", n)
		}
		me.Delete("/v3/credentials/" + id).Want(204)
		c.admin().Get("/v3/credentials/" + id).Want(404)
		c.admin().Delete("/v3/users/" + user).Want(204)
		if n := c.rows("keystone_credentials"); n != 0 {
			t.Errorf("%d credentials of a user who is gone", n)
		}
	})
}

func signedBody(v map[string]any) string {
	b, _ := json.Marshal(map[string]any{"credentials": v})
	return string(b)
}
