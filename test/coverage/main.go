// Command coverage compares the routes of gostack with upstream's list of operations, and writes docs/compatibility.md.
//
//	go run ./test/coverage            print the table
//	go run ./test/coverage -missing   and every operation that is not answered
//	go run ./test/coverage -write     write docs/compatibility.md
//	go run ./test/coverage -check     fail when docs/compatibility.md is not what -write would write
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"gostack/internal/app"
	"gostack/internal/config"
	"gostack/internal/rest"
	"gostack/test/upstream"
)

// services are upstream's words for ours, in the order of the page.
var services = []struct{ upstream, ours, title string }{
	{"identity", "keystone", "Keystone (identity)"},
	{"image", "glance", "Glance (image)"},
	{"placement", "placement", "Placement"},
	{"network", "neutron", "Neutron (network)"},
	{"compute", "nova", "Nova (compute)"},
}

const (
	page  = "docs/compatibility.md"
	notes = "docs/compatibility-notes.md"
)

func main() {
	missing := flag.Bool("missing", false, "list every operation that is not answered")
	write := flag.Bool("write", false, "write "+page)
	check := flag.Bool("check", false, "fail when "+page+" is not up to date")
	flag.Parse()
	if err := run(*missing, *write, *check); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

// unloaded are the parts of upstream's APIs that belong to plugins which no deployment has unless its operator adds them: their extensions are
// not in the list, and their paths answer 404 as those of a Neutron that has not loaded them.
var unloaded = []struct{ service, path, plugin string }{
	{"network", "bgp-speakers", "BGP speakers (`bgp`, neutron-dynamic-routing)"},
	{"network", "bgp-peers", "BGP speakers (`bgp`, neutron-dynamic-routing)"},
	{"network", "bgp-drinstances", "BGP speakers (`bgp`, neutron-dynamic-routing)"},
	{"network", "/bgpvpn/", "BGP VPNs (`bgpvpn`, networking-bgpvpn)"},
	{"network", "/fwaas/", "Firewall groups (`fwaas_v2`, neutron-fwaas)"},
	{"network", "/vpn/", "VPN (`vpnaas`, neutron-vpnaas)"},
	{"network", "/sfc/", "Service function chains (`sfc`, networking-sfc)"},
	{"network", "/taas/", "Tap as a service (`taas`, tap-as-a-service)"},
	{"network", "/network_segment_ranges", "Network segment ranges (`network-segment-range`)"},
	{"network", "/network-segment-ranges", "Network segment ranges (`network-segment-range`)"},
	{"network", "/local_ips", "Local IPs (`local_ip`), which OVN has not"},
	{"network", "/ndp_proxies", "NDP proxies (`l3-ndp-proxy`), which OVN has not"},
	{"network", "/conntrack_helpers", "Conntrack helpers (`l3-conntrack-helper`), which OVN has not"},
}

type coverage struct {
	title, upstream string
	answered        int
	absent          []string
	// unloaded counts, by plugin, the operations of plugins that are not loaded.
	unloaded map[string]int
}

func (c coverage) left() (n int) {
	for _, count := range c.unloaded {
		n += count
	}
	return n
}

// pluginOf names the plugin that is not loaded and that an operation belongs to, or nothing.
func pluginOf(service, operation string) string {
	for _, u := range unloaded {
		if u.service == service && strings.Contains(operation, u.path) {
			return u.plugin
		}
	}
	return ""
}

func run(missing, write, check bool) error {
	dir := upstream.Root()
	if dir == "" {
		fmt.Println("LEFT OUT: ../shared/api is not here to compare with")
		return nil
	}
	routes, err := allRoutes()
	if err != nil {
		return err
	}
	var all []coverage
	for _, s := range services {
		c, err := compare(dir, s.upstream, s.title, routes[s.ours])
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	fmt.Printf("%-24s %9s %6s %10s\n", "SERVICE", "ANSWERED", "OF", "NOT LOADED")
	for _, c := range all {
		fmt.Printf("%-24s %9d %6d %10d\n", c.title, c.answered, c.answered+len(c.absent), c.left())
		if missing {
			for _, m := range c.absent {
				fmt.Println("    ", m)
			}
		}
	}
	if !write && !check {
		return nil
	}
	text, err := render(all)
	if err != nil {
		return err
	}
	if write {
		return os.WriteFile(page, text, 0o644)
	}
	if old, err := os.ReadFile(page); err != nil || !bytes.Equal(old, text) {
		return fmt.Errorf("%s is not true any more: run make docs-compat and commit it", page)
	}
	return nil
}

// allRoutes builds the control side in a temporary directory and collects its routes, by service, as "METHOD /path#action".
func allRoutes() (map[string]map[string]bool, error) {
	tmp, err := os.MkdirTemp("", "gostack-coverage-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	cfg := config.Default()
	cfg.StateDir, cfg.RunDir, cfg.LogDir = tmp, tmp, tmp
	cfg.Database, cfg.Listen = "sqlite:"+filepath.Join(tmp, "gostack.db"), "127.0.0.1:0"
	cfg.Nova.Driver, cfg.Keystone.BcryptCost = "simulated", 4
	h := app.New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx := context.Background()
	if err := h.Start(ctx, "control"); err != nil {
		return nil, err
	}
	defer func() { _ = h.Stop(ctx) }()
	routes := map[string]map[string]bool{}
	for _, s := range h.Services {
		if routes[s.Name] == nil {
			routes[s.Name] = map[string]bool{}
		}
		for i := range s.Routes {
			routes[s.Name][key(s, &s.Routes[i])] = true
		}
	}
	return routes, nil
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

func normal(method, path, action string) string {
	path = parameter.ReplaceAllString(strings.TrimSuffix(path, "/"), "{}")
	if path == "" {
		path = "/"
	}
	if action != "" {
		path += "#" + action
	}
	return method + " " + path
}

// key writes one of our routes as upstream has it: without our own first segment.
func key(s *rest.Service, r *rest.Route) string {
	full := strings.Trim(s.Prefixes[0], "/") + "/" + strings.Trim(r.Path, "/")
	_, below, _ := strings.Cut(full, "/")
	return normal(r.Method, "/"+below, r.Action)
}

func compare(dir, service, title string, routes map[string]bool) (coverage, error) {
	c := coverage{title: title, upstream: service, unloaded: map[string]int{}}
	rows, err := upstream.Table(filepath.Join(dir, "operations.tsv"), service)
	if err != nil {
		return c, err
	}
	for _, row := range rows {
		marks := row["markers"]
		if strings.Contains(marks, "removed-410") || strings.Contains(marks, "generated-only") || strings.Contains(marks, "head-of-get") {
			continue
		}
		k := normal(row["method"], row["path"], row["action_key"])
		if routes[k] || row["method"] == "HEAD" && routes[strings.Replace(k, "HEAD", "GET", 1)] {
			c.answered++
			continue
		}
		if plugin := pluginOf(service, k); plugin != "" {
			c.unloaded[plugin]++
			continue
		}
		c.absent = append(c.absent, k)
	}
	sort.Strings(c.absent)
	return c, nil
}

func render(all []coverage) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Compatibility\n\n<!-- Made by make docs-compat from the route tables and docs/compatibility-notes.md. Do not edit. -->\n\n")
	text, err := os.ReadFile(notes)
	if err != nil {
		return nil, err
	}
	b.Write(text)
	b.WriteString("\n## Operations answered\n\nCounted against upstream's own list of operations of each service.\n\n| service | answered | of |\n|---|---|---|\n")
	for _, c := range all {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", c.title, c.answered, c.answered+len(c.absent))
	}
	b.WriteString("\nNot counted are plugins that upstream does not enable by default either: their extensions are not listed, and their operations answer 404, as " +
		"those of an extension that is not loaded.\n\n| plugin | operations |\n|---|---|\n")
	for _, c := range all {
		for _, plugin := range slices.Sorted(maps.Keys(c.unloaded)) {
			fmt.Fprintf(&b, "| %s | %d |\n", plugin, c.unloaded[plugin])
		}
	}
	b.WriteString("\n## Operations not answered yet\n\nThey answer 404 with the service's own error envelope.\n")
	for _, c := range all {
		fmt.Fprintf(&b, "\n### %s\n\n", c.title)
		if len(c.absent) == 0 {
			b.WriteString("None.\n")
		}
		for _, m := range c.absent {
			fmt.Fprintf(&b, "- `%s`\n", m)
		}
	}
	return b.Bytes(), nil
}
