package db

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Migration is a row of nova_migrations: a move of a server to another host, or a change of its flavor.
type Migration struct {
	bun.BaseModel `bun:"nova_migrations,alias:m"`

	ID            int64           `bun:"id,pk,autoincrement"`
	UUID          string          `bun:"uuid"`
	ServerID      string          `bun:"instance_uuid"`
	SourceCompute string          `bun:"source_compute"` // the host
	SourceNode    string          `bun:"source_node"`    // its hypervisor_hostname
	DestCompute   string          `bun:"dest_compute"`
	DestNode      string          `bun:"dest_node"`
	DestHost      string          `bun:"dest_host"` // the destination's address
	OldFlavorSeq  *int64          `bun:"old_flavor_id"`
	NewFlavorSeq  *int64          `bun:"new_flavor_id"`
	OldFlavor     MovedFlavor     `bun:"old_flavor"`
	NewFlavor     MovedFlavor     `bun:"new_flavor"`
	Status        string          `bun:"status"`
	Type          string          `bun:"migration_type"` // migration, resize, live-migration, evacuation
	CrossCell     bool            `bun:"cross_cell_move"`
	UserID        *string         `bun:"user_id"`
	ProjectID     *string         `bun:"project_id"`
	OperationID   *string         `bun:"operation_id"`
	Details       json.RawMessage `bun:"details"` // of the operation that moves
	Progress
	CreatedAt time.Time `bun:"created_at"`
	UpdatedAt time.Time `bun:"updated_at"`
}

// MovedFlavor is a flavor as it was when the move began.
type MovedFlavor struct {
	ID     string     `json:"id"`
	Flavor FlavorCopy `json:"flavor"`
}

// Progress is how far a live migration is, in bytes; nil while nobody knows.
type Progress struct {
	MemoryTotal     *int64 `bun:"memory_total"`
	MemoryProcessed *int64 `bun:"memory_processed"`
	MemoryRemaining *int64 `bun:"memory_remaining"`
	DiskTotal       *int64 `bun:"disk_total"`
	DiskProcessed   *int64 `bun:"disk_processed"`
	DiskRemaining   *int64 `bun:"disk_remaining"`
}

// MigrationFilter narrows a list of migrations. The zero value takes all of them.
type MigrationFilter struct {
	ServerID, Type, SourceCompute, DestCompute string
	Host                                       string // source or destination
	Statuses, NotStatuses                      []string
	User, Project                              string
	ChangedSince, ChangedBefore                *time.Time
	Marker                                     *Migration
	Limit                                      int
}

// ListMigrations returns migrations, the youngest first. One statement.
func ListMigrations(ctx context.Context, h bun.IDB, f MigrationFilter) ([]*Migration, error) {
	return list[Migration](ctx, h, func(q *bun.SelectQuery) {
		for column, v := range map[string]string{
			"instance_uuid": f.ServerID, "migration_type": f.Type, "source_compute": f.SourceCompute, "dest_compute": f.DestCompute, "user_id": f.User, "project_id": f.Project,
		} {
			if v != "" {
				q.Where("m.? = ?", bun.Ident(column), v)
			}
		}
		if f.Host != "" {
			q.Where("(m.source_compute = ? OR m.dest_compute = ?)", f.Host, f.Host)
		}
		if f.Statuses != nil {
			q.Where("m.status IN (?)", bun.List(f.Statuses))
		}
		if f.NotStatuses != nil {
			q.Where("m.status NOT IN (?)", bun.List(f.NotStatuses))
		}
		if f.ChangedSince != nil {
			q.Where("m.updated_at >= ?", *f.ChangedSince)
		}
		if f.ChangedBefore != nil {
			q.Where("m.updated_at <= ?", *f.ChangedBefore)
		}
		if f.Marker != nil {
			q.Where("(m.created_at < ? OR m.created_at = ? AND m.id < ?)", f.Marker.CreatedAt, f.Marker.CreatedAt, f.Marker.ID)
		}
		q.OrderExpr("m.created_at DESC, m.id DESC")
		if f.Limit > 0 {
			q.Limit(int64(f.Limit))
		}
	})
}

// GetMigration returns a migration by uuid.
func GetMigration(ctx context.Context, h bun.IDB, uuid string) (*Migration, error) {
	m := new(Migration)
	return m, h.NewSelect().Model(m).Where("m.uuid = ?", uuid).Scan(ctx)
}

// GetServerMigration returns a server's migration by number.
func GetServerMigration(ctx context.Context, h bun.IDB, serverID string, id int64) (*Migration, error) {
	m := new(Migration)
	return m, h.NewSelect().Model(m).Where("m.id = ?", id).Where("m.instance_uuid = ?", serverID).Scan(ctx)
}

// UpdateMigration stores the named columns.
func UpdateMigration(ctx context.Context, tx store.Tx, m *Migration, columns ...string) error {
	return one(tx.NewUpdate().Model(m).Column(columns...).Where("id = ?", m.ID).Exec(ctx))
}

// SetMigration sets columns of a migration without reading it. None such is no error.
func SetMigration(ctx context.Context, tx store.Tx, uuid string, at time.Time, columns map[string]any) error {
	q := tx.NewUpdate().Model((*Migration)(nil)).Set("updated_at = ?", at).Where("uuid = ?", uuid)
	for name, v := range columns {
		q.Set("? = ?", bun.Ident(name), v)
	}
	_, err := q.Exec(ctx)
	return err
}

// HoldingMigrations are the uuids of the moves that may hold resources: all that are not over, and evacuations whose source has not been heard
// of since. One statement.
func HoldingMigrations(ctx context.Context, h bun.IDB) (map[string]bool, error) {
	var uuids []string
	err := h.NewSelect().Model((*Migration)(nil)).Column("m.uuid").
		Where("m.status NOT IN (?)", bun.List([]string{"confirmed", "reverted", "error", "failed", "completed", "cancelled"})).Scan(ctx, &uuids)
	out := make(map[string]bool, len(uuids))
	for _, id := range uuids {
		out[id] = true
	}
	return out, err
}

// MovesOf are the moves of a server that may have left something on a host, the youngest first.
func MovesOf(ctx context.Context, h bun.IDB, serverID string) ([]*Migration, error) {
	return ListMigrations(ctx, h, MigrationFilter{ServerID: serverID, NotStatuses: []string{"confirmed", "reverted", "completed", "cancelled"}})
}
