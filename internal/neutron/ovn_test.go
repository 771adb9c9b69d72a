package neutron_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver/ovn"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/internal/placement"
	"gostack/internal/policy"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
	"gostack/test/machine"
)

// The service on a real OVN: what a tenant makes works with packets, the audit is empty at every stop, and nothing is left at the end.
func TestAProjectsNetworkOnOVN(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		host := ovntest.Start(t)
		backend := ovn.Open(ovn.Config{Northbound: []string{ovntest.Northbound}, Southbound: []string{ovntest.Southbound}})
		defer backend.Close()
		rows := storetest.SQLite(t, db.Migrations, placement.Migrations)
		candidates := &placement.Service{DB: rows}
		s := neutron.New(neutron.Config{
			DB: rows, Backend: backend, Placement: candidates, DistributedFloatingIPs: true, Wait: 3 * time.Minute,
			Physnets: []neutron.Physnet{{Name: ovntest.Physnet, Flat: true, VLANs: [][2]int64{{100, 199}}}},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		running := make(chan error, 1)
		runCtx, stop := context.WithCancel(ctx)
		go func() { running <- s.Run(runCtx) }()
		defer func() { stop(); <-running }()

		project := strings.ReplaceAll(uuid.NewString(), "-", "")
		member := &policy.Caller{UserID: "u", ProjectID: project, Roles: []string{"member", "reader"}}
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		clean := func(when string) {
			t.Helper()
			ovntest.Eventually(t, when+": the audit is empty", func() bool {
				found, err := s.Audit(ctx, false)
				if err == nil && len(found) > 0 {
					t.Logf("%s: %+v", when, found)
				}
				return err == nil && len(found) == 0
			})
		}
		network := func(v attr.Values) *db.Network {
			v["admin_state_up"], v["port_security_enabled"], v["project_id"] = true, true, project
			n, err := s.CreateNetwork(ctx, nil, v)
			check(err)
			return n
		}
		subnet := func(n *db.Network, cidr string, version int64, more attr.Values) *db.Subnet {
			v := attr.Values{"network_id": n.ID, "cidr": cidr, "ip_version": version, "enable_dhcp": true, "project_id": project}
			for k, e := range more {
				v[k] = e
			}
			sn, err := s.CreateSubnet(ctx, nil, v)
			check(err)
			return sn
		}

		public := network(attr.Values{"name": "public", "router:external": true, "provider:network_type": "flat", "provider:physical_network": ovntest.Physnet})
		outside := subnet(public, "172.24.4.0/24", 4, attr.Values{"enable_dhcp": false, "gateway_ip": "172.24.4.1"})
		private := network(attr.Values{"name": "private"})
		inside := subnet(private, "10.0.0.0/24", 4, attr.Values{"dns_nameservers": []string{"9.9.9.9"}})
		subnet(private, "fd00:1::/64", 6, attr.Values{"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"})
		router, err := s.CreateRouter(ctx, nil, attr.Values{
			"name": "r", "admin_state_up": true, "project_id": project, "external_gateway_info": attr.Values{"network_id": public.ID},
		})
		check(err)
		_, err = s.AddRouterInterface(ctx, member, router.ID, attr.Values{"subnet_id": inside.ID})
		check(err)
		clean("after networks and router")

		// A server as Nova makes it.
		server := neutron.ServerRef{ID: uuid.NewString(), Name: "web", Project: project, AZ: "nova"}
		plan, err := s.PlanPorts(ctx, member, []neutron.NICRequest{{NetworkID: private.ID}})
		check(err)
		var ports []neutron.Port
		check(s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			ports, err = s.CreatePorts(ctx, tx, member, server, plan)
			return err
		}))
		port := ports[0]
		vifs, err := s.BindPorts(ctx, []string{port.ID}, host.Name)
		check(err)
		if len(vifs) != 1 || vifs[0].MTU != 1442 || vifs[0].Bridge != "br-int" {
			t.Errorf("vifs %+v", vifs)
		}
		guest := host.Plug(t, "web", port.ID, port.MAC)
		ovntest.Eventually(t, "the port is ready", func() bool { ok, err := s.PortsReady(ctx, []string{port.ID}); return err == nil && ok })
		guest.Address(t, port.FixedIPs[0].Address+"/24", inside.GatewayIP)
		guest.Reaches(t, inside.GatewayIP)

		fip, err := s.CreateFloatingIP(ctx, member, attr.Values{"floating_network_id": public.ID, "project_id": project, "port_id": port.ID})
		check(err)
		world := host.Outside(t, "world", "172.24.4.1/24", 0)
		guest.Reaches(t, "172.24.4.1")
		world.Loses(t, fip.FloatingIPAddress) // the default group lets nobody in
		groups, err := s.SecurityGroups(ctx, member, db.Query{})
		check(err)
		rule, err := s.CreateSecurityGroupRule(ctx, member, attr.Values{
			"security_group_id": groups[0].ID, "direction": "ingress", "ethertype": "IPv4", "protocol": "icmp", "project_id": project,
		})
		check(err)
		world.Reaches(t, fip.FloatingIPAddress)
		clean("with a server and a floating IP")
		check(s.DeleteSecurityGroupRule(ctx, rule.ID))
		world.Loses(t, fip.FloatingIPAddress)

		// Somebody tampers with OVN; the audit sees it and repairs.
		ovntest.Run(t, "ovn-nbctl", "lsp-set-addresses", port.ID, "unknown", "--", "lr-nat-del", "neutron-"+router.ID)
		found, err := s.Audit(ctx, true)
		check(err)
		if len(found) < 3 {
			t.Errorf("the audit found only %+v", found)
		}
		clean("after the repair")
		guest.Reaches(t, "172.24.4.1")

		// OVN's configuration is lost altogether; it is told everything again as soon as the database is back.
		host.KillDB(t, "nb")
		ovntest.Run(t, "rm", "/var/lib/ovn/ovnnb_db.db")
		ovntest.Run(t, "ovsdb-tool", "create", "/var/lib/ovn/ovnnb_db.db", "/usr/share/ovn/ovn-nb.ovsschema")
		host.StartDB(t, "nb")
		ovntest.Run(t, "ovn-nbctl", "init")
		clean("after the loss of OVN's database")
		guest.Reaches(t, "172.24.4.1")

		guaranteedOnOVN(t, s, candidates, host, member)
		clean("after a guaranteed bandwidth")

		// Everything goes, in Nova's and a user's order.
		check(s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error { return s.DeletePorts(ctx, tx, server.ID) }))
		check(s.DeleteFloatingIP(ctx, fip.ID))
		_, err = s.RemoveRouterInterface(ctx, router.ID, attr.Values{"subnet_id": inside.ID})
		check(err)
		check(s.DeleteRouter(ctx, router.ID))
		check(s.DeleteNetwork(ctx, private.ID))
		check(s.DeleteSubnet(ctx, outside.ID))
		check(s.DeleteNetwork(ctx, public.ID))
		clean("at the end")
		ovntest.Eventually(t, "OVN is empty", func() bool {
			left := ""
			for _, table := range []string{"logical_switch", "logical_switch_port", "logical_router", "logical_router_port", "nat", "dhcp_options", "logical_router_static_route"} {
				left += ovntest.Run(t, "ovn-nbctl", "--bare", "--columns=_uuid", "list", table)
			}
			return left == ""
		})
	})
}
