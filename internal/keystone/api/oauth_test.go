package api_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the method's
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"gostack/internal/keystone"
	"gostack/internal/keystone/oauthsign"
	"gostack/internal/rest/resttest"
	"gostack/internal/secret"
)

// oauthHeader signs a POST as RFC 5849 section 3.4 says, written here a second time.
func oauthHeader(c *cloud, path, consumer, consumerSecret, token, tokenSecret, verifier string) string {
	c.n++
	p := map[string]string{
		"oauth_consumer_key": consumer, "oauth_nonce": fmt.Sprint("nonce", c.n), "oauth_signature_method": "HMAC-SHA1",
		"oauth_timestamp": strconv.FormatInt(c.clock.Now().Unix(), 10), "oauth_version": "1.0",
	}
	if token != "" {
		p["oauth_token"] = token
	}
	if verifier != "" {
		p["oauth_verifier"] = verifier
	}
	var pairs, parts []string
	for _, k := range []string{"oauth_consumer_key", "oauth_nonce", "oauth_signature_method", "oauth_timestamp", "oauth_token", "oauth_verifier", "oauth_version"} {
		if v, ok := p[k]; ok {
			pairs = append(pairs, k+"="+v)
			parts = append(parts, fmt.Sprintf(`%s="%s"`, k, v))
		}
	}
	base := "POST&" + oauthsign.Escape("http://example.com"+path) + "&" + oauthsign.Escape(strings.Join(pairs, "&"))
	h := hmac.New(sha1.New, []byte(consumerSecret+"&"+tokenSecret))
	h.Write([]byte(base))
	return `OAuth realm="x", ` + strings.Join(parts, ", ") + `, oauth_signature="` + oauthsign.Escape(base64.StdEncoding.EncodeToString(h.Sum(nil))) + `"`
}

func formOf(t *testing.T, a *resttest.Answer) url.Values {
	t.Helper()
	v, err := url.ParseQuery(string(a.Want(201).Body))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOAuth1(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.admin()
		const consumers, ask, exchange = "/v3/OS-OAUTH1/consumers", "/v3/OS-OAUTH1/request_token", "/v3/OS-OAUTH1/access_token"
		made := admin.Post(consumers, `{"consumer": {"description": "d"}}`).Want(201)
		id, words := made.Text("consumer.id"), made.Text("consumer.secret")
		admin.Get(consumers+"/"+id).Want(200).Has("consumer.description", "d").Has("consumer.secret", nil)
		admin.Get(consumers).Want(200).Has("consumers.0.id", id).Has("consumers.0.secret", nil)
		admin.Patch(consumers+"/"+id, `{"consumer": {"secret": "x"}}`).Want(400)
		admin.Patch(consumers+"/"+id, `{"consumer": {"description": "e"}}`).Want(200).Has("consumer.description", "e")
		admin.Get(consumers + "/nothing").Want(404)

		user, name, project := c.worker("admin")
		c.grant("projects/"+project+"/users/"+user, "member")
		none := c.As("none")
		signed := func(path, token, tokenSecret, verifier string) *resttest.API {
			return none.With("Authorization", oauthHeader(c, path, id, words, token, tokenSecret, verifier))
		}
		none.With("Requested-Project-Id", project).Post(ask, nil).Want(400).Says("oauth_consumer_key")
		none.With("Requested-Project-Id", project).With("Authorization", `OAuth oauth_version="1.0", oauth_consumer_key=`+id).Post(ask, nil).Want(400).
			Says("Validation failed with errors")
		none.With("Requested-Project-Id", project).With("Authorization", oauthHeader(c, ask, "nobody", words, "", "", "")).Post(ask, nil).Want(404)
		none.With("Requested-Project-Id", project).With("Authorization", oauthHeader(c, ask, id, "wrong", "", "", "")).Post(ask, nil).Want(401)
		signed(ask, "", "", "").Post(ask, nil).Want(400)
		signed(ask, "", "", "").With("Requested-Project-Id", "nothing").Post(ask, nil).Want(404)
		request := formOf(t, signed(ask, "", "", "").With("Requested-Project-Id", project).Post(ask, nil))
		key, keySecret := request.Get("oauth_token"), request.Get("oauth_token_secret")
		signed(exchange, key, keySecret, "guessing").Post(exchange, nil).Want(401).Says("authorizing user")
		signed(exchange, key, keySecret, "guess").Post(exchange, nil).Want(400).Says("Validation failed with errors")
		signed(exchange, key, keySecret, "").Post(exchange, nil).Want(400).Says("oauth_verifier")
		signed(exchange, "nothing", keySecret, "guessing").Post(exchange, nil).Want(404)

		me := c.As(c.token(name, "pw", on(project)))
		authorize := "/v3/OS-OAUTH1/authorize/"
		me.Put(authorize+key, `{"roles": []}`).Want(400)
		me.Put(authorize+key, `{"roles": [{"fake_key": "fake_value"}]}`).Want(400)
		me.Put(authorize+"nothing", `{"roles": [{"name": "member"}]}`).Want(404)
		me.Put(authorize+key, `{"roles": [{"name": "service"}]}`).Want(401)
		verifier := me.Put(authorize+key, `{"roles": [{"name": "member"}]}`).Want(200).Text("token.oauth_verifier")
		signed(exchange, key, keySecret, "guessing").Post(exchange, nil).Want(401).Says("Provided verifier does not match stored verifier")
		signed(exchange, key, "wrong", verifier).Post(exchange, nil).Want(401).Says("Invalid signature")
		none.With("Authorization", oauthHeader(c, exchange, "nobody", words, key, keySecret, verifier)).Post(exchange, nil).Want(401).
			Says("Provided consumer does not exist")
		stranger := admin.Post(consumers, `{"consumer": {"some:weird-field": "v"}}`).Want(201).Has("consumer.some_weird_field", "v").Text("consumer.id")
		admin.Patch(consumers+"/"+stranger, `{"consumer": {"some:weird-field": "w"}}`).Want(200).Has("consumer.some_weird_field", "w")
		none.With("Authorization", oauthHeader(c, exchange, stranger, words, key, keySecret, verifier)).Post(exchange, nil).Want(401).
			Says("Provided consumer key does not match")
		admin.Delete(consumers + "/" + stranger).Want(204)
		answered := signed(exchange, key, keySecret, verifier).Post(exchange, nil)
		access := formOf(t, answered)
		token, tokenSecret := access.Get("oauth_token"), access.Get("oauth_token_secret")
		if until := access.Get("oauth_expires_at"); until == "" || !strings.HasSuffix(string(answered.Body), "&oauth_expires_at="+until) {
			t.Errorf("%s: a client that takes this apart at & and = has another time than %s", answered.Body, until)
		}
		signed(exchange, key, keySecret, verifier).Post(exchange, nil).Want(404) // it works once

		mine := "/v3/users/" + user + "/OS-OAUTH1/access_tokens"
		me.Get(mine).Want(200).Has("access_tokens.0.id", token).Has("access_tokens.0.project_id", project).Has("access_tokens.0.oauth_token_secret", nil)
		me.Get(mine+"/"+token).Want(200).Has("access_token.consumer_id", id)
		me.Get(mine+"/"+token+"/roles").Want(200).Has("roles.0.name", "member").Has("roles.1", nil)
		me.Get(mine + "/" + token + "/roles/" + c.made.RoleIDs["member"]).Want(200)
		me.Get(mine + "/" + token + "/roles/" + c.made.RoleIDs["admin"]).Want(404)
		me.Get("/v3/users/" + c.made.AdminUserID + "/OS-OAUTH1/access_tokens/" + token).Want(404)

		// The consumer acts with the roles it was given, and no others (OSSA-2020-005).
		const login, body = "/v3/auth/tokens", `{"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}`
		none.Post(login, body).Want(401)
		none.With("Authorization", oauthHeader(c, login, id, words, token, "wrong", "")).Post(login, body).Want(401)
		answer := signed(login, token, tokenSecret, "").Post(login, body).Want(201).Has("token.project.id", project).Has("token.user.id", user).
			Has("token.OS-OAUTH1.consumer_id", id).Has("token.methods.0", "oauth1")
		for i := range answer.Len("token.roles") {
			if answer.Text(fmt.Sprintf("token.roles.%d.name", i)) == "admin" {
				t.Error("the consumer is admin")
			}
		}
		robot := answer.Header.Get("X-Subject-Token")
		c.rescope(robot, "").Want(403)
		c.As(robot).Get("/v3/users/" + user).Want(200)
		c.As(robot).Post("/v3/users/"+user+"/application_credentials", `{"application_credential": {"name": "x"}}`).Want(403)
		old := signed(login, token, tokenSecret, "")
		c.clock.Advance(11 * time.Minute)
		old.Post(login, body).Want(401)
		me.Delete(mine + "/" + token).Want(204)
		c.As(robot).Get("/v3/users/" + user).Want(401)
		admin.Delete(consumers + "/" + id).Want(204)
		if n := c.rows("keystone_access_tokens") + c.rows("keystone_request_tokens"); n != 0 {
			t.Errorf("%d tokens are left", n)
		}
	})
}

func TestOAuth2(t *testing.T) {
	once(t, func(t *testing.T, c *cloud) {
		user, name, project := c.worker("member")
		made := c.As(c.token(name, "pw", on(project))).Post("/v3/users/"+user+"/application_credentials",
			`{"application_credential": {"name": "robot"}}`).Want(201)
		id, words := made.Text("application_credential.id"), made.Text("application_credential.secret")
		const path = "/v3/OS-OAUTH2/token"
		form := c.As("none").With("Content-Type", "application/x-www-form-urlencoded")
		basic := func(id, words string) *resttest.API {
			return form.With("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+words)))
		}
		form.Post(path, "").Want(400).Has("error", "invalid_request")
		form.Post(path, "grant_type=password").Want(400).Has("error", "unsupported_grant_type")
		form.Post(path, "grant_type=client_credentials").Want(401).Has("error", "invalid_client")
		basic(id, "wrong").Post(path, "grant_type=client_credentials").Want(401)
		token := basic(id, words).Post(path, "grant_type=client_credentials").Want(200).Has("token_type", "Bearer").Has("expires_in", 3599)
		c.As(token.Text("access_token")).Get("/v3/users/" + user).Want(200)
		form.Post(path, "grant_type=client_credentials&client_id="+id+"&client_secret="+words).Want(200)
	})
}

// A user with rules must show all methods of one of them; what was shown counts for five minutes.
func TestMultiFactor(t *testing.T) {
	once(t, func(t *testing.T, c *cloud) {
		user, name := c.user("default")
		admin := c.admin()
		const seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // of RFC 6238's test vectors
		if code, _ := keystone.TOTP(secret.New(seed), time.Unix(1111111109, 0)); code != "081804" {
			t.Errorf("RFC 6238 says 07081804: %s", code)
		}
		admin.Post("/v3/credentials", fmt.Sprintf(`{"credential": {"type": "totp", "user_id": %q, "blob": %q}}`, user, seed)).Want(201)
		totp := func(at time.Time) string {
			code, _ := keystone.TOTP(secret.New(seed), at)
			return fmt.Sprintf(`{"auth": {"identity": {"methods": ["totp"], "totp": {"user": {"id": %q, "passcode": %q}}}}}`, user, code)
		}
		none := c.As("none")
		none.Post("/v3/auth/tokens", totp(c.clock.Now())).Want(201).Has("token.methods.0", "totp")
		none.Post("/v3/auth/tokens", totp(c.clock.Now().Add(-30*time.Second))).Want(201)
		none.Post("/v3/auth/tokens", totp(c.clock.Now().Add(-90*time.Second))).Want(401)
		none.Post("/v3/auth/tokens", totp(c.clock.Now().Add(90*time.Second))).Want(401)

		admin.Patch("/v3/users/"+user, `{"user": {"options": {"multi_factor_auth_rules": [["token", "totp"], ["password", "totp"], ["unknown-here"]]}}}`).Want(200)
		a := c.login(name, "pw", unscoped).Want(401).Has("receipt.user.id", user).Has("receipt.methods.0", "password").
			Has("required_auth_methods.0.0", "password").Has("required_auth_methods.1", nil)
		receipt := a.Header.Get("Openstack-Auth-Receipt")
		if receipt == "" {
			t.Fatal("no receipt")
		}
		c.As(receipt).Get("/v3/users/" + user).Want(401) // it is no token
		none.With("Openstack-Auth-Receipt", receipt).Post("/v3/auth/tokens", totp(c.clock.Now())).Want(201).Has("token.methods.1", "password")
		_, other := c.user("default")
		c.login(other, "pw", unscoped).Want(201)
		none.With("Openstack-Auth-Receipt", receipt).Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"], "password":
			{"user": {"name": %q, "domain": {"id": "default"}, "password": "pw"}}}}}`, other)).Want(401)
		c.clock.Advance(6 * time.Minute)
		none.With("Openstack-Auth-Receipt", receipt).Post("/v3/auth/tokens", totp(c.clock.Now())).Want(401)
		admin.Patch("/v3/users/"+user, `{"user": {"options": {"multi_factor_auth_enabled": false}}}`).Want(200)
		c.login(name, "pw", unscoped).Want(201)
	})
}
