package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// BlockDevice is a row of nova_block_devices: a disk that a server was asked for with. Its fields are those of the API's block_device_mapping_v2.
type BlockDevice struct {
	bun.BaseModel `bun:"nova_block_devices,alias:bd"`

	Seq         int64  `bun:"seq,pk,autoincrement"`
	ServerID    string `bun:"server_id"`
	Position    int    `bun:"position"`
	Source      string `bun:"source_type"`      // blank, image, snapshot or volume
	Destination string `bun:"destination_type"` // local or volume
	UUID        string `bun:"device_uuid"`      // of the source
	Size        *int64 `bun:"volume_size"`      // GiB, of swap MiB; nil: what the flavor gives
	VolumeType  string `bun:"volume_type"`
	GuestFormat string `bun:"guest_format"`
	DeviceType  string `bun:"device_type"`
	DiskBus     string `bun:"disk_bus"`
	DeviceName  string `bun:"device_name"` // as asked for; hypervisors name devices by themselves
	BootIndex   *int   `bun:"boot_index"`

	DeleteOnTermination bool   `bun:"delete_on_termination"`
	Tag                 string `bun:"tag"`
	FlavorID            string `bun:"flavor_id"` // of the server when it was asked for

	// Hidden is "no_device": the device of this name, which the image asks for, is not wanted. Such a device is never stored.
	Hidden bool `bun:"-"`
}

// Local tells whether the device is a file of the server's host.
func (b *BlockDevice) Local() bool { return b.Destination == "local" }

// Swap tells whether the device is a swap disk (nova/block_device.py, new_format_is_swap).
func (b *BlockDevice) Swap() bool {
	return b.Source == "blank" && b.Local() && b.GuestFormat == "swap"
}

// Ephemeral tells whether the device is an ephemeral disk.
func (b *BlockDevice) Ephemeral() bool { return b.Source == "blank" && b.Local() && !b.Swap() }

// InsertBlockDevices stores the devices of new servers.
func InsertBlockDevices(ctx context.Context, tx store.Tx, devices []*BlockDevice) error {
	if len(devices) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&devices).Exec(ctx)
	return err
}

// BlockDevicesOf returns the devices of a server.
func BlockDevicesOf(ctx context.Context, h bun.IDB, serverID string) ([]*BlockDevice, error) {
	return list[BlockDevice](ctx, h, func(q *bun.SelectQuery) { q.Where("bd.server_id = ?", serverID).Order("bd.position") })
}

// DeleteBlockDevices removes the devices of a server.
func DeleteBlockDevices(ctx context.Context, tx store.Tx, serverID string) error {
	_, err := tx.NewDelete().Model((*BlockDevice)(nil)).Where("server_id = ?", serverID).Exec(ctx)
	return err
}
