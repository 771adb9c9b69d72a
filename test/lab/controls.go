package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const apiPort = 5000

// Endpoint is where clients find the cloud: the balancer.
func (l *Lab) Endpoint() string { return "http://" + l.balancerAddress() }

func (l *Lab) balancerAddress() string { return net.JoinHostPort(FabricAddress, fmt.Sprint(apiPort)) }

func (l *Lab) declareControls() {
	for _, m := range l.Controls {
		m.booted = m.shareImages
		m.Processes = []*Process{{
			Name: "gostack", Machine: m, later: true, argv: []string{l.Program, "run", "control"},
			prepare: func(context.Context) error {
				return errors.Join(m.Write("/etc/gostack/bus-ca.pem", l.secrets.BrokerCert, 0o644), m.Write("/etc/gostack/gostack.yaml", l.controlConfig(m), 0o600))
			},
			ready: accepts(m, apiPort),
		}}
	}
}

func (l *Lab) controlConfig(m *Machine) string {
	var links []string
	for _, c := range l.Controls {
		links = append(links, c.Address+":5002")
	}
	return fmt.Sprintf(`host: %[1]s
host_ip: %[2]s
database: %[3]s
bus: %[4]s
bus_admin: %[5]s
bus_ca: /etc/gostack/bus-ca.pem
control: [%[9]s]
public_url: %[6]s
neutron:
  ovn_northbound: ssl:%[7]s:6641
  ovn_southbound: ssl:%[7]s:6642
  external_cidr: %[8]s
nova:
  reserved_host_memory_mb: 0
  compute_driver: %[10]s
  simulated_network: %[11]s
`, m.Name, m.Address, l.DatabaseURL(), l.BusURL(), l.BusAdminURL(), l.Endpoint(), l.OVN.Address, ProviderCIDR, strings.Join(links, ", "), l.driver(), filepath.Join(l.Dir, "control", "network"))
}

func (l *Lab) driver() string {
	if l.Simulated > 0 {
		return "simulated"
	}
	return "libvirt"
}

// Gostack is the process of gostack on a control or host machine.
func (m *Machine) Gostack() *Process { return m.Process("gostack") }

// shareImages gives a control replica what all replicas have in common: the directory of images, as a shared file system would, and
// the administrator's first password.
func (m *Machine) shareImages(ctx context.Context) error {
	shared := filepath.Join(m.lab.Dir, "control")
	if err := os.MkdirAll(filepath.Join(shared, "images"), 0o700); err != nil {
		return err
	}
	if _, err := m.Shell(ctx, fmt.Sprintf("mkdir -p /var/lib/gostack/images && mount --bind %s/images /var/lib/gostack/images", shared)); err != nil {
		return err
	}
	if err := m.Write("/var/lib/gostack/keystone/admin-password", m.lab.secrets.Admin+"\n", 0o600); err != nil {
		return err
	}
	return os.Chmod(m.Path("/var/lib/gostack/keystone"), 0o700)
}

// controls starts the replicas and the balancer.
func (l *Lab) controls(ctx context.Context) error {
	var jobs []func(context.Context) error
	for _, m := range l.Controls {
		m.settled = true
		jobs = append(jobs, m.On)
	}
	if err := together(ctx, jobs...); err != nil {
		return err
	}
	if err := l.exposeOVN(ctx); err != nil {
		return fmt.Errorf("OVN's databases: %w", err)
	}
	if err := l.writeClouds(); err != nil {
		return err
	}
	if !l.Detach {
		var err error
		l.balancer, err = l.startBalancer()
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "setsid", append([]string{"-f", "sh", "-c", `exec "$0" "$@" >/var/log/lab-balancer.log 2>&1 </dev/null`, self}, l.BalancerArgs...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("balancer: %w: %s", err, out)
	}
	return eventually(ctx, startTime, "the balancer listens", func(context.Context) error {
		conn, err := net.Dial("tcp", l.balancerAddress())
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (l *Lab) startBalancer() (*Balancer, error) {
	var backends []string
	for _, m := range l.Controls {
		backends = append(backends, net.JoinHostPort(m.Address, fmt.Sprint(apiPort)))
	}
	return Balance(l.balancerAddress(), backends...)
}

// Balance runs the balancer until ctx ends: the process of its own that a lab for people has.
func (l *Lab) Balance(ctx context.Context) error {
	b, err := l.startBalancer()
	if err != nil {
		return err
	}
	<-ctx.Done()
	b.Close()
	return nil
}
