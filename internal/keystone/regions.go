package keystone

import (
	"context"
	"slices"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

var regionColumns = []string{"parent_region_id", "description"}

// Region returns a region.
func (s *Service) Region(ctx context.Context, id string) (*Region, error) {
	r, err := db.GetRegion(ctx, s.db.Read(ctx), id)
	return r, found(err, "region", id)
}

// Regions lists regions.
func (s *Service) Regions(ctx context.Context, o ListOptions) ([]*Region, error) {
	return db.ListRegions(ctx, s.db.Read(ctx), o.on("r.id"))
}

// CreateRegion makes a region; without an id it gets one.
func (s *Service) CreateRegion(ctx context.Context, id string, a Attrs) (*Region, error) {
	if id == "" {
		id = s.newID()
	}
	r := &Region{ID: id, Extra: a.extra(nil, regionColumns...)}
	a.text("description", &r.Description)
	setParent(r, a)
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := checkParentRegion(ctx, tx, r); err != nil {
			return err
		}
		err := db.Insert(ctx, tx, r)
		if store.IsUnique(err) {
			return conflict("region", "Duplicate ID, %s", id)
		}
		return err
	})
	return r, err
}

func setParent(r *Region, a Attrs) {
	if v, ok := a["parent_region_id"]; ok {
		r.ParentRegionID = nil
		if id, ok := v.(string); ok && id != "" {
			r.ParentRegionID = &id
		}
	}
}

func checkParentRegion(ctx context.Context, tx store.Tx, r *Region) error {
	if r.ParentRegionID == nil {
		return nil
	}
	if _, err := db.GetRegion(ctx, tx, *r.ParentRegionID); err != nil {
		return found(err, "region", *r.ParentRegionID)
	}
	below, err := db.RegionAndBelow(ctx, tx, r.ID)
	if err == nil && slices.Contains(below, *r.ParentRegionID) {
		return rest.BadRequest("The specified parent region %s would create a circular region hierarchy.", *r.ParentRegionID)
	}
	return err
}

// UpdateRegion changes a region.
func (s *Service) UpdateRegion(ctx context.Context, id string, a Attrs) (*Region, error) {
	var r *Region
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if r, err = db.GetRegion(ctx, tx, id); err != nil {
			return found(err, "region", id)
		}
		if err := a.matchID(id); err != nil {
			return err
		}
		a.text("description", &r.Description)
		setParent(r, a)
		r.Extra = a.extra(r.Extra, regionColumns...)
		if err := checkParentRegion(ctx, tx, r); err != nil {
			return err
		}
		return db.Update(ctx, tx, r)
	})
	return r, err
}

// DeleteRegion removes a region and those below it; none of them may have endpoints.
func (s *Service) DeleteRegion(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := db.GetRegion(ctx, tx, id); err != nil {
			return found(err, "region", id)
		}
		ids, err := db.RegionAndBelow(ctx, tx, id)
		if err != nil {
			return err
		}
		used, err := db.RegionHasEndpoints(ctx, tx, ids)
		if err != nil {
			return err
		}
		if used {
			return rest.Forbidden("Unable to delete region %s because it or its child regions have associated endpoints.", id)
		}
		for _, id := range ids {
			if err := db.DissociateThing(ctx, tx, "region_id", id); err != nil {
				return err
			}
		}
		return db.DeleteRegions(ctx, tx, ids)
	})
}
