package ovn

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// A port that may get DHCP answers remembers in its external_ids which subnets could give them and which options of its own it has,
// so that a subnet that comes, goes or changes can be linked without the port's spec.
const (
	subnets4Key   = "gostack:dhcp4_subnets"
	subnets6Key   = "gostack:dhcp6_subnets"
	overrides4Key = "gostack:dhcp4_options"
	overrides6Key = "gostack:dhcp6_options"
)

// linkDHCP points the port at its answers: the subnet's own row, or a row for this port alone when it has extra options.
func linkDHCP(ctx context.Context, v view, p *plan, lsp *nb.LogicalSwitchPort) error {
	for _, f := range []struct {
		subnets, overrides string
		ref                **string
		kind               string
	}{
		{subnets4Key, overrides4Key, &lsp.DHCPv4, "dhcp4"},
		{subnets6Key, overrides6Key, &lsp.DHCPv6, "dhcp6"},
	} {
		for subnet := range strings.FieldsSeq(lsp.ExternalIDs[f.subnets]) {
			base, err := v.answers(ctx, subnet)
			if err != nil {
				return err
			}
			if base == nil {
				continue
			}
			*f.ref = ptr(base.UUID)
			if own := overridden(base, lsp, f.kind, lsp.ExternalIDs[f.overrides]); own != nil {
				*f.ref = ptr(own.UUID)
				p.add(own, "")
			}
			break
		}
	}
	return nil
}

// overridden is the subnet's answers with the port's own options on top; nil when the port has none.
func overridden(base *nb.DHCPOptions, lsp *nb.LogicalSwitchPort, kind, overrides string) *nb.DHCPOptions {
	var own map[string]string
	if overrides == "" || json.Unmarshal([]byte(overrides), &own) != nil {
		return nil
	}
	options := maps.Clone(base.Options)
	maps.Copy(options, own)
	return &nb.DHCPOptions{
		UUID: rowID(kind, lsp.UUID), CIDR: base.CIDR, Options: options,
		ExternalIDs: map[string]string{"subnet_id": base.UUID, "port_id": lsp.Name},
	}
}

// relink renews the DHCP answers of the ports of a subnet after the subnet's own changed. The caller holds the structure lock.
func (b *Backend) relink(ctx context.Context, subnetID string) error {
	ports, err := ovsdb.List(ctx, b.nb, func(r *nb.LogicalSwitchPort) bool {
		return strings.Contains(r.ExternalIDs[subnets4Key], subnetID) || strings.Contains(r.ExternalIDs[subnets6Key], subnetID)
	})
	if err != nil {
		return unavailable(err)
	}
	for _, port := range ports {
		_, id := ownerParts(port.ExternalIDs[ownerKey])
		err := b.converge(ctx, owner(kindPort, id), func(ctx context.Context) (*plan, error) { return b.relinked(ctx, port.UUID, id) })
		if err != nil {
			return err
		}
	}
	return nil
}

// relinked is the plan of a port as it is, with its answers looked up anew.
func (b *Backend) relinked(ctx context.Context, lspID, portID string) (*plan, error) {
	p, err := newPlan(kindPort, portID, 0)
	if err != nil {
		return nil, err
	}
	lsp, err := ovsdb.Get[nb.LogicalSwitchPort](ctx, b.nb, lspID)
	if err != nil || lsp == nil {
		return p, err
	}
	p.keepGroups = true
	p.revision, _ = strconv.ParseInt(lsp.ExternalIDs[revisionKey], 10, 64)
	lsp.DHCPv4, lsp.DHCPv6 = nil, nil
	p.add(lsp, lsp.ExternalIDs[parentKey])
	return p, linkDHCP(ctx, live{b}, p, lsp)
}

// overridesOf renders extra_dhcp_opts of one IP version. disabled: the port wants no DHCP at all.
func overridesOf(p *plan, opts []driver.DHCPOption, version int) (encoded string, disabled bool) {
	own := map[string]string{}
	for _, o := range opts {
		if o.IPVersion != version {
			continue
		}
		if o.Name == "dhcp_disabled" {
			disabled = strings.EqualFold(o.Value, "true")
			continue
		}
		name, value, err := dhcpOption(o)
		if err != nil {
			p.reject("DHCP option %q: %w", o.Name, err)
			continue
		}
		own[name] = value
	}
	if len(own) == 0 {
		return "", disabled
	}
	raw, _ := json.Marshal(own) // a map of strings; keys come out sorted
	return string(raw), disabled
}

// subnetsOf lists the subnets of the addresses of one family, in the port's order.
func subnetsOf(ips []driver.FixedIP, v4 bool) string {
	var out []string
	for _, ip := range ips {
		if ip.Address.Is4() == v4 && !slices.Contains(out, ip.SubnetID) {
			out = append(out, ip.SubnetID)
		}
	}
	return strings.Join(out, " ")
}
