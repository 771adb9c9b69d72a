package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Flavor is a row of nova_flavors.
type Flavor struct {
	bun.BaseModel `bun:"nova_flavors,alias:f"`

	Seq         int64             `bun:"seq,pk,autoincrement"`
	ID          string            `bun:"id"`
	Name        string            `bun:"name"`
	MemoryMB    int64             `bun:"memory_mb"`
	VCPUs       int64             `bun:"vcpus"`
	RootGB      int64             `bun:"root_gb"`
	EphemeralGB int64             `bun:"ephemeral_gb"`
	SwapMB      int64             `bun:"swap_mb"`
	RxTxFactor  float64           `bun:"rxtx_factor"`
	IsPublic    bool              `bun:"is_public"`
	Disabled    bool              `bun:"disabled"`
	Description *string           `bun:"description"`
	ExtraSpecs  map[string]string `bun:"extra_specs"`
	CreatedAt   time.Time         `bun:"created_at"`
	UpdatedAt   *time.Time        `bun:"updated_at"`
}

// FlavorAccess is a row of nova_flavor_access: a project that may use a private flavor.
type FlavorAccess struct {
	bun.BaseModel `bun:"nova_flavor_access,alias:fa"`

	FlavorID  string `bun:"flavor_id,pk"`
	ProjectID string `bun:"project_id,pk"`
}

// FlavorFilter narrows a list of flavors.
type FlavorFilter struct {
	// Public: nil takes both kinds.
	Public *bool
	// VisibleTo, when set, adds the private flavors that this project may use to the public ones.
	VisibleTo          string
	MinDisk, MinMemory int64
	Name               string // a regular expression; empty: any
	// Marker is the id of the last flavor of the page before.
	Marker  string
	SortKey string // a column; empty: id
	Desc    bool
	Limit   int
}

// GetFlavor returns a flavor by id. With visibleTo set, a private flavor that this project has no access to is not found.
func GetFlavor(ctx context.Context, h bun.IDB, id, visibleTo string) (*Flavor, error) {
	f := new(Flavor)
	q := h.NewSelect().Model(f).Where("f.id = ?", id)
	if visibleTo != "" {
		q.Where("(f.is_public OR "+hasAccess+")", visibleTo)
	}
	return f, q.Scan(ctx)
}

const hasAccess = "EXISTS (SELECT 1 FROM nova_flavor_access AS a WHERE a.flavor_id = f.id AND a.project_id = ?)"

// ListFlavors returns a page of flavors.
func ListFlavors(ctx context.Context, h bun.IDB, filter FlavorFilter) ([]*Flavor, error) {
	return list[Flavor](ctx, h, func(q *bun.SelectQuery) {
		switch {
		case filter.VisibleTo != "":
			q.Where("(f.is_public OR "+hasAccess+")", filter.VisibleTo)
		case filter.Public != nil:
			q.Where("f.is_public = ?", *filter.Public)
		}
		if filter.MinDisk > 0 {
			q.Where("f.root_gb >= ?", filter.MinDisk)
		}
		if filter.MinMemory > 0 {
			q.Where("f.memory_mb >= ?", filter.MinMemory)
		}
		if filter.Name != "" {
			q.Where("f.name "+matches(h)+" ?", filter.Name)
		}
		key, cmp, dir := filter.SortKey, ">", "ASC"
		if key == "" {
			key = "id"
		}
		if filter.Desc {
			cmp, dir = "<", "DESC"
		}
		if filter.Marker != "" {
			q.Where("(f.?, f.seq) "+cmp+" (SELECT m.?, m.seq FROM nova_flavors AS m WHERE m.id = ?)", bun.Ident(key), bun.Ident(key), filter.Marker)
		}
		q.OrderExpr("f.? "+dir+", f.seq "+dir, bun.Ident(key))
		if filter.Limit > 0 {
			q.Limit(int64(filter.Limit))
		}
	})
}

// UpdateFlavor stores the named columns of a flavor.
func UpdateFlavor(ctx context.Context, tx store.Tx, f *Flavor, columns ...string) error {
	if err := touch(ctx, tx, WatchFlavor, f.ID); err != nil {
		return err
	}
	return one(tx.NewUpdate().Model(f).Column(columns...).WherePK().Exec(ctx))
}

// DeleteFlavor removes a flavor with its access list.
func DeleteFlavor(ctx context.Context, tx store.Tx, id string) error {
	if err := touch(ctx, tx, WatchFlavor, id); err != nil {
		return err
	}
	return one(tx.NewDelete().Model((*Flavor)(nil)).Where("id = ?", id).Exec(ctx))
}

// ListFlavorAccess returns the projects that may use a private flavor, in order.
func ListFlavorAccess(ctx context.Context, h bun.IDB, flavorID string) ([]*FlavorAccess, error) {
	return list[FlavorAccess](ctx, h, func(q *bun.SelectQuery) {
		q.Where("fa.flavor_id = ?", flavorID).Order("fa.project_id")
	})
}

// DeleteFlavorAccess takes a project from a flavor's access list.
func DeleteFlavorAccess(ctx context.Context, tx store.Tx, flavorID, projectID string) error {
	if err := touch(ctx, tx, WatchFlavor, flavorID); err != nil {
		return err
	}
	return one(tx.NewDelete().Model(&FlavorAccess{FlavorID: flavorID, ProjectID: projectID}).WherePK().Exec(ctx))
}
