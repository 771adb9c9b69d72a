package e2e

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/attachinterfaces"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/instanceactions"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/tags"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"golang.org/x/crypto/ssh"
)

// TestGopher is the walk of a program: gophercloud's typed calls against the whole cloud. Three servers are booted at once: one and two on
// network green, with a floating IP each, and three on network blue, behind the router and with a config drive.
func TestGopher(t *testing.T) {
	c := up(t, "--bare")
	g := &gopherWalk{cloud: c, admin: c.administrator(), servers: map[string]*guest{}}
	for _, s := range []struct {
		name string
		do   func(*gopherWalk)
	}{
		{"project and user", (*gopherWalk).people},
		{"image and flavor", (*gopherWalk).imageAndFlavor},
		{"networks and router", (*gopherWalk).networks},
		{"security group and key pair", (*gopherWalk).access},
		{"three servers boot", (*gopherWalk).boot},
		{"VNC", (*gopherWalk).vnc},
		{"floating IPs and SSH", (*gopherWalk).floating},
		{"servers on one network reach each other", (*gopherWalk).neighbours},
		{"what a guest was given", (*gopherWalk).given},
		{"config drive", (*gopherWalk).configDrive},
		{"a guest reads only its own metadata", (*gopherWalk).ownMetadata},
		{"IPv6 by router advertisement", (*gopherWalk).slaac},
		{"IPv6 by DHCPv6", (*gopherWalk).dhcpv6},
		{"an interface comes and goes", (*gopherWalk).hotplug},
		{"metadata and tags", (*gopherWalk).labels},
		{"instance actions", (*gopherWalk).actions},
		{"console output", (*gopherWalk).consoleOutput},
		{"everything goes again", (*gopherWalk).demolish},
	} {
		ok := t.Run(s.name, func(t *testing.T) {
			g.cloud = c.on(t)
			s.do(g)
		})
		if !ok {
			return // the rest stands on it
		}
	}
}

// gopherWalk is what the steps of TestGopher hand on.
type gopherWalk struct {
	*cloud
	admin, member      *gopher
	project, user      string
	image, flavor      string
	outside, router    string
	green, blue        string // networks
	greenSub, blueSubs []string
	group              string
	key                ssh.Signer
	servers            map[string]*guest
}

// guest is a server of the walk.
type guest struct {
	id, port          string
	fixed4, fixed6    string
	floating, floatID string
}

// must wants err to be nil.
func (c *cloud) must(err error, doing string) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%s: %v", doing, err)
	}
}

func ptr[T any](v T) *T { return &v }

// within is a copy of a client that speaks a microversion.
func within(s *gophercloud.ServiceClient, microversion string) *gophercloud.ServiceClient {
	d := *s
	d.Microversion = microversion
	return &d
}

func (g *gopherWalk) people() {
	ctx := context.Background()
	p, err := projects.Create(ctx, g.admin.identity, projects.CreateOpts{Name: "gophers", DomainID: "default"}).Extract()
	g.must(err, "create a project")
	pass := g.hide("Burrow-" + rand.Text())
	u, err := users.Create(ctx, g.admin.identity, users.CreateOpts{Name: "gail", DomainID: "default", DefaultProjectID: p.ID, Password: pass}).Extract()
	g.must(err, "create a user")
	pages, err := roles.List(g.admin.identity, roles.ListOpts{Name: "member"}).AllPages(ctx)
	g.must(err, "list roles")
	found, err := roles.ExtractRoles(pages)
	g.must(err, "read roles")
	if len(found) != 1 {
		g.t.Fatalf("roles named member: %v", found)
	}
	g.must(roles.Assign(ctx, g.admin.identity, found[0].ID, roles.AssignOpts{UserID: u.ID, ProjectID: p.ID}).ExtractErr(), "assign a role")
	g.project, g.user = p.ID, u.ID
	g.member = g.gopher("gail", "gophers", pass)
}

func (g *gopherWalk) imageAndFlavor() {
	ctx := context.Background()
	im, err := images.Create(ctx, g.member.image, images.CreateOpts{Name: "mini", DiskFormat: "qcow2", ContainerFormat: "bare", Properties: map[string]string{"hw_rng_model": "virtio"}}).Extract()
	g.must(err, "create an image")
	if im.Status != images.ImageStatusQueued {
		g.t.Errorf("a new image is %s", im.Status)
	}
	data, err := os.ReadFile(filepath.Join(root(), "build", "guest.qcow2"))
	g.must(err, "read the guest image")
	g.must(imagedata.Upload(ctx, g.member.image, im.ID, bytes.NewReader(data)).ExtractErr(), "upload")
	im, err = images.Get(ctx, g.member.image, im.ID).Extract()
	g.must(err, "show the image")
	sum := sha512.Sum512(data)
	if im.Status != images.ImageStatusActive || im.SizeBytes != int64(len(data)) || im.Properties["os_hash_value"] != hex.EncodeToString(sum[:]) {
		g.t.Errorf("the image is %+v", im)
	}
	back, err := imagedata.Download(ctx, g.member.image, im.ID).Extract()
	g.must(err, "download")
	defer func() { _ = back.(io.Closer).Close() }()
	if got, err := io.ReadAll(back); err != nil || !bytes.Equal(got, data) {
		g.t.Errorf("the image came back as %d bytes of %d, %v", len(got), len(data), err)
	}
	g.image = im.ID
	f, err := flavors.Create(ctx, g.admin.compute, flavors.CreateOpts{Name: "small", RAM: 128, VCPUs: 1, Disk: ptr(1)}).Extract()
	g.must(err, "create a flavor")
	g.flavor = f.ID
}

// flatNetwork adds the attributes of the provider extension, which gophercloud knows only in the form of multi-provider's segments.
type flatNetwork struct{ networks.CreateOptsBuilder }

func (f flatNetwork) ToNetworkCreateMap() (map[string]any, error) {
	m, err := f.CreateOptsBuilder.ToNetworkCreateMap()
	if err != nil {
		return nil, err
	}
	n := m["network"].(map[string]any)
	n["provider:network_type"], n["provider:physical_network"] = "flat", "physnet1"
	return m, nil
}

func (g *gopherWalk) networks() {
	ctx := context.Background()
	out, err := networks.Create(ctx, g.admin.network, flatNetwork{external.CreateOptsExt{
		External: ptr(true), CreateOptsBuilder: networks.CreateOpts{Name: "outside"},
	}}).Extract()
	g.must(err, "create the external network")
	g.outside = out.ID
	_, err = subnets.Create(ctx, g.admin.network, subnets.CreateOpts{
		NetworkID: out.ID, IPVersion: 4, CIDR: "172.24.4.0/24", GatewayIP: ptr("172.24.4.1"), EnableDHCP: ptr(false),
		AllocationPools: []subnets.AllocationPool{{Start: "172.24.4.50", End: "172.24.4.99"}},
	}).Extract()
	g.must(err, "create the external subnet")
	r, err := routers.Create(ctx, g.member.network, routers.CreateOpts{Name: "r", GatewayInfo: &routers.GatewayInfo{NetworkID: out.ID}}).Extract()
	g.must(err, "create the router")
	g.router = r.ID
	g.green, g.greenSub = g.network("green",
		subnets.CreateOpts{IPVersion: 4, CIDR: "10.31.1.0/24"},
		subnets.CreateOpts{IPVersion: 6, CIDR: "fd31:0:0:1::/64", IPv6AddressMode: "slaac", IPv6RAMode: "slaac"})
	g.blue, g.blueSubs = g.network("blue",
		subnets.CreateOpts{IPVersion: 4, CIDR: "10.31.2.0/24"},
		subnets.CreateOpts{IPVersion: 6, CIDR: "fd31:0:0:2::/64", IPv6AddressMode: "dhcpv6-stateful", IPv6RAMode: "dhcpv6-stateful"})
}

// network makes a network of the member, with subnets on the router.
func (g *gopherWalk) network(name string, subs ...subnets.CreateOpts) (id string, subIDs []string) {
	g.t.Helper()
	ctx := context.Background()
	n, err := networks.Create(ctx, g.member.network, networks.CreateOpts{Name: name}).Extract()
	g.must(err, "create network "+name)
	for _, s := range subs {
		s.NetworkID = n.ID
		sub, err := subnets.Create(ctx, g.member.network, s).Extract()
		g.must(err, "create subnet "+s.CIDR)
		_, err = routers.AddInterface(ctx, g.member.network, g.router, routers.AddInterfaceOpts{SubnetID: sub.ID}).Extract()
		g.must(err, "add subnet "+s.CIDR+" to the router")
		subIDs = append(subIDs, sub.ID)
	}
	return n.ID, subIDs
}

func (g *gopherWalk) access() {
	ctx := context.Background()
	sg, err := groups.Create(ctx, g.member.network, groups.CreateOpts{Name: "open"}).Extract()
	g.must(err, "create a security group")
	g.group = sg.ID
	for _, r := range []rules.CreateOpts{
		{EtherType: rules.EtherType4, Protocol: rules.ProtocolTCP, PortRangeMin: 22, PortRangeMax: 22},
		{EtherType: rules.EtherType4, Protocol: rules.ProtocolICMP},
		{EtherType: rules.EtherType6, Protocol: rules.ProtocolIPv6ICMP},
	} {
		r.Direction, r.SecGroupID = rules.DirIngress, sg.ID
		_, err := rules.Create(ctx, g.member.network, r).Extract()
		g.must(err, "create a rule")
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	g.must(err, "make a key")
	g.key, err = ssh.NewSignerFromKey(private)
	g.must(err, "make a key")
	pair, err := keypairs.Create(ctx, g.member.compute, keypairs.CreateOpts{Name: "gail", PublicKey: string(ssh.MarshalAuthorizedKey(g.key.PublicKey()))}).Extract()
	g.must(err, "create a key pair")
	if want := ssh.FingerprintLegacyMD5(g.key.PublicKey()); pair.Fingerprint != want {
		g.t.Errorf("fingerprint %s, want %s", pair.Fingerprint, want)
	}
}

const gopherData = "#!/bin/sh\necho dug-here > /root/user-data-ran\n"

func (g *gopherWalk) boot() {
	ctx := context.Background()
	for _, name := range []string{"one", "two", "three"} {
		opts := servers.CreateOpts{
			Name: name, ImageRef: g.image, FlavorRef: g.flavor, Networks: []servers.Network{{UUID: g.green}}, SecurityGroups: []string{"open"},
			UserData: []byte(gopherData), Metadata: map[string]string{"walk": "gopher"},
		}
		if name == "three" {
			opts.Networks, opts.ConfigDrive = []servers.Network{{UUID: g.blue}}, ptr(true)
		}
		s, err := servers.Create(ctx, g.member.compute, keypairs.CreateOptsExt{CreateOptsBuilder: opts, KeyName: "gail"}, nil).Extract()
		g.must(err, "create server "+name)
		if s.AdminPass == "" {
			g.t.Errorf("server %s has no password", name)
		}
		g.hide(s.AdminPass)
		g.servers[name] = &guest{id: s.ID}
	}
	for name, s := range g.servers {
		g.status(s.id, "ACTIVE")
		pages, err := ports.List(g.member.network, ports.ListOpts{DeviceID: s.id}).AllPages(ctx)
		g.must(err, "list ports")
		l, err := ports.ExtractPorts(pages)
		g.must(err, "read ports")
		if len(l) != 1 || l[0].Status != "ACTIVE" || len(l[0].FixedIPs) != 2 {
			g.t.Fatalf("ports of server %s: %+v", name, l)
		}
		s.port = l[0].ID
		for _, ip := range l[0].FixedIPs {
			if strings.Contains(ip.IPAddress, ":") {
				s.fixed6 = ip.IPAddress
			} else {
				s.fixed4 = ip.IPAddress
			}
		}
	}
}

// status waits until a server has a status; an ERROR ends the wait.
func (g *gopherWalk) status(id, want string) {
	g.t.Helper()
	g.eventually("server "+id+" is "+want, func() bool {
		s, err := servers.Get(context.Background(), g.member.compute, id).Extract()
		g.must(err, "show the server")
		if s.Status == "ERROR" && want != "ERROR" {
			g.t.Fatalf("server %s: %+v\n%s", s.Name, s.Fault, g.gostack("why", id))
		}
		return s.Status == want
	})
}

func (g *gopherWalk) floating() {
	for name, s := range g.servers {
		f, err := floatingips.Create(context.Background(), g.member.network, floatingips.CreateOpts{FloatingNetworkID: g.outside, PortID: s.port, FixedIP: s.fixed4}).Extract()
		g.must(err, "create a floating IP")
		s.floating, s.floatID = f.FloatingIP, f.ID
		if host := g.shell(g.key, s.floating, "hostname"); host != name {
			g.t.Errorf("server %s calls itself %q", name, host)
		}
	}
}

func (g *gopherWalk) neighbours() {
	one, two, three := g.servers["one"], g.servers["two"], g.servers["three"]
	g.shell(g.key, one.floating, "ping -c 1 -W 2 "+two.fixed4)
	g.shell(g.key, two.floating, "ping -c 1 -W 2 "+one.fixed4)
	g.shell(g.key, one.floating, "ping -c 1 -W 2 "+three.fixed4) // across the router
}

func (g *gopherWalk) hotplug() {
	ctx := context.Background()
	one := g.servers["one"]
	i, err := attachinterfaces.Create(ctx, g.member.compute, one.id, attachinterfaces.CreateOpts{NetworkID: g.blue}).Extract()
	g.must(err, "attach an interface")
	var address string
	for _, ip := range i.FixedIPs {
		if !strings.Contains(ip.IPAddress, ":") {
			address = ip.IPAddress
		}
	}
	links := func() string { return g.shell(g.key, one.floating, "ip -o -4 addr; cat /sys/class/net/*/address") }
	g.eventually("the guest has "+address+" on its second interface", func() bool {
		out := links()
		return strings.Contains(out, " "+address+"/24") && strings.Contains(out, i.MACAddr)
	})
	pages, err := attachinterfaces.List(g.member.compute, one.id).AllPages(ctx)
	g.must(err, "list interfaces")
	if l, err := attachinterfaces.ExtractInterfaces(pages); err != nil || len(l) != 2 {
		g.t.Errorf("interfaces %v, %v", l, err)
	}
	g.must(attachinterfaces.Delete(ctx, g.member.compute, one.id, i.PortID).ExtractErr(), "detach the interface")
	g.eventually("the guest's second interface has gone", func() bool { return !strings.Contains(links(), i.MACAddr) })
	g.eventually("the port has gone", func() bool {
		_, err := ports.Get(ctx, g.member.network, i.PortID).Extract()
		return gophercloud.ResponseCodeIs(err, 404)
	})
}

func (g *gopherWalk) labels() {
	ctx := context.Background()
	id := g.servers["one"].id
	_, err := servers.UpdateMetadata(ctx, g.member.compute, id, servers.MetadataOpts{"depth": "3"}).Extract()
	g.must(err, "update metadata")
	md, err := servers.Metadata(ctx, g.member.compute, id).Extract()
	if g.must(err, "read metadata"); len(md) != 2 || md["depth"] != "3" || md["walk"] != "gopher" {
		g.t.Errorf("metadata %v", md)
	}
	g.must(servers.DeleteMetadatum(ctx, g.member.compute, id, "depth").ExtractErr(), "delete metadata")
	compute := within(g.member.compute, "2.26")
	_, err = tags.ReplaceAll(ctx, compute, id, tags.ReplaceAllOpts{Tags: []string{"brown", "small"}}).Extract()
	g.must(err, "set tags")
	l, err := tags.List(ctx, compute, id).Extract()
	if slices.Sort(l); err != nil || !slices.Equal(l, []string{"brown", "small"}) {
		g.t.Errorf("tags %v, %v", l, err)
	}
	// The guest hears of it.
	g.eventually("metadata in the guest", func() bool {
		out := g.shell(g.key, g.servers["one"].floating, "wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json")
		return strings.Contains(out, `"walk"`) && !strings.Contains(out, `"depth"`)
	})
}

func (g *gopherWalk) actions() {
	ctx := context.Background()
	pages, err := instanceactions.List(g.member.compute, g.servers["one"].id, nil).AllPages(ctx)
	g.must(err, "list instance actions")
	l, err := instanceactions.ExtractInstanceActions(pages)
	g.must(err, "read instance actions")
	var names []string
	for _, a := range l {
		names = append(names, a.Action)
	}
	if !slices.Equal(names, []string{"detach_interface", "attach_interface", "create"}) {
		g.t.Errorf("actions %v", names)
	}
	// From 2.51 on a member sees the events, too.
	one, err := instanceactions.Get(ctx, within(g.member.compute, "2.58"), g.servers["one"].id, l[len(l)-1].RequestID).Extract()
	g.must(err, "show an instance action")
	if one.Action != "create" || one.ProjectID != g.project || one.UserID != g.user || one.Events == nil || len(*one.Events) == 0 {
		g.t.Errorf("action %+v", one)
	}
}

func (g *gopherWalk) consoleOutput() {
	g.eventually("login prompt on the console", func() bool {
		out, err := servers.ShowConsoleOutput(context.Background(), g.member.compute, g.servers["one"].id, servers.ShowConsoleOutputOpts{Length: 200}).Extract()
		g.must(err, "console output")
		return strings.Contains(out, "login:")
	})
}

func (g *gopherWalk) demolish() {
	ctx := context.Background()
	for _, s := range g.servers {
		g.must(servers.Delete(ctx, g.member.compute, s.id).ExtractErr(), "delete a server")
		g.must(floatingips.Delete(ctx, g.member.network, s.floatID).ExtractErr(), "delete a floating IP")
	}
	for _, s := range g.servers {
		g.eventually("the server has gone", func() bool {
			_, err := servers.Get(ctx, g.member.compute, s.id).Extract()
			return gophercloud.ResponseCodeIs(err, 404)
		})
	}
	for _, id := range append(g.greenSub, g.blueSubs...) {
		_, err := routers.RemoveInterface(ctx, g.member.network, g.router, routers.RemoveInterfaceOpts{SubnetID: id}).Extract()
		g.must(err, "remove a router interface")
	}
	g.must(routers.Delete(ctx, g.member.network, g.router).ExtractErr(), "delete the router")
	for _, id := range []string{g.green, g.blue} {
		g.must(networks.Delete(ctx, g.member.network, id).ExtractErr(), "delete a network")
	}
	g.must(networks.Delete(ctx, g.admin.network, g.outside).ExtractErr(), "delete the external network")
	g.must(groups.Delete(ctx, g.member.network, g.group).ExtractErr(), "delete the security group")
	g.must(keypairs.Delete(ctx, g.member.compute, "gail", nil).ExtractErr(), "delete the key pair")
	g.must(images.Delete(ctx, g.member.image, g.image).ExtractErr(), "delete the image")
	g.must(flavors.Delete(ctx, g.admin.compute, g.flavor).ExtractErr(), "delete the flavor")
	g.must(projects.Delete(ctx, g.admin.identity, g.project).ExtractErr(), "delete the project")
	g.clean()
}
