package neutron

import (
	"context"
	"fmt"
	"slices"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/store"
)

// The values of provider:network_type.
const (
	typeGeneve = "geneve"
	typeVXLAN  = "vxlan"
	typeGRE    = "gre"
	typeNVGRE  = "nvgre"
	typeVLAN   = "vlan"
	typeFlat   = "flat"
	typeLocal  = "local"
)

// overhead is what encapsulation takes from a packet: outer IPv4 header and tunnel header, as upstream's type drivers count it.
var overhead = map[string]int64{typeGeneve: 20 + 38, typeVXLAN: 20 + 30, typeGRE: 20 + 22, typeNVGRE: 20 + 22}

// tunnelIDs bounds the segmentation ids of tunnels: what a header can carry. NVGRE's are RFC 7637's, and GRE's end where a key would be that of an
// NVGRE segment: both arrive on one port.
var tunnelIDs = map[string][2]int64{
	typeGeneve: {1, 1<<24 - 1}, typeVXLAN: {1, 1<<24 - 1}, typeGRE: {1, 4096<<8 - 1}, typeNVGRE: {4096, 1<<24 - 2},
}

// CheckSegmentRange fails for a range of ids that a type of tunnels cannot have.
func CheckSegmentRange(networkType string, r [2]int64) error {
	most, ok := tunnelIDs[networkType]
	if !ok || r[0] < most[0] || r[1] > most[1] || r[0] > r[1] {
		return fmt.Errorf("%s: segmentation ids go from %d to %d", networkType, most[0], most[1])
	}
	return nil
}

// byAgent tells whether the hosts' tunnel agents carry networks of a type, not OVN's own tunnels.
func byAgent(networkType string) bool {
	return networkType == typeVXLAN || networkType == typeGRE || networkType == typeNVGRE
}

func (s *Service) physnet(name string) *Physnet {
	for i := range s.Physnets {
		if s.Physnets[i].Name == name {
			return &s.Physnets[i]
		}
	}
	return nil
}

// chooseSegment finds type, physical network and id of a new network: what the caller asked for, or the next free of the
// tenant network types.
func (u *unit) chooseSegment(ctx context.Context, v attr.Values) (*db.Segment, error) {
	t, physnet, id := v.String("provider:network_type"), v.String("provider:physical_network"), v.IntPtr("provider:segmentation_id")
	if t == "" {
		if physnet != "" || id != nil {
			return nil, invalidInput("network_type required")
		}
		for _, t := range u.s.TenantNetworkTypes {
			if seg, err := u.freeSegment(ctx, t, ""); err != nil || seg != nil {
				return seg, err
			}
		}
		return nil, conflict("NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
	}
	switch t {
	case typeLocal:
		if physnet != "" || id != nil {
			return nil, invalidInput("%s prohibited for local provider network", firstOf(physnet != "", "physical_network", "segmentation_id"))
		}
		return &db.Segment{NetworkType: t}, nil
	case typeFlat:
		return u.flatSegment(physnet, id)
	case typeVLAN:
		return u.vlanSegment(ctx, physnet, id)
	}
	if physnet != "" {
		return nil, invalidInput("provider:physical_network specified for %s network", t)
	}
	if id == nil {
		seg, err := u.freeSegment(ctx, t, "")
		if err == nil && seg == nil {
			err = conflict("NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
		}
		return seg, err
	}
	if r := tunnelIDs[t]; *id < r[0] || *id > r[1] {
		return nil, invalidInput("segmentation_id out of range (%d through %d)", r[0], r[1])
	}
	return &db.Segment{NetworkType: t, SegmentationID: *id}, nil
}

func (u *unit) flatSegment(physnet string, id *int64) (*db.Segment, error) {
	switch p := u.s.physnet(physnet); {
	case physnet == "":
		return nil, invalidInput("physical_network required for flat provider network")
	case id != nil:
		return nil, invalidInput("segmentation_id prohibited for flat provider network")
	case p == nil || !p.Flat:
		return nil, invalidInput("physical_network '%s' unknown for flat provider network", physnet)
	}
	return &db.Segment{NetworkType: typeFlat, PhysicalNetwork: physnet}, nil
}

func (u *unit) vlanSegment(ctx context.Context, physnet string, id *int64) (*db.Segment, error) {
	switch {
	case physnet == "" && id != nil:
		return nil, invalidInput("segmentation_id requires physical_network for VLAN provider network")
	case physnet != "" && u.s.physnet(physnet) == nil:
		return nil, invalidInput("physical_network '%s' unknown for VLAN provider network", physnet)
	case id != nil && (*id < 1 || *id > 4094):
		return nil, invalidInput("segmentation_id out of range (1 through 4094)")
	case id != nil:
		return &db.Segment{NetworkType: typeVLAN, PhysicalNetwork: physnet, SegmentationID: *id}, nil
	}
	seg, err := u.freeSegment(ctx, typeVLAN, physnet)
	if err == nil && seg == nil {
		err = conflict("NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
	}
	return seg, err
}

// freeSegment takes a free id of a type: some guesses first, then all that are taken. nil: there is none.
func (u *unit) freeSegment(ctx context.Context, t, physnet string) (*db.Segment, error) {
	switch t {
	case typeLocal:
		return &db.Segment{NetworkType: t}, nil
	case typeGeneve, typeVXLAN, typeGRE, typeNVGRE:
		for _, r := range u.s.SegmentRanges[t] {
			id, err := u.freeID(ctx, t, "", r)
			if err != nil {
				return nil, err
			}
			if id != 0 {
				return &db.Segment{NetworkType: t, SegmentationID: id}, nil
			}
		}
	case typeVLAN:
		for _, p := range u.s.Physnets {
			if physnet != "" && p.Name != physnet {
				continue
			}
			for _, r := range p.VLANs {
				id, err := u.freeID(ctx, t, p.Name, r)
				if err != nil {
					return nil, err
				}
				if id != 0 {
					return &db.Segment{NetworkType: t, PhysicalNetwork: p.Name, SegmentationID: id}, nil
				}
			}
		}
	}
	return nil, nil
}

func (u *unit) freeID(ctx context.Context, t, physnet string, r [2]int64) (int64, error) {
	size := r[1] - r[0] + 1
	var guesses []int64
	for range 8 {
		guesses = append(guesses, r[0]+u.s.random(size))
	}
	taken := func(cond db.Cond) (ids []int64, err error) {
		err = u.tx.NewSelect().Model((*db.Segment)(nil)).Column("segmentation_id").
			Where("t.network_type = ? AND t.physical_network = ?", t, physnet).Where(cond.SQL, cond.Args...).
			OrderExpr("t.segmentation_id").Scan(ctx, &ids)
		return ids, err
	}
	used, err := taken(db.In("t.segmentation_id", guesses))
	if err != nil {
		return 0, err
	}
	for _, g := range guesses {
		if !slices.Contains(used, g) {
			return g, nil
		}
	}
	if used, err = taken(db.Where("t.segmentation_id BETWEEN ? AND ?", r[0], r[1])); err != nil {
		return 0, err
	}
	next := r[0]
	for _, id := range used {
		if id > next {
			return next, nil
		}
		next = id + 1
	}
	if next > r[1] {
		return 0, nil
	}
	return next, nil
}

// takeSegment notes that a network has a segment. Two networks cannot have the same.
func (u *unit) takeSegment(ctx context.Context, network string, seg *db.Segment) error {
	if seg.NetworkType == typeLocal {
		return nil
	}
	var holder string
	err := u.tx.NewSelect().Model((*db.Segment)(nil)).Column("network_id").
		Where("t.network_type = ? AND t.physical_network = ? AND t.segmentation_id = ?", seg.NetworkType, seg.PhysicalNetwork, seg.SegmentationID).
		Scan(ctx, &holder)
	switch {
	case store.IsNotFound(err):
		seg.NetworkID = network
		return db.Insert(ctx, u.tx, seg)
	case err != nil:
		return err
	case seg.NetworkType == typeFlat:
		return conflict("FlatNetworkInUse", "Unable to create the flat network. Physical network %s is in use.", seg.PhysicalNetwork)
	case seg.NetworkType == typeVLAN:
		return conflict("VlanIdInUse", "Unable to create the network. The VLAN %d on physical network %s is in use.",
			seg.SegmentationID, seg.PhysicalNetwork)
	}
	return conflict("TunnelIdInUse", "Unable to create the network. The tunnel ID %d is in use.", seg.SegmentationID)
}

// mtuFor returns the MTU of a network: the largest its type can carry, or what was asked for if that fits.
func (s *Service) mtuFor(n *db.Network, asked *int64) (int64, error) {
	most := s.MTU
	if p := s.physnet(n.PhysicalNetwork); p != nil && p.MTU > 0 {
		most = p.MTU
	}
	most -= overhead[n.NetworkType]
	switch {
	case asked == nil || *asked == 0:
		return most, nil
	case *asked > most:
		return 0, invalidInput("Requested MTU is too big, maximum is %d", most)
	case *asked < 68:
		return 0, invalidInput("Requested MTU is too small, minimum is 68")
	}
	return *asked, nil
}

func firstOf(cond bool, a, b string) string {
	if cond {
		return a
	}
	return b
}
