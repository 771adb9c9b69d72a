package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func (l *Lab) declareEngines() {
	l.Postgres = &Process{
		Name: "postgres", Machine: l.DB, stop: syscall.SIGINT, // fast shutdown
		argv: []string{
			"setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", filepath.Join(postgresBin(), "postgres"), "-D", postgresData, "-k", "/run/postgresql",
			"-c", "listen_addresses=*", "-c", "fsync=off", "-c", "shared_buffers=64MB", "-c", "max_connections=200", "-c", "logging_collector=off",
		},
		prepare: l.preparePostgres, ready: accepts(l.DB, 5432), settle: l.settlePostgres,
	}
	l.DB.Processes = []*Process{l.Postgres}

	l.Rabbit = &Process{
		Name: "rabbitmq", Machine: l.MQ, pidFile: rabbitDir + "/pid", env: rabbitEnvironment(), argv: []string{
			"sh", "-c", "cd " + rabbitDir + " && exec setsid -f /usr/lib/rabbitmq/bin/rabbitmq-server >>/var/log/lab-rabbitmq.log 2>&1 </dev/null",
		},
		prepare: l.prepareRabbit, ready: both(accepts(l.MQ, 5671), accepts(l.MQ, 15672)),
	}
	l.MQ.Processes = []*Process{l.Rabbit}

	l.Northbound, l.Southbound = l.ovnDatabase("nb", "Northbound"), l.ovnDatabase("sb", "Southbound")
	l.Northd = &Process{
		Name: "ovn-northd", Machine: l.OVN, pidFile: "/run/ovn/ovn-northd.pid", argv: []string{
			"ovn-northd", "--ovnnb-db=unix:/run/ovn/ovnnb_db.sock", "--ovnsb-db=unix:/run/ovn/ovnsb_db.sock", "--pidfile", "--detach", "--no-chdir", "--log-file=/var/log/lab-ovn-northd.log", "--verbose=console:off",
		},
	}
	l.OVN.Processes = []*Process{l.Northbound, l.Southbound, l.Northd}
}

// accepts is ready when a port of a machine takes connections.
func accepts(m *Machine, port int) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(m.Address, fmt.Sprint(port)))
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func both(a, b func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error { return errors.Join(a(ctx), b(ctx)) }
}

const postgresData = "/var/lib/postgresql/lab"

func postgresBin() string {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		return "/usr/lib/postgresql/bin"
	}
	slices.Sort(bins)
	return bins[len(bins)-1]
}

// preparePostgres makes the cluster at the first start. Later it waits for the sessions of one that was killed: they end when they notice, and nobody
// may serve the files before.
func (l *Lab) preparePostgres(ctx context.Context) error {
	if _, err := os.Stat(l.DB.Path(postgresData + "/PG_VERSION")); err == nil {
		_, err := l.DB.Shell(ctx, "for i in $(seq 600); do grep -sqx postgres /proc/[0-9]*/comm || break; sleep 0.1; done; rm -f "+postgresData+"/postmaster.pid; install -d -o postgres -g postgres /run/postgresql") // of a machine that lost power
		return err
	}
	if err := l.DB.Write("/var/lib/postgresql/password", l.secrets.Postgres+"\n", 0o644); err != nil {
		return err
	}
	_, err := l.DB.Shell(ctx, `install -d -o postgres -g postgres /run/postgresql /var/lib/postgresql
cd /var/lib/postgresql
setpriv --reuid postgres --regid postgres --clear-groups `+postgresBin()+`/initdb -D `+postgresData+` -U gostack --pwfile=password -A scram-sha-256 -N --no-locale -E UTF8
rm password
echo 'host all all 10.99.0.0/24 scram-sha-256' >>`+postgresData+`/pg_hba.conf`)
	return err
}

// settlePostgres makes the database gostack.
func (l *Lab) settlePostgres(ctx context.Context) error {
	return eventually(ctx, startTime, "database gostack", func(ctx context.Context) error {
		_, err := l.DB.Run(ctx, "env", "PGPASSWORD="+l.secrets.Postgres, "psql", "-q", "-h", "127.0.0.1", "-U", "gostack", "postgres", "-c", "CREATE DATABASE gostack")
		if err != nil && strings.Contains(err.Error(), "already exists") {
			return nil
		}
		return err
	})
}

// DatabaseURL is where control replicas keep the state.
func (l *Lab) DatabaseURL() string {
	return fmt.Sprintf("postgres://gostack:%s@%s:5432/gostack", l.secrets.Postgres, l.DB.Address)
}

const rabbitDir = "/var/lib/lab-rabbitmq"

// rabbitEnvironment starts RabbitMQ without Debian's wrapper, which wants a user and files of its own.
func rabbitEnvironment() []string {
	return []string{
		"HOME=" + rabbitDir + "/home", "RABBITMQ_NODENAME=rabbit@localhost", "RABBITMQ_CONFIG_FILE=" + rabbitDir + "/rabbitmq", "RABBITMQ_MNESIA_BASE=" + rabbitDir + "/mnesia",
		"RABBITMQ_LOG_BASE=" + rabbitDir + "/log", "RABBITMQ_ENABLED_PLUGINS_FILE=" + rabbitDir + "/plugins", "RABBITMQ_CONF_ENV_FILE=/dev/null", "RABBITMQ_PID_FILE=" + rabbitDir + "/pid",
		"RABBITMQ_DIST_PORT=25672", "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
	}
}

func (l *Lab) prepareRabbit(ctx context.Context) error {
	if err := l.MQ.Write(rabbitDir+"/plugins", "[rabbitmq_management].\n", 0o644); err != nil {
		return err
	}
	if _, err := os.Stat(l.MQ.Path(rabbitDir + "/key.pem")); err != nil {
		if err := l.MQ.Write(rabbitDir+"/cert.pem", l.secrets.BrokerCert, 0o644); err != nil {
			return err
		}
		if err := l.MQ.Write(rabbitDir+"/key.pem", l.secrets.BrokerKey, 0o600); err != nil {
			return err
		}
	}
	config := fmt.Sprintf(`listeners.tcp = none
listeners.ssl.1 = 0.0.0.0:5671
ssl_options.certfile = `+rabbitDir+`/cert.pem
ssl_options.keyfile = `+rabbitDir+`/key.pem
ssl_options.cacertfile = `+rabbitDir+`/cert.pem
ssl_options.verify = verify_none
management.tcp.port = 15672
default_user = admin
default_pass = %s
loopback_users = none
disk_free_limit.absolute = 10MB
vm_memory_high_watermark.absolute = 512MB
log.console = true
log.file = false
`, l.secrets.Rabbit)
	if err := l.MQ.Write(rabbitDir+"/rabbitmq.conf", config, 0o600); err != nil {
		return err
	}
	_, err := l.MQ.Shell(ctx, "mkdir -p "+rabbitDir+"/home "+rabbitDir+"/mnesia "+rabbitDir+"/log; rm -f "+rabbitDir+"/pid")
	return err
}

// BusURL is how control replicas reach the broker.
func (l *Lab) BusURL() string {
	return fmt.Sprintf("amqps://gostack-control:%s@%s:5671/gostack", l.secrets.Bus, l.MQ.Name)
}

// BusAdminURL is the management interface of the broker, with its administrator.
func (l *Lab) BusAdminURL() string {
	return fmt.Sprintf("http://admin:%s@%s:15672", l.secrets.Rabbit, l.MQ.Address)
}

// ovnDatabase is one of OVN's two databases, started as Debian's packages do: where it listens and with which certificate it is told by exposeOVN.
func (l *Lab) ovnDatabase(short, name string) *Process {
	file, control := "/var/lib/ovn/ovn"+short+"_db.db", "/run/ovn/ovn"+short+"_db.ctl"
	column := func(what string) string { return "=db:OVN_" + name + ",SSL," + what }
	return &Process{
		Name: "ovn-" + short, Machine: l.OVN, pidFile: "/run/ovn/ovn" + short + "_db.pid", argv: []string{
			"ovsdb-server", file, "--remote=punix:/run/ovn/ovn" + short + "_db.sock", "--unixctl=" + control,
			"--remote=db:OVN_" + name + "," + strings.ToUpper(short) + "_Global,connections", "--private-key" + column("private_key"), "--certificate" + column("certificate"), "--ca-cert" + column("ca_cert"),
			"--pidfile=/run/ovn/ovn" + short + "_db.pid", "--detach", "--no-chdir", "--log-file=/var/log/lab-ovn-" + short + ".log", "--verbose=console:off",
		},
		prepare: func(ctx context.Context) error {
			_, err := l.OVN.Shell(ctx, fmt.Sprintf("mkdir -p /run/ovn; [ -e %[1]s ] || ovsdb-tool create %[1]s /usr/share/ovn/ovn-%[2]s.ovsschema", file, short))
			return err
		},
		ready: func(ctx context.Context) error {
			_, err := l.OVN.Run(ctx, "ovn-appctl", "-t", control, "version")
			return err
		},
	}
}

// exposeOVN opens OVN's databases to hosts and control by TLS, as the operator's manual says. Without a certificate, or with that of another cloud, nobody gets in;
// hosts get in where they may change their own chassis only.
func (l *Lab) exposeOVN(ctx context.Context) error {
	if l.Simulated > 0 {
		return nil
	}
	const made, dir = "/var/lib/gostack/for-ovn", "/etc/ovn/gostack"
	if _, err := l.Controls[0].Run(ctx, l.Program, "ovn", "certificate", "--dir", made); err != nil {
		return err
	}
	for _, file := range []string{"hosts-ca.pem", "control-ca.pem", "cert.pem", "key.pem"} {
		text, err := os.ReadFile(l.Controls[0].Path(made + "/" + file))
		if err != nil {
			return err
		}
		if err := l.OVN.Write(dir+"/"+file, string(text), 0o600); err != nil {
			return err
		}
	}
	_, err := l.OVN.Shell(ctx, `set -e
cd `+dir+`
ovn-sbctl set-ssl $PWD/key.pem $PWD/cert.pem $PWD/hosts-ca.pem
ovn-sbctl set-connection role=ovn-controller pssl:6642
ovn-nbctl set-ssl $PWD/key.pem $PWD/cert.pem $PWD/control-ca.pem
ovn-nbctl set-connection pssl:6641`)
	return errors.Join(err, eventually(ctx, startTime, "OVN's databases listen", both(accepts(l.OVN, 6641), accepts(l.OVN, 6642))))
}
