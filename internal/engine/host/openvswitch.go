package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"gostack/internal/engine/command"
)

// vsctl runs ovs-vsctl on this machine's Open vSwitch.
func vsctl(ctx context.Context, args ...string) (string, error) {
	return command.Run(ctx, append([]string{"ovs-vsctl", "--timeout=30"}, args...)...)
}

// bridgeExists asks ovs-vsctl, which answers 2 for no.
func bridgeExists(ctx context.Context, bridge string) (bool, error) {
	_, err := vsctl(ctx, "br-exists", bridge)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 {
		return false, nil
	}
	return err == nil, err
}

// externalID reads a key of Open_vSwitch external_ids; empty when it is not set.
func (h *Host) externalID(ctx context.Context, key string) (string, error) {
	value, err := vsctl(ctx, "--no-wait", "--if-exists", "get", "Open_vSwitch", ".", "external_ids:"+key)
	return strings.Trim(value, `"`), err
}

// settleSwitchDatabase sets what ovn-controller reads from Open vSwitch (ovn-controller(8), "Configuration"). A value
// that somebody else has set stays, but for the host name, which Neutron's bindings must match (Debian's start scripts
// set a fully qualified one), the bridge mappings, to which ours are added, and over TLS the chassis' name.
func (h *Host) settleSwitchDatabase(ctx context.Context) error {
	if _, err := vsctl(ctx, "--no-wait", "init"); err != nil {
		return err
	}
	remote := h.opts.Southbound
	if remote == "" {
		remote = "unix:" + sbSocket
	}
	want := [][2]string{
		{"system-id", h.opts.Hostname},
		{"hostname", h.opts.Hostname},
		{"ovn-remote", remote},
		{"ovn-encap-type", h.opts.EncapType},
		{"ovn-encap-ip", h.opts.EncapIP},
		{"ovn-bridge-datapath-type", h.datapath()},
	}
	for _, mapping := range append([]string{h.opts.PhysicalNetwork + ":" + h.opts.ExternalBridge}, h.opts.OtherMappings...) {
		want = append(want, [2]string{"ovn-bridge-mappings", mapping})
	}
	for _, kv := range want {
		if err := h.setExternalID(ctx, kv[0], kv[1]); err != nil {
			return err
		}
	}
	if err := h.settleSouthboundTLS(ctx); err != nil {
		return err
	}
	// ovn-controller makes br-int as soon as it can; it is ours to remove unless it was there before.
	exists, err := bridgeExists(ctx, "br-int")
	if err != nil || exists {
		return err
	}
	return h.note(func(m *made) { m.Bridges = addOnce(m.Bridges, "br-int") })
}

func (h *Host) setExternalID(ctx context.Context, key, value string) error {
	now, err := h.externalID(ctx, key)
	if err != nil {
		return err
	}
	before, ours := h.made().ExternalIDs[key]
	if key == "ovn-bridge-mappings" {
		value = withMapping(now, value)
	}
	switch {
	case now == value:
		return nil
	case now != "" && !ours && key != "ovn-bridge-mappings" && key != "hostname" && !(key == "system-id" && h.byTLS()):
		h.log.Warn("Open vSwitch setting of somebody else is kept", "key", key, "value", now, "ours", value)
		return nil
	}
	if !ours {
		before = now
	}
	if err := h.note(func(m *made) { m.ExternalIDs[key] = before }); err != nil {
		return err
	}
	_, err = vsctl(ctx, "--no-wait", "set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:%s=%q", key, value))
	return err
}

// withMapping adds "network:bridge" to a comma separated list unless that network is mapped already.
func withMapping(list, mapping string) string {
	network, _, _ := strings.Cut(mapping, ":")
	if list == "" {
		return mapping
	}
	if slices.ContainsFunc(strings.Split(list, ","), func(m string) bool { return strings.HasPrefix(m, network+":") }) {
		return list
	}
	return list + "," + mapping
}

// settleExternalBridge makes the external bridge with this machine's address on it. After a restart of ovs-vswitchd in
// userspace the device is a new one, so the address is seen to every time.
func (h *Host) settleExternalBridge(ctx context.Context) error {
	bridge := h.opts.ExternalBridge
	exists, err := bridgeExists(ctx, bridge)
	if err != nil {
		return err
	}
	if !exists {
		if err := h.addressIsFree(bridge); err != nil && !h.opts.Member {
			return err
		}
		if err := h.note(func(m *made) { m.Bridges = addOnce(m.Bridges, bridge) }); err != nil {
			return err
		}
		// Without --no-wait ovs-vsctl returns when ovs-vswitchd has made the device.
		if _, err := vsctl(ctx, "--may-exist", "add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type="+h.datapath()); err != nil {
			return err
		}
	}
	link, err := netlink.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	ours := slices.Contains(h.made().Bridges, bridge)
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	if !ours && len(addresses) > 0 {
		return nil // the operator's bridge, with the operator's addresses
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	if h.opts.Member {
		return nil
	}
	address, err := netlink.ParseAddr(h.opts.ExternalAddress.String())
	if err != nil {
		return err
	}
	if slices.ContainsFunc(addresses, func(a netlink.Addr) bool { return a.Equal(*address) }) {
		return nil
	}
	if !ours {
		entry := h.opts.ExternalAddress.String() + " " + bridge
		if err := h.note(func(m *made) { m.Addresses = addOnce(m.Addresses, entry) }); err != nil {
			return err
		}
	}
	if err := netlink.AddrReplace(link, address); err != nil {
		return fmt.Errorf("address %s on %s: %w", address, bridge, err)
	}
	return nil
}

// addressIsFree refuses an external network that this machine already reaches through another device: its packets
// would take the wrong way, or the operator's would.
func (h *Host) addressIsFree(bridge string) error {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		dst, err := netip.ParsePrefix(r.Dst.String())
		if err != nil || dst.Bits() == 0 || !dst.Overlaps(h.opts.ExternalAddress) {
			continue
		}
		link, err := netlink.LinkByIndex(r.LinkIndex)
		if err == nil && link.Attrs().Name != bridge {
			return fmt.Errorf("the external network %s overlaps %s, which this machine reaches through %s: choose another external address",
				h.opts.ExternalAddress.Masked(), dst, link.Attrs().Name)
		}
	}
	return nil
}
