package tunnel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gostack/internal/engine/command"
	"gostack/internal/neutron/driver"
)

// Purge removes what the agent made on this host: its bridges with their tunnels, and its entries in the settings of Open vSwitch.
func Purge(ctx context.Context, endpoints []string) error {
	a := New(Config{Switch: endpoints})
	var args []string
	for _, bridge := range []string{tunnelBridge, segmentBridge} {
		owner, err := a.vsctl(ctx, "br-get-external-id", bridge, "gostack:owner")
		if err == nil && strings.Contains(owner, "neutron-tunnel-agent") {
			args = append(args, "--", "--if-exists", "del-br", bridge)
		}
	}
	if len(args) == 0 {
		return nil
	}
	for _, key := range []string{"ovn-bridge-mappings", "ovn-chassis-mac-mappings"} {
		text, err := command.Run(ctx, "ovs-vsctl", "--db="+strings.Join(a.cfg.Switch, ","), "--if-exists", "get", "Open_vSwitch", ".", "external_ids:"+key)
		if err != nil {
			return err
		}
		list := strings.Split(strings.Trim(text, `"`), ",")
		rest := slices.DeleteFunc(slices.Clone(list), func(m string) bool { return m == "" || strings.HasPrefix(m, driver.TunnelPhysnet+":") })
		switch {
		case len(rest) == len(list):
		case len(rest) == 0:
			args = append(args, "--", "remove", "Open_vSwitch", ".", "external_ids", key)
		default:
			args = append(args, "--", "set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:%s=%q", key, strings.Join(rest, ",")))
		}
	}
	_, err := a.vsctl(ctx, args...)
	return err
}
