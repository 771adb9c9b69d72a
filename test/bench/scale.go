package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"gostack/internal/store/storetest"
)

// question is a list that users and their tools ask for.
type question struct {
	what   string
	admin  bool
	path   string
	marker string // the collection whose page goes on in the middle
}

var questions = []question{
	{what: "servers", path: "/compute/v2.1/servers?limit=100"},
	{what: "servers in detail", path: "/compute/v2.1/servers/detail?limit=100"},
	{what: "servers in detail, next page", path: "/compute/v2.1/servers/detail?limit=100", marker: "servers"},
	{what: "servers, by status", path: "/compute/v2.1/servers?limit=100&status=ERROR"},
	{what: "servers, by name", path: "/compute/v2.1/servers?limit=100&name=web-55507$"},
	{what: "servers, by address", path: "/compute/v2.1/servers?limit=100&ip=10.64.1.7"},
	{what: "servers, by tag", path: "/compute/v2.1/servers?limit=100&tags=blue"},
	{what: "servers, by sort key name", path: "/compute/v2.1/servers?limit=100&sort_key=display_name&sort_dir=asc"},
	{what: "servers, by changes-since", path: "/compute/v2.1/servers/detail?limit=100&changes-since=2026-03-11T00:00:00Z"},
	{what: "servers of all", admin: true, path: "/compute/v2.1/servers/detail?limit=100&all_tenants=1"},
	{what: "servers of all, next page", admin: true, path: "/compute/v2.1/servers/detail?limit=100&all_tenants=1", marker: "servers"},
	{what: "servers of all, ACTIVE", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&status=ACTIVE"},
	{what: "servers of all, ERROR", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&status=ERROR"},
	{what: "servers of all, BUILD (none)", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&status=BUILD"},
	{what: "servers of all, by name", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&name=^web-5551$"},
	{what: "servers of all, on a host", admin: true, path: "/compute/v2.1/servers?limit=1000&all_tenants=1&host=host-77"},
	{what: "servers of all, of a user", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&user_id=nobody"},
	{what: "servers of all, of an image", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&image=00000000-0000-4000-8000-000000000000"},
	{what: "servers of all, by address", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&ip=10.64.1.7$"},
	{what: "servers of all, by sort key name", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&sort_key=display_name"},
	{what: "servers of all, by sort key host", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&sort_key=host"},
	{what: "servers of all, by sort key updated_at", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&sort_key=updated_at"},
	{what: "servers of all, by changes-since", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&changes-since=2026-03-11T00:00:00Z"},
	{what: "servers of all, by changes-since, next page", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&changes-since=2026-01-11T00:00:00Z", marker: "servers"},
	{what: "servers of all, deleted", admin: true, path: "/compute/v2.1/servers?limit=100&all_tenants=1&deleted=true"},
	{what: "limits, with what is used", path: "/compute/v2.1/limits"},
	{what: "usage of all projects", admin: true, path: "/compute/v2.1/os-simple-tenant-usage?start=2026-03-10T00:00:00&end=2026-03-11T00:00:00"},
	{what: "ports", path: "/network/v2.0/ports?limit=100"},
	{what: "ports, next page", path: "/network/v2.0/ports?limit=100", marker: "ports"},
	{what: "ports, by name", path: "/network/v2.0/ports?limit=100&name=port-7"},
	{what: "ports, by tag", path: "/network/v2.0/ports?limit=100&tags=blue"},
	{what: "ports, by sort key name", path: "/network/v2.0/ports?limit=100&sort_key=name&sort_dir=asc"},
	{what: "ports of all", admin: true, path: "/network/v2.0/ports?limit=100"},
	{what: "ports of all, next page", admin: true, path: "/network/v2.0/ports?limit=100", marker: "ports"},
	{what: "ports of all, of a device", admin: true, path: "/network/v2.0/ports?device_id=00000000-5e5e-4000-8000-000000000000"},
	{what: "ports of all, of a network", admin: true, path: "/network/v2.0/ports?network_id=00000000-4e40-4000-8000-000000000000"},
	{what: "ports of all, by address", admin: true, path: "/network/v2.0/ports?limit=100&fixed_ips=ip_address=10.64.1.7"},
	{what: "ports of all, by address and subnet", admin: true, path: "/network/v2.0/ports?fixed_ips=ip_address=10.64.1.7&fixed_ips=subnet_id=00000000-5b5b-4000-8000-000000000000"},
	{what: "ports of all, by MAC address", admin: true, path: "/network/v2.0/ports?mac_address=fa:16:3e:00:00:07"},
	{what: "ports of all, by name", admin: true, path: "/network/v2.0/ports?name=port-77"},
	{what: "ports of all, on a host", admin: true, path: "/network/v2.0/ports?binding:host_id=host-77"},
	{what: "ports of all, of a group", admin: true, path: "/network/v2.0/ports?security_groups=00000000-6a6a-4000-8000-000000000000"},
	{what: "ports of all, by owner", admin: true, path: "/network/v2.0/ports?limit=100&device_owner=network:router_gateway"},
	{what: "ports of all, by status", admin: true, path: "/network/v2.0/ports?limit=100&status=DOWN"},
	{what: "ports of all, by sort key name", admin: true, path: "/network/v2.0/ports?limit=100&sort_key=name&sort_dir=asc"},
	{what: "ports of all, by sort key created_at", admin: true, path: "/network/v2.0/ports?limit=100&sort_key=created_at&sort_dir=desc"},
	{what: "networks", path: "/network/v2.0/networks"},
	{what: "networks of all", admin: true, path: "/network/v2.0/networks?limit=100"},
	{what: "networks, by name", admin: true, path: "/network/v2.0/networks?name=net-77"},
	{what: "networks, external", path: "/network/v2.0/networks?router:external=true"},
	{what: "subnets", path: "/network/v2.0/subnets?limit=100"},
	{what: "security groups", path: "/network/v2.0/security-groups?limit=100"},
	{what: "security groups, by name", path: "/network/v2.0/security-groups?name=sg-7"},
	{what: "security groups of all, by name", admin: true, path: "/network/v2.0/security-groups?name=sg-7"},
	{what: "security group rules of all, of a group", admin: true, path: "/network/v2.0/security-group-rules?security_group_id=00000000-6a6a-4000-8000-000000000000"},
	{what: "floating IPs", path: "/network/v2.0/floatingips?limit=100"},
	{what: "floating IPs of all, by address", admin: true, path: "/network/v2.0/floatingips?floating_ip_address=10.128.100.7"},
	{what: "quotas of a project, with what is used", admin: true, path: "/network/v2.0/quotas/{project}/details.json"},
	{what: "images", path: "/image/v2/images?limit=25"},
	{what: "images, next page", path: "/image/v2/images?limit=25", marker: "images"},
	{what: "images, by name", path: "/image/v2/images?name=image-7"},
	{what: "images, public", path: "/image/v2/images?limit=25&visibility=public"},
	{what: "images, shared", path: "/image/v2/images?limit=25&visibility=shared"},
	{what: "images, by property", path: "/image/v2/images?limit=25&os_distro=debian"},
	{what: "images, by rare property", path: "/image/v2/images?limit=25&rank=r7"},
	{what: "images, by property nobody has", path: "/image/v2/images?limit=25&nobody=has"},
	{what: "images, by tag", path: "/image/v2/images?limit=25&tag=tag-7"},
	{what: "images, by sort key name", path: "/image/v2/images?limit=25&sort=name:asc"},
	{what: "images, by sort key size", path: "/image/v2/images?limit=25&sort=size:asc"},
	{what: "images of all", admin: true, path: "/image/v2/images?limit=25"},
	{what: "images of all, by name", admin: true, path: "/image/v2/images?name=image-7"},
	{what: "images of all, of an owner", admin: true, path: "/image/v2/images?limit=25&owner={project}"},
	{what: "images of all, by sort key name", admin: true, path: "/image/v2/images?limit=25&sort=name:asc"},
	{what: "images of all, by status (none)", admin: true, path: "/image/v2/images?limit=25&status=queued"},
	{what: "users", admin: true, path: "/v3/users?limit=100"},
	{what: "users, by name", admin: true, path: "/v3/users?name=user-77"},
	{what: "users, by the end of the name", admin: true, path: "/v3/users?name__endswith=-99&limit=100"},
	{what: "projects, by name", admin: true, path: "/v3/projects?name=project-77"},
	{what: "projects of a user", path: "/v3/auth/projects"},
	{what: "assignments of a project", admin: true, path: "/v3/role_assignments?scope.project.id={project}"},
	{what: "assignments of a user, with names", admin: true, path: "/v3/role_assignments?user.id={user}&include_names"},
	{what: "effective assignments of a project", admin: true, path: "/v3/role_assignments?scope.project.id={project}&effective"},
	{what: "allocation candidates, 100 of 1,000", admin: true, path: "/placement/allocation_candidates?limit=100&resources=VCPU:1,MEMORY_MB:128"},
	{what: "resource providers that fit", admin: true, path: "/placement/resource_providers?resources=VCPU:1"},
	{what: "allocations of a provider", admin: true, path: "/placement/resource_providers/00000000-c0de-4000-8000-000000000000/allocations"},
	{what: "usages of a project", admin: true, path: "/placement/usages?project_id={project}"},
}

// engines calls f for SQLite and, where it is installed, for PostgreSQL.
func engines(o options, f func(name, database string) error) error {
	if o.engine != "postgres" {
		if err := f("SQLite", ""); err != nil {
			return fmt.Errorf("SQLite: %w", err)
		}
	}
	if o.engine == "sqlite" {
		return nil
	}
	url, stop, err := launchPostgres(o.plans)
	if errors.Is(err, storetest.ErrNoPostgreSQL) {
		fmt.Println("PostgreSQL:", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer stop()
	if err := f("PostgreSQL", url); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	return nil
}

// crowded runs f with a cloud of n servers, ports, images and users, and the member's view of it.
func crowded(o options, database string, n int, f func(w *crowd, admin, member *cloud) error) error {
	dir, err := os.MkdirTemp("", "gostack-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w := &crowd{n: n}
	if w.c, err = launchOn(o.bin, dir, 20, database); err != nil {
		return err
	}
	err = func() error {
		if err := w.c.login(); err != nil {
			return err
		}
		if w.s, err = seed(w.c, "raw", small()); err != nil {
			return err
		}
		if err := w.prepare(); err != nil {
			return err
		}
		return w.unlimited()
	}()
	w.c.stop()
	if err != nil {
		return err
	}
	if err := w.fill(database); err != nil {
		return err
	}
	if w.c, err = launchOn(o.bin, dir, 20, database); err != nil {
		return err
	}
	defer w.c.stop()
	if err := w.c.login(); err != nil {
		return err
	}
	member := *w.c
	if err := member.loginAs("crowd", memberPassword, "crowd"); err != nil {
		return err
	}
	return f(w, w.c, &member)
}

// scale: lists out of many rows, beside the same lists out of few.
func scale(o options) (figures []figure, err error) {
	err = engines(o, func(name, database string) error {
		return crowded(o, database, o.rows, func(w *crowd, admin, member *cloud) error {
			var slow []string
			var all []float64
			for _, q := range questions {
				c := member
				if q.admin {
					c = admin
				}
				path := strings.NewReplacer("{project}", w.project, "{user}", w.user).Replace(q.path)
				if q.marker != "" {
					if path, err = middle(c, path, q.marker); err != nil {
						return err
					}
				}
				ms, err := times(7, func() error { return c.call(http.MethodGet, path, nil, nil) })
				if err != nil {
					return err
				}
				mid := median(ms)
				all = append(all, mid)
				if mid > 50 {
					slow = append(slow, q.what)
				}
				if o.verbose || mid > 50 {
					fmt.Printf("  %-60s %8.1f ms %s\n", name+": "+q.what, mid, q.path)
				}
			}
			figures = append(figures, figure{What: fmt.Sprintf("%d lists out of %d rows, %s: a list", len(all), o.rows, name), Unit: "ms", Samples: all},
				figure{What: "  of them above 50 ms", Unit: "lists", Samples: []float64{float64(len(slow))}})
			return nil
		})
	})
	return figures, err
}

// middle is the path of a page that begins some pages on.
func middle(c *cloud, path, collection string) (string, error) {
	next := path
	for range 3 {
		var page map[string]any
		if err := c.call(http.MethodGet, next, nil, &page); err != nil {
			return "", err
		}
		rows, _ := page[collection].([]any)
		if len(rows) == 0 {
			return "", fmt.Errorf("%s: an empty page", next)
		}
		last, _ := rows[len(rows)-1].(map[string]any)
		next = fmt.Sprintf("%s&marker=%v", path, last["id"])
	}
	return next, nil
}
