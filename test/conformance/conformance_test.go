package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gostack/internal/firstcloud"
	"gostack/test/conformance"
	"gostack/test/freeport"
	"gostack/test/lab"
	"gostack/test/machine"
)

// suites says which suites to run in full, on real engines: CONFORMANCE=tempest,gophercloud. Empty runs the short selection of
// tempest on hosts that boot nothing, which is about the APIs alone.
var suites = os.Getenv("CONFORMANCE")

// match narrows what is run.
var match = os.Getenv("CONFORMANCE_MATCH")

// TestTempestShort is what make test runs.
func TestTempestShort(t *testing.T) {
	if suites != "" {
		t.Skip("the whole suites are asked for")
	}
	if testing.Short() {
		t.Skip("takes minutes")
	}
	requires(t, "tempest")
	c := simulated(t)
	chosen := conformance.TempestShort
	if match != "" {
		chosen = match
	}
	report, err := conformance.Tempest(t.Context(), c, filepath.Join(t.TempDir(), "tempest"), chosen, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	if f := report.Findings(); f != "" {
		t.Errorf("tempest found:\n%s", f)
	}
}

// richer are settings that more of the suites' tests want than the defaults: lockout, Keystone's limits of images, several stores, a cache, addresses
// of the cloud itself for imports, and, as upstream's own single machine has it, resizes that stay: there is no other host.
var richer = []string{
	"GOSTACK_NOVA_ALLOW_RESIZE_TO_SAME_HOST=true",
	"GOSTACK_KEYSTONE_PASSWORD_LOCKOUT_FAILURE_ATTEMPTS=2", "GOSTACK_KEYSTONE_PASSWORD_LOCKOUT_DURATION=5s", "GOSTACK_KEYSTONE_PASSWORD_UNIQUE_LAST_COUNT=2",
	"GOSTACK_GLANCE_ENABLED_BACKENDS=one:file:/var/lib/gostack/one,two:file:/var/lib/gostack/two,web:http",
	"GOSTACK_GLANCE_OPTIONS=use_keystone_limits=true,show_multiple_locations=true,image_cache_dir=/var/lib/gostack/cache,allowed_networks=127.0.0.0/8,allowed_ports=80 443 5000",
}

// TestOnRealEngines runs whole suites, which takes half an hour for tempest's own tests and gophercloud's, and more with those of the plugins.
func TestOnRealEngines(t *testing.T) {
	if suites == "" {
		t.Skip("make conformance runs whole suites on real engines")
	}
	requires(t, "tempest", "openstack", "libvirtd", "ovs-vswitchd", "ovn-northd")
	m := machine.Start(t)
	bin, image, run := built(t, "./cmd/gostack"), filepath.Join(root(t), "build", "guest.qcow2"), built(t, "./test/conformance/cmd")
	m.Run(t, bin, "up", "--image", image)
	for _, resource := range []string{"image_count_total", "image_count_uploading", "image_size_total", "image_stage_total"} {
		m.Run(t, "openstack", "--os-cloud", "gostack-admin", "registered", "limit", "create", "--service", "glance", "--region", "RegionOne", "--default-limit", "1000", resource)
	}
	m.Run(t, append(append([]string{"env"}, richer...), bin, "up")...) // takes the new configuration
	bandwidths(t, func(argv ...string) (string, error) { return m.Try(t, argv...) })
	// The only host changes its availability zone while it has no servers.
	m.Run(t, "openstack", "--os-cloud", "gostack", "server", "delete", "--wait", firstcloud.ServerName)
	for suite := range strings.SplitSeq(suites, ",") {
		t.Run(suite, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), suite)
			cmd := m.Command(t.Context(), run, "-suite", suite, "-match", match, "-dir", dir, "-image", image)
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			if err := cmd.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	var audit struct{ Findings []any }
	if out := m.Run(t, bin, "audit", "-o", "json"); json.Unmarshal([]byte(out), &audit) != nil || len(audit.Findings) > 0 {
		t.Errorf("audit: %s", out)
	}
}

// TestOnSeveralHosts runs those of tempest's tests that a cloud of one host skips: servers move, live and cold, and guests on different hosts reach
// each other.
func TestOnSeveralHosts(t *testing.T) {
	if suites != "" && !slices.Contains(strings.Split(suites, ","), "tempest") || suites == "" {
		t.Skip("make conformance runs whole suites on real engines")
	}
	requires(t, "tempest")
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		for _, host := range l.Hosts {
			bandwidths(t, func(argv ...string) (string, error) { return host.Run(t.Context(), argv...) })
		}
		c := conformance.Cloud{URL: l.Endpoint(), Password: l.AdminPassword(), Image: filepath.Join(root(t), "build", "guest.qcow2"), Guests: true}
		chosen := conformance.TempestHosts
		if match != "" {
			chosen = "(?=.*" + match + ")(?=.*" + chosen + ")"
		}
		report, err := conformance.Tempest(t.Context(), c, filepath.Join(t.TempDir(), "tempest"), chosen, 1)
		if errors.Is(err, conformance.ErrNoTest) && match != "" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Log(report)
		if f := report.Findings(); f != "" {
			t.Errorf("tempest found:\n%s", f)
		}
		if findings, err := l.Audit(t.Context()); err != nil || len(findings) > 0 {
			t.Errorf("audit: %v %v", findings, err)
		}
	})
}

// bandwidths makes a host tell how much its bridge carries, beside what it tells already. run runs a command there.
func bandwidths(t *testing.T, run func(argv ...string) (string, error)) {
	t.Helper()
	said, err := run("ovs-vsctl", "--if-exists", "get", "Open_vSwitch", ".", "external-ids:ovn-cms-options")
	if err == nil {
		said = strings.Trim(strings.TrimSpace(said), `"`)
		_, err = run("ovs-vsctl", "set", "Open_vSwitch", ".", "external-ids:ovn-cms-options="+strings.Trim(said+",resource_provider_bandwidths=br-ex:1000000:1000000", ","))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func requires(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if _, err := os.Stat("/usr/sbin/" + p); err != nil {
				machine.Missing(t, "NOT TESTED by other people's suites: "+p+" is not installed; scripts/install-engines tests installs it")
			}
		}
	}
}

// simulated starts a cloud of one process, whose hosts boot nothing.
func simulated(t *testing.T) conformance.Cloud {
	t.Helper()
	dir := t.TempDir()
	address, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "gostack.yaml")
	_, port, _ := strings.Cut(address, ":")
	text := strings.NewReplacer("DIR", dir, "ADDRESS", address, "PORT", port).Replace(`
host: simulated
state_dir: DIR/state
run_dir: DIR/run
log_dir: DIR/log
listen: ADDRESS
log_level: warn
keystone:
  bcrypt_cost: 4
  password: {lockout_failure_attempts: 2, lockout_duration: 5s, unique_last_count: 2}
glance:
  enabled_backends: ["one:file:DIR/one", "two:file:DIR/two", "web:http"]
  options: [use_keystone_limits=true, show_multiple_locations=true, image_cache_dir=DIR/cache, allowed_networks=127.0.0.0/8, allowed_ports=80 443 PORT]
nova: {compute_driver: simulated, simulated_hosts: 4}
`)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log.txt"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, built(t, "./cmd/gostack"), "run", "all", "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("gostack said:\n%s", b[max(0, len(b)-4000):])
		}
		_ = log.Close()
	})
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + address + "/v3")
		if err == nil {
			_ = resp.Body.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	password, err := os.ReadFile(filepath.Join(dir, "state", "keystone", "admin-password"))
	if err != nil {
		t.Fatal(err)
	}
	return conformance.Cloud{URL: "http://" + address, Password: strings.TrimSpace(string(password))}
}

func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// built builds a program of this module into a directory that ends with the test.
func built(t *testing.T, pkg string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), filepath.Base(filepath.Dir(pkg))+"-"+filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", file, pkg)
	cmd.Dir, cmd.Env = root(t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return file
}
