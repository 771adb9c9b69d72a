package tunnel

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gostack/internal/engine/command"
	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/vswitch"
	"gostack/internal/neutron/driver"
)

const (
	// segmentBridge is the bridge of the physical network "tunnels"; it learns addresses. tunnelBridge does only what its flows say.
	segmentBridge = "br-tlan"
	tunnelBridge  = "br-tun"
	outerPatch    = "tlan-tun"
	innerPatch    = "tun-tlan"
	ownerMark     = `external_ids:"gostack:owner"=neutron-tunnel-agent`
	cookie        = "0x676f74756e"
	learnedCookie = "676f6c6561"
)

func (a *Agent) bridge(ctx context.Context, name string) (*vswitch.Bridge, error) {
	rows, err := ovsdb.Find(ctx, a.vs, &vswitch.Bridge{Name: name})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// build makes bridges, patch ports, one port per peer and carrier, and the settings by which ovn-controller uses them.
func (a *Agent) build(ctx context.Context, chassis string, local netip.Addr, peers []netip.Addr, vxlanPort string) error {
	integration, err := a.bridge(ctx, "br-int")
	if err != nil {
		return err
	}
	if integration == nil {
		return errors.New("bridge br-int does not exist yet")
	}
	type patch struct{ bridge, port, peer, mode string }
	var args []string
	for _, p := range []patch{{segmentBridge, outerPatch, innerPatch, "standalone"}, {tunnelBridge, innerPatch, outerPatch, "secure"}} {
		args = append(args, "--", "--may-exist", "add-br", p.bridge,
			"--", "set", "bridge", p.bridge, "datapath_type="+integration.DatapathType, "fail_mode="+p.mode, ownerMark,
			"--", "--may-exist", "add-port", p.bridge, p.port, "--", "set", "interface", p.port, "type=patch", "options:peer="+p.peer)
	}
	want := []string{innerPatch}
	for _, p := range peers {
		for _, carrier := range []string{"gre", "vxlan"} {
			name := portName(carrier, p)
			want = append(want, name)
			args = append(args, "--", "--may-exist", "add-port", tunnelBridge, name,
				"--", "set", "interface", name, "type="+carrier, "options:key=flow", "options:remote_ip="+p.String(), "options:local_ip="+local.String())
			if carrier == "vxlan" {
				args = append(args, "options:dst_port="+vxlanPort)
			}
		}
	}
	if b, err := a.bridge(ctx, tunnelBridge); err == nil && b != nil {
		ports, err := ovsdb.List(ctx, a.vs, func(p *vswitch.Port) bool { return slices.Contains(b.Ports, p.UUID) })
		if err != nil {
			return err
		}
		for _, p := range ports {
			if p.Name != tunnelBridge && !slices.Contains(want, p.Name) {
				args = append(args, "--", "--if-exists", "del-port", tunnelBridge, p.Name)
			}
		}
	}
	roots, err := ovsdb.List[vswitch.OpenvSwitch](ctx, a.vs, nil)
	if err != nil || len(roots) != 1 {
		return errors.Join(err, errors.New("no row in Open_vSwitch"))
	}
	for key, mapping := range map[string]string{
		"ovn-bridge-mappings": driver.TunnelPhysnet + ":" + segmentBridge,
		// Routers' MAC addresses differ from host to host on such networks, else the bridges would see one address at several places.
		"ovn-chassis-mac-mappings": driver.TunnelPhysnet + ":" + hostMAC(chassis),
	} {
		if now := roots[0].ExternalIDs[key]; !mapped(now, mapping) {
			args = append(args, "--", "set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:%s=%q", key, strings.TrimPrefix(now+","+mapping, ",")))
		}
	}
	if _, err := a.vsctl(ctx, args...); err != nil {
		return fmt.Errorf("bridges of tunnels: %w", err)
	}
	return nil
}

// mapped tells whether a list like "physnet1:br-ex,tunnels:br-tlan" has a mapping.
func mapped(list, mapping string) bool {
	return slices.Contains(strings.Split(list, ","), mapping)
}

// hostMAC is the address under which this host's routers send on networks of this kind: stable, and local to the administration.
func hostMAC(chassis string) string {
	h := sha256.Sum256([]byte("tunnels/" + chassis))
	return fmt.Sprintf("0e:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4])
}

// program gives the bridge its flows when they are not there. What was learned is lost by that and learned again.
func (a *Agent) program(ctx context.Context, want string) error {
	if want == a.flows {
		have, err := a.ofctl(ctx, "dump-flows", "--no-stats", a.management(), "cookie="+cookie+"/-1")
		if err != nil {
			return err
		}
		if strings.Count(have, "cookie="+cookie) == strings.Count(want, "cookie="+cookie) {
			return nil
		}
	}
	f, err := os.CreateTemp("", "gostack-flows-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(want)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if _, err := a.ofctl(ctx, "replace-flows", a.management(), f.Name()); err != nil {
		return fmt.Errorf("flows of tunnels: %w", err)
	}
	a.flows = want
	return nil
}

// management is the tunnel bridge's OpenFlow socket, which lies beside the database's.
func (a *Agent) management() string {
	if path, ok := strings.CutPrefix(a.cfg.Switch[0], "unix:"); ok {
		return "unix:" + filepath.Join(filepath.Dir(path), tunnelBridge+".mgmt")
	}
	return tunnelBridge
}

func (a *Agent) ofctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return command.Run(ctx, append([]string{"ovs-ofctl", "-O", "OpenFlow13"}, args...)...)
}

func (a *Agent) vsctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return command.Run(ctx, append([]string{"ovs-vsctl", "--db=" + strings.Join(a.cfg.Switch, ",")}, args...)...)
}
