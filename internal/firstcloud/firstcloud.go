// Package firstcloud walks from an empty machine to a first server that answers: what `gostack up` does.
//
// It uses nothing but the public APIs, as any client would, and may be repeated: what exists is left as it is, what is
// missing is made. It owns the names of what it makes and the client's configuration files.
package firstcloud

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"gostack/internal/secret"
)

// Plan says what the first cloud is made of.
type Plan struct {
	PublicURL     string // scheme, host, port
	Region        string
	AdminPassword secret.String
	DemoPassword  secret.String
	Image         string // path of the guest image, qcow2; empty when the cloud has it already
	External      netip.Prefix
	PhysicalNet   string
	TenantCIDR    netip.Prefix
	DNSServers    []string
	PublicKey     string // of the demo user, in OpenSSH's form
	Progress      func(step string) (done func(err error))
}

// Result is what a newcomer needs to know.
type Result struct {
	ServerName string `json:"server_name"`
	ServerID   string `json:"server_id"`
	FixedIP    string `json:"fixed_ip"`
	FloatingIP string `json:"floating_ip"`
	ImageName  string `json:"image_name"`
	FlavorName string `json:"flavor_name"`
}

// The names of what is made.
const (
	DemoProject = "demo"
	DemoUser    = "demo"
	ImageName   = "mini"
	FlavorName  = "m1.tiny"
	ServerName  = "first"
)

// flavors are those every OpenStack tutorial knows, plus one that fits the small image.
var flavors = []object{
	{"name": "m1.tiny", "ram": 192, "vcpus": 1, "disk": 1, "id": "1"},
	{"name": "m1.small", "ram": 2048, "vcpus": 1, "disk": 20, "id": "2"},
	{"name": "m1.medium", "ram": 4096, "vcpus": 2, "disk": 40, "id": "3"},
	{"name": "m1.large", "ram": 8192, "vcpus": 4, "disk": 80, "id": "4"},
	{"name": "m1.xlarge", "ram": 16384, "vcpus": 8, "disk": 160, "id": "5"},
}

type walk struct {
	Plan
	admin, demo   *api
	demoProjectID string
	externalID    string
	networkID     string
	imageID       string
	result        Result
}

// Make walks the plan. The services must answer already.
func Make(ctx context.Context, p Plan) (*Result, error) {
	w := &walk{Plan: p, result: Result{ServerName: ServerName, ImageName: ImageName, FlavorName: FlavorName}}
	for _, s := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"administrator, project and user", w.people},
		{"flavors", w.flavors},
		{"image", w.image},
		{"external network", w.externalNetwork},
		{"tenant network and router", w.tenantNetwork},
		{"key pair and firewall rules", w.access},
		{"host ready for servers", w.host},
		{"first server", w.server},
		{"floating IP", w.floatingIP},
	} {
		done := p.Progress(s.what)
		err := s.do(ctx)
		done(err)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return &w.result, nil
}

func (w *walk) people(ctx context.Context) (err error) {
	auth := w.PublicURL + "/identity/v3"
	if w.admin, err = login(ctx, auth, w.Region, "admin", "admin", w.AdminPassword); err != nil {
		return err
	}
	id := w.admin.identity
	project, _, err := ensure(ctx, thing{
		service: id, collection: "projects", key: "project", search: url.Values{"name": {DemoProject}, "domain_id": {"default"}},
		body: object{"name": DemoProject, "domain_id": "default", "description": "Where gostack up makes its first server"},
	})
	if err != nil {
		return err
	}
	w.demoProjectID = text(project, "id")
	user, made, err := ensure(ctx, thing{
		service: id, collection: "users", key: "user", search: url.Values{"name": {DemoUser}, "domain_id": {"default"}},
		body: object{"name": DemoUser, "domain_id": "default", "password": w.DemoPassword.Reveal(), "default_project_id": w.demoProjectID},
	})
	if err != nil {
		return err
	}
	for _, role := range []string{"member"} {
		r, err := thing{service: id, collection: "roles", key: "role", search: url.Values{"name": {role}}}.find(ctx)
		if err != nil || r == nil {
			return errors.Join(err, fmt.Errorf("there is no role %s", role))
		}
		path := fmt.Sprintf("projects/%s/users/%s/roles/%s", w.demoProjectID, text(user, "id"), text(r, "id"))
		if err := call(ctx, id, http.MethodPut, path, nil, nil); err != nil {
			return err
		}
	}
	w.demo, err = login(ctx, auth, w.Region, DemoUser, DemoProject, w.DemoPassword)
	if err != nil && !made && gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) {
		// The file with the password was lost or the user was made by other hands: the one we hold rules.
		body := object{"user": object{"password": w.DemoPassword.Reveal(), "enabled": true}}
		if err := call(ctx, id, http.MethodPatch, "users/"+text(user, "id"), body, nil); err != nil {
			return err
		}
		w.demo, err = login(ctx, auth, w.Region, DemoUser, DemoProject, w.DemoPassword)
	}
	return err
}

func (w *walk) flavors(ctx context.Context) error {
	for _, f := range flavors {
		if _, _, err := ensure(ctx, thing{service: w.admin.compute, collection: "flavors", key: "flavor", match: byName(f["name"].(string)), body: f}); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) image(ctx context.Context) error {
	image, _, err := ensure(ctx, thing{
		service: w.admin.image, collection: "images", search: url.Values{"name": {ImageName}},
		body: object{
			"name": ImageName, "disk_format": "qcow2", "container_format": "bare", "visibility": "public", "min_ram": 128, "min_disk": 1,
			"hw_rng_model": "virtio", "hw_qemu_guest_agent": "yes", "os_distro": "debian", "os_type": "linux",
		},
	})
	if err != nil {
		return err
	}
	w.imageID = text(image, "id")
	if text(image, "status") == "active" {
		return nil
	}
	if w.Image == "" {
		return fmt.Errorf("image %s has no data yet, and there is no file to take it from: name one with --image", ImageName)
	}
	f, err := os.Open(w.Image)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	resp, err := w.admin.image.Request(ctx, http.MethodPut, w.admin.image.ServiceURL("images", w.imageID, "file"), &gophercloud.RequestOpts{
		RawBody: f, MoreHeaders: map[string]string{"Content-Type": "application/octet-stream"}, OkCodes: []int{204},
	})
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

// autoPrefix is where the addresses of networks come from that are made by themselves (a part of what devstack takes).
const autoPrefix = "10.64.0.0/12"

func (w *walk) externalNetwork(ctx context.Context) error {
	n, _, err := ensure(ctx, thing{
		service: w.admin.network, collection: "networks", key: "network", search: url.Values{"name": {"public"}, "router:external": {"true"}},
		body: object{"name": "public", "router:external": true, "is_default": true, "provider:network_type": "flat", "provider:physical_network": w.PhysicalNet},
	})
	if err != nil {
		return err
	}
	w.externalID = text(n, "id")
	// With a default external network and a default pool of subnets, servers may ask for "auto" networks.
	if _, _, err = ensure(ctx, thing{
		service: w.admin.network, collection: "subnetpools", key: "subnetpool", search: url.Values{"is_default": {"true"}, "ip_version": {"4"}},
		body: object{"name": "shared-default-subnetpool-v4", "shared": true, "is_default": true, "prefixes": []string{autoPrefix}, "default_prefixlen": 24},
	}); err != nil {
		return err
	}
	host := w.External.Masked().Addr().Next() // the machine's own address, on br-ex
	first := host
	for range 9 {
		first = first.Next()
	}
	_, _, err = ensure(ctx, thing{
		service: w.admin.network, collection: "subnets", key: "subnet", search: url.Values{"network_id": {w.externalID}},
		body: object{
			"name": "public-subnet", "network_id": w.externalID, "ip_version": 4, "cidr": w.External.Masked().String(), "enable_dhcp": false,
			"gateway_ip": host.String(), "allocation_pools": []object{{"start": first.String(), "end": lastUsable(w.External).String()}},
		},
	})
	return err
}

// lastUsable is the address before the broadcast address.
func lastUsable(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b).Prev()
}

func (w *walk) tenantNetwork(ctx context.Context) error {
	c := w.demo.network
	mine := func(name string) url.Values { return url.Values{"name": {name}, "project_id": {w.demoProjectID}} }
	n, _, err := ensure(ctx, thing{service: c, collection: "networks", key: "network", search: mine("demo-net"), body: object{"name": "demo-net"}})
	if err != nil {
		return err
	}
	w.networkID = text(n, "id")
	subnet := object{"name": "demo-subnet", "network_id": w.networkID, "ip_version": 4, "cidr": w.TenantCIDR.String()}
	if len(w.DNSServers) > 0 {
		subnet["dns_nameservers"] = w.DNSServers
	}
	s, _, err := ensure(ctx, thing{service: c, collection: "subnets", key: "subnet", search: url.Values{"network_id": {w.networkID}}, body: subnet})
	if err != nil {
		return err
	}
	r, _, err := ensure(ctx, thing{
		service: c, collection: "routers", key: "router", search: mine("demo-router"),
		body: object{"name": "demo-router", "external_gateway_info": object{"network_id": w.externalID}},
	})
	if err != nil {
		return err
	}
	plugged, err := thing{service: c, collection: "ports", key: "port", search: url.Values{"device_id": {text(r, "id")}, "network_id": {w.networkID}}}.find(ctx)
	if err != nil || plugged != nil {
		return err
	}
	return call(ctx, c, http.MethodPut, "routers/"+text(r, "id")+"/add_router_interface", object{"subnet_id": text(s, "id")}, nil)
}

func (w *walk) access(ctx context.Context) error {
	_, _, err := ensure(ctx, thing{
		service: w.demo.compute, collection: "os-keypairs", key: "keypair", list: "keypairs", match: byName("demo"),
		body: object{"name": "demo", "type": "ssh", "public_key": w.PublicKey},
	})
	if err != nil {
		return err
	}
	group, err := thing{service: w.demo.network, collection: "security-groups", list: "security_groups", search: url.Values{"name": {"default"}, "project_id": {w.demoProjectID}}}.find(ctx)
	if err != nil || group == nil {
		return errors.Join(err, errors.New("the project has no default security group"))
	}
	for _, rule := range []object{
		{"protocol": "icmp"},
		{"protocol": "tcp", "port_range_min": 22, "port_range_max": 22},
	} {
		rule["security_group_id"], rule["direction"], rule["ethertype"], rule["remote_ip_prefix"] = text(group, "id"), "ingress", "IPv4", "0.0.0.0/0"
		search := url.Values{"security_group_id": {text(group, "id")}, "direction": {"ingress"}, "protocol": {rule["protocol"].(string)}}
		_, _, err := ensure(ctx, thing{service: w.demo.network, collection: "security-group-rules", key: "security_group_rule", list: "security_group_rules", search: search, body: rule})
		if err != nil {
			return err
		}
	}
	return nil
}

// bootTime is how long a first boot may take, in emulation on a busy machine.
const bootTime = 10 * time.Minute

func (w *walk) server(ctx context.Context) error {
	f, err := thing{service: w.demo.compute, collection: "flavors", key: "flavor", match: byName(FlavorName)}.find(ctx)
	if err != nil || f == nil {
		return errors.Join(err, fmt.Errorf("there is no flavor %s", FlavorName))
	}
	find := thing{service: w.demo.compute, collection: "servers/detail", list: "servers", search: url.Values{"name": {"^" + ServerName + "$"}}}
	s, err := find.find(ctx)
	if err != nil {
		return err
	}
	if s != nil && text(s, "status") == "ERROR" {
		// A first try that failed is replaced: nobody can have put anything of worth on it.
		if err := call(ctx, w.demo.compute, http.MethodDelete, "servers/"+text(s, "id"), nil, nil); err != nil {
			return err
		}
		if err := w.await(ctx, text(s, "id"), "DELETED"); err != nil {
			return err
		}
		s = nil
	}
	if s == nil {
		s, _, err = ensure(ctx, thing{service: w.demo.compute, collection: "servers", key: "server", match: func(object) bool { return false }, body: object{
			"name": ServerName, "imageRef": w.imageID, "flavorRef": text(f, "id"), "key_name": "demo", "networks": []object{{"uuid": w.networkID}},
		}})
		if err != nil {
			return err
		}
	}
	w.result.ServerID = text(s, "id")
	if text(s, "status") == "SHUTOFF" {
		if err := call(ctx, w.demo.compute, http.MethodPost, "servers/"+w.result.ServerID+"/action", object{"os-start": nil}, nil); err != nil {
			return err
		}
	}
	return w.await(ctx, w.result.ServerID, "ACTIVE")
}

// await waits for a server's status; DELETED is its absence.
func (w *walk) await(ctx context.Context, id, want string) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	for {
		var answer struct {
			Server struct {
				Status string
				Fault  struct{ Message string }
			}
		}
		err := call(ctx, w.demo.compute, http.MethodGet, "servers/"+id, nil, &answer)
		switch {
		case gophercloud.ResponseCodeIs(err, http.StatusNotFound) && want == "DELETED":
			return nil
		case err != nil:
			return err
		case answer.Server.Status == want:
			return nil
		case answer.Server.Status == "ERROR":
			return fmt.Errorf("server %s failed: %s; gostack why %s tells the story", id, answer.Server.Fault.Message, id)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("server %s is %s, not %s; gostack why %s tells the story", id, answer.Server.Status, want, id)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (w *walk) floatingIP(ctx context.Context) error {
	port, err := thing{service: w.demo.network, collection: "ports", key: "port", search: url.Values{"device_id": {w.result.ServerID}}}.find(ctx)
	if err != nil || port == nil {
		return errors.Join(err, errors.New("the server has no port"))
	}
	if ips, _ := port["fixed_ips"].([]any); len(ips) > 0 {
		ip, _ := ips[0].(object)
		w.result.FixedIP = text(ip, "ip_address")
	}
	fip, _, err := ensure(ctx, thing{
		service: w.demo.network, collection: "floatingips", key: "floatingip", search: url.Values{"port_id": {text(port, "id")}},
		body: object{"floating_network_id": w.externalID, "port_id": text(port, "id")},
	})
	if err != nil {
		return err
	}
	w.result.FloatingIP = text(fip, "floating_ip_address")
	return nil
}
