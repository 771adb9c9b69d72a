package db

import (
	"context"
	"encoding/json"
	"slices"
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

// BeginUpload makes a queued image saving or uploading, with a lease for the upload. False: it is not queued any more.
func BeginUpload(ctx context.Context, tx store.Tx, id, key, status string, lease, now time.Time) (bool, error) {
	if err := touch(ctx, tx, id); err != nil {
		return false, err
	}
	return changed(tx.NewUpdate().Model((*Image)(nil)).Set("status = ?", status).Set("upload_key = ?", key).Set("upload_lease = ?", lease).
		Set("updated_at = ?", now).Where("id = ?", id).Where("status = 'queued'").Exec(ctx))
}

// RenewUpload moves the lease. False: the upload is not wanted any more.
func RenewUpload(ctx context.Context, tx store.Tx, id, key string, lease time.Time) (bool, error) {
	return changed(tx.NewUpdate().Model((*Image)(nil)).Set("upload_lease = ?", lease).
		Where("id = ?", id).Where("upload_key = ?", key).Exec(ctx))
}

// EndUpload makes a saving image active with its data. False: the image was deleted, or its upload was given up.
func EndUpload(ctx context.Context, tx store.Tx, id string, at Location, d Data, now time.Time) (bool, error) {
	if err := touch(ctx, tx, id); err != nil {
		return false, err
	}
	text, err := json.Marshal([]Location{at})
	if err != nil {
		return false, err
	}
	return changed(tx.NewUpdate().Model((*Image)(nil)).Set("status = 'active'").
		Set("locations = ?", string(text)).Set("data_key = ?", at.Key).Set("upload_key = ''").Set("upload_lease = NULL").
		Set("size = ?", d.Size).Set("virtual_size = ?", d.VirtualSize).
		Set("checksum = ?", d.Checksum).Set("hash_algo = ?", d.HashAlgo).Set("hash_value = ?", d.HashValue).
		Set("updated_at = ?", now).Where("id = ?", id).Where("upload_key = ?", at.Key).Where("status = 'saving'").Exec(ctx))
}

// EndStage keeps what was staged for the import. False: the image was deleted, or its upload was given up.
func EndStage(ctx context.Context, tx store.Tx, id, key string, size int64, now time.Time) (bool, error) {
	if err := touch(ctx, tx, id); err != nil {
		return false, err
	}
	return changed(tx.NewUpdate().Model((*Image)(nil)).Set("staged_key = ?", key).Set("staged_size = ?", size).Set("upload_key = ''").Set("upload_lease = NULL").
		Set("updated_at = ?", now).Where("id = ?", id).Where("upload_key = ?", key).Where("status = 'uploading'").Exec(ctx))
}

// DropUpload puts an image whose upload failed back to queued.
func DropUpload(ctx context.Context, tx store.Tx, id, key string, now time.Time) (bool, error) {
	if err := touch(ctx, tx, id); err != nil {
		return false, err
	}
	return changed(tx.NewUpdate().Model((*Image)(nil)).Set("status = 'queued'").Set("upload_key = ''").Set("upload_lease = NULL").
		Set("updated_at = ?", now).Where("id = ?", id).Where("upload_key = ?", key).Where("status IN ('saving', 'uploading')").Exec(ctx))
}

// SaveData writes an image's status and all that is known of its data, as img has it.
func SaveData(ctx context.Context, tx store.Tx, img *Image) error {
	if err := touch(ctx, tx, img.ID); err != nil {
		return err
	}
	img.DataKey = ""
	for _, at := range img.Locations {
		if img.DataKey == "" {
			img.DataKey = at.Key
		}
	}
	_, err := tx.NewUpdate().Model(img).WherePK().
		Column("status", "disk_format", "container_format", "locations", "data_key", "reserved", "staged_key", "staged_size", "size", "virtual_size", "checksum", "hash_algo", "hash_value", "updated_at").Exec(ctx)
	return err
}

// Holding returns the images that have, or should have, data or an upload, with the columns that say so: all, or the one
// with the id only. For the reconciler.
func Holding(ctx context.Context, idb bun.IDB, only string) ([]Image, error) {
	var rows []Image
	q := idb.NewSelect().Model(&rows).Column("id", "status", "size", "locations", "staged_key", "upload_key", "upload_lease").
		Where("(locations <> '[]' OR upload_key <> '' OR staged_key <> '' OR status IN ('saving', 'uploading', 'active', 'deactivated'))")
	if only != "" {
		q = q.Where("id = ?", only)
	}
	return rows, q.Scan(ctx)
}

// HasKey tells whether any image has the data, an upload of it, or has it staged. A key begins with the image's id.
func HasKey(ctx context.Context, idb bun.IDB, key string) (bool, error) {
	const uuidLength = 36
	if len(key) < uuidLength {
		return false, nil
	}
	rows, err := Holding(ctx, idb, key[:uuidLength])
	for _, img := range rows {
		if img.UploadKey == key || img.StagedKey == key || slices.ContainsFunc(img.Locations, func(at Location) bool { return at.Key == key }) {
			return true, err
		}
	}
	return false, err
}
