package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Data is what is known of an image's data once it is whole.
type Data struct {
	Size, VirtualSize             int64
	Checksum, HashAlgo, HashValue string
}

func changed(res interface{ RowsAffected() (int64, error) }, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// BeginUpload makes a queued image saving, with a lease for the upload. False: it is not queued any more.
func BeginUpload(ctx context.Context, tx store.Tx, id, key string, lease, now time.Time) (bool, error) {
	if err := touch(ctx, tx, id); err != nil {
		return false, err
	}
	return changed(tx.NewUpdate().Model((*Image)(nil)).Set("status = 'saving'").Set("upload_key = ?", key).Set("upload_lease = ?", lease).
		Set("updated_at = ?", now).Where("id = ?", id).Where("status = 'queued'").Exec(ctx))
}

// RenewUpload moves the lease. False: the upload is not wanted any more.
func RenewUpload(ctx context.Context, tx store.Tx, id, key string, lease time.Time) (bool, error) {
	return changed(tx.NewUpdate().Model((*Image)(nil)).Set("upload_lease = ?", lease).
		Where("id = ?", id).Where("upload_key = ?", key).Exec(ctx))
}

// EndUpload makes a saving image active with its data. False: the image was deleted, or its upload was given up.
func EndUpload(ctx context.Context, tx store.Tx, id, key string, d Data, now time.Time) (bool, error) {
	if err := touch(ctx, tx, id); err != nil {
		return false, err
	}
	return changed(tx.NewUpdate().Model((*Image)(nil)).Set("status = 'active'").
		Set("data_key = ?", key).Set("upload_key = ''").Set("upload_lease = NULL").
		Set("size = ?", d.Size).Set("virtual_size = ?", d.VirtualSize).
		Set("checksum = ?", d.Checksum).Set("hash_algo = ?", d.HashAlgo).Set("hash_value = ?", d.HashValue).
		Set("updated_at = ?", now).Where("id = ?", id).Where("upload_key = ?", key).Where("status = 'saving'").Exec(ctx))
}

// DropUpload puts an image whose upload failed back to queued.
func DropUpload(ctx context.Context, tx store.Tx, id, key string, now time.Time) (bool, error) {
	if err := touch(ctx, tx, id); err != nil {
		return false, err
	}
	return changed(tx.NewUpdate().Model((*Image)(nil)).Set("status = 'queued'").Set("upload_key = ''").Set("upload_lease = NULL").
		Set("updated_at = ?", now).Where("id = ?", id).Where("upload_key = ?", key).Where("status = 'saving'").Exec(ctx))
}

// Holding returns the images that have, or should have, data or an upload, with the columns that say so: all, or the one
// with the id only. For the reconciler.
func Holding(ctx context.Context, idb bun.IDB, only string) ([]Image, error) {
	var rows []Image
	q := idb.NewSelect().Model(&rows).Column("id", "status", "size", "data_key", "upload_key", "upload_lease").
		Where("(data_key <> '' OR upload_key <> '' OR status IN ('saving', 'active', 'deactivated'))")
	if only != "" {
		q = q.Where("id = ?", only)
	}
	return rows, q.Scan(ctx)
}

// HasKey tells whether any image has the data, or an upload of it.
func HasKey(ctx context.Context, idb bun.IDB, key string) (bool, error) {
	return idb.NewSelect().Model((*Image)(nil)).Where("data_key = ? OR upload_key = ?", key, key).Exists(ctx)
}
