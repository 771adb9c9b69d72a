package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"

	"gostack/test/api"
)

// Cloud is a cloud to try, with its administrator's password.
type Cloud struct {
	URL, Password string
	// Image is the file of a bootable image; empty takes a few random bytes, for hosts that boot nothing.
	Image string
	// Guests says that servers boot and can be reached by SSH.
	Guests bool
}

// prepared is what the suites need to know of a cloud.
type prepared struct {
	Cloud
	images               [2]string
	flavors, ephemeral   [2]string // the latter with an ephemeral disk of 2 GiB
	network              string    // the external one
	networkName, private string    // its name; a network of tenants
	extensions           []string
	hosts                int
}

// privateName is the name of the network of tenants.
const privateName = "conformance"

// prepare makes what the suites expect to be there, unless it is, and asks for the rest.
func (c Cloud) prepare(ctx context.Context) (*prepared, error) {
	p := &prepared{Cloud: c, networkName: "public"}
	a := asker{ctx: ctx, c: api.New(c.URL, c.Password)}
	if err := a.c.Login(ctx); err != nil {
		return nil, err
	}
	a.imageLimits()
	for i, name := range []string{"conformance-1", "conformance-2"} {
		p.images[i] = a.find("/image/v2/images?name="+name, "images", "name", name)
		if p.images[i] == "" {
			p.images[i] = a.made(a.post("/image/v2/images", map[string]any{
				"name": name, "visibility": "public", "container_format": "bare", "disk_format": map[bool]string{true: "qcow2", false: "raw"}[c.Image != ""],
			}), "")
			a.upload(p.images[i], c.Image)
		}
	}
	for i, memory := range []int{128, 192} {
		p.flavors[i] = a.flavor(memory, 0)
		p.ephemeral[i] = a.flavor(memory, 2)
	}
	p.network = a.find("/network/v2.0/networks?router:external=true", "networks", "router:external", true)
	if p.network == "" {
		p.network = a.made(a.post("/network/v2.0/networks", map[string]any{"network": map[string]any{
			"name": p.networkName, "router:external": true, "is_default": true, "provider:network_type": "flat", "provider:physical_network": "physnet1",
		}}), "network")
		a.post("/network/v2.0/subnets", map[string]any{"subnet": map[string]any{
			"network_id": p.network, "ip_version": 4, "cidr": "172.24.4.0/24", "enable_dhcp": false,
			"allocation_pools": []any{map[string]any{"start": "172.24.4.10", "end": "172.24.4.250"}},
		}})
	}
	p.networkName = a.text("/network/v2.0/networks/"+p.network, "network", "name")
	if a.find("/network/v2.0/subnetpools?is_default=true&ip_version=4", "subnetpools", "is_default", true) == "" {
		a.post("/network/v2.0/subnetpools", map[string]any{"subnetpool": map[string]any{
			"name": "conformance", "shared": true, "is_default": true, "prefixes": []string{"10.64.0.0/12"}, "default_prefixlen": 24,
		}})
	}
	p.private = a.find("/network/v2.0/networks?name="+privateName, "networks", "name", privateName)
	if p.private == "" {
		p.private = a.made(a.post("/network/v2.0/networks", map[string]any{"network": map[string]any{"name": privateName}}), "network")
		a.post("/network/v2.0/subnets", map[string]any{"subnet": map[string]any{"network_id": p.private, "ip_version": 4, "cidr": "10.99.0.0/24"}})
	}
	for _, role := range []string{"member", "reader"} {
		if a.find("/v3/roles?name="+role, "roles", "name", role) == "" {
			a.post("/v3/roles", map[string]any{"role": map[string]any{"name": role}})
		}
	}
	for _, e := range a.list("/network/v2.0/extensions", "extensions") {
		p.extensions = append(p.extensions, fmt.Sprint(e["alias"]))
	}
	slices.Sort(p.extensions)
	p.hosts = len(a.list("/compute/v2.1/os-hypervisors", "hypervisors"))
	if a.err == nil && p.hosts == 0 {
		return nil, fmt.Errorf("no hypervisor has joined %s yet", c.URL)
	}
	return p, a.err
}

// imageLimits registers the limits of images where Keystone's hold: what nobody registered is limited to 0.
func (a *asker) imageLimits() {
	var used struct{ Usage map[string]any }
	a.do(http.MethodGet, "/image/v2/info/usage", nil, &used)
	if len(used.Usage) == 0 || len(a.list("/v3/registered_limits", "registered_limits")) > 0 {
		return
	}
	service := a.find("/v3/services?type=image", "services", "type", "image")
	var limits []map[string]any
	for _, resource := range slices.Sorted(maps.Keys(used.Usage)) {
		limits = append(limits, map[string]any{"service_id": service, "region_id": "RegionOne", "resource_name": resource, "default_limit": 1000})
	}
	a.post("/v3/registered_limits", map[string]any{"registered_limits": limits})
}

// asker makes requests until one fails.
type asker struct {
	ctx context.Context //nolint:containedctx // lives as long as one call
	c   *api.Client
	err error
}

func (a *asker) do(method, path string, body, into any) {
	if a.err != nil {
		return
	}
	answer, err := a.c.Do(a.ctx, method, path, body)
	switch {
	case err != nil:
		a.err = err
	case answer.Status >= 300:
		a.err = fmt.Errorf("%s %s: %d %.300s", method, path, answer.Status, answer.Body)
	case into != nil:
		a.err = answer.Into(into)
	}
}

// flavor finds or makes one with so many MiB of memory and GiB of ephemeral disk.
func (a *asker) flavor(memory, ephemeral int) string {
	id := fmt.Sprintf("conformance-%d", memory)
	if ephemeral > 0 {
		id += fmt.Sprintf("-e%d", ephemeral)
	}
	if found := a.find("/compute/v2.1/flavors", "flavors", "id", id); found != "" {
		return found
	}
	return a.made(a.post("/compute/v2.1/flavors", map[string]any{"flavor": map[string]any{
		"id": id, "name": id, "ram": memory, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": ephemeral,
	}}), "flavor")
}

func (a *asker) post(path string, body any) map[string]any {
	var v map[string]any
	a.do(http.MethodPost, path, body, &v)
	return v
}

func (a *asker) list(path, key string) []map[string]any {
	var v map[string]json.RawMessage
	a.do(http.MethodGet, path, nil, &v)
	var rows []map[string]any
	if a.err == nil {
		a.err = json.Unmarshal(v[key], &rows)
	}
	return rows
}

// find returns the id of the first row whose field has the value.
func (a *asker) find(path, key, field string, value any) string {
	for _, row := range a.list(path, key) {
		if row[field] == value {
			return fmt.Sprint(row["id"])
		}
	}
	return ""
}

func (a *asker) text(path, wrapper, field string) string {
	var v map[string]map[string]any
	a.do(http.MethodGet, path, nil, &v)
	return fmt.Sprint(v[wrapper][field])
}

// made is the id in an answer to a POST.
func (a *asker) made(v map[string]any, wrapper string) string {
	if wrapper != "" {
		v, _ = v[wrapper].(map[string]any)
	}
	if a.err == nil && v["id"] == nil {
		a.err = fmt.Errorf("no id in %v", v)
	}
	return fmt.Sprint(v["id"])
}

func (a *asker) upload(id, file string) {
	data := make([]byte, 64<<10)
	_, _ = rand.Read(data)
	var body io.ReadSeeker = bytes.NewReader(data)
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			a.err = err
			return
		}
		defer f.Close()
		body = f
	}
	a.do(http.MethodPut, "/image/v2/images/"+strings.TrimSpace(id)+"/file", body, nil)
}
