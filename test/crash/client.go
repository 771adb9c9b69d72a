package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// client speaks to the APIs of a cloud that dies under it: a request that got no answer is repeated.
type client struct {
	endpoint, password string
	http               *http.Client
	note               func(format string, args ...any)

	mu    sync.Mutex
	token string
}

// answer of a request; silent counts how often it was sent in vain before: it may have been carried out already.
type answer struct {
	status int
	body   []byte
	silent int
}

func (a answer) into(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("%w in %.300s", err, a.body)
	}
	return nil
}

// patience is how long the cloud may be away.
const patience = 2 * time.Minute

func newClient(endpoint, password string) *client {
	return &client{endpoint: endpoint, password: password, http: &http.Client{
		Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 5 * time.Second},
	}}
}

func (c *client) login(ctx context.Context) error {
	domain := map[string]any{"id": "default"}
	a, err := c.once(ctx, "", http.MethodPost, "/v3/auth/tokens", map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{"name": "admin", "domain": domain, "password": c.password}}},
		"scope":    map[string]any{"project": map[string]any{"name": "admin", "domain": domain}},
	}})
	if err == nil && a.status != http.StatusCreated {
		err = fmt.Errorf("log in: %d %.300s", a.status, a.body)
	}
	return err
}

// do makes a request until it is answered by the cloud itself.
func (c *client) do(ctx context.Context, method, path string, body any) (answer, error) {
	silent := 0
	for end := time.Now().Add(patience); ; silent++ {
		c.mu.Lock()
		token := c.token
		c.mu.Unlock()
		a, err := c.once(ctx, token, method, path, body)
		a.silent = silent
		switch {
		case err == nil && a.status == http.StatusUnauthorized:
			err = errors.Join(errors.New("not authorized"), c.login(ctx))
		case err == nil && a.status >= 500:
			var fault map[string]struct{ Message string }
			_ = json.Unmarshal(a.body, &fault)
			message := fmt.Sprintf("%.120s", a.body)
			for _, f := range fault {
				message = f.Message
			}
			c.note("%s answered %d: %s", method, a.status, message)
			err = fmt.Errorf("%d %s", a.status, message)
		case err == nil:
			return a, nil
		}
		if time.Now().After(end) {
			return a, fmt.Errorf("%s %s: no answer for %s: %w", method, path, patience, err)
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return a, ctx.Err()
		}
	}
}

func (c *client) once(ctx context.Context, token, method, path string, body any) (answer, error) {
	var reader io.Reader
	contentType := "application/json"
	switch b := body.(type) {
	case nil:
	case io.ReadSeeker:
		if _, err := b.Seek(0, io.SeekStart); err != nil {
			return answer{}, err
		}
		reader, contentType = io.NopCloser(b), "application/octet-stream"
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, reader)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("OpenStack-API-Version", "compute 2.79")
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if t := resp.Header.Get("X-Subject-Token"); t != "" && resp.StatusCode == http.StatusCreated {
		c.mu.Lock()
		c.token = t
		c.mu.Unlock()
	}
	return answer{status: resp.StatusCode, body: raw}, err
}

// get reads a resource; ok is false when it is gone.
func (c *client) get(ctx context.Context, path string, v any) (ok bool, err error) {
	a, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil || a.status == http.StatusNotFound {
		return false, err
	}
	if a.status != http.StatusOK {
		return false, fmt.Errorf("GET %s: %d %.300s", path, a.status, a.body)
	}
	return true, a.into(v)
}

// create makes a resource that nobody else makes, and returns its id.
func (c *client) create(ctx context.Context, path, wrapper string, body map[string]any) (string, error) {
	a, err := c.do(ctx, http.MethodPost, path, map[string]any{wrapper: body})
	if err != nil {
		return "", err
	}
	if a.status >= 300 {
		return "", fmt.Errorf("POST %s: %d %.300s", path, a.status, a.body)
	}
	var out map[string]struct{ ID string }
	if err := a.into(&out); err != nil {
		return "", err
	}
	return out[wrapper].ID, nil
}
