package nova

import (
	"context"

	"gostack/internal/nova/db"
	"gostack/internal/nova/hardware"
	"gostack/internal/placement"
	"gostack/internal/store"
)

// Where on its host a server's processors and memory are, and which devices it has there, follows its allocations: it is claimed with them in one transaction, is held by the
// migration while the server is between two hosts, and goes with them. So two servers never have one processor or one device for themselves, whatever happens.

// WithNUMA makes a placement's allocations take along what their consumers have of a host's cells and devices.
func WithNUMA(p Placement) Placement { return &pinning{p} }

type pinning struct{ Placement }

// Release implements Placement.
func (p *pinning) Release(ctx context.Context, tx store.Tx, consumer string) error {
	if err := p.Placement.Release(ctx, tx, consumer); err != nil {
		return err
	}
	if err := db.DeletePCIClaims(ctx, tx, consumer); err != nil {
		return err
	}
	return db.DeleteNUMAClaim(ctx, tx, consumer)
}

// Move implements Placement.
func (p *pinning) Move(ctx context.Context, tx store.Tx, from, to, consumerType string) (bool, error) {
	moved, err := p.Placement.Move(ctx, tx, from, to, consumerType)
	if err != nil || !moved {
		return moved, err
	}
	if err := db.MovePCIClaims(ctx, tx, from, to); err != nil {
		return moved, err
	}
	return moved, db.MoveNUMAClaim(ctx, tx, from, to)
}

// ClaimOn claims what a server, with a flavor, takes from a host: its allocations, and its place in the host's cells and devices
// when it asks for some.
// What does not fit is placement.ErrCapacity; then nothing has been claimed.
func (s *Service) ClaimOn(ctx context.Context, tx store.Tx, srv *Server, f FlavorCopy, host string, claim placement.Claim) error {
	wish, err := WishOf(f, srv.ImageID, srv.Image).Guest()
	if err != nil {
		return err
	}
	requests, err := s.pciOf(f, srv.ImageID, srv.Image)
	if _, conflict := hardware.IsConflict(err); conflict { // a name that has gone meanwhile
		return placement.ErrCapacity
	}
	if err != nil {
		return err
	}
	if wish == nil && requests == nil {
		return s.Placement.Claim(ctx, tx, claim)
	}
	node, err := db.GetComputeNodeOf(ctx, tx, host)
	if store.IsNotFound(err) {
		return placement.ErrCapacity
	}
	if err != nil {
		return err
	}
	claims, err := db.NUMAClaims(ctx, tx, host)
	if err != nil {
		return err
	}
	guests := []*hardware.Guest{}
	for _, c := range claims {
		if c.Consumer != claim.Consumer {
			guests = append(guests, c.Topology)
		}
	}
	cells := node.Info.NUMA
	if cells != nil {
		used := cells.Using(guests...)
		cells = &used
	}
	free := node.Info.PCI
	if requests != nil {
		has, err := db.PCIClaims(ctx, tx, host)
		if err != nil {
			return err
		}
		free = hardware.FreePCI(free, takenPCI(has, claim.Consumer))
	}
	// How far the host may be promised the scheduler has seen to; what belongs to one server alone is seen to here.
	placed, devices, ok := hardware.Place(cells, wish, hardware.Ratios{}, free, requests)
	if !ok {
		return placement.ErrCapacity
	}
	if err := s.Placement.Claim(ctx, tx, claim); err != nil {
		return err
	}
	if requests != nil {
		if err := db.SetPCIClaims(ctx, tx, claim.Consumer, pciClaims(claim.Consumer, host, devices, requests)); err != nil {
			return err
		}
	}
	if placed == nil {
		return nil
	}
	return db.SetNUMAClaim(ctx, tx, &db.NUMAClaim{Consumer: claim.Consumer, Host: host, Topology: placed})
}

// NUMAOf is where on its host a server's processors and memory are; nil for one that asks for nothing of the kind, or is on no host.
func (s *Service) NUMAOf(ctx context.Context, srv *Server) (*hardware.Guest, error) {
	wish, err := WishOf(srv.Flavor, srv.ImageID, srv.Image).Guest()
	if err != nil || wish == nil {
		return nil, nil //nolint:nilerr // of the time before such wishes were refused: it runs without
	}
	claim, err := db.GetNUMAClaim(ctx, s.DB.Read(ctx), srv.ID)
	if store.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return claim.Topology, nil
}
