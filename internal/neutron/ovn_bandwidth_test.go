package neutron_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/internal/placement"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// guaranteedOnOVN follows a guaranteed bandwidth from what a host says of its bridge to the queue on its wire: a provider in Placement, a claim as
// Nova makes it, the port bound with what it has, OVN's queue with the least rate, and with another one when the network's policy becomes another.
func guaranteedOnOVN(t *testing.T, s *neutron.Service, p *placement.Service, host *ovntest.Host, member *policy.Caller) {
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ovntest.Run(t, "ovs-vsctl", "set", "Open_vSwitch", ".",
		`external-ids:ovn-cms-options="enable-chassis-as-gw,resource_provider_bandwidths=br-ex:10000:20000,resource_provider_inventory_defaults=allocation_ratio:1.5;step_size:10"`)
	check(p.EnsureHost(ctx, placement.HostInventory{UUID: uuid.NewString(), Name: host.Name, Inventories: map[string]placement.Inventory{"VCPU": {Total: 4}}}))
	var bridge *placement.Provider
	ovntest.Eventually(t, "what the bridge carries is in Placement", func() bool {
		check(s.ReportBandwidths(ctx))
		all, err := p.Snapshot(ctx)
		check(err)
		i := slices.IndexFunc(all.Providers, func(x placement.Provider) bool { return x.Name == host.Name+":OVN Controller agent:br-ex" })
		if i >= 0 {
			bridge = &all.Providers[i]
		}
		return i >= 0
	})
	out, in := bridge.Inventories["NET_BW_EGR_KILOBIT_PER_SEC"], bridge.Inventories["NET_BW_IGR_KILOBIT_PER_SEC"]
	if out.Total != 10000 || in.Total != 20000 || out.AllocationRatio != 1.5 || out.StepSize != 10 {
		t.Errorf("the bridge carries %+v and %+v", out, in)
	}

	guarantee := func(kbps int64) string {
		q, err := s.CreateQoSPolicy(ctx, attr.Values{"name": "least", "shared": true, "project_id": member.ProjectID})
		check(err)
		_, err = s.CreateQoSRule(ctx, neutron.QoSMinimumBandwidth, q.ID, attr.Values{"min_kbps": kbps, "direction": "egress"})
		check(err)
		return q.ID
	}
	network, err := s.CreateNetwork(ctx, nil, attr.Values{
		"name": "wire", "project_id": member.ProjectID, "admin_state_up": true, "port_security_enabled": true, "provider:network_type": "vlan",
		"provider:physical_network": ovntest.Physnet, "provider:segmentation_id": int64(150), "qos_policy_id": guarantee(3000),
	})
	check(err)
	subnet, err := s.CreateSubnet(ctx, nil, attr.Values{"network_id": network.ID, "cidr": "10.5.0.0/24", "ip_version": int64(4), "enable_dhcp": true, "project_id": member.ProjectID})
	check(err)
	own, err := s.CreatePort(ctx, member, attr.Values{"network_id": network.ID, "project_id": member.ProjectID, "admin_state_up": true})
	check(err)
	server := neutron.ServerRef{ID: uuid.NewString(), Name: "fast", Project: member.ProjectID, AZ: "nova"}
	plan, err := s.PlanPorts(ctx, member, []neutron.NICRequest{{PortID: own.ID}})
	check(err)
	check(s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := s.CreatePorts(ctx, tx, member, server, plan)
		return err
	}))
	asks, err := s.PortRequests(ctx, server.ID)
	check(err)
	if len(asks) != 1 || asks[0].Resources["NET_BW_EGR_KILOBIT_PER_SEC"] != 3000 || slices.ContainsFunc(asks[0].Required, func(trait string) bool { return !bridge.HasTrait(trait) }) {
		t.Fatalf("the port asks for %+v, the bridge has %v", asks, bridge.Traits)
	}
	check(s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		return p.Claim(ctx, tx, placement.Claim{Consumer: server.ID, Project: member.ProjectID, User: member.UserID, Allocations: map[string]map[string]int{bridge.UUID: {"NET_BW_EGR_KILOBIT_PER_SEC": 3000}}})
	}))
	_, err = s.BindPorts(ctx, []string{own.ID}, host.Name)
	check(err)
	guest := host.Plug(t, "fast", own.ID, own.MACAddress)
	ovntest.Eventually(t, "the port is ready", func() bool { ok, err := s.PortsReady(ctx, []string{own.ID}); return err == nil && ok })

	is := func(kbps int64) {
		t.Helper()
		// What the queue does is left to the kernel's sch_htb, on the interface that an operator marks with ovn-egress-iface.
		ovntest.Eventually(t, fmt.Sprintf("OVN has a queue of at least %d kbit/s, and the server's packets go into it", kbps), func() bool {
			binding := strings.Fields(ovntest.Run(t, "ovn-sbctl", "--bare", "--columns=options", "find", "Port_Binding", "logical_port="+own.ID))
			i := slices.IndexFunc(binding, func(o string) bool { return strings.HasPrefix(o, "qdisc_queue_id=") })
			return i >= 0 && slices.Contains(binding, fmt.Sprintf("qos_min_rate=%d", kbps*1000)) &&
				strings.Contains(ovntest.Run(t, "ovs-ofctl", "dump-flows", "br-int"), "set_queue:"+strings.TrimPrefix(binding[i], "qdisc_queue_id="))
		})
		c, err := p.Consumer(ctx, server.ID)
		check(err)
		if got := c.Allocations[bridge.UUID]["NET_BW_EGR_KILOBIT_PER_SEC"]; got != kbps {
			t.Errorf("it has %d kbit/s in Placement", got)
		}
	}
	is(3000)
	_, err = s.UpdateNetwork(ctx, nil, network.ID, attr.Values{"qos_policy_id": guarantee(5000)})
	check(err)
	is(5000)
	if _, err := s.UpdateNetwork(ctx, nil, network.ID, attr.Values{"qos_policy_id": guarantee(15010)}); err == nil || !strings.Contains(err.Error(), "would exceed the capacity available") {
		t.Errorf("more than the bridge carries: %v", err)
	}
	is(5000)

	guest.Unplug(t)
	check(s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error { return s.DeletePorts(ctx, tx, server.ID) }))
	check(s.DeletePort(ctx, own.ID))
	ovntest.Eventually(t, "the queue is gone", func() bool {
		return !strings.Contains(ovntest.Run(t, "ovs-ofctl", "dump-flows", "br-int"), "set_queue:")
	})
	check(s.DeleteSubnet(ctx, subnet.ID))
	check(s.DeleteNetwork(ctx, network.ID))
}
