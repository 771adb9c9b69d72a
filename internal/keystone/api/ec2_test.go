package api_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the scheme's
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"gostack/internal/keystone"
)

func hmacOf(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return string(h.Sum(nil))
}

// version2 signs as EC2's clients do.
func version2(secret, access, stamp string) map[string]any {
	text := "GET\nec2.example:8773\n/services/Cloud\nAWSAccessKeyId=" + access + "&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=" + stamp
	return map[string]any{
		"access": access, "signature": base64.StdEncoding.EncodeToString([]byte(hmacOf(secret, text))), "verb": "GET",
		"host": "ec2.example:8773", "path": "/services/Cloud",
		"params": map[string]any{"AWSAccessKeyId": access, "SignatureMethod": "HmacSHA256", "SignatureVersion": "2", "Timestamp": stamp},
	}
}

func TestEC2Tokens(t *testing.T) {
	once(t, func(t *testing.T, c *cloud) {
		user, name, project := c.worker("member")
		me := c.As(c.token(name, "pw", on(project)))
		all := "/v3/users/" + user + "/credentials/OS-EC2"
		me.Post(all, `{}`).Want(400)
		me.Post(all, `{"tenant_id": "nothing"}`).Want(404)
		made := me.Post(all, fmt.Sprintf(`{"tenant_id": %q}`, project)).Want(201).Has("credential.user_id", user).Has("credential.trust_id", nil)
		access, secret := made.Text("credential.access"), made.Text("credential.secret")
		me.Get(all).Want(200).Has("credentials.0.access", access).Has("credentials.0.tenant_id", project)
		me.Get(all+"/"+access).Want(200).Has("credential.secret", secret)
		helper, strange, theirs := c.worker("member")
		stranger := c.As(c.token(strange, "pw", on(theirs)))
		stranger.Get(all).Want(403)
		stranger.Get(all + "/" + access).Want(403)
		// Whose key it is says the key, not the path (OSSN-0102).
		stranger.Get("/v3/users/" + helper + "/credentials/OS-EC2/" + access).Want(403)
		stranger.Delete("/v3/users/" + helper + "/credentials/OS-EC2/" + access).Want(403)
		c.admin().Get("/v3/users/"+helper+"/credentials/OS-EC2/"+access).Want(200).Has("credential.user_id", user)
		c.admin().Get("/v3/users/nobody/credentials/OS-EC2/" + access).Want(404)
		c.admin().Delete("/v3/users/nobody/credentials/OS-EC2/" + access).Want(404)

		// Only services are answered: who finds a signed request gets no token for it (OSSA-2025-002).
		serviceUser, serviceName := c.user("default")
		c.grant("projects/"+project+"/users/"+serviceUser, "service")
		service := c.As(c.token(serviceName, "pw", on(project)))
		good := version2(secret, access, "2026-11-22T10%3A00%3A00Z")
		good["params"].(map[string]any)["Timestamp"] = "2026-11-22T10:00:00Z"
		for _, path := range []string{"/v3/ec2tokens", "/v3/s3tokens"} {
			c.As("none").Post(path, signedBody(good)).Want(401)
			me.Post(path, signedBody(good)).Want(403)
			service.Post(path, `{}`).Want(400)
			service.Post(path, `{"credentials": {}}`).Want(401)
			service.Post(path, signedBody(map[string]any{"access": "nothing", "signature": "x"})).Want(404)
			service.Post(path, signedBody(map[string]any{"access": access, "signature": "x", "params": map[string]any{"SignatureVersion": "2"}})).Want(401)
		}
		answer := service.Post("/v3/ec2tokens", signedBody(good)).Want(200).Has("token.user.id", user).Has("token.project.id", project).
			Has("token.methods.0", "ec2credential")
		token := answer.Header.Get("X-Subject-Token")
		c.As(token).Get("/v3/users/" + user).Want(200)
		// A token from a key is not a login: it makes nothing of more rights.
		c.rescope(token, "").Want(403)
		c.As(token).Post("/v3/users/"+user+"/application_credentials", `{"application_credential": {"name": "x"}}`).Want(403)
		wrong := version2("other", access, "2026-11-22T10%3A00%3A00Z")
		service.Post("/v3/ec2tokens", signedBody(wrong)).Want(401)
		old := version2(secret, access, "2026-11-22T09%3A44%3A00Z")
		old["params"].(map[string]any)["Timestamp"] = "2026-11-22T09:44:00Z"
		service.Post("/v3/ec2tokens", signedBody(old)).Want(401).Says("expired")

		// S3's signatures, of both versions.
		h := hmac.New(sha1.New, []byte(secret))
		h.Write([]byte("GET\n\n\n\n/bucket"))
		v2 := map[string]any{
			"access": access, "signature": base64.StdEncoding.EncodeToString(h.Sum(nil)),
			"token": base64.URLEncoding.EncodeToString([]byte("GET\n\n\n\n/bucket")),
		}
		service.Post("/v3/s3tokens", signedBody(v2)).Want(200).Has("token.user.id", user)
		text := "AWS4-HMAC-SHA256\n20261122T100000Z\n20261122/us/s3/aws4_request\nabc"
		key := hmacOf(hmacOf(hmacOf(hmacOf("AWS4"+secret, "20261122"), "us"), "s3"), "aws4_request")
		v4 := map[string]any{
			"access": access, "signature": hex.EncodeToString([]byte(hmacOf(key, text))), "token": base64.URLEncoding.EncodeToString([]byte(text)),
		}
		service.Post("/v3/s3tokens", signedBody(v4)).Want(200)
		v4["token"] = base64.URLEncoding.EncodeToString([]byte("AWS4-HMAC-SHA256\n20261122T100000Z\n20261122/us/mine/aws4_request\nabc"))
		service.Post("/v3/s3tokens", signedBody(v4)).Want(401)

		// No token that was made by delegation gets at credentials, whatever its delegation otherwise allows (LP#2159643).
		robot := me.Post("/v3/users/"+user+"/application_credentials", `{"application_credential": {"name": "robot", "unrestricted": true}}`).Want(201)
		appCred := c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["application_credential"],
			"application_credential": {"id": %q, "secret": %q}}}}`, robot.Text("application_credential.id"), robot.Text("application_credential.secret"))).
			Want(201).Header.Get("X-Subject-Token")
		totp := me.Post("/v3/credentials", fmt.Sprintf(`{"credential": {"type": "totp", "user_id": %q, "blob": "x"}}`, user)).Want(201).Text("credential.id")
		for method, token := range map[string]string{"ec2credential": token, "application_credential": appCred} {
			delegated := c.As(token)
			if n := delegated.Get("/v3/credentials?user_id=" + user).Want(200).Len("credentials"); n != 0 {
				t.Errorf("a token of %s sees %d credentials", method, n)
			}
			delegated.Get(all).Want(403).Says("Using method '" + method + "' is not allowed")
			delegated.Get(all + "/" + access).Want(403)
			delegated.Delete(all + "/" + access).Want(403)
			delegated.Post(all, fmt.Sprintf(`{"tenant_id": %q}`, project)).Want(403)
			delegated.Post("/v3/credentials", fmt.Sprintf(`{"credential": {"type": "ec2", "user_id": %q, "project_id": %q, "blob": "{\"access\": \"a\"}"}}`,
				user, project)).Want(403)
			delegated.Get("/v3/credentials/" + totp).Want(403)
			delegated.Patch("/v3/credentials/"+totp, `{"credential": {"blob": "y"}}`).Want(403)
			delegated.Delete("/v3/credentials/" + totp).Want(403)
		}

		// A key made with a trust, when that was allowed, is worth what the trust is.
		trust := c.trust(me, user, helper, project, `, "impersonation": true, "roles": [{"name": "member"}]`).Want(201).Text("trust.id")
		trusted := c.As(c.login(strange, "pw", fmt.Sprintf(`{"OS-TRUST:trust": {"id": %q}}`, trust)).Want(201).Header.Get("X-Subject-Token"))
		if n := trusted.Get("/v3/credentials").Want(200).Len("credentials"); n != 0 {
			t.Error("a trustee sees the trustor's keys")
		}
		trusted.Get(all + "/" + access).Want(403)
		trusted.Post("/v3/credentials", fmt.Sprintf(`{"credential": {"type": "totp", "user_id": %q, "blob": "x"}}`, user)).Want(403)
		trusted.Post(all, fmt.Sprintf(`{"tenant_id": %q}`, project)).Want(403)
		by, err := c.service.CreateEC2Key(t.Context(), user, project, keystone.Delegation{TrustID: trust})
		if err != nil {
			t.Fatal(err)
		}
		me.Get(all+"/"+by.Access).Want(200).Has("credential.trust_id", trust)
		signed := version2(by.Secret.Reveal(), by.Access, "2026-11-22T10%3A00%3A00Z")
		signed["params"].(map[string]any)["Timestamp"] = "2026-11-22T10:00:00Z"
		service.Post("/v3/ec2tokens", signedBody(signed)).Want(200).Has("token.user.id", user).Has("token.OS-TRUST:trust.id", trust)
		me.Delete("/v3/OS-TRUST/trusts/" + trust).Want(204)
		service.Post("/v3/ec2tokens", signedBody(signed)).Want(401)
		// Nobody writes somebody's trust into a key of their own (OSSA-2020-004).
		forged := me.Post("/v3/credentials", fmt.Sprintf(`{"credential": {"type": "ec2", "user_id": %q, "project_id": %q, "blob":
			"{\"access\":\"a\",\"secret\":\"s\",\"trust_id\":\"t\"}"}}`, user, project)).Want(201)
		forged.Has("credential.blob", `{"access":"a","secret":"s"}`)

		me.Delete(all + "/" + access).Want(204)
		c.clock.Advance(time.Second)
		service.Post("/v3/ec2tokens", signedBody(good)).Want(404)
	})
}
