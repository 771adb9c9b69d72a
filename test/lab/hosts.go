package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// declareHosts gives every host its switch, as an operator's init system would: gostack finds it running.
func (l *Lab) declareHosts() {
	for _, m := range l.Hosts {
		m.Processes = []*Process{
			{
				Name: "ovsdb-server", Machine: m, pidFile: "/run/openvswitch/ovsdb-server.pid", argv: []string{
					"ovsdb-server", "/etc/openvswitch/conf.db", "--remote=punix:/run/openvswitch/db.sock", "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
					"--pidfile", "--detach", "--no-chdir", "--log-file=/var/log/lab-ovsdb-server.log", "--verbose=console:off",
				},
				prepare: func(ctx context.Context) error {
					_, err := m.Shell(ctx, "mkdir -p /run/openvswitch; [ -e /etc/openvswitch/conf.db ] || ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema")
					return err
				},
				settle: func(ctx context.Context) error {
					_, err := m.Run(ctx, "ovs-vsctl", "--no-wait", "init")
					return err
				},
			},
			{
				Name: "ovs-vswitchd", Machine: m, pidFile: "/run/openvswitch/ovs-vswitchd.pid", argv: []string{
					"ovs-vswitchd", "--pidfile", "--detach", "--no-chdir", "--log-file=/var/log/lab-ovs-vswitchd.log", "--verbose=console:off",
				},
				settle: m.settleSwitch,
			},
		}
		m.declareMember()
	}
}

// settleSwitch makes the bridges. Tunnels are built by Open vSwitch in userspace, which sends only from an address on one of its own bridges: so the
// host's address is on br-phy, and all it says to others passes there. br-ex joins the provider network; its address is nobody's, it only says
// that the bridge is the operator's. The devices are new ones after each start of ovs-vswitchd, so this is done every time.
func (m *Machine) settleSwitch(ctx context.Context) error {
	_, err := m.Shell(ctx, fmt.Sprintf(`
ovs-vsctl --timeout=30 --may-exist add-br br-phy -- set bridge br-phy datapath_type=netdev other-config:hwaddr=02:99:00:00:00:%02x -- --may-exist add-port br-phy eth0 \
  -- --may-exist add-br br-ex -- set bridge br-ex datapath_type=netdev other-config:hwaddr=02:99:00:00:01:%02x -- --may-exist add-port br-ex eth1
ip link set br-phy mtu %d up
ip link set br-ex up
ip addr replace %s/%d dev br-phy
ip addr replace 192.0.2.%d/32 dev br-ex`, m.number, m.number, underlayMTU, m.Address, underlayPrefix, m.number))
	return err
}

// engines of a host that gostack starts and starts again.
var hostEngines = []struct{ name, pidFile string }{
	{"ovn-controller", "/run/ovn/ovn-controller.pid"}, {"virtlogd", "/run/virtlogd.pid"}, {"libvirtd", "/run/libvirtd.pid"},
}

// declareMember adds what runs on the machine once it is a host of the cloud: gostack, and the engines that it starts. All are started by
// gostack up, as an operator would.
func (m *Machine) declareMember() {
	up := []string{m.lab.Program, "up"}
	m.Processes = append(m.Processes, &Process{Name: "gostack", Machine: m, later: true, argv: up, pidFile: "/run/gostack/gostack.json", log: "/var/log/gostack/gostack.log", json: true})
	for _, e := range hostEngines {
		m.Processes = append(m.Processes, &Process{Name: e.name, Machine: m, later: true, argv: up, pidFile: e.pidFile, log: "/var/log/gostack/" + e.name + ".log"})
	}
}

// hosts makes the machines hosts of the cloud.
func (l *Lab) hosts(ctx context.Context) error {
	var jobs []func(context.Context) error
	for _, m := range l.Hosts {
		jobs = append(jobs, m.join)
	}
	if l.Simulator != nil {
		l.Simulator.settled = true
		jobs = append(jobs, l.Simulator.On)
	}
	return together(ctx, jobs...)
}

// join takes the machine into the cloud as an operator does: a token from control, which is used up on the machine.
func (m *Machine) join(ctx context.Context) error {
	if _, err := os.Stat(m.Path("/etc/gostack/gostack.yaml")); err != nil {
		out, err := m.lab.Controls[0].Run(ctx, m.lab.Program, "token", "create", "--host", m.Name, "-o", "json")
		if err != nil {
			return err
		}
		var made struct{ Token string }
		if err := json.Unmarshal([]byte(out), &made); err != nil {
			return fmt.Errorf("token of %s: %w in %s", m.Name, err, out)
		}
		if _, err := m.Run(ctx, m.lab.Program, "join", made.Token); err != nil {
			return err
		}
	}
	m.settled = true
	return m.On(ctx)
}

// declareSimulator gives simulated hosts their process. They are many in one, so it is trusted as control is: it has a conductor too, to which its hosts hand
// the images that servers become.
func (l *Lab) declareSimulator() {
	m := l.Simulator
	m.booted = m.shareImages
	m.Processes = []*Process{{
		Name: "gostack", Machine: m, later: true, argv: []string{l.Program, "run", "nova-compute", "nova-conductor"},
		prepare: func(context.Context) error {
			config := l.controlConfig(m) + fmt.Sprintf("  simulated_hosts: %d\n", l.Simulated)
			return errors.Join(m.Write("/etc/gostack/bus-ca.pem", l.secrets.BrokerCert, 0o644), m.Write("/etc/gostack/gostack.yaml", config, 0o600))
		},
		ready: func(ctx context.Context) error {
			_, err := m.Run(ctx, l.Program, "status")
			return err
		},
	}}
}
