// Package db holds the image service's rows and queries.
//
// Properties and tags stand twice: as JSON in the image's row, from which answers are made, and in tables of their own,
// by which lists are filtered. Only Insert and Save write them, always both. A deleted image leaves its id in
// glance_deleted_images: an id must never come back with other data, because hosts cache data by id.
package db

import (
	"context"
	"embed"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

//go:embed migrations
var files embed.FS

// Migrations are the image service's tables.
var Migrations = store.Migrations{Service: "glance", FS: files}

// Image is an image's row.
type Image struct {
	bun.BaseModel   `bun:"table:glance_images,alias:i"`
	ID              string `bun:",pk"`
	Name            *string
	Status          string
	Visibility      string
	Owner           *string // project id
	ContainerFormat *string
	DiskFormat      *string
	Size            *int64 // bytes of data
	VirtualSize     *int64 // bytes of the disk inside
	Checksum        *string
	HashAlgo        *string
	HashValue       *string
	MinDisk         int64 // GiB
	MinRAM          int64 `bun:"min_ram"` // MiB
	Protected       bool
	Hidden          bool
	Properties      map[string]string
	Tags            []string
	Locations       []Location        // of the data; none while there is none
	Reserved        map[string]string // properties that only the service writes, shown beside the others
	DataKey         string            // the first of Locations' files, for programs that know of one only
	StagedKey       string            // of the data that waits for its import, "" when there is none
	StagedSize      int64
	UploadKey       string     // of the upload under way, "" when there is none
	UploadLease     *time.Time // until when that upload is taken to be alive
	CreatedAt       time.Time
	UpdatedAt       time.Time

	Member bool `bun:",scanonly"` // the asking project is a member
}

// Location is a place where an image's data is: a file in one of our stores, or an address.
type Location struct {
	Store    string            `json:"store,omitempty"` // "" is the one store of a service without several
	Key      string            `json:"key,omitempty"`   // of the file
	URL      string            `json:"url,omitempty"`   // of what is no file of ours
	Metadata map[string]string `json:"metadata,omitempty"`
	Task     string            `json:"task,omitempty"` // that put it there
}

// Member is a project that an image is shared with.
type Member struct {
	bun.BaseModel `bun:"table:glance_image_members,alias:m"`
	ImageID       string `bun:",pk"`
	MemberID      string `bun:",pk"` // project id
	Status        string
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

type property struct {
	bun.BaseModel `bun:"table:glance_image_properties"`
	ImageID       string `bun:",pk"`
	Name          string `bun:",pk"`
	Value         string
}

type tag struct {
	bun.BaseModel `bun:"table:glance_image_tags"`
	ImageID       string `bun:",pk"`
	Value         string `bun:",pk"`
}

type deleted struct {
	bun.BaseModel `bun:"table:glance_deleted_images"`
	ID            string `bun:",pk"`
	DeletedAt     time.Time
}

// Scope says whose eyes see the images. There is no query without one.
type Scope struct {
	Project string
	All     bool // administrators, and the cloud itself
}

// visible limits q to what the scope may see when it names an image: its own, public and community ones, and those it is a member of.
func (s Scope) visible(q *bun.SelectQuery) *bun.SelectQuery {
	if s.All {
		return q
	}
	return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("i.owner = ?", s.Project).WhereOr("i.visibility IN ('public', 'community')").
			WhereOr("i.visibility = 'shared' AND m.member_id IS NOT NULL")
	})
}

// withMember joins the scope's own membership.
func (s Scope) withMember(q *bun.SelectQuery) *bun.SelectQuery {
	return q.ColumnExpr("i.*").ColumnExpr("m.member_id IS NOT NULL AS member").
		Join("LEFT JOIN glance_image_members AS m ON m.image_id = i.id AND m.member_id = ?", s.Project)
}

// Get returns an image, or an error that store.IsNotFound knows. One statement.
func Get(ctx context.Context, idb bun.IDB, s Scope, id string) (*Image, error) {
	var img Image
	q := s.visible(s.withMember(idb.NewSelect().Model(&img))).Where("i.id = ?", id)
	if err := q.Scan(ctx); err != nil {
		return nil, err
	}
	return &img, nil
}

// Insert adds an image. An id that is or was in use is a store.IsUnique error.
func Insert(ctx context.Context, tx store.Tx, img *Image) error {
	if _, err := tx.NewInsert().Model(img).Exec(ctx); err != nil {
		return err
	}
	return made(ctx, tx, img.ID, index(ctx, tx, img))
}

// WasDeleted tells whether id belonged to an image that is gone.
func WasDeleted(ctx context.Context, idb bun.IDB, id string) (bool, error) {
	return idb.NewSelect().Model((*deleted)(nil)).Where("id = ?", id).Exists(ctx)
}

// Save writes all columns of img but those of its data and upload, which belong to the functions in uploads.go. reindex
// says that properties or tags changed.
func Save(ctx context.Context, tx store.Tx, img *Image, reindex bool) error {
	if err := touch(ctx, tx, img.ID); err != nil {
		return err
	}
	_, err := tx.NewUpdate().Model(img).WherePK().
		ExcludeColumn("locations", "reserved", "staged_key", "staged_size", "data_key", "upload_key", "upload_lease", "size", "virtual_size", "checksum", "hash_algo", "hash_value", "created_at").Exec(ctx)
	if err != nil || !reindex {
		return err
	}
	if _, err := tx.NewDelete().Model((*property)(nil)).Where("image_id = ?", img.ID).Exec(ctx); err != nil {
		return err
	}
	if _, err := tx.NewDelete().Model((*tag)(nil)).Where("image_id = ?", img.ID).Exec(ctx); err != nil {
		return err
	}
	return index(ctx, tx, img)
}

func index(ctx context.Context, tx store.Tx, img *Image) error {
	if len(img.Properties) > 0 {
		rows := make([]property, 0, len(img.Properties))
		for name, value := range img.Properties {
			rows = append(rows, property{ImageID: img.ID, Name: name, Value: value})
		}
		if _, err := tx.NewInsert().Model(&rows).Exec(ctx); err != nil {
			return err
		}
	}
	if len(img.Tags) > 0 {
		rows := make([]tag, len(img.Tags))
		for i, value := range img.Tags {
			rows[i] = tag{ImageID: img.ID, Value: value}
		}
		if _, err := tx.NewInsert().Model(&rows).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes an image with its properties, tags and members, and remembers its id.
func Delete(ctx context.Context, tx store.Tx, id string, now time.Time) error {
	if err := touch(ctx, tx, id); err != nil {
		return err
	}
	for _, table := range []any{(*property)(nil), (*tag)(nil), (*Member)(nil)} {
		if _, err := tx.NewDelete().Model(table).Where("image_id = ?", id).Exec(ctx); err != nil {
			return err
		}
	}
	if _, err := tx.NewDelete().Model((*Image)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
		return err
	}
	_, err := tx.NewInsert().Model(&deleted{ID: id, DeletedAt: now}).Exec(ctx)
	return err
}
