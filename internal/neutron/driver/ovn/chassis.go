package ovn

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/neutron/driver"
)

// chassis lists the hosts as the Southbound database has them. Nobody is asked.
func (b *Backend) chassis(ctx context.Context) ([]driver.Chassis, error) {
	rows, err := ovsdb.List[sb.Chassis](ctx, b.sb, nil)
	if err != nil {
		return nil, unavailable(err)
	}
	encaps, err := ovsdb.List[sb.Encap](ctx, b.sb, nil)
	if err != nil {
		return nil, unavailable(err)
	}
	private, err := ovsdb.List[sb.ChassisPrivate](ctx, b.sb, nil)
	if err != nil {
		return nil, unavailable(err)
	}
	ends := map[string][]driver.Encap{}
	for _, e := range encaps {
		if ip, err := netip.ParseAddr(e.IP); err == nil {
			ends[e.ChassisName] = append(ends[e.ChassisName], driver.Encap{Type: e.Type, IP: ip})
		}
	}
	answers := make(map[string]*sb.ChassisPrivate, len(private))
	for _, p := range private {
		answers[p.Name] = p
	}
	var out []driver.Chassis
	for _, r := range rows {
		c := described(r)
		c.Encaps = ends[r.Name]
		if p := answers[r.Name]; p != nil {
			if p.NbCfgTimestamp > 0 {
				c.LastSeen, c.Generation = time.UnixMilli(int64(p.NbCfgTimestamp)).UTC(), int64(p.NbCfg)
			}
			_, c.MetadataAgent = p.ExternalIDs[sb.MetadataIDKey]
			c.MetadataGeneration, _ = strconv.ParseInt(p.ExternalIDs[sb.MetadataConfigKey], 10, 64)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b driver.Chassis) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// described is what a chassis says of its host.
func described(r *sb.Chassis) driver.Chassis {
	c := driver.Chassis{Name: r.Name, Host: r.Hostname, Bridges: bridgeMappings(setting(r, "ovn-bridge-mappings"))}
	options := strings.Split(setting(r, "ovn-cms-options"), ",")
	c.Gateway = slices.Contains(options, "enable-chassis-as-gw")
	c.Bandwidth = bandwidths(options)
	for _, o := range options {
		if zones, ok := strings.CutPrefix(o, "availability-zones="); ok {
			c.Zones = strings.FieldsFunc(zones, func(r rune) bool { return r == ':' })
		}
	}
	return c
}

// Known implements driver.Backend.
func (b *Backend) Known(ctx context.Context, host string) ([]driver.Chassis, error) {
	if host != "" {
		c, ok, err := b.chassisNamed(ctx, host)
		if err != nil || !ok {
			return nil, err
		}
		return []driver.Chassis{described(c)}, nil
	}
	var out []driver.Chassis
	_, err := ovsdb.List(ctx, b.sb, func(c *sb.Chassis) bool {
		out = append(out, described(c))
		return false // what it says is enough, no copy is wanted
	})
	return out, unavailable(err)
}

// isHost tells whether the chassis is the host that the cloud calls by that name: by its host name or system-id, or, where one of both is
// fully qualified, by the first label.
func isHost(c *sb.Chassis, host string) bool {
	if c.Hostname == host || c.Name == host {
		return true
	}
	short, _, qualified := strings.Cut(host, ".")
	other, _, otherQualified := strings.Cut(c.Hostname, ".")
	return qualified != otherQualified && short == other
}

// chassisNamed finds the chassis of a host. OVN knows it by its name; ok is false when there is none, or more than one with that first label.
func (b *Backend) chassisNamed(ctx context.Context, host string) (c *sb.Chassis, ok bool, err error) {
	rows, err := ovsdb.List(ctx, b.sb, func(c *sb.Chassis) bool { return isHost(c, host) })
	if err != nil {
		return nil, false, unavailable(err)
	}
	if i := slices.IndexFunc(rows, func(c *sb.Chassis) bool { return c.Hostname == host || c.Name == host }); i >= 0 {
		return rows[i], true, nil
	}
	if len(rows) != 1 {
		return nil, false, nil
	}
	return rows[0], true, nil
}

// setting reads a chassis setting; OVN moved them from external_ids to other_config.
func setting(c *sb.Chassis, key string) string {
	if v, ok := c.OtherConfig[key]; ok {
		return v
	}
	return c.ExternalIDs[key]
}

// bridgeMappings parses "physnet1:br-ex,physnet2:br-x".
func bridgeMappings(s string) map[string]string {
	out := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		if physnet, bridge, ok := strings.Cut(strings.TrimSpace(pair), ":"); ok {
			out[physnet] = bridge
		}
	}
	return out
}

// Reaches implements driver.Backend.
func (b *Backend) Reaches(ctx context.Context, host string, physnets []string) ([]string, error) {
	c, ok, err := b.chassisNamed(ctx, host)
	if err != nil || !ok {
		return nil, err
	}
	mapped := bridgeMappings(setting(c, "ovn-bridge-mappings"))
	return slices.DeleteFunc(slices.Clone(physnets), func(p string) bool { return mapped[p] == "" }), nil
}

// RemoveChassis implements driver.Backend. Nothing in OVN removes a dead host by itself.
func (b *Backend) RemoveChassis(ctx context.Context, name string) error {
	var ops []ovsdb.Op
	chassis, err := ovsdb.List(ctx, b.sb, func(c *sb.Chassis) bool { return c.Name == name })
	if err != nil {
		return unavailable(err)
	}
	for _, c := range chassis {
		ops = append(ops, ovsdb.Delete("Chassis", c.UUID))
	}
	private, err := ovsdb.List(ctx, b.sb, func(c *sb.ChassisPrivate) bool { return c.Name == name })
	if err != nil {
		return unavailable(err)
	}
	for _, c := range private {
		ops = append(ops, ovsdb.Delete("Chassis_Private", c.UUID))
	}
	if len(ops) == 0 {
		return nil
	}
	client := b.sb
	if b.cfg.ChassisTLS != nil && strings.HasPrefix(b.cfg.Southbound[0], "ssl:") {
		client = ovsdb.Open(ovsdb.Config{Database: sb.Database, Endpoints: b.cfg.Southbound, TLS: b.cfg.ChassisTLS(name), Tables: []ovsdb.Table{{Row: &sb.Chassis{}}}, Log: b.log})
		defer client.Close()
	}
	if err := client.Transact(ctx, ops...); err != nil {
		return fmt.Errorf("ovn: remove chassis %s: %w", name, unavailable(err))
	}
	return nil
}
