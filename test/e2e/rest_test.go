package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// try makes one request and returns what came back, whatever it is. A body that is a string or a reader goes as it is, anything else as JSON.
func (r *restClient) try(method, path string, headers map[string]string, body any) (status int, answer string, err error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case io.Reader:
		reader = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return 0, "", err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, "http://127.0.0.1:5000"+path, reader)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Auth-Token", r.token)
	if headers["X-OpenStack-Nova-API-Version"] == "" {
		req.Header.Set("OpenStack-API-Version", "compute 2.79")
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// refused makes a request and wants a status and a message that says something, in words fit for tenants.
func (r *restClient) refused(status int, says, method, path string, headers map[string]string, body any) {
	r.c.t.Helper()
	got, answer, err := r.try(method, path, headers, body)
	if err != nil || got != status || !strings.Contains(strings.ToLower(answer), strings.ToLower(says)) || len(strings.TrimSpace(answer)) < 10 {
		r.c.t.Errorf("%s %s: want %d that says %q, got %d, %v: %s", method, path, status, says, got, err, shorten(answer))
	}
	for _, inside := range []string{"goroutine", ".go:", "SQL", "constraint", "panic", "<nil>", "/var/lib"} {
		if strings.Contains(answer, inside) {
			r.c.t.Errorf("%s %s tells of the inside (%s): %s", method, path, inside, shorten(answer))
		}
	}
}

func shorten(s string) string { return s[:min(len(s), 400)] }

// make makes a resource with POST and returns its id; wrapper is the name around it, as in {"server": {"id": ...}}, or "".
func (r *restClient) make(path, wrapper string, body map[string]any) string {
	r.c.t.Helper()
	var in any = body
	if wrapper != "" {
		in = map[string]any{wrapper: body}
	}
	status, answer, err := r.try(http.MethodPost, path, nil, in)
	if err != nil || status >= 300 {
		r.c.t.Fatalf("POST %s: %d, %v: %s", path, status, err, shorten(answer))
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(answer), &out); err != nil {
		r.c.t.Fatalf("POST %s: %v in %s", path, err, shorten(answer))
	}
	if wrapper != "" {
		out, _ = out[wrapper].(map[string]any)
	}
	id, _ := out["id"].(string)
	if id == "" {
		r.c.t.Fatalf("POST %s: no id in %s", path, shorten(answer))
	}
	return id
}

// person makes a project with a user who is its member, and logs in.
func (r *restClient) person(name, password string) (client *restClient, project string) {
	r.c.t.Helper()
	project = r.make("/v3/projects", "project", map[string]any{"name": name + "s", "domain_id": "default"})
	user := r.make("/v3/users", "user", map[string]any{"name": name, "domain_id": "default", "password": r.c.hide(password)})
	var roles struct{ Roles []struct{ ID string } }
	r.do(http.MethodGet, "/v3/roles?name=member", nil, &roles)
	r.do(http.MethodPut, "/v3/projects/"+project+"/users/"+user+"/roles/"+roles.Roles[0].ID, nil, nil)
	d := *r
	client = &d
	client.token = r.c.token(name, password, project)
	return client, project
}

// token logs a user of the default domain in.
func (c *cloud) token(user, password, project string) string {
	c.t.Helper()
	b, err := json.Marshal(map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{
			"name": user, "domain": map[string]any{"id": "default"}, "password": password,
		}}},
		"scope": map[string]any{"project": map[string]any{"id": project}},
	}})
	c.must(err, "write a request")
	resp, err := c.http().Post("http://127.0.0.1:5000/v3/auth/tokens", "application/json", bytes.NewReader(b))
	c.must(err, "log in")
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		c.t.Fatalf("%s cannot log in: %d", user, resp.StatusCode)
	}
	return resp.Header.Get("X-Subject-Token")
}
