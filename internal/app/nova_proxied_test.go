package app

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"gostack/internal/glance"
	"gostack/internal/neutron"
	neutronapi "gostack/internal/neutron/api"
	neutrondb "gostack/internal/neutron/db"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/nova"
	novaapi "gostack/internal/nova/api"
	novadb "gostack/internal/nova/db"
	"gostack/internal/rest/resttest"
	"gostack/internal/saga"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

const (
	computeV21 = "/compute/v2.1"
	networkV2  = "/network/v2.0"
)

// TestOldNetworkAndImageCalls tells how clients of the time of nova-network get on: what they change is Neutron's and Glance's.
func TestOldNetworkAndImageCalls(t *testing.T) {
	d := storetest.SQLite(t, saga.Migrations, novadb.Migrations, neutrondb.Migrations, glance.Migrations)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	net := neutron.New(neutron.Config{DB: d, Backend: neutrontest.New(), Log: quiet, Physnets: []neutron.Physnet{{Name: "physnet1", Flat: true}}, Quotas: map[string]int64{"security_group": 3}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = net.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	images, err := glance.New(d, glance.Config{Dir: t.TempDir(), Host: "control", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	svc := &nova.Service{DB: d, Network: net, Groups: novaGroups{net}, OldNetwork: novaProxied{net}, OldImages: images}
	a := resttest.New(t, append(novaapi.New(svc), neutronapi.Service(net))...)
	member, admin, reader, other := a.As("member"), a.As("admin"), a.As("reader"), a.As("other")

	ext := admin.Post(networkV2+"/networks", `{"network": {"name": "public", "router:external": true, "provider:network_type": "flat", "provider:physical_network": "physnet1"}}`).Want(201).Text("network.id")
	extSubnet := admin.Post(networkV2+"/subnets", `{"subnet": {"network_id": "`+ext+`", "ip_version": 4, "cidr": "203.0.113.0/28"}}`).Want(201).Text("subnet.id")
	private := member.Post(networkV2+"/networks", `{"network": {"name": "private"}}`).Want(201).Text("network.id")
	subnet := member.Post(networkV2+"/subnets", `{"subnet": {"network_id": "`+private+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`).Want(201).Text("subnet.id")
	router := member.Post(networkV2+"/routers", `{"router": {"name": "r", "external_gateway_info": {"network_id": "`+ext+`"}}}`).Want(201).Text("router.id")
	member.Put(networkV2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
	now := time.Now().UTC()
	srv := &nova.Server{
		ID: "aaaaaaaa-0000-4000-8000-000000000001", ProjectID: "project-1", UserID: "user-member", Name: "web", Hostname: "web", VMState: nova.Active, PowerState: 1,
		Metadata: map[string]string{}, Tags: []string{}, CreatedAt: now, UpdatedAt: now, LaunchedAt: &now,
	}
	if err := d.Write(ctx, func(ctx context.Context, tx store.Tx) error { return novadb.Insert(ctx, tx, srv) }); err != nil {
		t.Fatal(err)
	}
	plan, err := net.PlanPorts(ctx, resttest.Personas["member"], []neutron.NICRequest{{NetworkID: private}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := net.CreatePorts(ctx, tx, resttest.Personas["member"], neutron.ServerRef{ID: srv.ID, Name: srv.Name, Project: srv.ProjectID}, plan)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	action := computeV21 + "/servers/" + srv.ID + "/action"

	t.Run("networks", func(t *testing.T) {
		if n := member.On(t).Get(computeV21 + "/os-networks").Want(200).Len("networks"); n != 2 {
			t.Errorf("%d networks", n)
		}
		one := member.On(t).Get(computeV21+"/os-networks/"+private).Want(200).Has("network.label", "private").Says(`"cidr":null`)
		if _, shown := one.At("network").(map[string]any)["vlan"]; shown {
			t.Error("a member sees what is the administrator's")
		}
		admin.On(t).Get(computeV21 + "/os-networks/" + private).Want(200).Says(`"vlan":null`)
		other.On(t).Get(computeV21 + "/os-networks/" + private).Want(404).Says("Network not found")
		reader.On(t).Get(computeV21+"/os-tenant-networks/"+private).Want(200).Has("network.cidr", "None").Has("network.label", "private")
		member.On(t).At("compute 2.36").Get(computeV21 + "/os-networks").Want(404)
		member.On(t).Get(computeV21+"/os-floating-ip-pools").Want(200).Has("floating_ip_pools.0.name", "public")
	})
	t.Run("floating IPs", func(t *testing.T) {
		m := member.On(t)
		m.Post(computeV21+"/os-floating-ips", `{}`).Want(404).Says("Floating IP pool not found.")
		m.Post(computeV21+"/os-floating-ips", `{"pool": "nonsense"}`).Want(404)
		reader.On(t).Post(computeV21+"/os-floating-ips", `{"pool": "public"}`).Want(403)
		f := m.Post(computeV21+"/os-floating-ips", `{"pool": "public"}`).Want(200).Has("floating_ip.pool", "public").Says(`"instance_id":null`).Says(`"fixed_ip":null`)
		id, ip := f.Text("floating_ip.id"), f.Text("floating_ip.ip")
		m.Get(computeV21+"/os-floating-ips").Want(200).Has("floating_ips.0.ip", ip)
		other.On(t).Get(computeV21 + "/os-floating-ips/" + id).Want(404).Says("Floating IP not found for ID " + id)
		m.Post(action, `{"addFloatingIp": {"address": "`+ip+`", "fixed_address": "10.0.0.1"}}`).Want(400).Says("Specified fixed address not assigned to instance")
		m.Post(action, `{"addFloatingIp": {"address": "203.0.113.250"}}`).Want(404).Says("floating IP not found")
		m.Post(action, `{"addFloatingIp": {"address": "nonsense"}}`).Want(400)
		m.Post(action, `{"addFloatingIp": {"address": "`+ip+`"}}`).Want(202)
		m.Get(computeV21+"/os-floating-ips/"+id).Want(200).Has("floating_ip.instance_id", srv.ID)
		m.Post(action, `{"removeFloatingIp": {"address": "`+ip+`"}}`).Want(202)
		m.Post(action, `{"removeFloatingIp": {"address": "`+ip+`"}}`).Want(409).Says("Floating IP " + ip + " is not associated with instance " + srv.ID)
		m.At("compute 2.44").Post(action, `{"addFloatingIp": {"address": "`+ip+`"}}`).Want(404)
		m.Delete(computeV21 + "/os-floating-ips/" + id).Want(202)
		m.Delete(computeV21 + "/os-floating-ips/" + id).Want(404)
		admin.On(t).Put(networkV2+"/subnets/"+extSubnet, `{"subnet": {"allocation_pools": [{"start": "203.0.113.2", "end": "203.0.113.2"}]}}`).Want(200)
		m.Post(computeV21+"/os-floating-ips", `{"pool": "public"}`).Want(404).Says("No more floating IPs in pool public.")
	})
	t.Run("fixed IPs", func(t *testing.T) {
		m := member.On(t)
		m.Post(action, `{"addFixedIp": {"networkId": "`+private+`"}}`).Want(202)
		ports, err := net.PortsOf(ctx, []string{srv.ID})
		if err != nil || len(ports[srv.ID]) != 1 || len(ports[srv.ID][0].FixedIPs) != 2 {
			t.Fatalf("ports: %+v, %v", ports, err)
		}
		m.Post(action, `{"removeFixedIp": {"address": "`+ports[srv.ID][0].FixedIPs[1].Address+`"}}`).Want(202)
		m.Post(action, `{"removeFixedIp": {"address": "10.0.0.1"}}`).Want(400).Says("doesn't have fixed IP '10.0.0.1'.")
		m.Post(action, `{"addFixedIp": {"networkId": "`+ext+`"}}`).Want(404).Says("Network could not be found for instance")
	})
	t.Run("security groups", func(t *testing.T) { oldGroups(t, member.On(t), other.On(t), reader.On(t)) })
	t.Run("images", func(t *testing.T) {
		name, owner, raw, bare := "cirros", "project-1", "raw", "bare"
		draft := &glance.Image{Name: &name, Owner: &owner, Visibility: "shared", DiskFormat: &raw, ContainerFormat: &bare, Properties: map[string]string{"architecture": "x86_64", "instance_uuid": srv.ID}}
		if err := images.Create(ctx, draft); err != nil {
			t.Fatal(err)
		}
		oldImages(t, member.On(t), other.On(t), reader.On(t), draft.ID)
	})
}

func oldGroups(t *testing.T, member, other, reader *resttest.API) {
	const groups, rules = computeV21 + "/os-security-groups", computeV21 + "/os-security-group-rules"
	list := member.Get(groups).Want(200).Has("security_groups.0.name", "default").Has("security_groups.0.rules.0.group.name", "default")
	own := list.Text("security_groups.0.id")
	g := member.Post(groups, `{"security_group": {"name": "web", "description": "d"}}`).Want(200).Has("security_group.rules", "[]").Has("security_group.tenant_id", "project-1").Text("security_group.id")
	member.Post(groups, `{"security_group": {"name": "web"}}`).Want(400)
	reader.Post(groups, `{"security_group": {"name": "web", "description": "d"}}`).Want(403)
	member.Put(groups+"/"+g, `{"security_group": {"name": "www", "description": "e"}}`).Want(200).Has("security_group.name", "www")
	other.Get(groups + "/" + g).Want(404).Says("does not exist")
	member.Get(groups + "/17").Want(400).Says("Security group id should be uuid")
	rule := func(body string) *resttest.Answer {
		return member.Post(rules, `{"security_group_rule": {"parent_group_id": "`+g+`", `+body+`}}`)
	}
	id := rule(`"ip_protocol": "tcp", "from_port": 22, "to_port": "22", "cidr": "10.0.0.0/24"`).Want(200).Has("security_group_rule.from_port", 22).
		Has("security_group_rule.ip_range.cidr", "10.0.0.0/24").Has("security_group_rule.parent_group_id", g).Has("security_group_rule.group", "map[]").Text("security_group_rule.id")
	rule(`"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "10.0.0.0/24"`).Want(400).Says("This rule already exists in group " + g)
	rule(`"ip_protocol": "TCP", "group_id": "`+own+`"`).Want(200).Has("security_group_rule.group.name", "default").Has("security_group_rule.to_port", 65535)
	rule(`"ip_protocol": "icmp", "from_port": -1, "to_port": -1`).Want(200).Has("security_group_rule.ip_range.cidr", "0.0.0.0/0").Has("security_group_rule.from_port", -1)
	for _, bad := range []struct{ body, says string }{
		{`"cidr": "10.0.0.0/24"`, "Not enough parameters to build a valid rule."},
		{`"ip_protocol": "tcp", "from_port": 23, "to_port": 22`, "Invalid port range 23:22. Former value cannot be greater than the later"},
		{`"ip_protocol": "tcp", "from_port": 0, "to_port": 22`, "Valid TCP ports should be between 1-65535"},
		{`"ip_protocol": "icmp", "from_port": 256, "to_port": 0`, "For ICMP, the type:code must be valid"},
		{`"ip_protocol": "gre", "from_port": 1, "to_port": 2`, "Invalid IP protocol gre."},
		{`"ip_protocol": "tcp", "from_port": "a", "to_port": 2`, "To and From ports must be integers"},
		{`"ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "10.0.0.0/99"`, "Invalid cidr 10.0.0.0/99."},
		{`"ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "10.0.0.0/0"`, "Bad prefix for network in cidr 10.0.0.0/0"},
	} {
		rule(bad.body).Want(400).Says(bad.says)
	}
	other.Delete(rules + "/" + id).Want(404)
	member.Delete(rules + "/" + id).Want(202)
	member.Delete(rules + "/" + id).Want(404)
	last := member.Post(groups, `{"security_group": {"name": "last", "description": ""}}`).Want(200).Text("security_group.id")
	member.Post(groups, `{"security_group": {"name": "more", "description": ""}}`).Want(403) // the quota is 3
	member.Delete(groups + "/" + last).Want(202)
	member.Delete(groups + "/" + own).Want(400)
	member.At("compute 2.36").Get(groups).Want(404)
}

func oldImages(t *testing.T, member, other, reader *resttest.API, id string) {
	const images = computeV21 + "/images"
	reader.Get(images).Want(200).Has("images.0.id", id).Has("images.0.links.2.rel", "alternate")
	member.Get(images+"/detail?name=cirros&server=http://x/servers/aaaaaaaa-0000-4000-8000-000000000001").Want(200).Has("images.0.status", "SAVING").Has("images.0.progress", 25).
		Has("images.0.OS-EXT-IMG-SIZE:size", 0).Has("images.0.server.id", "aaaaaaaa-0000-4000-8000-000000000001").Has("images.0.metadata.architecture", "x86_64")
	if n := member.Get(images + "?status=ACTIVE").Want(200).Len("images"); n != 0 {
		t.Errorf("%d active images", n)
	}
	other.Get(images + "/" + id).Want(404).Says("Image not found.")
	member.At("compute 2.36").Get(images).Want(404)

	meta := images + "/" + id + "/metadata"
	at := member.At("compute 2.38")
	at.Post(meta, `{"metadata": {"k": "v"}}`).Want(200).Has("metadata.k", "v").Has("metadata.architecture", "x86_64")
	at.Put(meta, `{"metadata": {"a": "b"}}`).Want(200).Has("metadata", "map[a:b]")
	at.Put(meta+"/c", `{"meta": {"c": "d"}}`).Want(200).Has("meta.c", "d")
	at.Put(meta+"/c", `{"meta": {"x": "d"}}`).Want(400).Says("Request body and URI mismatch")
	at.Get(meta+"/c").Want(200).Has("meta.c", "d")
	reader.Put(meta+"/c", `{"meta": {"c": "e"}}`).Want(403)
	at.Delete(meta + "/c").Want(204)
	at.Delete(meta + "/c").Want(404).Says("Invalid metadata key")
	at.Get(meta).Want(200).Has("metadata", "map[a:b]")
	member.At("compute 2.39").Get(meta).Want(404)

	reader.Delete(images + "/" + id).Want(403).Says("You are not allowed to delete the image.")
	member.Delete(images + "/" + id).Want(204)
	member.Delete(images + "/" + id).Want(404).Says("Image not found.")
}
