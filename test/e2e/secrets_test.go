package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// secrets are the tokens and passwords that a test has seen. None of them may ever be in a log or on a command line (OSSA-2020-001 and its kin).
type secrets struct {
	mu   sync.Mutex
	seen map[string]bool
}

// hide remembers a secret and returns it.
func (c *cloud) hide(secret string) string {
	c.secrets.mu.Lock()
	defer c.secrets.mu.Unlock()
	if len(secret) >= 8 { // shorter ones would be found in words
		c.secrets.seen[secret] = true
	}
	return secret
}

// listener remembers the tokens that pass.
type listener struct {
	cloud *cloud
	next  http.RoundTripper
}

func (l listener) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, h := range []string{"X-Auth-Token", "X-Subject-Token"} {
		l.cloud.hide(r.Header.Get(h))
	}
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		l.cloud.hide(resp.Header.Get("X-Subject-Token"))
	}
	return resp, err
}

// noSecrets looks through gostack's and the guests' logs and through the command lines of everything that runs.
func (c *cloud) noSecrets(t *testing.T) {
	if pass, err := os.ReadFile(c.Path("/var/lib/gostack/keystone/admin-password")); err == nil {
		c.hide(strings.TrimSpace(string(pass)))
	}
	var files []string
	for _, pattern := range []string{"/var/log/gostack/*", "/var/log/libvirt/*", "/var/log/libvirt/qemu/*", "/var/log/openvswitch/*", "/var/log/ovn/*"} {
		found, _ := filepath.Glob(c.Path(pattern)) // the pattern is well formed
		files = append(files, found...)
	}
	procs, _ := filepath.Glob(c.Path("/proc/[0-9]*/cmdline"))
	files = append(files, procs...)
	self := strconv.Itoa(os.Getpid())
	c.secrets.mu.Lock()
	defer c.secrets.mu.Unlock()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || strings.Contains(f, "/"+self+"/") {
			continue // a directory, or a process that has ended
		}
		for s := range c.secrets.seen {
			if at := strings.Index(string(b), s); at >= 0 {
				t.Errorf("a secret (%d characters) is in %s: ...%s<secret>", len(s), f, b[max(0, at-120):at])
			}
		}
	}
}
