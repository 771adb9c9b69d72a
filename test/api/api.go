// Package api is a client of the public APIs for tests that break the cloud under it: a request that got no answer is repeated.
package api

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

// Client speaks to a cloud as its administrator.
type Client struct {
	endpoint, password string
	http               *http.Client
	// Note, when set, hears of answers that say that something is wrong on the other side.
	Note func(format string, args ...any)

	mu    sync.Mutex
	token string
}

// Answer of a request; Silent counts how often it was sent in vain before: it may have been carried out already.
type Answer struct {
	Status int
	Body   []byte
	Silent int
}

// Into decodes the body.
func (a Answer) Into(v any) error {
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("%w in %.300s", err, a.Body)
	}
	return nil
}

// Patience is how long the cloud may be away.
const Patience = 5 * time.Minute

// New makes a client; Login is called when it is needed.
func New(endpoint, password string) *Client {
	return &Client{endpoint: endpoint, password: password, http: &http.Client{
		Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 5 * time.Second},
	}}
}

// Login gets a token, as soon as the cloud answers.
func (c *Client) Login(ctx context.Context) error {
	for end := time.Now().Add(Patience); ; {
		answered, err := c.login(ctx)
		if answered || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// login asks for a token once. It was not answered when nobody did, or somebody who could not.
func (c *Client) login(ctx context.Context) (answered bool, err error) {
	domain := map[string]any{"id": "default"}
	a, err := c.once(ctx, "", http.MethodPost, "/v3/auth/tokens", map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{"name": "admin", "domain": domain, "password": c.password}}},
		"scope":    map[string]any{"project": map[string]any{"name": "admin", "domain": domain}},
	}})
	if err == nil && a.Status != http.StatusCreated {
		err = fmt.Errorf("log in: %d %.300s", a.Status, a.Body)
	}
	return a.Status > 0 && a.Status < http.StatusInternalServerError, err
}

// Do makes a request until it is answered by the cloud itself.
func (c *Client) Do(ctx context.Context, method, path string, body any) (Answer, error) {
	silent := 0
	for end := time.Now().Add(Patience); ; silent++ {
		c.mu.Lock()
		token := c.token
		c.mu.Unlock()
		a, err := c.once(ctx, token, method, path, body)
		a.Silent = silent
		switch {
		case err == nil && a.Status == http.StatusUnauthorized:
			_, err = c.login(ctx)
			err = errors.Join(errors.New("not authorized"), err)
		case err == nil && a.Status >= 500:
			var fault map[string]struct{ Message string }
			_ = json.Unmarshal(a.Body, &fault)
			message := fmt.Sprintf("%.120s", a.Body)
			for _, f := range fault {
				message = f.Message
			}
			if c.Note != nil {
				c.Note("%s answered %d: %s", method, a.Status, message)
			}
			err = fmt.Errorf("%d %s", a.Status, message)
		case err == nil:
			return a, nil
		}
		if time.Now().After(end) {
			return a, fmt.Errorf("%s %s: no answer for %s: %w", method, path, Patience, err)
		}
		select {
		case <-ctx.Done():
			return a, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *Client) once(ctx context.Context, token, method, path string, body any) (Answer, error) {
	var reader io.Reader
	contentType := "application/json"
	switch b := body.(type) {
	case nil:
	case io.ReadSeeker:
		if _, err := b.Seek(0, io.SeekStart); err != nil {
			return Answer{}, err
		}
		reader, contentType = io.NopCloser(b), "application/octet-stream"
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return Answer{}, err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, reader)
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("OpenStack-API-Version", "compute 2.79")
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if t := resp.Header.Get("X-Subject-Token"); t != "" && resp.StatusCode == http.StatusCreated {
		c.mu.Lock()
		c.token = t
		c.mu.Unlock()
	}
	return Answer{Status: resp.StatusCode, Body: raw}, err
}

// Get reads a resource; ok is false when it is gone.
func (c *Client) Get(ctx context.Context, path string, v any) (ok bool, err error) {
	a, err := c.Do(ctx, http.MethodGet, path, nil)
	if err != nil || a.Status == http.StatusNotFound {
		return false, err
	}
	if a.Status != http.StatusOK {
		return false, fmt.Errorf("GET %s: %d %.300s", path, a.Status, a.Body)
	}
	return true, a.Into(v)
}

// Create makes a resource that nobody else makes, and returns its id.
func (c *Client) Create(ctx context.Context, path, wrapper string, body map[string]any) (string, error) {
	a, err := c.Do(ctx, http.MethodPost, path, map[string]any{wrapper: body})
	if err != nil {
		return "", err
	}
	if a.Status >= 300 {
		return "", fmt.Errorf("POST %s: %d %.300s", path, a.Status, a.Body)
	}
	var out map[string]struct{ ID string }
	if err := a.Into(&out); err != nil {
		return "", err
	}
	return out[wrapper].ID, nil
}
