package crash

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// flavor is one that servers are made with.
type flavor struct {
	id              string
	vcpus, ram, gib int
}

// prepare makes what the walk needs, while nothing is broken yet.
func (r *run) prepare(ctx context.Context) error {
	c := r.client
	if err := c.Login(ctx); err != nil {
		return err
	}
	if err := r.hosts(ctx); err != nil {
		return err
	}
	var me struct {
		Token struct{ Project struct{ ID string } }
	}
	a, err := c.Do(ctx, http.MethodGet, "/v3/projects?name=admin", nil)
	if err != nil {
		return err
	}
	var projects struct{ Projects []struct{ ID string } }
	if err := a.Into(&projects); err != nil || len(projects.Projects) == 0 {
		return fmt.Errorf("no project: %w", err)
	}
	me.Token.Project.ID = projects.Projects[0].ID
	for path, quota := range map[string]map[string]any{
		"/compute/v2.1/os-quota-sets/": {"quota_set": map[string]int{"instances": 10000, "cores": 20000, "ram": 100000000, "server_groups": 1000, "server_group_members": 1000}},
		"/network/v2.0/quotas/":        {"quota": map[string]int{"port": 100000, "network": 1000, "subnet": 1000, "floatingip": 1000, "router": 1000, "security_group": 1000, "security_group_rule": 10000}},
	} {
		if a, err := c.Do(ctx, http.MethodPut, path+me.Token.Project.ID, quota); err != nil || a.Status != http.StatusOK {
			return fmt.Errorf("quota: %d %s %w", a.Status, a.Body, err)
		}
	}

	var image struct{ ID string }
	a, err = c.Do(ctx, http.MethodPost, "/image/v2/images", map[string]any{
		"name": "crash", "disk_format": "qcow2", "container_format": "bare", "visibility": "public", "os_shutdown_timeout": "1",
	})
	if err == nil {
		err = a.Into(&image)
	}
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	data, err := r.Image()
	if err != nil {
		return err
	}
	if a, err := c.Do(ctx, http.MethodPut, "/image/v2/images/"+image.ID+"/file", data); err != nil || a.Status != http.StatusNoContent {
		return fmt.Errorf("image data: %d %s %w", a.Status, a.Body, err)
	}
	r.image = image.ID
	for i, f := range []flavor{{vcpus: 1, ram: 64, gib: 1}, {vcpus: 1, ram: 96, gib: 1}, {vcpus: 2, ram: 64, gib: 2}} {
		f.id, err = c.Create(ctx, "/compute/v2.1/flavors", "flavor", map[string]any{"name": fmt.Sprintf("crash%d", i), "ram": f.ram, "vcpus": f.vcpus, "disk": f.gib})
		if err != nil {
			return err
		}
		r.flavors = append(r.flavors, f)
	}
	if r.network, err = c.Create(ctx, "/network/v2.0/networks", "network", map[string]any{"name": "crash"}); err != nil {
		return err
	}
	subnet, err := c.Create(ctx, "/network/v2.0/subnets", "subnet", map[string]any{"network_id": r.network, "ip_version": 4, "cidr": "10.200.0.0/16"})
	if err != nil {
		return err
	}
	r.public, err = c.Create(ctx, "/network/v2.0/networks", "network", map[string]any{
		"name": "public", "router:external": true, "provider:network_type": "flat", "provider:physical_network": "physnet1",
	})
	if err != nil {
		return err
	}
	_, err = c.Create(ctx, "/network/v2.0/subnets", "subnet", map[string]any{
		"network_id": r.public, "ip_version": 4, "cidr": "172.24.4.0/24", "enable_dhcp": false, "gateway_ip": "172.24.4.1", "allocation_pools": []any{map[string]any{"start": "172.24.4.10", "end": "172.24.4.190"}},
	})
	if err != nil {
		return err
	}
	router, err := c.Create(ctx, "/network/v2.0/routers", "router", map[string]any{"name": "crash", "external_gateway_info": map[string]any{"network_id": r.public}})
	if err != nil {
		return err
	}
	if a, err := c.Do(ctx, http.MethodPut, "/network/v2.0/routers/"+router+"/add_router_interface", map[string]any{"subnet_id": subnet}); err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("router: %d %s %w", a.Status, a.Body, err)
	}
	return nil
}

// hosts waits until the cloud's hosts have reported.
func (r *run) hosts(ctx context.Context) error {
	for end := time.Now().Add(r.Settle); ; {
		var body struct {
			Services []struct{ Binary, Host, State string }
		}
		if _, err := r.client.Get(ctx, "/compute/v2.1/os-services?binary=nova-compute", &body); err != nil {
			return err
		}
		up := 0
		for _, s := range body.Services {
			if s.State == "up" {
				up++
			}
		}
		if up >= r.Hosts() {
			return nil
		}
		if time.Now().After(end) || !sleep(ctx, 100*time.Millisecond) {
			return fmt.Errorf("%d hosts of %d are up", up, r.Hosts())
		}
	}
}
