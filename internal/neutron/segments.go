package neutron

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// Segments are the parts of networks that are one broadcast domain each (extensions segment, multi-provider).
func (s *Service) Segments() Kind[db.NetworkSegment, *db.NetworkSegment] {
	return Kind[db.NetworkSegment, *db.NetworkSegment]{
		s: s, absent: SegmentNotFound, seen: func(*policy.Caller) db.Cond { return db.Where("1 = 0") },
		create: func(ctx context.Context, u *unit, _ *policy.Caller, seg *db.NetworkSegment, v attr.Values) error {
			seg.ProjectID, seg.Name, seg.NetworkID = "", v.String("name"), v.String("network_id")
			n, err := u.network(ctx, seg.NetworkID, "")
			if err != nil {
				return err
			}
			have, err := u.segmentsOf(ctx, n.ID)
			if err != nil {
				return err
			}
			if err := besideOthers(v.String("network_type")); err != nil {
				return err
			}
			chosen, err := u.chooseSegment(ctx, provider(v.String("network_type"), v.String("physical_network"), v.IntPtr("segmentation_id")))
			if err != nil {
				return err
			}
			seg.NetworkType, seg.PhysicalNetwork, seg.SegmentationID = chosen.NetworkType, chosen.PhysicalNetwork, chosen.SegmentationID
			for _, old := range have {
				seg.Position = max(seg.Position, old.Position+1)
			}
			return u.takeSegment(ctx, n.ID, chosen)
		},
		update: func(_ context.Context, _ *unit, _ *policy.Caller, seg *db.NetworkSegment, v attr.Values) error {
			setText(v, "name", &seg.Name)
			return nil
		},
		stored: func(ctx context.Context, u *unit, seg *db.NetworkSegment) error {
			return u.segmentsChanged(ctx, seg.NetworkID, "")
		},
		remove: func(ctx context.Context, u *unit, seg *db.NetworkSegment) error { return u.dropSegment(ctx, seg) },
	}
}

// SegmentNotFound is a 404.
func SegmentNotFound(id string) error {
	return missing("SegmentNotFound", "Segment %s could not be found.", id)
}

func segmentInUse(id, reason string) error {
	return conflict("SegmentInUse", "Segment '%s' cannot be deleted: %s.", id, reason)
}

// provider writes a segment as the provider attributes of a network.
func provider(kind, physnet string, id *int64) attr.Values {
	v := attr.Values{"provider:network_type": kind, "provider:physical_network": physnet}
	if id != nil {
		v["provider:segmentation_id"] = *id
	}
	return v
}

// besideOthers refuses types whose networks are one segment between the tunnel agents.
func besideOthers(kind string) error {
	if byAgent(kind) {
		return invalidInput("A %s segment cannot be one of several of a network", kind)
	}
	return nil
}

func (u *unit) segmentsOf(ctx context.Context, network string) ([]*db.NetworkSegment, error) {
	return db.Find[db.NetworkSegment](ctx, u.tx, func(q *bun.SelectQuery) { q.Where("t.network_id = ?", network).OrderExpr("t.position") })
}

// dropSegment gives a segment's id back. A network keeps its last segment, and those of its subnets.
func (u *unit) dropSegment(ctx context.Context, seg *db.NetworkSegment) error {
	used, err := u.tx.NewSelect().Model((*db.Subnet)(nil)).Where("t.segment_id = ?", seg.ID).Exists(ctx)
	if err != nil {
		return err
	}
	if used {
		return segmentInUse(seg.ID, "The segment is still associated with subnet(s)")
	}
	have, err := u.segmentsOf(ctx, seg.NetworkID)
	if err != nil {
		return err
	}
	if len(have) == 1 {
		return segmentInUse(seg.ID, "It is the only segment of its network")
	}
	_, err = u.tx.NewDelete().Model((*db.Segment)(nil)).
		Where("network_type = ? AND physical_network = ? AND segmentation_id = ?", seg.NetworkType, seg.PhysicalNetwork, seg.SegmentationID).Exec(ctx)
	if err != nil {
		return err
	}
	return u.segmentsChanged(ctx, seg.NetworkID, seg.ID)
}

// segmentsChanged writes into a network's row what its segments are, but the one that is about to go.
func (u *unit) segmentsChanged(ctx context.Context, network, without string) error {
	n, err := u.network(ctx, network, "")
	if err != nil {
		return err
	}
	have, err := u.segmentsOf(ctx, network)
	if err != nil {
		return err
	}
	n.Segments = partsOf(have, without)
	if len(n.Segments) > 0 {
		first := n.Segments[0]
		n.NetworkType, n.PhysicalNetwork, n.SegmentationID = first.NetworkType, first.PhysicalNetwork, first.SegmentationID
	}
	if !byAgent(n.NetworkType) {
		n.TunnelVLAN = 0
	}
	if len(n.Segments) < 2 {
		n.Segments = nil
	}
	u.changed(kindNetwork, network)
	return u.update(ctx, n)
}

func partsOf(segments []*db.NetworkSegment, without string) (parts []db.SegmentPart) {
	for _, seg := range segments {
		if seg.ID != without {
			parts = append(parts, db.SegmentPart{
				ID: seg.ID, NetworkType: seg.NetworkType, PhysicalNetwork: seg.PhysicalNetwork, SegmentationID: seg.SegmentationID,
			})
		}
	}
	return parts
}

// firstSegments notes the segments of a new network, whose row is not stored yet: the one of its provider attributes, or those of the
// attribute segments. It returns what has to be stored when the network is.
func (u *unit) firstSegments(n *db.Network, chosen []*db.Segment) []*db.NetworkSegment {
	rows := make([]*db.NetworkSegment, len(chosen))
	for i, seg := range chosen {
		rows[i] = &db.NetworkSegment{
			NetworkID: n.ID, NetworkType: seg.NetworkType, PhysicalNetwork: seg.PhysicalNetwork, SegmentationID: seg.SegmentationID, Position: int64(i),
		}
		rows[i].ID, rows[i].CreatedAt, rows[i].UpdatedAt = u.s.newID(), u.now, u.now
	}
	rows[0].ID = n.ID
	if n.Segments = nil; len(rows) > 1 {
		n.Segments = partsOf(rows, "")
	}
	return rows
}

// takeSegments notes that a network has segments.
func (u *unit) takeSegments(ctx context.Context, n *db.Network, chosen []*db.Segment, rows []*db.NetworkSegment) error {
	for _, seg := range chosen {
		if err := u.takeSegment(ctx, n.ID, seg); err != nil {
			return err
		}
	}
	return db.Insert(ctx, u.tx, &rows)
}

// chooseSegments finds the segments of a new network.
func (u *unit) chooseSegments(ctx context.Context, v attr.Values) ([]*db.Segment, error) {
	asked := v.List("segments")
	if len(asked) == 0 {
		seg, err := u.chooseSegment(ctx, v)
		return []*db.Segment{seg}, err
	}
	for _, name := range []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"} {
		if v[name] != nil {
			return nil, bad("SegmentsSetInConjunctionWithProviders", "Segments and provider values cannot both be set.")
		}
	}
	var out []*db.Segment
	for _, a := range asked {
		if err := besideOthers(a.String("provider:network_type")); err != nil && len(asked) > 1 {
			return nil, err
		}
		seg, err := u.chooseSegment(ctx, a)
		if err != nil {
			return nil, err
		}
		for _, old := range out {
			if *old == *seg {
				return nil, bad("SegmentsContainDuplicateEntry", "Duplicate segment entry in request.")
			}
		}
		out = append(out, seg)
	}
	return out, nil
}

// checkSubnetSegment wants all subnets of a network on segments or none.
func (u *unit) checkSubnetSegment(ctx context.Context, n *db.Network, segment string, others []*db.Subnet) error {
	for _, o := range others {
		if (o.SegmentID == "") != (segment == "") {
			return bad("SubnetsNotAllAssociatedWithSegments",
				"All of the subnets on network '%s' must either all be associated with segments or all not associated with any segments.", n.ID)
		}
	}
	if segment == "" {
		return nil
	}
	seg, err := db.Get[db.NetworkSegment](ctx, u.tx, segment)
	if err != nil {
		return or(err, SegmentNotFound(segment))
	}
	if seg.NetworkID != n.ID {
		return bad("NetworkIdsDontMatch", "The subnet's network id, '%s', doesn't match the network_id of segment '%s'.", n.ID, segment)
	}
	return nil
}

// moveToSegment associates a subnet that has no segment with one (extension subnet-segmentid-writable): the only subnet of its network.
func (u *unit) moveToSegment(ctx context.Context, sn *db.Subnet, segment string) error {
	if sn.SegmentID != "" {
		return bad("SubnetSegmentAssociationChangeNotAllowed",
			"A subnet that is already associated with a segment cannot have its segment association changed.")
	}
	n, err := u.network(ctx, sn.NetworkID, "")
	if err != nil {
		return err
	}
	if len(n.Segments) > 1 {
		return bad("NoUpdateSubnetWhenMultipleSegmentsOnNetwork",
			"The network '%s' has multiple segments, it is only possible to associate an existing subnet with a segment on networks with a single segment.", n.ID)
	}
	others, err := db.Find[db.Subnet](ctx, u.tx, func(q *bun.SelectQuery) { q.Where("t.network_id = ? AND t.id <> ?", n.ID, sn.ID) })
	if err != nil {
		return err
	}
	sn.SegmentID = segment
	return u.checkSubnetSegment(ctx, n, segment, others)
}
