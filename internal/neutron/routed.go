package neutron

import (
	"context"
	"slices"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
)

// This file is about routed networks, whose subnets belong to segments: a port can use only the addresses of the segment that its host is on
// (neutron.db.ipam_backend_mixin, neutron.objects.subnet find_candidate_subnets).

// isRouted tells whether subnets belong to segments.
func isRouted(subnets []*db.Subnet) bool {
	return slices.ContainsFunc(subnets, func(sn *db.Subnet) bool { return sn.SegmentID != "" })
}

// anywhere are ports that are on no host, or on every one: their addresses are chosen without one.
func anywhere(p *db.Port) bool {
	return isRouterOwner(p.DeviceOwner) || p.DeviceOwner == ownerDistributed || p.DeviceOwner == ownerFloatingIP
}

// usableSubnets are the subnets whose addresses a new port may get. later says that they are chosen when its host is known.
func (u *unit) usableSubnets(ctx context.Context, p *db.Port, subnets []*db.Subnet, given bool) (usable []*db.Subnet, later bool, err error) {
	switch {
	case !isRouted(subnets) || anywhere(p) || p.Host == "" && given:
		return subnets, false, nil
	case p.Host == "":
		return nil, true, nil
	}
	usable, err = u.subnetsAt(ctx, p.NetworkID, subnets, p.Host)
	return usable, false, err
}

// subnetsAt are the subnets of the segment that a host is on.
func (u *unit) subnetsAt(ctx context.Context, network string, subnets []*db.Subnet, host string) ([]*db.Subnet, error) {
	segments, err := u.segmentsOf(ctx, network)
	if err != nil {
		return nil, err
	}
	var physnets []string
	for _, seg := range segments {
		physnets = append(physnets, seg.PhysicalNetwork)
	}
	mapped, err := u.s.Backend.Reaches(ctx, host, physnets)
	if err != nil {
		return nil, fault(503, "ServiceUnavailable", "The network engine does not answer.").Because(err)
	}
	on := map[string]bool{}
	for _, seg := range segments { // tunnels reach every host
		on[seg.ID] = seg.PhysicalNetwork == "" || slices.Contains(mapped, seg.PhysicalNetwork)
	}
	usable := slices.DeleteFunc(slices.Clone(subnets), func(sn *db.Subnet) bool { return !on[sn.SegmentID] })
	switch {
	case len(usable) == 0:
		return nil, conflict("HostNotConnectedToAnySegment",
			"Host %s is not connected to any segments on routed provider network '%s'.  It should be connected to one.", host, network)
	case !oneSegment(usable):
		return nil, conflict("HostConnectedToMultipleSegments",
			"Host %s is connected to multiple segments on routed provider network '%s'.  It should be connected to one.", host, network)
	}
	return usable, nil
}

func oneSegment(subnets []*db.Subnet) bool {
	return !slices.ContainsFunc(subnets, func(sn *db.Subnet) bool { return sn.SegmentID != subnets[0].SegmentID })
}

// onOneSegment fails for a port with addresses of different segments.
func onOneSegment(p *db.Port, subnets []*db.Subnet) error {
	if anywhere(p) {
		return nil
	}
	var used []*db.Subnet
	for _, sn := range subnets {
		if slices.ContainsFunc(p.FixedIPs, func(a db.Allocation) bool { return a.SubnetID == sn.ID }) {
			used = append(used, sn)
		}
	}
	if len(used) > 1 && !oneSegment(used) {
		return bad("FixedIpsSubnetsNotOnSameSegment", "Cannot allocate addresses from different segments.")
	}
	return nil
}

// arrive gives a port that is now on a host, or about to go there, the addresses that were left until then, or fails if it has some that do
// not work there.
func (u *unit) arrive(ctx context.Context, p *db.Port, host string) error {
	if host == "" || anywhere(p) {
		return nil
	}
	subnets, err := u.subnetsOf(ctx, p.NetworkID)
	if err != nil || !isRouted(subnets) {
		return err
	}
	if p.FixedIPs == nil {
		if err := db.LoadPortParts(ctx, u.tx, []*db.Port{p}); err != nil {
			return err
		}
	}
	if len(p.FixedIPs) == 0 && !p.IPDeferred {
		return nil
	}
	usable, err := u.subnetsAt(ctx, p.NetworkID, subnets, host)
	if err != nil {
		return err
	}
	if len(p.FixedIPs) == 0 {
		p.IPDeferred = false
		if p.FixedIPs, err = u.allocate(ctx, p, usable, false, nil, nil); err != nil || len(p.FixedIPs) == 0 {
			return err
		}
		return db.Insert(ctx, u.tx, &p.FixedIPs)
	}
	for _, a := range p.FixedIPs {
		if !slices.ContainsFunc(usable, func(sn *db.Subnet) bool { return sn.ID == a.SubnetID }) {
			return conflict("HostNotCompatibleWithFixedIps",
				"Host %s is not connected to a segment where the existing fixed_ips on port %s will function given the routed network topology.", host, p.ID)
		}
	}
	return nil
}

// routedAmong tells which networks have subnets that belong to segments.
func (u *unit) routedAmong(ctx context.Context, ports []*db.Port) (map[string]bool, error) {
	ids := make([]string, len(ports))
	for i, p := range ports {
		ids[i] = p.NetworkID
	}
	var routed []string
	err := u.tx.NewSelect().Model((*db.Subnet)(nil)).ColumnExpr("DISTINCT t.network_id").Where("t.network_id IN (?) AND t.segment_id <> ''", bun.List(ids)).Scan(ctx, &routed)
	out := map[string]bool{}
	for _, id := range routed {
		out[id] = true
	}
	return out, err
}
