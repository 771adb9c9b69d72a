package db

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/nova/driver"
	"gostack/internal/store"
)

// Server is a row of nova_servers, and of nova_deleted_servers when DeletedAt is set.
type Server struct {
	bun.BaseModel `bun:"nova_servers,alias:s"`

	Seq              int64             `bun:"seq,pk,autoincrement"`
	ID               string            `bun:"id"`
	ProjectID        string            `bun:"project_id"`
	UserID           string            `bun:"user_id"`
	Name             string            `bun:"name"`
	Hostname         string            `bun:"hostname"`
	Description      *string           `bun:"description"`
	VMState          string            `bun:"vm_state"`
	TaskState        string            `bun:"task_state"`
	OperationID      *string           `bun:"operation_id"`
	PowerState       int               `bun:"power_state"`
	Progress         int               `bun:"progress"`
	Host             string            `bun:"host"`
	Node             string            `bun:"node"`
	AvailabilityZone string            `bun:"availability_zone"`
	PinnedZone       *string           `bun:"pinned_zone"`
	ReservationID    string            `bun:"reservation_id"`
	LaunchIndex      int               `bun:"launch_index"`
	FlavorID         string            `bun:"flavor_id"`
	Flavor           FlavorCopy        `bun:"flavor"`
	VCPUs            int64             `bun:"vcpus"`
	MemoryMB         int64             `bun:"memory_mb"`
	RootGB           int64             `bun:"root_gb"`
	EphemeralGB      int64             `bun:"ephemeral_gb"`
	ImageID          string            `bun:"image_id"`
	Image            ImageCopy         `bun:"image"`
	KeyName          *string           `bun:"key_name"`
	KeyData          KeyCopy           `bun:"key_data"`
	UserData         *string           `bun:"user_data"` // base64, as the user sent it
	ConfigDrive      bool              `bun:"config_drive"`
	DiskConfig       string            `bun:"disk_config"`
	AccessIPv4       string            `bun:"access_ip_v4"`
	AccessIPv6       string            `bun:"access_ip_v6"`
	Metadata         map[string]string `bun:"metadata"`
	Tags             []string          `bun:"tags"`
	LockedBy         string            `bun:"locked_by"` // "", owner or admin
	LockedReason     *string           `bun:"locked_reason"`
	RootDeviceName   string            `bun:"root_device_name"`
	ServerGroupID    *string           `bun:"server_group_id"`
	SchedulerHints   map[string]any    `bun:"scheduler_hints"`
	TrustedCerts     []string          `bun:"trusted_certs"`
	Requested        Requested         `bun:"requested"`
	Kept             Kept              `bun:"kept"`
	TaggedDevices    []TaggedDevice    `bun:"tagged_devices"`
	Fault            *Fault            `bun:"fault"`
	CreatedAt        time.Time         `bun:"created_at"`
	UpdatedAt        time.Time         `bun:"updated_at"`
	LaunchedAt       *time.Time        `bun:"launched_at"`
	TerminatedAt     *time.Time        `bun:"terminated_at"`
	DeletedAt        *time.Time        `bun:"deleted_at"`
}

// ImageCopy is the image as it was when the server was made.
type ImageCopy struct {
	Name       string            `json:"name,omitempty"`
	DiskFormat string            `json:"disk_format,omitempty"`
	Size       int64             `json:"size,omitempty"`
	MinDiskGB  int64             `json:"min_disk,omitempty"`
	MinRAMMB   int64             `json:"min_ram,omitempty"`
	HashAlgo   string            `json:"os_hash_algo,omitempty"`
	HashValue  string            `json:"os_hash_value,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
}

// KeyCopy is the key pair as it was when the server was made.
type KeyCopy struct {
	Type      string `json:"type,omitempty"`
	PublicKey string `json:"public_key,omitempty"`
}

// Requested is what the user asked for and the creation needs, beyond columns of their own.
type Requested struct {
	Host           string          `json:"host,omitempty"`       // only this host
	Node           string          `json:"node,omitempty"`       // only this hypervisor
	ForceHost      bool            `json:"force_host,omitempty"` // zone:host, without the scheduler's filters
	SecurityGroups []string        `json:"security_groups,omitempty"`
	Ports          json.RawMessage `json:"ports,omitempty"` // the network's own plan
	Files          []File          `json:"files,omitempty"`
	Devices        bool            `json:"devices,omitempty"` // it has rows in nova_block_devices
	AdminPass      string          `json:"admin_pass,omitempty"`
	GroupPolicy    string          `json:"group_policy,omitempty"`
	Password       string          `json:"password,omitempty"` // encrypted with the user's key, as the guest posted it
}

// File is a file to put into the guest (personality).
type File struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

// Fault says why a server is in error. Message is for its owner, Details for operators.
type Fault struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Details string    `json:"details,omitempty"`
	At      time.Time `json:"at"`
}

// GetServer returns a server that lives.
func GetServer(ctx context.Context, h bun.IDB, id string) (*Server, error) {
	s := new(Server)
	return s, h.NewSelect().Model(s).Where("s.id = ?", id).Scan(ctx)
}

// GetDeletedServer returns a server that is gone.
func GetDeletedServer(ctx context.Context, h bun.IDB, id string) (*Server, error) {
	s := new(Server)
	return s, h.NewSelect().Model(s).ModelTableExpr("nova_deleted_servers AS s").Where("s.id = ?", id).Scan(ctx)
}

// UpdateServer stores the named columns of a server that lives.
func UpdateServer(ctx context.Context, tx store.Tx, s *Server, columns ...string) error {
	if err := touch(ctx, tx, WatchServer, s.ID, columns...); err != nil {
		return err
	}
	return one(tx.NewUpdate().Model(s).Column(columns...).Where("id = ?", s.ID).Exec(ctx))
}

// SetServer sets columns of a server that lives without reading it, and its task if it still belongs to the operation.
func SetServer(ctx context.Context, tx store.Tx, id, operation, task string, at time.Time, columns map[string]any) error {
	touched := []string{"task_state"}
	for name := range columns {
		touched = append(touched, name)
	}
	if err := touch(ctx, tx, WatchServer, id, touched...); err != nil {
		return err
	}
	q := tx.NewUpdate().Model((*Server)(nil)).Set("updated_at = ?", at).
		Set("task_state = CASE WHEN operation_id = ? THEN ? ELSE task_state END", operation, task).Where("id = ?", id)
	for name, v := range columns {
		q.Set("? = ?", bun.Ident(name), v)
	}
	_, err := q.Exec(ctx)
	return err
}

// TaggedDevice is where a guest finds a device with a tag.
type TaggedDevice = driver.TaggedDevice

// SetTaggedDevices stores where the guest of a server that lives finds its tagged devices.
func SetTaggedDevices(ctx context.Context, tx store.Tx, id string, devices []TaggedDevice) error {
	_, err := tx.NewUpdate().Model(&Server{TaggedDevices: devices}).Column("tagged_devices").Where("id = ?", id).Exec(ctx)
	return err
}

// MoveToDeleted stores a server's last state among the deleted ones and removes it from the living. It is found by id.
func MoveToDeleted(ctx context.Context, tx store.Tx, s *Server) error {
	if err := touch(ctx, tx, WatchServer, s.ID); err != nil {
		return err
	}
	if err := one(tx.NewDelete().Model((*Server)(nil)).Where("id = ?", s.ID).Exec(ctx)); err != nil {
		return err
	}
	if _, err := tx.NewInsert().Model(s).ModelTableExpr("nova_deleted_servers").Exec(ctx); err != nil {
		return err
	}
	if w := watcher(ctx); w != nil {
		return w.Deleted(ctx, tx, s)
	}
	return nil
}

// ServersOnHost returns the servers of a host.
func ServersOnHost(ctx context.Context, h bun.IDB, host string) ([]*Server, error) {
	return list[Server](ctx, h, func(q *bun.SelectQuery) { q.Where("s.host = ?", host).Order("s.seq") })
}

// Usage is what the servers of a project, or of a user in it, hold.
type Usage struct {
	Instances int64 `bun:"instances"`
	Cores     int64 `bun:"cores"`
	RAM       int64 `bun:"ram"`
}

// CountUsage counts what a project holds; with user set, that user in the project. Servers that are deleted and can be restored hold nothing.
func CountUsage(ctx context.Context, h bun.IDB, project, user string) (u Usage, err error) {
	q := h.NewSelect().Model((*Server)(nil)).
		ColumnExpr("COUNT(*) AS instances, COALESCE(SUM(s.vcpus), 0) AS cores, COALESCE(SUM(s.memory_mb), 0) AS ram").
		Where("s.project_id = ?", project).Where("s.vm_state <> 'soft-delete'")
	if user != "" {
		q.Where("s.user_id = ?", user)
	}
	return u, q.Scan(ctx, &u)
}

// ListUnplaced returns the servers of a project that look for a host, with what counts of them.
func ListUnplaced(ctx context.Context, h bun.IDB, project string) ([]*Server, error) {
	return list[Server](ctx, h, func(q *bun.SelectQuery) {
		q.Column("id", "flavor_id", "flavor", "image_id", "image").Where("s.project_id = ?", project).Where("s.host = ''").Where("s.operation_id IS NOT NULL").
			Where("(s.vm_state = 'building' OR s.task_state = 'unshelving')")
	})
}

// ioTasks are the task_states of work that keeps a host's disks busy, beyond building (nova/compute/stats.py, io_workload).
var ioTasks = []string{
	"resize_prep", "resize_migrating", "rebuilding", "rebuild_block_device_mapping", "rebuild_spawning", "image_snapshot", "image_snapshot_pending", "image_uploading", "image_backup",
	"rescuing", "shelving", "shelving_image_pending_upload", "shelving_image_uploading", "unshelving",
}

// BusyServers counts the servers whose operation keeps the host's disks busy, by host.
func BusyServers(ctx context.Context, h bun.IDB) (map[string]int, error) {
	var rows []struct {
		Host string `bun:"host"`
		N    int    `bun:"n"`
	}
	err := h.NewSelect().TableExpr("nova_servers AS s").ColumnExpr("s.host, COUNT(*) AS n").
		Where("s.operation_id IS NOT NULL").
		Where("(s.vm_state = 'building' OR s.task_state IN (?))", bun.List(ioTasks)).Where("s.host <> ''").Group("s.host").Scan(ctx, &rows)
	out := make(map[string]int, len(rows))
	for _, r := range rows {
		out[r.Host] = r.N
	}
	return out, err
}
