package host

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"gostack/internal/engine/command"
)

// Engine declares one daemon: what it is for, how to see it, start it and know that it is ready.
type Engine struct {
	Name    string   // also the name of its record and log file
	Why     string   // what the operator loses without it
	Package string   // Debian package it comes from
	Units   []string // systemd units that run it; one that is active is enough, the first is the one to start
	Program string   // absolute path
	PIDFile string   // written by the daemon
	Args    []string // with which it detaches itself and returns when it serves
	Env     []string // in addition to a plain PATH

	prepare func(context.Context) error // before a start: databases and directories
	ready   func(context.Context) error // nil error when it answers
	reopen  []string                    // command after which it writes to a new log file; nil: it logs too little to mind
	settle  func(context.Context) error // after every start or adoption: settings that must hold
	// guestsNeedIt: stopping it would hurt running guests, so it stays while there are any.
	guestsNeedIt bool
}

// Sockets and pid files are where Debian's packages put them, so that ovs-vsctl, ovn-nbctl, virsh and libvirt's own
// calls of ovs-vsctl find them, and so that an engine run by somebody else is seen.
const (
	ovsSocket     = "/run/openvswitch/db.sock"
	nbSocket      = "/run/ovn/ovnnb_db.sock"
	sbSocket      = "/run/ovn/ovnsb_db.sock"
	libvirtSocket = "/run/libvirt/libvirt-sock"
	virtlogSocket = "/run/libvirt/virtlogd-sock"
)

// declare is the table of engines, in start order.
func (h *Host) declare() []Engine {
	engines := []Engine{
		{
			Name: "ovsdb-server", Why: "keeps Open vSwitch's configuration: bridges and ports of this machine",
			Package: "openvswitch-switch", Units: []string{"ovsdb-server.service", "openvswitch-switch.service"},
			Program: "/usr/sbin/ovsdb-server", PIDFile: "/run/openvswitch/ovsdb-server.pid",
			Args: daemonArgs("/run/openvswitch/ovsdb-server.pid", h.logFile("ovsdb-server"), h.dir("ovs.db"),
				"--remote=punix:"+ovsSocket, "--remote=db:Open_vSwitch,Open_vSwitch,manager_options"),
			prepare: h.prepareDatabase("ovs.db", "/usr/share/openvswitch/vswitch.ovsschema", "/run/openvswitch"),
			ready:   answers(ovsSocket),
			reopen:  []string{"ovs-appctl", "-t", "ovsdb-server", "vlog/reopen"},
			settle:  h.settleSwitchDatabase,
		},
		{
			Name: "ovs-vswitchd", Why: "moves the packets of guests, routers and floating IPs",
			Package: "openvswitch-switch", Units: []string{"ovs-vswitchd.service"},
			Program: "/usr/sbin/ovs-vswitchd", PIDFile: "/run/openvswitch/ovs-vswitchd.pid",
			Args:   daemonArgs("/run/openvswitch/ovs-vswitchd.pid", h.logFile("ovs-vswitchd"), "unix:"+ovsSocket),
			ready:  says("", "ovs-appctl", "-t", "ovs-vswitchd", "version"),
			reopen: []string{"ovs-appctl", "-t", "ovs-vswitchd", "vlog/reopen"},
			settle: h.settleExternalBridge,
		},
	}
	if h.opts.Southbound == "" {
		engines = append(engines, h.ovnDatabase("nb", "Northbound", "networks, ports, routers and security groups as Neutron wants them"),
			h.ovnDatabase("sb", "Southbound", "the flows that every host reads"),
			Engine{
				Name: "ovn-northd", Why: "turns networks and routers into flows",
				Package: "ovn-central", Units: []string{"ovn-northd.service", "ovn-central.service"},
				Program: "/usr/bin/ovn-northd", PIDFile: "/run/ovn/ovn-northd.pid",
				Args: daemonArgs("/run/ovn/ovn-northd.pid", h.logFile("ovn-northd"),
					"--ovnnb-db=unix:"+nbSocket, "--ovnsb-db=unix:"+sbSocket),
				ready:  says("active", "ovn-appctl", "-t", "ovn-northd", "status"),
				reopen: []string{"ovn-appctl", "-t", "ovn-northd", "vlog/reopen"},
			})
	}
	return append(engines,
		Engine{
			Name: "ovn-controller", Why: "programs Open vSwitch on this machine from OVN's flows, answers DHCP",
			Package: "ovn-host", Units: []string{"ovn-controller.service", "ovn-host.service"},
			Program: "/usr/bin/ovn-controller", PIDFile: "/run/ovn/ovn-controller.pid",
			Args:    daemonArgs("/run/ovn/ovn-controller.pid", h.logFile("ovn-controller"), "unix:"+ovsSocket),
			prepare: h.prepareDirectories("/run/ovn"),
			ready:   says("connected", "ovn-appctl", "-t", "ovn-controller", "connection-status"),
			reopen:  []string{"ovn-appctl", "-t", "ovn-controller", "vlog/reopen"},
		},
		Engine{
			Name: "virtlogd", Why: "writes guests' console logs and keeps them from filling the disk",
			Package: "libvirt-daemon", Units: []string{"virtlogd.socket", "virtlogd.service"},
			Program: "/usr/sbin/virtlogd", PIDFile: "/run/virtlogd.pid",
			Args: []string{"--daemon", "--pid-file", "/run/virtlogd.pid"}, Env: libvirtLog(h.logFile("virtlogd")),
			ready: answers(virtlogSocket), guestsNeedIt: true,
		},
		Engine{
			Name: "libvirtd", Why: "defines, starts and watches the guests",
			Package: "libvirt-daemon-system", Units: []string{"libvirtd.socket", "libvirtd.service"},
			Program: "/usr/sbin/libvirtd", PIDFile: "/run/libvirtd.pid",
			Args: []string{"--daemon", "--config", h.dir("libvirtd.conf"), "--pid-file", "/run/libvirtd.pid"}, Env: libvirtLog(h.logFile("libvirtd")),
			prepare: h.prepareLibvirtConfig,
			ready:   answers(libvirtSocket),
		})
}

// ovnDatabase declares one of OVN's two databases.
func (h *Host) ovnDatabase(short, schema, holds string) Engine {
	name := "ovn-" + short
	socket := map[string]string{"nb": nbSocket, "sb": sbSocket}[short]
	pidFile := "/run/ovn/ovn" + short + "_db.pid"
	control := "/run/ovn/ovn" + short + "_db.ctl"
	return Engine{
		Name: name, Why: "keeps OVN's " + strings.ToLower(schema) + " database: " + holds,
		Package: "ovn-central", Units: []string{"ovn-ovsdb-server-" + short + ".service", "ovn-central.service"},
		Program: "/usr/sbin/ovsdb-server", PIDFile: pidFile,
		// Where it listens besides, and with which certificate, is in the database itself, as with Debian's packages: nowhere, unless control says so.
		Args: daemonArgs(pidFile, h.logFile(name), h.dir(name+".db"), "--remote=punix:"+socket, "--unixctl="+control,
			"--remote=db:OVN_"+schema+","+strings.ToUpper(short)+"_Global,connections", "--private-key=db:OVN_"+schema+",SSL,private_key",
			"--certificate=db:OVN_"+schema+",SSL,certificate", "--ca-cert=db:OVN_"+schema+",SSL,ca_cert"),
		prepare: h.prepareDatabase(name+".db", "/usr/share/ovn/ovn-"+short+".ovsschema", "/run/ovn"),
		ready:   answers(socket),
		reopen:  []string{"ovn-appctl", "-t", control, "vlog/reopen"},
	}
}

// daemonArgs are the options that all daemons of Open vSwitch and OVN share.
func daemonArgs(pidFile, logFile string, args ...string) []string {
	return append(args, "--pidfile="+pidFile, "--log-file="+logFile, "--verbose=console:off", "--detach", "--no-chdir")
}

func libvirtLog(file string) []string {
	// 3 = warnings: each step of every guest would be too much for a file that nobody rotates.
	return []string{"LIBVIRT_LOG_OUTPUTS=3:file:" + file, "VIRTLOGD_LOG_OUTPUTS=3:file:" + file}
}

func (h *Host) logFile(engine string) string { return filepath.Join(h.opts.LogDir, engine+".log") }

// answers is ready when something listens on a unix socket.
func answers(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// says is ready when a command succeeds and its output contains the word.
func says(word string, argv ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		out, err := command.Run(ctx, argv...)
		if err == nil && !strings.Contains(out, word) {
			err = fmt.Errorf("%s says %q", argv[0], out)
		}
		return err
	}
}

// prepareDirectories makes the directories that the daemon expects.
func (h *Host) prepareDirectories(dirs ...string) func(context.Context) error {
	return func(context.Context) error {
		for _, dir := range dirs {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		return nil
	}
}

// prepareDatabase makes an OVSDB file of our own, or brings it to the installed schema after an upgrade.
// The file is ours even where the package has left one of its own: that one is the operator's.
func (h *Host) prepareDatabase(file, schema string, dirs ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := h.prepareDirectories(append(dirs, h.dir())...)(ctx); err != nil {
			return err
		}
		path := h.dir(file)
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return h.createDatabase(ctx, path, schema)
		}
		old, err := command.Run(ctx, "ovsdb-tool", "needs-conversion", path, schema)
		if err == nil && old == "yes" {
			_, err = command.Run(ctx, "ovsdb-tool", "convert", path, schema)
		}
		return err
	}
}

// createDatabase makes the file elsewhere first: half a database, left by a gostack that was killed, would be there for ever.
func (h *Host) createDatabase(ctx context.Context, path, schema string) error {
	left, _ := filepath.Glob(h.dir("new-*"))
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(h.dir(), "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := command.Run(ctx, "ovsdb-tool", "create", filepath.Join(dir, "db"), schema); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "db"), path)
}
