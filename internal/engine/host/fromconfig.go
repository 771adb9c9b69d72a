package host

import (
	"fmt"
	"net/netip"
	"strings"

	"gostack/internal/config"
	"gostack/internal/hosts/member"
)

// FromConfig takes the engines' options from the configuration file.
func FromConfig(c *config.Config) (Options, error) {
	external, err := netip.ParsePrefix(c.Neutron.ExternalCIDR)
	if err != nil {
		return Options{}, fmt.Errorf("neutron.external_cidr: %w", err)
	}
	o := Options{
		RunDir: c.RunDir, StateDir: c.StateDir, LogDir: c.LogDir, Hostname: c.Host, EncapIP: c.Neutron.EncapIP,
		Member:          c.IsHost(),
		ExternalAddress: netip.PrefixFrom(external.Masked().Addr().Next(), external.Bits()),
	}
	for i, mapping := range c.Neutron.BridgeMappings {
		network, bridge, ok := strings.Cut(mapping, ":")
		switch {
		case !ok:
			return Options{}, fmt.Errorf("neutron.bridge_mappings: %q is not physical network:bridge", mapping)
		case i == 0:
			o.PhysicalNetwork, o.ExternalBridge = network, bridge
		default:
			o.OtherMappings = append(o.OtherMappings, mapping)
		}
	}
	// Another machine's databases: then OVN's central part is not run here.
	if sb := c.Neutron.OVNSouthbound; sb != "unix:"+sbSocket {
		o.Southbound = sb
	}
	if o.Member {
		o.SouthboundTLS = TLSFiles(member.OVN(member.Dir(c.StateDir)))
	}
	return o, nil
}
