package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"gostack/internal/neutron"
	neutronapi "gostack/internal/neutron/api"
	neutrondb "gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/nova"
	novaapi "gostack/internal/nova/api"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// wires is a cloud of simulated hosts with Nova, Neutron and Placement as they are, on hosts whose bridge carries so much.
type wires struct {
	*novatest.Cloud
	net           *neutron.Service
	engine        *neutrontest.Backend
	member, admin *resttest.API
	network       string
}

const egress = "NET_BW_EGR_KILOBIT_PER_SEC"

func newWires(t *testing.T, kbps ...int64) *wires {
	d := storetest.SQLite(t, append([]store.Migrations{neutrondb.Migrations}, novatest.Migrations...)...)
	w := &wires{Cloud: novatest.NewCloud(t, d, len(kbps)), engine: neutrontest.New()}
	for i, n := range kbps {
		host := fmt.Sprintf("host-%d", i+1)
		c := driver.Chassis{Name: "chassis-" + host, Host: host, Alive: true, Bridges: map[string]string{"physnet1": "br-ex", "physnet2": "br-x"}}
		if n > 0 {
			c.Bandwidth = driver.Bandwidths{Bridges: map[string]driver.Bandwidth{"br-ex": {Egress: n, Ingress: n}, "br-none": {Egress: 1}}}
		}
		w.engine.Hosts = append(w.engine.Hosts, c)
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	w.net = neutron.New(neutron.Config{DB: d, Backend: w.engine, Log: quiet, Placement: w.Placement, Physnets: []neutron.Physnet{{Name: "physnet1", Flat: true}, {Name: "physnet2", Flat: true}}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.net.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	if err := w.net.ReportBandwidths(ctx); err != nil {
		t.Fatal(err)
	}
	w.Nova.Network, w.Nova.Groups = w.net, novaGroups{w.net}
	w.Run()
	a := resttest.New(t, append(novaapi.New(w.Nova), neutronapi.Service(w.net))...)
	w.member, w.admin = a.As("member").At("compute 2.72"), a.As("admin").At("compute 2.90")
	w.network = w.admin.Post(networkV2+"/networks", `{"network": {"name": "wire", "shared": true, "provider:network_type": "flat", "provider:physical_network": "physnet1"}}`).Want(201).Text("network.id")
	w.admin.Post(networkV2+"/subnets", `{"subnet": {"network_id": "`+w.network+`", "ip_version": 4, "cidr": "10.1.0.0/24"}}`).Want(201)
	return w
}

// guarantee makes a policy of the member's project.
func (w *wires) guarantee(kbps int) string {
	p := w.admin.Post(networkV2+"/qos/policies", `{"policy": {"name": "p", "project_id": "project-1"}}`).Want(201).Text("policy.id")
	w.admin.Post(networkV2+"/qos/policies/"+p+"/minimum_bandwidth_rules", fmt.Sprintf(`{"minimum_bandwidth_rule": {"min_kbps": %d}}`, kbps)).Want(201)
	return p
}

func (w *wires) port(policy string) string {
	return w.member.Post(networkV2+"/ports", `{"port": {"network_id": "`+w.network+`", "qos_policy_id": "`+policy+`"}}`).Want(201).Text("port.id")
}

func (w *wires) boot(api *resttest.API, ports ...string) *resttest.Answer {
	list := ""
	for i, p := range ports {
		if i > 0 {
			list += ","
		}
		list += `{"port": "` + p + `"}`
	}
	return api.Post(computeV21+"/servers", `{"server": {"name": "s", "flavorRef": "1", "imageRef": "`+novatest.ImageID+`", "networks": [`+list+`]}}`)
}

// takes are the kbit/s that a consumer has of the bridge of a host.
func (w *wires) takes(consumer, host string) int64 {
	w.T.Helper()
	c, err := w.Placement.Consumer(context.Background(), consumer)
	if err != nil {
		w.T.Fatal(err)
	}
	if c == nil {
		return 0
	}
	return c.Allocations[w.bridge(host)][egress]
}

// bridge is the provider of a host's bridge.
func (w *wires) bridge(host string) string {
	w.T.Helper()
	s, err := w.Placement.Snapshot(context.Background())
	if err != nil {
		w.T.Fatal(err)
	}
	for _, p := range s.Providers {
		if p.Name == host+":OVN Controller agent:br-ex" {
			return p.UUID
		}
	}
	return ""
}

// used is what is promised of a host's bridge.
func (w *wires) used(host string) int64 {
	w.T.Helper()
	s, err := w.Placement.Snapshot(context.Background())
	if err != nil {
		w.T.Fatal(err)
	}
	return s.Provider(w.bridge(host)).Inventories[egress].Used
}

// allocation is where a port has what it asks for, by its binding profile.
func (w *wires) allocation(port string) any {
	return w.admin.Get(networkV2 + "/ports/" + port).Want(200).At("port.binding:profile.allocation." + port)
}

// TestGuaranteedBandwidth follows ports with a guaranteed bandwidth through a server's life: no bridge is promised beyond what it carries.
func TestGuaranteedBandwidth(t *testing.T) {
	w := newWires(t, 1000, 0, 700)
	policy := w.guarantee(600)
	first, second, third := w.port(policy), w.port(policy), w.port(policy)
	w.admin.Get(networkV2+"/ports/"+first).Want(200).Has("port.resource_request.request_groups.0.id", first).
		Has("port.resource_request.request_groups.0.resources."+egress, 600).Has("port.resource_request.same_subtree.0", first)

	w.boot(w.member.At("compute 2.71"), first).Want(400).Has("badRequest.message",
		"Creating servers with ports having resource requests, like a port with a QoS minimum bandwidth policy, is not supported until microversion 2.72.")
	one := w.Settled(w.boot(w.member, first).Want(202).Text("server.id"))
	two := w.Settled(w.boot(w.member, second).Want(202).Text("server.id"))
	three := w.Settled(w.boot(w.member, third).Want(202).Text("server.id"))
	if one.VMState != nova.Active || two.VMState != nova.Active || one.Host == two.Host || one.Host == "host-2" || two.Host == "host-2" {
		t.Fatalf("%s on %s, %s on %s", one.VMState, one.Host, two.VMState, two.Host)
	}
	if three.VMState != nova.InError || w.used("host-1") != 600 || w.used("host-3") != 600 {
		t.Errorf("the third is %s on %q; %d and %d are promised", three.VMState, three.Host, w.used("host-1"), w.used("host-3"))
	}
	if got := w.takes(one.ID, one.Host); got != 600 {
		t.Errorf("it takes %d", got)
	}
	if got := w.allocation(first); got != w.bridge(one.Host) {
		t.Errorf("the port has it from %v", got)
	}
	w.admin.Get(networkV2+"/agents/chassis-host-1").Want(200).Has("agent.configurations.resource_provider_bandwidths.br-ex.egress", 1000)

	// What servers have is not changed under them; what one port has is.
	rules := networkV2 + "/qos/policies/" + policy + "/minimum_bandwidth_rules"
	rule := w.admin.Get(rules).Want(200).Text("minimum_bandwidth_rules.0.id")
	for _, a := range []*resttest.Answer{
		w.admin.Put(rules+"/"+rule, `{"minimum_bandwidth_rule": {"min_kbps": 1}}`), w.admin.Delete(rules + "/" + rule),
		w.admin.Post(rules, `{"minimum_bandwidth_rule": {"min_kbps": 1, "direction": "ingress"}}`),
	} {
		a.Want(http.StatusNotImplemented).Has("NeutronError.message", "Cannot update QoS policies/rules backed by resources tracked in Placement")
	}
	small, big := w.guarantee(100), w.guarantee(2000)
	w.member.Put(networkV2+"/ports/"+first, `{"port": {"qos_policy_id": "`+big+`"}}`).Want(409).Has("NeutronError.type", "QosPlacementAllocationUpdateConflict").
		Says("Updating placement allocation with {'" + w.bridge(one.Host) + "': {'" + egress + "': 1400}} for consumer " + one.ID + " failed. The requested resources would exceed the capacity available.")
	if got := w.takes(one.ID, one.Host); got != 600 {
		t.Errorf("after a refusal it takes %d", got)
	}
	w.member.Put(networkV2+"/ports/"+first, `{"port": {"qos_policy_id": "`+small+`"}}`).Want(200)
	if got := w.takes(one.ID, one.Host); got != 100 {
		t.Errorf("with less guaranteed it takes %d", got)
	}

	// One more port, as long as there is room; what is detached is given back.
	attach := computeV21 + "/servers/" + one.ID + "/os-interface"
	extra := w.port(w.guarantee(150))
	w.member.Post(attach, `{"interfaceAttachment": {"port_id": "`+w.port(big)+`"}}`).Want(400).
		Has("badRequest.message", "Failed to allocate additional resources to attach interface to instance "+one.ID)
	w.member.Post(attach, `{"interfaceAttachment": {"port_id": "`+extra+`"}}`).Want(200)
	w.Settled(one.ID)
	if got := w.takes(one.ID, one.Host); got != 250 || w.allocation(extra) != w.bridge(one.Host) {
		t.Errorf("with one more port it takes %d, from %v", got, w.allocation(extra))
	}
	w.member.Delete(attach + "/" + extra).Want(202)
	w.Settled(one.ID)
	if got := w.takes(one.ID, one.Host); got != 100 || w.allocation(extra) != nil {
		t.Errorf("without it it takes %d, from %v", got, w.allocation(extra))
	}
	w.member.Post(attach, `{"interfaceAttachment": {"port_id": "`+extra+`"}}`).Want(200)
	w.Settled(one.ID)
	w.member.Delete(networkV2 + "/ports/" + extra).Want(204)
	if got := w.takes(one.ID, one.Host); got != 100 {
		t.Errorf("after the port was deleted it takes %d", got)
	}

	// A network whose ports are guaranteed something is no way to get one.
	w.admin.Put(networkV2+"/networks/"+w.network, `{"network": {"qos_policy_id": "`+w.admin.Post(networkV2+"/qos/policies", `{"policy": {"name": "none"}}`).Want(201).Text("policy.id")+`"}}`).Want(200)
	w.member.Post(attach, `{"interfaceAttachment": {"net_id": "`+w.network+`"}}`).Want(200)
	w.Settled(one.ID)
	w.admin.Put(networkV2+"/networks/"+w.network, `{"network": {"qos_policy_id": "`+w.guaranteeShared(50)+`"}}`).Want(200)
	w.member.Post(attach, `{"interfaceAttachment": {"net_id": "`+w.network+`"}}`).Want(400)
	late := w.Settled(w.member.Post(computeV21+"/servers", `{"server": {"name": "n", "flavorRef": "1", "imageRef": "`+novatest.ImageID+`", "networks": [{"uuid": "`+w.network+`"}]}}`).Want(202).Text("server.id"))
	if late.VMState != nova.InError {
		t.Errorf("a server on it is %s", late.VMState)
	}

	for _, srv := range []*nova.Server{one, two, three, late} {
		w.member.Delete(computeV21 + "/servers/" + srv.ID).Want(204)
	}
	for _, srv := range []*nova.Server{one, two, three, late} {
		if w.Settled(srv.ID) != nil {
			t.Errorf("%s is there", srv.ID)
		}
	}
	if w.used("host-1") != 0 || w.used("host-3") != 0 || w.allocation(first) != nil {
		t.Errorf("%d and %d are promised when all are gone", w.used("host-1"), w.used("host-3"))
	}
	// Hosts that tell nothing any more have no bridges.
	w.engine.Hosts[0].Bandwidth = driver.Bandwidths{}
	if err := w.net.ReportBandwidths(t.Context()); err != nil || w.bridge("host-1") != "" || w.bridge("host-3") == "" {
		t.Errorf("%v: bridges %q %q", err, w.bridge("host-1"), w.bridge("host-3"))
	}
}

// guaranteeShared makes a policy that everybody may use.
func (w *wires) guaranteeShared(kbps int) string {
	p := w.guarantee(kbps)
	w.admin.Put(networkV2+"/qos/policies/"+p, `{"policy": {"shared": true}}`).Want(200)
	return p
}

// TestGuaranteedBandwidthOfANetwork changes what a network guarantees its servers' ports: all of them have it, or none, and the network keeps its policy.
func TestGuaranteedBandwidthOfANetwork(t *testing.T) {
	w := newWires(t, 1000, 0)
	three, four, six, none := w.guaranteeShared(300), w.guaranteeShared(400), w.guaranteeShared(600), w.admin.Post(networkV2+"/qos/policies", `{"policy": {"name": "none"}}`).Want(201).Text("policy.id")
	becomes := func(policy string) *resttest.Answer {
		t.Helper()
		return w.admin.Put(networkV2+"/networks/"+w.network, `{"network": {"qos_policy_id": "`+policy+`"}}`)
	}
	becomes(three).Want(200)
	bare := func() string {
		return w.member.Post(networkV2+"/ports", `{"port": {"network_id": "`+w.network+`"}}`).Want(201).Text("port.id")
	}
	first, second, own := bare(), bare(), w.port(w.guarantee(50))
	one := w.Settled(w.boot(w.member, first, own).Want(202).Text("server.id"))
	two := w.Settled(w.boot(w.member, second).Want(202).Text("server.id"))
	unbound := bare()
	is := func(when string, network string, ofOne, ofTwo int64) {
		t.Helper()
		if a, b, all := w.takes(one.ID, "host-1"), w.takes(two.ID, "host-1"), w.used("host-1"); a != ofOne || b != ofTwo || all != ofOne+ofTwo {
			t.Errorf("%s: they take %d and %d of %d", when, a, b, all)
		}
		w.admin.Get(networkV2+"/networks/"+w.network).Want(200).Has("network.qos_policy_id", network)
	}
	is("at first", three, 350, 300)
	becomes(four).Want(200)
	is("with more", four, 450, 400)
	becomes(six).Want(409).Has("NeutronError.type", "QosPlacementAllocationUpdateConflict").Says("'" + egress + "': 200}} for consumer ")
	is("after a refusal", four, 450, 400)
	becomes(none).Want(200)
	is("with nothing", none, 50, 0)
	if got := w.allocation(first); got != nil || w.allocation(own) != w.bridge("host-1") {
		t.Errorf("the port has it from %v", got)
	}
	becomes(six).Want(200) // what was bound without a guarantee is the engine's to enforce
	is("guaranteed too late", six, 50, 0)
	spec, _ := neutrontest.Spec[driver.PortSpec](w.engine, "port", second)
	if spec.QoS.MinEgressKbps != 600 || w.allocation(unbound) != nil {
		t.Errorf("the engine was told %+v", spec.QoS)
	}
	for _, srv := range []*nova.Server{one, two} {
		w.member.Delete(computeV21 + "/servers/" + srv.ID).Want(204)
		if w.Settled(srv.ID) != nil {
			t.Errorf("%s is there", srv.ID)
		}
	}
	if got := w.used("host-1"); got != 0 {
		t.Errorf("%d are promised when all are gone", got)
	}
}

// TestGuaranteedBandwidthMoves moves a server with a guaranteed port: the guarantee moves along, and comes back with it.
func TestGuaranteedBandwidthMoves(t *testing.T) {
	w := newWires(t, 1000, 1000)
	port := w.port(w.guarantee(700))
	srv := w.Settled(w.boot(w.member, port).Want(202).Text("server.id"))
	from := srv.Host
	to := map[string]string{"host-1": "host-2", "host-2": "host-1"}[from]
	action := func(body string) {
		t.Helper()
		w.admin.Post(computeV21+"/servers/"+srv.ID+"/action", body).Want(202)
		srv = w.Settled(srv.ID)
	}
	at := func(when, host string, there, elsewhere int64) {
		t.Helper()
		other := map[string]string{"host-1": "host-2", "host-2": "host-1"}[host]
		if srv.Host != host || w.takes(srv.ID, host) != there || w.used(host) != there || w.used(other) != elsewhere || w.allocation(port) != w.bridge(host) {
			t.Errorf("%s: on %s (%s) it takes %d of %d; elsewhere %d are promised; the port has it from %v", when, srv.Host, srv.VMState, w.takes(srv.ID, host), w.used(host), w.used(other), w.allocation(port))
		}
	}
	at("at first", from, 700, 0)
	action(`{"migrate": {}}`)
	at("migrated", to, 700, 700)
	action(`{"revertResize": null}`)
	at("back again", from, 700, 0)
	action(`{"migrate": {}}`)
	w.admin.Post(computeV21+"/servers/"+srv.ID+"/action", `{"confirmResize": null}`).Want(204)
	srv = w.Settled(srv.ID)
	at("confirmed", to, 700, 0)
	action(`{"os-migrateLive": {"host": null, "block_migration": "auto"}}`)
	at("moved live", from, 700, 0)
	action(`{"shelve": null}`)
	if srv.VMState != nova.ShelvedOffloaded && srv.VMState != nova.Shelved {
		t.Errorf("it is %s", srv.VMState)
	}
	if srv.VMState == nova.Shelved {
		action(`{"shelveOffload": null}`)
	}
	if w.used(from) != 0 || w.used(to) != 0 {
		t.Errorf("offloaded: %d and %d are promised", w.used(from), w.used(to))
	}
	// Another one takes the room on one of both.
	rival := w.Settled(w.boot(w.member, w.port(w.guarantee(400))).Want(202).Text("server.id"))
	action(`{"unshelve": null}`)
	if srv.VMState != nova.Active || srv.Host == rival.Host {
		t.Errorf("unshelved it is %s on %s, beside %s", srv.VMState, srv.Host, rival.Host)
	}
	w.admin.Post(computeV21+"/servers/"+srv.ID+"/action", `{"migrate": {}}`).Want(202)
	srv = w.Settled(srv.ID)
	at("nowhere to go", srv.Host, 700, 400)
}
