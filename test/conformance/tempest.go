package conformance

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"
)

//go:embed tempest.conf.tmpl impatient.py
var tempestFiles embed.FS

var tempestConf = template.Must(template.ParseFS(tempestFiles, "tempest.conf.tmpl"))

// Tests of the services that gostack has so far.
const (
	// TempestAll is everything of tempest and its plugins for Keystone, Glance, Neutron and Nova, and the scenarios.
	TempestAll = `^(tempest\.(api\.(identity|image|network|compute)|scenario)|keystone_tempest_plugin\.tests\.(api|rbac)|glance_tempest_plugin|neutron_tempest_plugin\.(api|scenario))\.`
	// TempestHosts are those that want several hosts.
	TempestHosts = `^tempest\.(api\.compute\.admin\.test_(migrations|live_migration|servers_on_multinodes)` +
		`|scenario\.test_(server_multinode|security_groups_basic_ops|network_advanced_server_ops|shelve_instance|network_qos_placement))\.`
	// TempestShort is what fits into two minutes: all but the life of servers.
	TempestShort = `^tempest\.api\.(identity|image|network` +
		`|compute\.(admin\.test_(flavors|quotas|hypervisor|keypairs|services|hosts|simple|security|networks)|certificates|flavors|keypairs|limits|test_))`
)

// tempestPlugins bring tests of their own; tempest finds them where they are installed.
var tempestPlugins = []string{"keystone_tempest_plugin", "glance_tempest_plugin", "neutron_tempest_plugin"}

// ErrNoTest says that no test has such a name.
var ErrNoTest = errors.New("no test of tempest matches")

// Tempest runs the tests whose names match, in a directory, with so many at once.
func Tempest(ctx context.Context, c Cloud, dir, match string, workers int) (*Report, error) {
	p, err := c.prepare(ctx)
	if err != nil {
		return nil, err
	}
	for _, old := range []string{dir, dir + ".workspaces"} {
		if err := os.RemoveAll(old); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, err
	}
	begin := exec.CommandContext(ctx, "tempest", "init", "--workspace-path", dir+".workspaces", dir)
	begin.Dir = filepath.Dir(dir) // it leaves a log where it is called
	if out, err := begin.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("tempest init: %w %s", err, out)
	}
	if err := p.configure(dir); err != nil {
		return nil, err
	}
	passes := [][]string{{"--concurrency", fmt.Sprint(workers), "--regex", match}}
	if p.hosts == 1 {
		passes[0] = append(passes[0], "--exclude-regex", alone)
		passes = append(passes, []string{"--serial", "--regex", "(?=.*" + match + ")(?=.*" + alone + ")"})
	}
	var results []result
	for _, which := range passes {
		more, err := stestr(ctx, dir, which...)
		if err != nil {
			return nil, err
		}
		results = append(results, more...)
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("%w %s", ErrNoTest, match)
	}
	for _, plugin := range tempestPlugins {
		if match == TempestAll && !slices.ContainsFunc(results, func(r result) bool { return strings.HasPrefix(r.name, plugin+".") }) {
			return nil, fmt.Errorf("tempest has no tests of %s: install the package %s", plugin, strings.ReplaceAll(plugin, "_", "-"))
		}
	}
	list, err := exclusions(excludeTable, "tempest", c.Guests)
	if err != nil {
		return nil, err
	}
	return judge(results, list), nil
}

// alone are tests that need a host without other tests' servers: one that has some changes its availability zone no more, as with upstream since
// 2024.1. Where there is one host only they come last, one by one.
const alone = `\.test_aggregates(_basic_ops)?\.`

// stestr runs tests and answers what became of them. It says nothing, and fails, where no name matches.
func stestr(ctx context.Context, dir string, which ...string) ([]result, error) {
	run := exec.CommandContext(ctx, "tempest", append([]string{"run", "--workspace-path", dir + ".workspaces"}, which...)...)
	run.Dir = dir
	var err error
	if run.Env, err = environment(dir); err != nil {
		return nil, err
	}
	var out, errs bytes.Buffer
	log, err := os.OpenFile(filepath.Join(dir, "output.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	seen := &tee{kept: &out, file: log}
	run.Stdout, run.Stderr = seen, &errs
	over := make(chan struct{})
	go seen.tell(over)
	err = run.Run()
	close(over)
	results := tempestResults(out.String())
	_, died := errors.AsType[*exec.ExitError](err)
	if none := died && errs.Len() == 0; err != nil && !none && (!died || len(results) == 0) {
		return nil, fmt.Errorf("tempest run: %w %.2000s", err, errs.String())
	}
	return results, nil
}

// environment is the one in which tempest waits for nothing that need not be waited for (see impatient.py). Neutron's scenarios look at this machine's
// own network by sudo, which root may not have installed and has no need of.
func environment(dir string) ([]string, error) {
	text, err := tempestFiles.ReadFile("impatient.py")
	if err != nil {
		return nil, err
	}
	lib := filepath.Join(dir, "impatient")
	if err := os.MkdirAll(lib, 0o700); err != nil {
		return nil, err
	}
	env := append(os.Environ(), "PYTHONPATH="+lib)
	if _, err := exec.LookPath("sudo"); err != nil && os.Geteuid() == 0 {
		if err := os.WriteFile(filepath.Join(lib, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o700); err != nil { //nolint:gosec // it is to be run
			return nil, err
		}
		env = append(env, "PATH="+lib+":"+os.Getenv("PATH"))
	}
	return env, os.WriteFile(filepath.Join(lib, "sitecustomize.py"), text, 0o600)
}

// tee keeps what is written and lets somebody follow it in a file.
type tee struct {
	lock sync.Mutex
	kept *bytes.Buffer
	file *os.File
}

func (t *tee) Write(b []byte) (int, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.kept.Write(b)
	return t.file.Write(b)
}

// tell says each minute how far the tests have come.
func (t *tee) tell(over <-chan struct{}) {
	begun := time.Now()
	each := time.NewTicker(time.Minute)
	defer each.Stop()
	for {
		select {
		case <-over:
			return
		case <-each.C:
			t.lock.Lock()
			said := t.kept.Bytes()
			fmt.Fprintf(os.Stderr, "tempest: %s, %d passed, %d failed, %d skipped so far; %s has more\n", time.Since(begun).Round(time.Second),
				bytes.Count(said, []byte("] ... ok\n")), bytes.Count(said, []byte("... FAILED\n")), bytes.Count(said, []byte("... SKIPPED")), t.file.Name())
			t.lock.Unlock()
		}
	}
}

func (p *prepared) configure(dir string) error {
	var b bytes.Buffer
	err := tempestConf.Execute(&b, map[string]any{
		"URL": strings.TrimSuffix(p.URL, "/"), "Password": p.Password, "Dir": dir, "Image": p.images[0], "Image2": p.images[1], "Flavor": p.flavors[0], "Flavor2": p.flavors[1],
		"Network": p.network, "NetworkName": p.networkName, "Extensions": strings.Join(p.extensions, ","), "Hosts": p.hosts, "Guests": p.Guests, "ImageFile": p.Cloud.Image,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "etc", "tempest.conf"), b.Bytes(), 0o600)
}

// outcomeLine is how subunit-trace writes a result: {1} tempest.api.….test_x [0.1s] ... ok
var outcomeLine = regexp.MustCompile(`^\{\d+\} (setUpClass \([\w.]+\)|tearDownClass \([\w.]+\)|[\w.]+)(?:\[[^\]]*\])?(?: \[[\d.]+s\])? \.\.\. (ok|FAILED|SKIPPED)`)

// tempestResults reads what tempest run prints. A class that could not be set up is a failure of its own.
func tempestResults(out string) []result {
	var results []result
	var detail *strings.Builder
	flush := func() {
		if detail != nil {
			results[len(results)-1].detail = essence(detail.String())
		}
		detail = nil
	}
	for line := range strings.SplitSeq(out, "\n") {
		m := outcomeLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			flush()
			results = append(results, result{name: m[1], outcome: map[string]string{"ok": passed, "FAILED": failed, "SKIPPED": skipped}[m[2]]})
			if m[2] == "FAILED" {
				detail = &strings.Builder{}
			}
		case strings.HasPrefix(line, "======"):
			flush()
		case detail != nil:
			detail.WriteString(line + "\n")
		}
	}
	flush()
	return results
}

// essence is the end of a traceback: where in the test it happened, and what was said.
func essence(trace string) string {
	var where string
	var said []string
	for line := range strings.SplitSeq(trace, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "File ") && strings.Contains(line, "/tempest/") && !strings.Contains(line, "/tempest/lib/"):
			where = line
		case regexp.MustCompile(`^([\w.]*(Error|Exception|exceptions\.\w+)|Details|jsonschema\.[\w.]+|tempest\.[\w.]+|testtools\.[\w.]+):`).MatchString(line):
			said = append(said, line[:min(len(line), 600)])
		}
	}
	return strings.Join(append([]string{where}, said[max(0, len(said)-3):]...), "\n")
}
