package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// OVN's southbound database knows its clients by their certificates and lets each write the rows of the chassis that has its name (ovn-sb(5), RBAC_Role). So over
// TLS the chassis' name is the host's, whatever it was before, and ovn-controller gets this host's key and certificate, by way of Open vSwitch's table SSL
// (ovn-controller(8)): it reads renewed files by itself.

// systemIDFile is from where Debian's start script of Open vSwitch sets the chassis' name again at every start.
const systemIDFile = "/etc/openvswitch/system-id.conf"

// byTLS tells whether the southbound database is reached by TLS.
func (h *Host) byTLS() bool { return strings.HasPrefix(h.opts.Southbound, "ssl:") }

// settleSouthboundTLS tells Open vSwitch the files for ovn-controller. TLS settings of somebody else stay.
func (h *Host) settleSouthboundTLS(ctx context.Context) error {
	if !h.byTLS() {
		return nil
	}
	f := h.opts.SouthboundTLS
	if f.Key == "" {
		return errors.New("neutron.ovn_southbound is of kind ssl, and this machine has no certificate of a host: hosts get one by gostack join; a machine with every role uses OVN's unix socket")
	}
	now, err := vsctl(ctx, "--no-wait", "get-ssl")
	if err != nil {
		return err
	}
	switch {
	case strings.Contains(now, f.Key) && strings.Contains(now, f.Certificate) && strings.Contains(now, f.CA):
		return nil
	case strings.Contains(now, "/") && !h.made().TLS:
		h.log.Warn("TLS settings of somebody else in Open vSwitch are kept; ovn-controller needs those of this host", "key", f.Key, "certificate", f.Certificate, "ca", f.CA)
		return nil
	}
	if err := h.note(func(m *made) { m.TLS = true }); err != nil {
		return err
	}
	_, err = vsctl(ctx, "--no-wait", "set-ssl", f.Key, f.Certificate, f.CA)
	return err
}

// checkSouthbound judges how a host reaches OVN's southbound database.
func (h *Host) checkSouthbound(ctx context.Context) (Level, string, string) {
	if !h.opts.Member {
		return "", "", ""
	}
	const manual = "see OVN's databases in the operator's manual: gostack ovn certificate on control, neutron.ovn_southbound: ssl:… there and here, then gostack up here"
	if !h.byTLS() {
		return Degraded, h.opts.Southbound + " is not TLS: every host can change every other's chassis and all flows of the cloud, and so can who listens on the way", manual
	}
	remote, err := h.externalID(ctx, "ovn-remote")
	if err != nil || remote == "" {
		return Note, h.opts.Southbound + ", by TLS; gostack up tells Open vSwitch", ""
	}
	chassis, _ := h.externalID(ctx, "system-id")
	tls, _ := vsctl(ctx, "--no-wait", "get-ssl")
	fixed, _ := os.ReadFile(systemIDFile)
	_, missing := os.Stat(h.opts.SouthboundTLS.CA)
	switch name := strings.TrimSpace(string(fixed)); {
	case missing != nil:
		return Broken, filepath.Base(h.opts.SouthboundTLS.CA) + " is not here yet: who signs OVN's databases control says with the next certificate", "see control in this list; gostack status tells about the certificate"
	case remote != h.opts.Southbound:
		return Degraded, fmt.Sprintf("Open vSwitch says %s (external_ids:ovn-remote), the configuration %s", remote, h.opts.Southbound), "ovs-vsctl remove Open_vSwitch . external_ids ovn-remote, then gostack up"
	case chassis != h.opts.Hostname:
		return Broken, fmt.Sprintf("the chassis is called %s, and the certificate is %s's: OVN refuses it", chassis, h.opts.Hostname), "gostack up"
	case !strings.Contains(tls, h.opts.SouthboundTLS.Key):
		return Broken, "Open vSwitch has TLS settings of somebody else: ovn-controller does not show this host's certificate", "ovs-vsctl del-ssl, then gostack up"
	case name != "" && name != h.opts.Hostname:
		return Degraded, fmt.Sprintf("%s says %s: Open vSwitch's start script calls the chassis that again at the next start, and OVN refuses it", systemIDFile, name), fmt.Sprintf("echo %s >%s", h.opts.Hostname, systemIDFile)
	}
	return OK, h.opts.Southbound + ", by TLS as " + h.opts.Hostname, ""
}
