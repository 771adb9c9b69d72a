package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// gophercloudTests are the packages with acceptance tests of the services that gostack has so far.
var gophercloudTests = []string{"identity/v3", "image/v2", "networking/v2", "networking/v2/extensions/...", "compute/v2", "placement/v1"}

// Gophercloud runs gophercloud's acceptance tests whose names match, from the module that go.mod names.
func Gophercloud(ctx context.Context, c Cloud, match string) (*Report, error) {
	p, err := c.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if match == "" {
		match = "."
	}
	args := []string{"test", "-json", "-count=1", "-p=1", "-timeout=2h", "-vet=off", "-tags=acceptance", "-run", match}
	for _, name := range gophercloudTests {
		args = append(args, "github.com/gophercloud/gophercloud/v2/internal/acceptance/openstack/"+name)
	}
	run := exec.CommandContext(ctx, "go", args...)
	run.Env = append(os.Environ(), "OS_AUTH_URL="+strings.TrimSuffix(c.URL, "/")+"/identity/v3", "OS_USERNAME=admin", "OS_PASSWORD="+c.Password, "OS_PROJECT_NAME=admin",
		"OS_DOMAIN_NAME=Default", "OS_USER_DOMAIN_NAME=Default", "OS_PROJECT_DOMAIN_NAME=Default", "OS_REGION_NAME=RegionOne", "OS_IMAGE_ID="+p.images[0],
		"OS_FLAVOR_ID="+p.ephemeral[0], "OS_FLAVOR_ID_RESIZE="+p.ephemeral[1], "OS_POOL_NAME="+p.networkName, "OS_EXTGW_ID="+p.network, "OS_NETWORK_NAME="+privateName, "OS_BRANCH=master",
		"OS_NETWORK_ID="+p.private, "CGO_ENABLED=0")
	var out, errs bytes.Buffer
	run.Stdout, run.Stderr = &out, &errs
	err = run.Run()
	results := goResults(&out)
	if len(results) == 0 {
		return nil, fmt.Errorf("go test of gophercloud: %w %.2000s", err, errs.String())
	}
	list, err := exclusions(excludeTable, "gophercloud", c.Guests)
	if err != nil {
		return nil, err
	}
	return judge(results, list), nil
}

// goResults reads the events of go test -json.
func goResults(out *bytes.Buffer) []result {
	var results []result
	said, broken := map[string]*strings.Builder{}, map[string]bool{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e struct{ Action, Package, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		_, pkg, _ := strings.Cut(e.Package, "acceptance/openstack/")
		name := pkg + " " + e.Test
		if said[name] == nil {
			said[name] = &strings.Builder{}
		}
		switch e.Action {
		case "output":
			said[name].WriteString(e.Output)
		case "pass", "fail", "skip":
			// A package fails with its tests; alone only when it does not build or dies.
			if e.Test == "" && (e.Action != "fail" || broken[pkg]) {
				continue
			}
			broken[pkg] = broken[pkg] || e.Action == "fail"
			all := said[name].String()
			results = append(results, result{name, map[string]string{"pass": passed, "fail": failed, "skip": skipped}[e.Action], all[max(0, len(all)-1500):]})
		}
	}
	return results
}
