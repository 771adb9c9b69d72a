package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/test/machine"
)

// echo answers with what reached it.
type echo struct {
	Network, Remote string
	Req             Request
}

var echoing = FetcherFunc(func(_ context.Context, network, remote string, req Request) (Reply, error) {
	body, err := json.Marshal(echo{network, remote, req})
	return Reply{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, err
})

func handler(fetch Fetcher) *proxy {
	return &proxy{
		network: network{id: "net"}, fetch: fetch, log: New(Config{}, fetch).log, slots: make(chan struct{}, 1),
		guests: map[netip.Addr]string{netip.MustParseAddr("fe80::1"): "10.0.0.5"},
	}
}

func TestProxyStripsWhatAGuestCouldForge(t *testing.T) {
	r := httptest.NewRequest("POST", "http://169.254.169.254/openstack/latest/password?x=1", strings.NewReader("secret"))
	r.RemoteAddr = "10.0.0.9:4711"
	for _, h := range []string{
		"X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Instance-ID", "X-Instance-ID-Signature", "X-Tenant-ID", "X-Project-Id", "X-OVN-Network-ID",
		"X-Neutron-Network-ID", "X-Neutron-Router-ID", "X-Metadata-Provider", "X-Metadata-Provider-Signature", "X-Auth-Token", "Cookie", "Host",
	} {
		r.Header.Set(h, "forged")
	}
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("X-aws-ec2-metadata-token", "t")
	w := httptest.NewRecorder()
	handler(echoing).ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), "forged") {
		t.Errorf("forged header went through: %s", w.Body)
	}
	var got echo
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Network != "net" || got.Remote != "10.0.0.9" || got.Req.Method != "POST" || got.Req.Path != "/openstack/latest/password?x=1" ||
		string(got.Req.Body) != "secret" || len(got.Req.Header) != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestProxyRefusals(t *testing.T) {
	broken := FetcherFunc(func(context.Context, string, string, Request) (Reply, error) {
		return Reply{}, errors.New("operator detail")
	})
	for name, c := range map[string]struct {
		fetch  Fetcher
		remote string
		body   string
		want   int
	}{
		"known link-local":   {echoing, "[fe80::1%2]:1", "", 200},
		"unknown link-local": {echoing, "[fe80::2%2]:1", "", 404},
		"too large":          {echoing, "10.0.0.9:1", strings.Repeat("x", maxBody+1), 413},
		"no answer":          {broken, "10.0.0.9:1", "", 503},
	} {
		r := httptest.NewRequest("PUT", "http://169.254.169.254/", strings.NewReader(c.body))
		r.RemoteAddr = c.remote
		w := httptest.NewRecorder()
		handler(c.fetch).ServeHTTP(w, r)
		if w.Code != c.want || strings.Contains(w.Body.String(), "operator detail") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestGuardedPorts(t *testing.T) {
	got := guardedPorts(" cookie=0x676f737461636b, priority=2000,icmp6,in_port=7,icmp_type=134 actions=drop\n cookie=0x1, in_port=8 actions=drop\n" +
		" cookie=0x676f737461636b, priority=2000,icmp6,in_port=12,icmp_type=134 actions=drop\n")
	if strings.Join(got, " ") != "7 12" {
		t.Errorf("%v", got)
	}
}

func TestVersionsOfOpenVSwitch(t *testing.T) {
	for version, want := range map[string]bool{"": false, "2.17.9": false, "3.1.0": false, "3.2.1": false, "3.3.0": true, "3.10.0": true, "4.0": true, "x": false} {
		if oneEntry(version) != want {
			t.Errorf("%q: want %v", version, want)
		}
	}
}

func TestNetworksOfBindings(t *testing.T) {
	id := uuid.NewString()
	got := networksOf([]*sb.PortBinding{
		{LogicalPort: "p1", Datapath: "d1", MAC: []string{"fa:16:3e:00:00:10 10.0.0.5 fd00::5", "unknown"}},
		{
			LogicalPort: "m1", Type: "localport", Datapath: "d1", MAC: []string{"fa:16:3e:00:00:02 10.0.0.2"},
			ExternalIDs: map[string]string{"neutron:network_name": "neutron-" + id, "neutron:cidrs": "10.0.0.2/24 junk"},
		},
		{LogicalPort: "m2", Type: "localport", Datapath: "d2", MAC: []string{"fa:16:3e:00:00:03"}, ExternalIDs: map[string]string{"neutron:network_name": "neutron-x"}},
		{LogicalPort: "p3", Datapath: "d3"},
	})
	n := got[id]
	if len(got) != 1 || n.port != "m1" || n.mac != "fa:16:3e:00:00:02" || len(n.addrs) != 1 || n.addrs[0].String() != "10.0.0.2/24" {
		t.Fatalf("%+v", got)
	}
	if n.guests[netip.MustParseAddr("fe80::f816:3eff:fe00:10")] != "10.0.0.5" {
		t.Errorf("guests %v", n.guests)
	}
}

func TestGuestsReachMetadata(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		host := ovntest.Start(t)
		b := ovn.Open(ovn.Config{Northbound: []string{ovntest.Northbound}, Southbound: []string{ovntest.Southbound}})
		defer b.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		netID, subID, guestID := uuid.NewString(), uuid.NewString(), uuid.NewString()
		cidr, gw := netip.MustParsePrefix("10.7.1.0/24"), netip.MustParseAddr("10.7.1.1")
		check(b.EnsureNetwork(ctx, driver.NetworkSpec{ID: netID, Type: driver.Geneve, MTU: 1442}))
		check(b.EnsureSubnet(ctx, driver.SubnetSpec{ID: subID, NetworkID: netID, CIDR: cidr, Gateway: gw, EnableDHCP: true, MetadataIP: netip.MustParseAddr("10.7.1.2")}))
		port := func(id, mac, ip string, kind driver.PortType) driver.PortSpec {
			return driver.PortSpec{
				ID: id, NetworkID: netID, MAC: mac, Type: kind, AdminStateUp: true,
				FixedIPs: []driver.FixedIP{{SubnetID: subID, Address: netip.MustParseAddr(ip), CIDR: cidr}},
			}
		}
		check(b.EnsurePort(ctx, port(uuid.NewString(), "fa:16:3e:07:00:02", "10.7.1.2", driver.LocalPort)))
		group := driver.SecurityGroupSpec{ID: uuid.NewString(), Stateful: true, Rules: []driver.SecurityGroupRule{
			{ID: uuid.NewString(), Direction: driver.Egress, IPVersion: 4}, {ID: uuid.NewString(), Direction: driver.Egress, IPVersion: 6},
		}}
		check(b.EnsureSecurityGroup(ctx, group))
		secured := port(guestID, "fa:16:3e:07:00:10", "10.7.1.10", driver.NormalPort)
		secured.PortSecurity, secured.SecurityGroups = true, []string{group.ID}
		secured.AllowedPairs = []driver.AddressPair{{Prefix: netip.MustParsePrefix("fe80::f816:3eff:fe07:10/128")}} // IPv6 without an IPv6 subnet
		check(b.EnsurePort(ctx, secured))

		// Left behind by somebody: a namespace of a network that is not here.
		junk := uuid.NewString()
		ns, err := openNamespace(namespaceName(junk))
		check(err)
		ns.Close()

		start := func() (stop func()) {
			runCtx, cancel := context.WithCancel(ctx)
			a := New(Config{Linger: time.Second}, echoing)
			done := make(chan error, 1)
			go func() { done <- a.Run(runCtx) }()
			select {
			case <-a.Ready():
			case <-ctx.Done():
				t.Fatal("the agent is not ready")
			}
			return func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
		stop := start()
		guest := host.Plug(t, "g", guestID, "fa:16:3e:07:00:10")
		guest.Address(t, "10.7.1.10/24", "")
		guest.Run(t, "ip", "route", "add", "169.254.169.254/32", "via", "10.7.1.2")
		ask := func(url string) {
			t.Helper()
			var got echo
			ovntest.Eventually(t, url+" answers", func() bool {
				out, err := guest.Try(t, "curl", "-sS", "-m", "3", "-H", "X-Forwarded-For: 10.7.1.99", "-H", "X-Instance-ID: forged", url)
				return err == nil && json.Unmarshal([]byte(out), &got) == nil
			})
			if got.Network != netID || got.Remote != "10.7.1.10" || got.Req.Path != "/openstack/latest/meta_data.json" || len(got.Req.Header["X-Forwarded-For"]) > 0 {
				t.Errorf("%s: %+v", url, got)
			}
		}
		const v4, v6 = "http://169.254.169.254/openstack/latest/meta_data.json", "http://[fe80::a9fe:a9fe%25eth0]/openstack/latest/meta_data.json"
		ask(v4)
		ask(v6)
		// Under another's address nobody is heard, so a guest can only ask for itself.
		guest.Run(t, "ip", "addr", "add", "10.7.1.99/24", "dev", "eth0")
		if out, err := guest.Try(t, "curl", "-sS", "-m", "2", "--interface", "10.7.1.99", v4); err == nil {
			t.Errorf("an answer for a stolen address: %s", out)
		}
		ask(v4)
		ovntest.Eventually(t, "the junk namespace is gone", func() bool { return len(namespaces()) == 1 })

		// A new agent adopts what is there.
		before := ovntest.Run(t, "ip", "netns", "exec", namespaceName(netID), "ip", "-o", "link", "show", innerName(netID))
		stop()
		stop = start()
		ask(v4)
		if after := ovntest.Run(t, "ip", "netns", "exec", namespaceName(netID), "ip", "-o", "link", "show", innerName(netID)); after != before {
			t.Errorf("the cable was made anew:\n%s\n%s", before, after)
		}
		// It cannot play a router: its advertisements go nowhere, before and after ovn-controller has forgotten our flow.
		peer := port(uuid.NewString(), "fa:16:3e:07:00:11", "10.7.1.11", driver.NormalPort)
		check(b.EnsurePort(ctx, peer))
		other := host.Plug(t, "h", peer.ID, peer.MAC)
		listener := other.Wire(t)
		check(b.WaitPortUp(ctx, peer.ID))
		wire, lla := guest.Wire(t), "fe80::f816:3eff:fe07:10"
		ra := append([]byte{64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0}, 1, 1, 0xfa, 0x16, 0x3e, 7, 0, 0x10)
		advertisement := ovntest.Ethernet("33:33:00:00:00:01", guest.MAC, 0x86dd, ovntest.ICMP6(lla, "ff02::1", 134, 0, ra))
		solicitation := ovntest.Ethernet("33:33:00:00:00:02", guest.MAC, 0x86dd, ovntest.ICMP6(lla, "ff02::2", 133, 0, []byte{0, 0, 0, 0}))
		arrives := func() (advertised bool) {
			t.Helper()
			ovntest.Eventually(t, "an honest solicitation arrives", func() bool {
				wire.Send(t, advertisement)
				wire.Send(t, solicitation)
				return listener.Saw(200*time.Millisecond, func(f []byte) bool {
					advertised = advertised || bytes.Equal(f[6:], advertisement[6:])
					return bytes.Equal(f[6:], solicitation[6:])
				})
			})
			return advertised
		}
		ovntest.Eventually(t, "the agent has put its flow before OVN's", func() bool {
			return len(guardedPorts(ovntest.Run(t, "ovs-ofctl", "-O", "OpenFlow13", "--no-names", "dump-flows", "br-int", "cookie="+guardCookie+"/-1"))) > 0
		})
		if arrives() {
			t.Error("a guest's router advertisement arrives")
		}
		ovntest.Eventually(t, "without our flow, until the agent puts it back, an advertisement arrives", func() bool {
			ovntest.Run(t, "ovs-ofctl", "-O", "OpenFlow13", "del-flows", "br-int", "cookie="+guardCookie+"/-1")
			return arrives()
		})
		// With entries that expire at once, a guest's pauses end no switch (conntrack.go).
		ovntest.Eventually(t, "ovn-controller commits connections plainly", func() bool {
			flows := ovntest.Run(t, "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "br-int")
			return strings.Contains(flows, "ct(commit") && !strings.Contains(flows, "nat(src")
		})
		for line := range strings.Lines(ovntest.Run(t, "ovn-appctl", "-t", "ovn-controller", "ct-zone-list")) {
			if port, zone, _ := strings.Cut(strings.TrimSpace(line), " "); port == guestID {
				ovntest.Run(t, "ovs-vsctl", "add-zone-tp", "netdev", "zone="+zone, "udp_first=1", "udp_single=1", "udp_multiple=1")
			}
		}
		vswitchd := ovntest.Run(t, "cat", "/run/openvswitch/ovs-vswitchd.pid")
		for range 3 {
			guest.Run(t, "sh", "-c", "echo hello | busybox nc -u -p 5000 -w 1 10.7.1.11 6000; sleep 1.3")
		}
		ovntest.Run(t, "kill", "-0", vswitchd)
		ovntest.Run(t, "ovs-vsctl", "set", "Datapath", ".", "capabilities:"+zeroSNAT+"=true") // as ovs-vswitchd does when it starts
		ovntest.Eventually(t, "the capability is off again", func() bool {
			return ovntest.Run(t, "ovs-vsctl", "get", "Datapath", ".", "capabilities:"+zeroSNAT) == `"false"`
		})

		liveness := func(controller, metadata bool) {
			t.Helper()
			ovntest.Eventually(t, fmt.Sprintf("controller alive %v, metadata agent alive %v", controller, metadata), func() bool {
				all, err := b.Chassis(ctx)
				return err == nil && len(all) == 1 && all[0].Alive == controller && all[0].MetadataAgent && all[0].MetadataAlive == metadata
			})
		}
		liveness(true, true)
		// ovn-controller dies and comes back.
		host.KillController(t)
		host.StartController(t)
		ask(v4)
		ovntest.Eventually(t, "the guest's advertisements are dropped again", func() bool { return !arrives() })

		guest.Unplug(t)
		other.Unplug(t)
		ovntest.Eventually(t, "everything of the network is gone", func() bool {
			ports := ovntest.Run(t, "ovs-vsctl", "list-ports", "br-int")
			links := ovntest.Run(t, "ip", "-o", "link")
			return len(namespaces()) == 0 && !strings.Contains(ports, outerName(netID)) && !strings.Contains(links, outerName(netID))
		})
		stop()
		liveness(true, false)
	})
}
