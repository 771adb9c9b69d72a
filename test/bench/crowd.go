package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"gostack/internal/store"
)

// crowd fills the tables of a stopped cloud: n servers, each with its port, its address, its allocations and an action, n images with
// properties and tags, n users with an assignment each, and of what holds them fewer. A hundredth of all is the member's. Rows are copied
// from one that the API made, in the database itself, because booting as many would measure something else. Ids are scattered, as real ones are.
type crowd struct {
	c        *cloud
	s        *seeded
	db       *store.DB
	n        int
	project  string // of the member
	server   string
	deleted  string
	external string
	address  string // floating
	user     string
	role     string
}

// prepare makes, through the API, the rows to copy. It logs in as the member last.
func (w *crowd) prepare() error {
	c := w.c
	var err error
	if w.server, err = create(c, w.s.server(true)); err != nil {
		return err
	}
	if err := active(c, w.server, closely); err != nil {
		return err
	}
	if w.deleted, err = create(c, w.s.server(false)); err != nil {
		return err
	}
	if err := active(c, w.deleted, closely); err != nil {
		return err
	}
	if err := gone(c, w.deleted, closely); err != nil {
		return err
	}
	var made struct {
		Project, User, Network, Floatingip struct{ ID string }
	}
	if err := c.call(http.MethodPost, "/v3/projects", map[string]any{"project": map[string]any{"name": "crowd"}}, &made); err != nil {
		return err
	}
	w.project = made.Project.ID
	if err := c.call(http.MethodPost, "/v3/users", map[string]any{"user": map[string]any{"name": "crowd", "password": memberPassword}}, &made); err != nil {
		return err
	}
	w.user = made.User.ID
	var roles struct{ Roles []struct{ ID string } }
	if err := c.call(http.MethodGet, "/v3/roles?name=member", nil, &roles); err != nil {
		return err
	}
	w.role = roles.Roles[0].ID
	if err := c.call(http.MethodPut, "/v3/projects/"+w.project+"/users/"+w.user+"/roles/"+w.role, nil, nil); err != nil {
		return err
	}
	if err := c.call(http.MethodPost, "/network/v2.0/networks", map[string]any{"network": map[string]any{"name": "out", "router:external": true}}, &made); err != nil {
		return err
	}
	w.external = made.Network.ID
	if err := c.call(http.MethodPost, "/network/v2.0/subnets", map[string]any{"subnet": map[string]any{"network_id": w.external, "ip_version": 4, "cidr": "10.128.0.0/16"}}, nil); err != nil {
		return err
	}
	if err := c.call(http.MethodPost, "/network/v2.0/floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": w.external}}, &made); err != nil {
		return err
	}
	w.address = made.Floatingip.ID
	return nil
}

// unlimited lifts the quotas of the member's project.
func (w *crowd) unlimited() error {
	return w.c.call(http.MethodPut, "/network/v2.0/quotas/"+w.project, map[string]any{"quota": map[string]any{"port": -1, "security_group": -1, "network": -1}}, nil)
}

const memberPassword = "crowd-of-clients"

// hex writes a number as so many hexadecimal digits.
func (w *crowd) hex(number string, digits int) string {
	if w.db.Kind() == store.PostgreSQL {
		return fmt.Sprintf("lpad(to_hex(%s), %d, '0')", number, digits)
	}
	return fmt.Sprintf("printf('%%0%dx', %s)", digits, number)
}

// id is the id of the number'th thing of a kind; kind is four hexadecimal digits.
func (w *crowd) id(kind, number string) string {
	return w.hex("(CAST("+number+" AS BIGINT) * 2654435761) % 4294967296", 8) + " || '-" + kind + "-4000-8000-000000000000'"
}

// at is a time that grows by a minute with i.
func (w *crowd) at() string {
	if w.db.Kind() == store.PostgreSQL {
		return "TIMESTAMP '2026-01-01 00:00:00' + i * INTERVAL '1 minute'"
	}
	return "datetime('2026-01-01 00:00:00', '+' || i || ' minutes') || '+00:00'"
}

// copies copies the row that where finds n times, with other values in some columns.
func (w *crowd) copies(ctx context.Context, tx store.Tx, n int, table, where string, set map[string]string) error {
	var columns []string
	q := "SELECT name FROM pragma_table_info(?)"
	if w.db.Kind() == store.PostgreSQL {
		q = "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
	}
	if err := tx.NewRaw(q, table).Scan(ctx, &columns); err != nil {
		return err
	}
	if table != "nova_deleted_servers" { // its seq is a copy itself
		columns = slices.DeleteFunc(columns, func(c string) bool { return c == "seq" })
	}
	values := make([]string, len(columns))
	for i, col := range columns {
		values[i] = "t." + col
		if v, ok := set[col]; ok {
			values[i] = v
		}
	}
	for col := range maps.Keys(set) {
		if !slices.Contains(columns, col) {
			return fmt.Errorf("%s has no column %s", table, col)
		}
	}
	r, err := tx.ExecContext(ctx, fmt.Sprintf("WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d) INSERT INTO %s (%s) SELECT %s FROM %s t, c WHERE %s",
		n-1, table, strings.Join(columns, ", "), strings.Join(values, ", "), table, where))
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	rows, err := r.RowsAffected()
	if err == nil && rows < int64(n) {
		err = fmt.Errorf("%s: %d rows instead of %d", table, rows, n)
	}
	return err
}

// fill makes the crowd.
func (w *crowd) fill(database string) error {
	ctx := context.Background()
	if database == "" {
		database = "sqlite:" + filepath.Join(w.c.dir, "state", "gostack.db")
	}
	db, err := store.Open(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	w.db = db
	const networks, groups, nodes, projects = 2_000, 10_000, 1_000, 10_000
	owner := "CASE WHEN i % 100 = 7 THEN '" + w.project + "' ELSE " + w.id("9999", "(i % 100)") + " END"
	at, server, image := w.at(), w.id("5e5e", "i"), w.id("1111", "i")
	network, subnet, port, group := w.id("4e40", "(i % 2000)"), w.id("5b5b", "(i % 2000)"), w.id("b0b0", "i"), w.id("6a6a", "(i % 10000)")
	node, project, user := w.id("c0de", "(i % 1000)"), w.id("2222", "(i % 10000)"), w.id("3333", "i")
	hexOfI := w.hex("i", 6)
	machine := map[string]string{
		"id": server, "project_id": owner, "user_id": w.id("3333", "(i % 1000)"), "name": "'web-' || i", "hostname": "'web-' || i", "created_at": at, "updated_at": at, "launched_at": at, "operation_id": "NULL",
		"vm_state": "CASE WHEN i % 50 = 9 THEN 'error' WHEN i % 50 = 7 THEN 'stopped' ELSE 'active' END", "host": "'host-' || (i % 1000)", "node": "'host-' || (i % 1000)",
		"tags": `CASE WHEN i % 20 = 7 THEN '["blue"]' ELSE '[]' END`, "metadata": `'{"rack":"' || (i % 40) || '"}'`,
	}
	dead := maps.Clone(machine)
	dead["id"], dead["seq"], dead["vm_state"], dead["deleted_at"], dead["terminated_at"] = w.id("dead", "i"), "i", "'deleted'", at, at
	consumer := map[string]string{"consumer_uuid": server, "provider_uuid": node}
	ofServer := "t.%s = '" + w.server + "'"
	type job struct {
		n            int
		table, where string
		set          map[string]string
	}
	jobs := []job{
		{w.n, "nova_servers", fmt.Sprintf(ofServer, "id"), machine},
		{w.n / 5, "nova_deleted_servers", "t.id = '" + w.deleted + "'", dead},
		{w.n, "nova_actions", fmt.Sprintf(ofServer, "server_id"), map[string]string{"server_id": server, "project_id": owner, "started_at": at, "updated_at": at, "request_id": "'req-' || i"}},
		{networks, "neutron_networks", "t.id = '" + w.s.network + "'", map[string]string{"id": network, "project_id": owner, "name": "'net-' || i", "segmentation_id": "100000 + i"}},
		{networks, "neutron_subnets", "t.network_id = '" + w.s.network + "'", map[string]string{"id": subnet, "network_id": network, "project_id": owner, "name": "'sub-' || i"}},
		{groups, "neutron_security_groups", "t.id = (SELECT MIN(id) FROM neutron_security_groups)", map[string]string{"id": group, "project_id": owner, "name": "'sg-' || i"}},
		{w.n, "neutron_ports", fmt.Sprintf(ofServer, "device_id"), map[string]string{
			"id": port, "network_id": network, "project_id": owner, "name": "'port-' || i", "device_id": server, "nova_server": server, "host": "'host-' || (i % 1000)", "created_at": at, "updated_at": at,
			"mac_address": "'fa:16:3e:' || substr(" + hexOfI + ", 1, 2) || ':' || substr(" + hexOfI + ", 3, 2) || ':' || substr(" + hexOfI + ", 5, 2)",
			"tags":        "CASE WHEN i % 20 = 7 THEN ',blue,' ELSE ',' END",
		}},
		{w.n, "neutron_allocations", "t.port_id = (SELECT MIN(id) FROM neutron_ports WHERE device_id = '" + w.server + "')", map[string]string{
			"port_id": port, "network_id": network, "subnet_id": subnet, "ip_address": "'10.64.1.' || (i / 2000)", "ip_key": "'0000000000000000000000000a4001' || " + w.hex("(i / 2000)", 2),
		}},
		{w.n, "neutron_port_security_groups", "t.port_id = (SELECT MIN(id) FROM neutron_ports WHERE device_id = '" + w.server + "')", map[string]string{"port_id": port, "group_id": group}},
		{groups, "neutron_floatingips", "t.id = '" + w.address + "'", map[string]string{"id": w.id("f1f1", "i"), "project_id": owner, "floating_ip_address": "'10.128.' || (100 + i / 250) || '.' || (i % 250)", "fixed_port_id": port}},
		{w.n, "glance_images", "t.id = '" + w.s.image + "'", map[string]string{
			"id": image, "owner": owner, "name": "'image-' || (i % 5000)", "created_at": at, "updated_at": at, "size": "i * 1000",
			"visibility": "CASE WHEN i % 5000 = 0 THEN 'public' WHEN i % 10 = 3 THEN 'shared' WHEN i % 1000 = 5 THEN 'community' ELSE 'private' END",
		}},
		{w.n, "keystone_users", "t.id = '" + w.user + "'", map[string]string{"id": user, "name": "'user-' || i"}},
		{projects, "keystone_projects", "t.id = '" + w.project + "'", map[string]string{"id": project, "name": "'project-' || i"}},
		{w.n, "keystone_assignments", "t.actor_id = '" + w.user + "'", map[string]string{"actor_id": user, "target_id": project}},
		{nodes, "placement_providers", "t.name = (SELECT MIN(name) FROM placement_providers)", map[string]string{"uuid": node, "root_uuid": node, "name": "'host-' || i"}},
		{w.n, "placement_consumers", fmt.Sprintf(ofServer, "uuid"), map[string]string{"uuid": server, "project_id": owner}},
		{w.n, "placement_allocations", fmt.Sprintf(ofServer, "consumer_uuid"), consumer},
		{nodes, "placement_inventories", "t.provider_uuid = (SELECT MIN(provider_uuid) FROM placement_allocations WHERE consumer_uuid = '" + w.server + "')", map[string]string{"provider_uuid": node}},
		{nodes, "placement_provider_traits", "t.provider_uuid = (SELECT MIN(provider_uuid) FROM placement_allocations WHERE consumer_uuid = '" + w.server + "')", map[string]string{"provider_uuid": node}},
	}
	write := db.Write
	if db.Kind() == store.PostgreSQL { // it cannot remember as many locks as one serializable write of all this would take
		write = func(ctx context.Context, fn func(context.Context, store.Tx) error) error {
			return fn(ctx, db.Read(ctx))
		}
	}
	return write(ctx, func(ctx context.Context, tx store.Tx) error {
		for _, j := range jobs {
			if err := w.copies(ctx, tx, j.n, j.table, j.where, j.set); err != nil {
				return err
			}
		}
		for k, rule := range []string{"ingress' AND ethertype = 'IPv4", "egress' AND ethertype = 'IPv4", "ingress' AND ethertype = 'IPv6", "egress' AND ethertype = 'IPv6"} {
			where := "t.id = (SELECT MIN(id) FROM neutron_security_group_rules WHERE direction = '" + rule + "')"
			set := map[string]string{"id": w.id(fmt.Sprint("777", k), "i"), "security_group_id": group, "remote_group_id": "CASE WHEN remote_group_id <> '' THEN " + group + " ELSE '' END", "project_id": owner}
			if err := w.copies(ctx, tx, groups, "neutron_security_group_rules", where, set); err != nil {
				return err
			}
		}
		series := fmt.Sprintf("WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d) ", w.n-1)
		for _, q := range []string{
			"INSERT INTO glance_image_properties (image_id, name, value) SELECT " + image + ", 'os_distro', CASE WHEN i % 4 = 0 THEN 'debian' ELSE 'ubuntu' END FROM c",
			"INSERT INTO glance_image_properties (image_id, name, value) SELECT " + image + ", 'rank', 'r' || (i % 1000) FROM c",
			"INSERT INTO glance_image_tags (image_id, value) SELECT " + image + ", 'tag-' || (i % 100) FROM c",
			"INSERT INTO glance_image_members (image_id, member_id, status, created_at, updated_at) SELECT " + image + ", '" + w.project + "', 'accepted', " + at + ", " + at + " FROM c WHERE i % 1000 = 3",
		} {
			if _, err := tx.ExecContext(ctx, series+q); err != nil {
				return err
			}
		}
		if w.db.Kind() == store.PostgreSQL { // as its autovacuum would
			_, err := tx.ExecContext(ctx, "ANALYZE")
			return err
		}
		return nil
	})
}
