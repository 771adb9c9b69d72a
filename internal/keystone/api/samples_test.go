package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gostack/internal/keystone"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
	"gostack/test/upstream"
)

// sampleSkips are documented answers that nobody is asked for here, with the reason.
var sampleSkips = map[string]string{
	"v3-ext/federation/": "federation comes later",
	"v3-ext/samples/OS-TRUST/trust-auth-redelegated-response": "that of trust-auth-trust-response with members that no Keystone sends",
}

// sampleDiffers are the members in which upstream's own code differs from its documented answer, in whichever sample they are.
var sampleDiffers = []string{
	".links is not in the sample", ".options is not in the sample", ".tags is not in the sample", ".description is not in the sample",
	".enabled is not in the sample", ".region_id is not in the sample", ".is_domain is not in the sample", ".parent_id is not in the sample",
	".domain_id is not in the sample", ".password_expires_at is not in the sample", ".catalog is not in the sample",
	".users[].email is not in the sample", ".users[].default_project_id is not in the sample", // which user comes first is chance
}

// TestUpstreamsSamples compares the form of every documented answer with ours: names of members and kinds of values.
func TestUpstreamsSamples(t *testing.T) {
	samples := upstream.Samples(t, "identity")
	c := cloudWith(t, storetest.Either(t, keystone.Migrations), keystone.Options{})
	w := newSampleWorld(c)
	compared := 0
	for _, s := range samples {
		if !strings.HasSuffix(s.Name, "response") && !strings.Contains(s.Name, "auth/responses/") && s.Name != "v3-ext/samples/OS-EP-FILTER/list-service-endpoints" {
			continue
		}
		if slices.ContainsFunc(sortedKeys(sampleSkips), func(p string) bool { return strings.HasPrefix(s.Name, p) }) {
			continue
		}
		name := s.Name[strings.LastIndexByte(s.Name, '/')+1:]
		ask := w.answers[name]
		if ask == nil {
			t.Errorf("no request gives %s", s.Name)
			continue
		}
		compared++
		var got any
		a := ask()
		if err := json.Unmarshal(a.Body, &got); err != nil {
			t.Errorf("%s: %s answers %d %s", s.Name, a.What, a.Code, a.Body)
			continue
		}
		chance := strings.HasPrefix(name, "role-assignments") // which grant comes first, and so of whom on what
		for _, d := range upstream.Shape(s.Doc, got, "parents", "subtree", "ldap") {
			if chance && (strings.Contains(d, ".links.") || strings.Contains(d, ".scope.") || strings.Contains(d, ".user") || strings.Contains(d, ".group")) {
				continue
			}
			if !slices.ContainsFunc(sampleDiffers, func(x string) bool { return strings.HasSuffix(d, x) }) && !slices.Contains(sampleDifferences[s.Name], d) {
				t.Errorf("%s: %s", s.Name, d)
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d samples were compared", compared)
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// sampleWorld has one of everything that the samples show.
type sampleWorld struct {
	answers map[string]func() *resttest.Answer
}

func newSampleWorld(c *cloud) *sampleWorld {
	admin := c.admin()
	w := &sampleWorld{answers: map[string]func() *resttest.Answer{}}
	get := func(name, path string) {
		w.answers[name] = func() *resttest.Answer { return admin.Get(path) }
	}
	always := func(name string, a *resttest.Answer) { w.answers[name] = func() *resttest.Answer { return a } }
	put := func(names, path string, body string) string {
		a := admin.Post(path, body).Want(201)
		always(names+"-create-response", a)
		return a.Text(names + ".id")
	}
	resource := func(one, many, path, create, update string) string {
		id := put(one, path, create)
		get(one+"-show-response", path+"/"+id)
		get(many+"-list-response", path)
		w.answers[one+"-update-response"] = func() *resttest.Answer { return admin.Patch(path+"/"+id, update) }
		return id
	}
	d := resource("domain", "domains", "/v3/domains", `{"domain": {"name": "d", "description": "d"}}`, `{"domain": {"description": "x"}}`)
	parent := resource("project", "projects", "/v3/projects", `{"project": {"name": "p", "description": "d", "tags": ["a"]}}`, `{"project": {"description": "x"}}`)
	child := admin.Post("/v3/projects", fmt.Sprintf(`{"project": {"name": "child", "parent_id": %q}}`, parent)).Want(201).Text("project.id")
	c.grant("projects/"+parent+"/users/"+c.made.AdminUserID, "admin")
	c.grant("projects/"+child+"/users/"+c.made.AdminUserID, "admin")
	admin = c.admin()
	get("project-show-parents-response", "/v3/projects/"+child+"?parents_as_list")
	get("project-show-subtree-response", "/v3/projects/"+parent+"?subtree_as_list")
	get("project-tags-list-response", "/v3/projects/"+parent+"/tags")
	w.answers["project-tags-update-response"] = func() *resttest.Answer {
		return admin.Put("/v3/projects/"+parent+"/tags", `{"tags": ["a", "b"]}`)
	}
	user := resource("user", "users", "/v3/users", fmt.Sprintf(`{"user": {"name": "sample", "password": "pw", "default_project_id": %q, "email": "e",
		"description": "d", "options": {"ignore_password_expiry": true}}}`, parent), `{"user": {"email": "x", "password": "pw"}}`)
	group := resource("group", "groups", "/v3/groups", `{"group": {"name": "g", "description": "d"}}`, `{"group": {"description": "x"}}`)
	admin.Put("/v3/groups/"+group+"/users/"+user, nil).Want(204)
	get("group-users-list-response", "/v3/groups/"+group+"/users")
	get("user-groups-list-response", "/v3/users/"+user+"/groups")
	c.grant("projects/"+parent+"/users/"+user, "member")
	c.grant("projects/"+parent+"/groups/"+group, "member")
	c.grant("domains/"+d+"/users/"+user, "member")
	c.grant("domains/"+d+"/groups/"+group, "member")
	c.grant("system/users/"+user, "member")
	c.grant("system/groups/"+group, "member")
	get("user-projects-list-response", "/v3/users/"+user+"/projects")
	get("project-user-roles-list-response", "/v3/projects/"+parent+"/users/"+user+"/roles")
	get("project-group-roles-list-response", "/v3/projects/"+parent+"/groups/"+group+"/roles")
	get("domain-user-roles-list-response", "/v3/domains/"+d+"/users/"+user+"/roles")
	get("user-roles-domain-list-response", "/v3/domains/"+d+"/users/"+user+"/roles")
	get("domain-group-roles-list-response", "/v3/domains/"+d+"/groups/"+group+"/roles")
	get("group-roles-domain-list-response", "/v3/domains/"+d+"/groups/"+group+"/roles")
	get("list-system-roles-for-user-response", "/v3/system/users/"+user+"/roles")
	get("list-system-roles-for-group-response", "/v3/system/groups/"+group+"/roles")
	role := resource("role", "roles", "/v3/roles", `{"role": {"name": "r", "description": "d"}}`, `{"role": {"description": "x"}}`)
	always("create-role-inferences-response", admin.Put("/v3/roles/"+role+"/implies/"+c.made.RoleIDs["reader"], nil).Want(201))
	get("list-implied-roles-for-role-response", "/v3/roles/"+role+"/implies")
	get("role-inferences-response", "/v3/role_inferences")
	get("get-role-inferences-response", "/v3/roles/"+role+"/implies/"+c.made.RoleIDs["reader"])
	get("role-assignments-list-response", "/v3/role_assignments?user.id="+user)
	get("role-assignments-list-include-subtree-response", "/v3/role_assignments?include_subtree&scope.project.id="+parent)
	get("role-assignments-effective-list-response", "/v3/role_assignments?effective&user.id="+user)
	get("role-assignments-effective-list-include-names-response", "/v3/role_assignments?effective&include_names&user.id="+user)
	region := resource("region", "regions", "/v3/regions", `{"region": {"description": "d"}}`, `{"region": {"description": "x"}}`)
	service := resource("service", "services", "/v3/services", `{"service": {"type": "volume", "name": "cinder", "description": "d"}}`, `{"service": {"description": "x"}}`)
	endpoint := resource("endpoint", "endpoints", "/v3/endpoints", fmt.Sprintf(`{"endpoint": {"interface": "public", "service_id": %q, "region_id": %q,
		"url": "http://x/"}}`, service, region), `{"endpoint": {"url": "http://y/"}}`)
	resource("credential", "credentials", "/v3/credentials", fmt.Sprintf(`{"credential": {"type": "ec2", "user_id": %q, "project_id": %q,
		"blob": "{\"access\":\"a\",\"secret\":\"s\"}"}}`, user, parent), `{"credential": {"project_id": "`+child+`"}}`)
	policy := resource("policy", "policies", "/v3/policies", `{"policy": {"type": "application/json", "blob": "x"}}`, `{"policy": {"type": "x"}}`)
	w.samplesOfSettings(c, admin, d, service, parent)
	w.samplesOfExtensions(c, admin, policy, endpoint, service, parent)
	w.samplesOfLogins(c, user, parent, d)
	get("identity-version-response", "/v3/")
	get("identity-versions-response", "/identity/")
	get("get-available-project-scopes-response", "/v3/auth/projects")
	get("get-available-system-scopes-response", "/v3/auth/system")
	get("get-service-catalog-response", "/v3/auth/catalog")
	w.answers["get-available-domain-scopes-response"] = func() *resttest.Answer {
		return c.As(c.token("sample", "pw", "")).Get("/v3/auth/domains")
	}
	return w
}

func (w *sampleWorld) samplesOfSettings(c *cloud, admin *resttest.API, d, service, project string) {
	get := func(name, path string) { w.answers[name] = func() *resttest.Answer { return admin.Get(path) } }
	registered := admin.Post("/v3/registered_limits", fmt.Sprintf(`{"registered_limits": [{"service_id": %q, "resource_name": "volume",
		"default_limit": 5, "description": "d"}]}`, service)).Want(201)
	id := registered.Text("registered_limits.0.id")
	w.answers["registered-limits-create-response"] = func() *resttest.Answer { return registered }
	get("registered-limits-list-response", "/v3/registered_limits")
	get("registered-limit-show-response", "/v3/registered_limits/"+id)
	w.answers["registered-limits-update-response"] = func() *resttest.Answer {
		fresh := admin.Post("/v3/registered_limits", fmt.Sprintf(`{"registered_limits": [{"service_id": %q, "resource_name": "x", "default_limit": 5}]}`, service)).Want(201)
		return admin.Patch("/v3/registered_limits/"+fresh.Text("registered_limits.0.id"), `{"registered_limit": {"default_limit": 7}}`)
	}
	limits := admin.Post("/v3/limits", fmt.Sprintf(`{"limits": [{"service_id": %q, "resource_name": "volume", "resource_limit": 5, "project_id": %q}]}`,
		service, project)).Want(201)
	w.answers["limits-create-response"] = func() *resttest.Answer { return limits }
	one := "/v3/limits/" + limits.Text("limits.0.id")
	system := c.As(c.token("admin", adminPassword, system))
	w.answers["limits-list-response"] = func() *resttest.Answer { return system.Get("/v3/limits") }
	get("limit-show-response", one)
	w.answers["limits-update-response"] = func() *resttest.Answer { return admin.Patch(one, `{"limit": {"resource_limit": 6}}`) }
	get("limit-flat-model-response", "/v3/limits/model")

	config := "/v3/domains/" + d + "/config"
	admin.Put(config, `{"config": {"ldap": {"url": "ldap://x", "user_tree_dn": "x"}, "identity": {"driver": "ldap"}}}`).Want(201)
	w.answers["domain-config-create-response"] = func() *resttest.Answer {
		return admin.Put(config, `{"config": {"ldap": {"url": "ldap://x", "user_tree_dn": "x"}, "identity": {"driver": "ldap"}}}`)
	}
	w.answers["domain-config-update-response"] = func() *resttest.Answer {
		return admin.Patch(config, `{"config": {"ldap": {"url": "ldap://y", "user_tree_dn": "x"}, "identity": {"driver": "ldap"}}}`)
	}
	get("domain-config-show-response", config)
	get("domain-config-group-show-response", config+"/ldap")
	get("domain-config-group-option-show-response", config+"/ldap/url")
	w.answers["domain-config-group-update-response"] = func() *resttest.Answer {
		return admin.Patch(config+"/ldap", `{"config": {"ldap": {"url": "y"}}}`)
	}
	w.answers["domain-config-group-option-update-response"] = func() *resttest.Answer {
		return admin.Patch(config+"/ldap/url", `{"config": {"url": "y"}}`)
	}
	get("domain-config-default-response", "/v3/domains/config/default")
	get("domain-config-group-default-response", "/v3/domains/config/ldap/default")
	get("domain-config-group-option-default-response", "/v3/domains/config/ldap/url/default")
}

func (w *sampleWorld) samplesOfExtensions(c *cloud, admin *resttest.API, policy, endpoint, service, project string) {
	get := func(name, path string) { w.answers[name] = func() *resttest.Answer { return admin.Get(path) } }
	admin.Put("/v3/policies/"+policy+"/OS-ENDPOINT-POLICY/endpoints/"+endpoint, nil).Want(204)
	get("policy-endpoint-associations-list-response", "/v3/policies/"+policy+"/OS-ENDPOINT-POLICY/endpoints")
	if _, ok := w.answers["policy-show-response"]; !ok {
		get("policy-show-response", "/v3/endpoints/"+endpoint+"/OS-ENDPOINT-POLICY/policy")
	}
	const groups = "/v3/OS-EP-FILTER/endpoint_groups"
	g := admin.Post(groups, fmt.Sprintf(`{"endpoint_group": {"name": "g", "description": "d", "filters": {"interface": "public", "service_id": %q}}}`,
		service)).Want(201)
	id := g.Text("endpoint_group.id")
	admin.Put(groups+"/"+id+"/projects/"+project, nil).Want(204)
	admin.Put("/v3/OS-EP-FILTER/projects/"+project+"/endpoints/"+endpoint, nil).Want(204)
	get("endpoint-group-response", groups+"/"+id)
	get("endpoint-groups-response", groups)
	get("endpoint-project-response", groups+"/"+id+"/projects/"+project)
	get("list-associations-by-endpoint-response", "/v3/OS-EP-FILTER/endpoints/"+endpoint+"/projects")
	get("list-associations-by-project-response", "/v3/OS-EP-FILTER/projects/"+project+"/endpoints")
	get("list-service-endpoints", groups+"/"+id+"/endpoints")
	w.answers["update-endpoint-group-response"] = func() *resttest.Answer {
		return admin.Patch(groups+"/"+id, fmt.Sprintf(`{"endpoint_group": {"filters": {"interface": "public", "service_id": %q}}}`, service))
	}
	const consumers = "/v3/OS-OAUTH1/consumers"
	made := admin.Post(consumers, `{"consumer": {"description": "d"}}`).Want(201)
	consumer := consumers + "/" + made.Text("consumer.id")
	w.answers["consumer-create-response"] = func() *resttest.Answer { return made }
	get("consumer-show-response", consumer)
	get("consumers-list-response", consumers)
	w.answers["consumer-update-response"] = func() *resttest.Answer { return admin.Patch(consumer, `{"consumer": {"description": "x"}}`) }
	w.samplesOfOAuth(c, admin, made.Text("consumer.id"), made.Text("consumer.secret"))
	get("list-revoke-response", "/v3/OS-REVOKE/events")
}

func (w *sampleWorld) samplesOfOAuth(c *cloud, admin *resttest.API, id, words string) {
	const ask, exchange = "/v3/OS-OAUTH1/request_token", "/v3/OS-OAUTH1/access_token"
	request := formOf(c.t.(*testing.T), c.As("none").With("Authorization", oauthHeader(c, ask, id, words, "", "", "")).
		With("Requested-Project-Id", c.made.AdminProjectID).Post(ask, nil))
	key, keySecret := request.Get("oauth_token"), request.Get("oauth_token_secret")
	authorized := admin.Put("/v3/OS-OAUTH1/authorize/"+key, `{"roles": [{"name": "admin"}]}`).Want(200)
	w.answers["authorize-request-token-response"] = func() *resttest.Answer { return authorized }
	access := formOf(c.t.(*testing.T), c.As("none").
		With("Authorization", oauthHeader(c, exchange, id, words, key, keySecret, authorized.Text("token.oauth_verifier"))).Post(exchange, nil))
	mine := "/v3/users/" + c.made.AdminUserID + "/OS-OAUTH1/access_tokens"
	one := mine + "/" + access.Get("oauth_token")
	for name, path := range map[string]string{
		"access-tokens-list-response": mine, "access-token-show-response": one, "access-token-roles-list-response": one + "/roles",
		"access-token-role-show-response": one + "/roles/" + c.made.RoleIDs["admin"],
	} {
		w.answers[name] = func() *resttest.Answer { return admin.Get(path) }
	}
}

func (w *sampleWorld) samplesOfLogins(c *cloud, user, project, domain string) {
	login := func(names string, scope string) {
		for name := range strings.FieldsSeq(names) {
			w.answers[name] = func() *resttest.Answer { return c.login("sample", "pw", scope) }
		}
	}
	again := func(names string, scope string) {
		for name := range strings.FieldsSeq(names) {
			w.answers[name] = func() *resttest.Answer { return c.rescope(c.token("sample", "pw", unscoped), scope) }
		}
	}
	login("auth-password-explicit-unscoped-response auth-password-unscoped-response unscoped-password", unscoped)
	login("auth-password-project-scoped-response project-scoped-password", on(project))
	login("domain-scoped-password", onDomain(domain))
	login("system-scoped-password", system)
	again("auth-token-scoped-response project-scoped-token", on(project))
	again("auth-token-unscoped-response", unscoped)
	again("domain-scoped-token", onDomain(domain))
	w.answers["system-scoped-token"] = func() *resttest.Answer { return c.rescope(c.token("sample", "pw", unscoped), system) }
	login("project-scoped-password-totp", on(project))
	w.answers["auth-receipt-password"] = func() *resttest.Answer {
		id, name := c.user("default")
		c.admin().Patch("/v3/users/"+id, `{"user": {"options": {"multi_factor_auth_rules": [["password", "totp"]]}}}`).Want(200)
		return c.login(name, "pw", unscoped)
	}

	me := c.As(c.token("sample", "pw", on(project)))
	all := "/v3/users/" + user + "/application_credentials"
	made := me.Post(all, `{"application_credential": {"name": "robot", "description": "d", "expires_at": "2026-11-23T00:00:00Z", "access_rules":
		[{"service": "compute", "method": "GET", "path": "/x"}]}}`).Want(201)
	w.answers["application-credential-create-response"] = func() *resttest.Answer { return made }
	plain := me.Post(all, `{"application_credential": {"name": "plain"}}`).Want(201)
	for name, path := range map[string]string{
		"application-credential-get-response":  all + "/" + made.Text("application_credential.id"),
		"application-credential-list-response": all + "?name=robot", "access-rules-list-response": "/v3/users/" + user + "/access_rules",
		"access-rule-get-response": "/v3/users/" + user + "/access_rules/" + made.Text("application_credential.access_rules.0.id"),
	} {
		w.answers[name] = func() *resttest.Answer { return me.Get(path) }
	}
	robot := c.applicationCredential(plain.Text("application_credential.id"), plain.Text("application_credential.secret"))
	w.answers["auth-application-credential-response"] = func() *resttest.Answer { return robot }
	w.answers["token-create-response"] = func() *resttest.Answer {
		return c.As("none").With("Content-Type", "application/x-www-form-urlencoded").Post("/v3/OS-OAUTH2/token",
			"grant_type=client_credentials&client_id="+plain.Text("application_credential.id")+"&client_secret="+plain.Text("application_credential.secret"))
	}

	helper, name := c.user("default")
	trust := c.trust(me, user, helper, project, `, "impersonation": false, "roles": [{"name": "member"}]`).Want(201)
	w.answers["trust-create-response"] = func() *resttest.Answer { return trust }
	one := "/v3/OS-TRUST/trusts/" + trust.Text("trust.id")
	for name, path := range map[string]string{
		"trust-get-response": one, "trust-list-response": "/v3/OS-TRUST/trusts?trustor_user_id=" + user,
		"trust-list-roles-delegated-response": one + "/roles", "trust-get-role-delegated-response": one + "/roles/" + c.made.RoleIDs["member"],
	} {
		w.answers[name] = func() *resttest.Answer { return me.Get(path) }
	}
	w.answers["trust-auth-trust-response"] = func() *resttest.Answer {
		return c.login(name, "pw", fmt.Sprintf(`{"OS-TRUST:trust": {"id": %q}}`, trust.Text("trust.id")))
	}
}
