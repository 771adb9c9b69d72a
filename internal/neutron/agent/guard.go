package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gostack/internal/engine/command"
	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/engine/ovsdb/vswitch"
)

// A guest behind a port with port security must not advertise itself as an IPv6 router (RFC 6105). OVN up to 23.03 at least lets
// neighbour discovery pass before every ACL (northd, priority 65532 in all ACL stages), and its port security does not look at
// advertisements. So the agent puts a flow of its own before OVN's first table for each such port of this host.
// ovn-controller removes flows that it does not know when it connects, hence the second look after each change and now and then.
const (
	guardCookie   = "0x676f737461636b" // "gostack"
	guardPriority = "2000"             // OVN's own of table 0 end below 200
	guardSettle   = 3 * time.Second
	guardEvery    = 30 * time.Second
)

// guard makes the flows equal to the secured ports of this host. some tells whether there are any.
func (a *Agent) guard(ctx context.Context, chassisName string) (some bool, err error) {
	chassis, err := ovsdb.List(ctx, a.sb, func(c *sb.Chassis) bool { return c.Name == chassisName })
	if err != nil || len(chassis) != 1 {
		return false, err
	}
	bound, err := ovsdb.List(ctx, a.sb, func(p *sb.PortBinding) bool {
		return p.Type == "" && len(p.PortSecurity) > 0 && p.Chassis != nil && *p.Chassis == chassis[0].UUID
	})
	if err != nil {
		return false, err
	}
	secured := make(map[string]bool, len(bound))
	for _, p := range bound {
		secured[p.LogicalPort] = true
	}
	plugged, err := ovsdb.List(ctx, a.vs, func(i *vswitch.Interface) bool {
		return secured[i.ExternalIDs["iface-id"]] && i.Ofport != nil && *i.Ofport > 0
	})
	if err != nil {
		return false, err
	}
	want := make([]string, len(plugged))
	for i, p := range plugged {
		want[i] = strconv.Itoa(*p.Ofport)
	}
	have, err := a.guarded(ctx)
	if err != nil {
		return len(want) > 0, err
	}
	var errs []error
	for _, port := range want {
		if !slices.Contains(have, port) {
			_, err := a.ofctl(ctx, "add-flow", "cookie="+guardCookie+",table=0,priority="+guardPriority+",icmp6,icmp_type=134,in_port="+port+",actions=drop")
			errs = append(errs, err)
		}
	}
	for _, port := range have {
		if !slices.Contains(want, port) {
			_, err := a.ofctl(ctx, "del-flows", "cookie="+guardCookie+"/-1,table=0,icmp6,icmp_type=134,in_port="+port)
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return len(want) > 0, fmt.Errorf("router advertisements of guests: %w", err)
	}
	return len(want) > 0, nil
}

// guarded lists the OpenFlow ports that have the flow.
func (a *Agent) guarded(ctx context.Context) ([]string, error) {
	out, err := a.ofctl(ctx, "dump-flows", "cookie="+guardCookie+"/-1,table=0")
	if err != nil {
		return nil, fmt.Errorf("router advertisements of guests: %w", err)
	}
	return guardedPorts(out), nil
}

// guardedPorts finds the ports in what ovs-ofctl prints.
func guardedPorts(flows string) (ports []string) {
	for line := range strings.Lines(flows) {
		_, rest, ok := strings.Cut(line, "in_port=")
		if !ok || !strings.Contains(line, "icmp_type=134") {
			continue
		}
		digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if digits > 0 {
			ports = append(ports, rest[:digits])
		}
	}
	return ports
}

// ofctl speaks OpenFlow with the integration bridge of this host. The bridge's socket lies beside the database's.
func (a *Agent) ofctl(ctx context.Context, verb, flow string) (string, error) {
	bridge := "br-int"
	if path, ok := strings.CutPrefix(a.cfg.Switch[0], "unix:"); ok {
		bridge = "unix:" + filepath.Join(filepath.Dir(path), "br-int.mgmt")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	args := []string{"ovs-ofctl", "-O", "OpenFlow13"}
	if verb == "dump-flows" {
		args = append(args, "--no-names", "--no-stats")
	}
	return command.Run(ctx, append(args, verb, bridge, flow)...)
}
