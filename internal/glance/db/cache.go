package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// CachedImage is an image that a node keeps a copy of, or is to.
type CachedImage struct {
	bun.BaseModel `bun:"table:glance_cached_images,alias:c"`
	Node          string `bun:",pk"`
	ImageID       string `bun:",pk"`
	FileKey       string // "" while it waits in the queue
	Size          int64
	Hits          int64
	LastAccessed  time.Time
	LastModified  time.Time

	Gone bool `bun:",scanonly"` // the image is not there any more
}

// CachedOn lists what a node keeps and is to keep, the least recently used first. One statement.
func CachedOn(ctx context.Context, idb bun.IDB, node string) ([]CachedImage, error) {
	list := []CachedImage{}
	err := idb.NewSelect().Model(&list).ColumnExpr("c.*").ColumnExpr("i.id IS NULL AS gone").
		Join("LEFT JOIN glance_images AS i ON i.id = c.image_id").
		Where("c.node = ?", node).OrderExpr("c.last_accessed, c.image_id").Scan(ctx)
	return list, err
}

// CachingNodes lists the nodes that keep an image.
func CachingNodes(ctx context.Context, idb bun.IDB, imageID string) ([]string, error) {
	nodes := []string{}
	err := idb.NewSelect().Model((*CachedImage)(nil)).Column("node").Where("image_id = ?", imageID).Where("file_key <> ''").Order("node").Scan(ctx, &nodes)
	return nodes, err
}

// QueueCached asks a node to keep an image; one that is there already stays as it is.
func QueueCached(ctx context.Context, tx store.Tx, c *CachedImage) error {
	_, err := tx.NewInsert().Model(c).On("CONFLICT (node, image_id) DO NOTHING").Exec(ctx)
	return err
}

// KeepCached says that a node keeps what was queued. False: it is not wanted any more.
func KeepCached(ctx context.Context, tx store.Tx, c *CachedImage) (bool, error) {
	return changed(tx.NewUpdate().Model(c).WherePK().Column("file_key", "size", "last_accessed", "last_modified").Exec(ctx))
}

// HitCached counts that a copy was read n times, at last at a time.
func HitCached(ctx context.Context, tx store.Tx, node, imageID string, n int64, at time.Time) error {
	_, err := tx.NewUpdate().Model((*CachedImage)(nil)).Set("hits = hits + ?", n).Set("last_accessed = ?", at).
		Where("node = ?", node).Where("image_id = ?", imageID).Exec(ctx)
	return err
}

// DropCached forgets an image of a node. False: there was none such.
func DropCached(ctx context.Context, tx store.Tx, node, imageID string) (bool, error) {
	return changed(tx.NewDelete().Model((*CachedImage)(nil)).Where("node = ?", node).Where("image_id = ?", imageID).Exec(ctx))
}
