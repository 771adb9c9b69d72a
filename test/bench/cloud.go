package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gostack/test/freeport"
)

// cloud is a gostack of our own on loopback, with simulated hosts.
type cloud struct {
	dir, url string
	cmd      *exec.Cmd
	password string // file
	token    string
	firstMS  float64 // from the start of the process to its first answer
	client   *http.Client
}

func newCloud(dir, url, password string) *cloud {
	return &cloud{dir: dir, url: url, password: password, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}}
}

// launch starts gostack in dir (kept by the caller) and waits for its first answer.
func launch(bin, dir string, hosts int) (*cloud, error) { return launchOn(bin, dir, hosts, "") }

// launchOn is launch on a database; "" is SQLite in dir.
func launchOn(bin, dir string, hosts int, database string) (*cloud, error) {
	addr, err := freeport.Address()
	if err != nil {
		return nil, err
	}
	cfg := filepath.Join(dir, "gostack.yaml")
	text := fmt.Sprintf("state_dir: %s/state\nrun_dir: %s/run\nlog_dir: %s/log\nlisten: %s\nlog_level: warn\nnova: {compute_driver: simulated, simulated_hosts: %d}\n", dir, dir, dir, addr, hosts)
	if database != "" {
		text += "database: " + database + "\n"
	}
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "out.log"))
	if err != nil {
		return nil, err
	}
	c := newCloud(dir, "http://"+addr, filepath.Join(dir, "state", "keystone", "admin-password"))
	c.cmd = exec.Command(bin, "run", "all", "--config", cfg)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	for time.Since(start) < 30*time.Second {
		resp, err := c.client.Get(c.url + "/v3")
		if err == nil {
			_ = resp.Body.Close()
			c.firstMS = float64(time.Since(start).Microseconds()) / 1000
			return c, nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	c.stop()
	b, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("no answer: %s", b)
}

func (c *cloud) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait()
}

// authBody is a password login as admin.
func (c *cloud) authBody() ([]byte, error) {
	pass, err := os.ReadFile(c.password)
	if err != nil {
		return nil, err
	}
	return passwordBody("admin", strings.TrimSpace(string(pass)), "admin")
}

func passwordBody(user, password, project string) ([]byte, error) {
	domain := map[string]any{"id": "default"}
	return json.Marshal(map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{"name": user, "domain": domain, "password": password}}},
		"scope":    map[string]any{"project": map[string]any{"name": project, "domain": domain}},
	}})
}

func (c *cloud) login() error {
	body, err := c.authBody()
	if err != nil {
		return err
	}
	return c.enter(body)
}

// loginAs makes the cloud that of another user.
func (c *cloud) loginAs(user, password, project string) error {
	body, err := passwordBody(user, password, project)
	if err != nil {
		return err
	}
	return c.enter(body)
}

func (c *cloud) enter(body []byte) error {
	resp, err := c.client.Post(c.url+"/v3/auth/tokens", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	c.token = resp.Header.Get("X-Subject-Token")
	if resp.StatusCode != http.StatusCreated {
		return errors.New("log in: " + resp.Status)
	}
	return nil
}

var errNotFound = errors.New("not found")

// call makes a request; answer may be nil.
func (c *cloud) call(method, path string, body, answer any) error {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		r = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return err
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, c.url+path, r)
	if err != nil {
		return err
	}
	req.Header.Set("X-Auth-Token", c.token)
	req.Header.Set("X-Subject-Token", c.token)
	req.Header.Set("Content-Type", "application/json")
	if _, ok := body.(io.Reader); ok {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	req.Header.Set("OpenStack-API-Version", "compute 2.79, placement 1.36")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound {
		_, _ = io.Copy(io.Discard, resp.Body)
		return fmt.Errorf("%s %s: %w", method, path, errNotFound)
	}
	if resp.StatusCode >= 300 {
		b, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, b)
	}
	if answer == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
