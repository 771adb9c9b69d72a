package nova

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ephemeralName is how the old form names an ephemeral disk.
var ephemeralName = regexp.MustCompile(`^ephemeral(\d|[1-9]\d+)$`)

// deviceFields are those of block_device_mapping_v2.
var deviceFields = []string{
	"source_type", "destination_type", "uuid", "guest_format", "device_type", "disk_bus", "boot_index", "device_name", "delete_on_termination", "volume_size", "volume_type",
	"no_device", "tag", "image_id", "snapshot_id", "volume_id", "connection_info", "attachment_id", "encrypted", "encryption_secret_uuid", "encryption_format", "encryption_options",
}

// fields reads the values of a device in JSON.
type fields map[string]any

func (f fields) text(name string) string { s, _ := f[name].(string); return s }

// number is a number, also one that is written as text; nil when there is none.
func (f fields) number(name string) (*int64, error) {
	switch v := f[name].(type) {
	case nil:
		return nil, nil
	case float64:
		n := int64(v)
		if float64(n) != v {
			return nil, strconv.ErrSyntax
		}
		return &n, nil
	default:
		n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
		return &n, err
	}
}

// truth is oslo's bool_from_string.
func (f fields) truth(name string) bool {
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(strings.TrimSpace(fmt.Sprint(f[name]))))
}

// common reads what both forms have.
func (f fields) common() (d BlockDevice, err error) {
	d = BlockDevice{DeviceName: f.text("device_name"), DeleteOnTermination: f.truth("delete_on_termination")}
	if name, ok := f["device_name"].(string); ok && (name == "" || len(name) > 255) {
		return d, invalidDevice("Device name empty or too long.")
	}
	if strings.Contains(d.DeviceName, " ") {
		return d, invalidDevice("Device name contains spaces.")
	}
	if d.Size, err = f.number("volume_size"); err != nil {
		return d, invalidDevice("Invalid volume_size.")
	}
	if no, ok := f["no_device"]; ok && no != nil && no != false && no != "" {
		d.Hidden = true
	}
	return d, nil
}

// NewBlockDevice reads a device in the form of block_device_mapping_v2 (nova/block_device.py, BlockDeviceDict.from_api). imageSaid tells
// whether the request says by itself which image to boot.
func NewBlockDevice(raw map[string]any, imageSaid bool) (BlockDevice, error) {
	f := fields(raw)
	d, err := f.common()
	if err != nil {
		return d, err
	}
	d.Source, d.Destination, d.UUID = f.text("source_type"), f.text("destination_type"), f.text("uuid")
	d.GuestFormat, d.DeviceType, d.DiskBus, d.VolumeType, d.Tag = f.text("guest_format"), f.text("device_type"), f.text("disk_bus"), f.text("volume_type"), f.text("tag")
	boot, err := f.number("boot_index")
	if err != nil {
		return d, invalidDevice("Boot index is invalid.")
	}
	if boot != nil {
		n := int(*boot)
		d.BootIndex = &n
	}
	if !d.Hidden {
		if err := asAsked(&d, imageSaid); err != nil {
			return d, err
		}
	}
	unknown := slices.Sorted(maps.Keys(raw))
	unknown = slices.DeleteFunc(unknown, func(name string) bool { return slices.Contains(deviceFields, name) })
	if len(unknown) > 0 {
		return d, invalidDevice("The following fields are invalid: %s", strings.Join(unknown, " "))
	}
	if d.Destination == "" {
		d.Destination = map[string]string{"volume": "volume", "snapshot": "volume", "image": "local", "blank": "local"}[d.Source]
	}
	return d, nil
}

// OldBlockDevices reads devices in the form before block_device_mapping_v2, which knows no boot index: the volume named as the root
// device boots (nova/block_device.py, from_legacy_mapping).
func OldBlockDevices(raw []map[string]any) (out []BlockDevice, err error) {
	for _, m := range raw {
		f := fields(m)
		d, err := f.common()
		if err != nil {
			return nil, err
		}
		never := -1
		d.BootIndex = &never
		switch virtual := f.text("virtual_name"); {
		case virtual == "swap" || ephemeralName.MatchString(virtual):
			d.Source, d.Destination, d.DeleteOnTermination = "blank", "local", true
			if virtual == "swap" {
				d.GuestFormat = "swap"
			}
		case f.text("snapshot_id") != "":
			d.Source, d.Destination, d.UUID = "snapshot", "volume", f.text("snapshot_id")
		case f.text("volume_id") != "":
			d.Source, d.Destination, d.UUID = "volume", "volume", f.text("volume_id")
		case d.Hidden:
		default:
			return nil, invalidDevice("Unrecognized legacy format.")
		}
		if d.Destination == "volume" && strings.TrimPrefix(d.DeviceName, "/dev/") == "vda" {
			first := 0
			d.BootIndex = &first
		}
		out = append(out, d)
	}
	return out, nil
}

// asAsked refuses combinations that make no sense whatever the server is.
func asAsked(d *BlockDevice, imageSaid bool) error {
	switch {
	case d.Source == "":
		return invalidDevice("Unable to determine source_type.")
	case d.Source == "blank" && d.UUID != "":
		return invalidDevice("Invalid device UUID.")
	case d.Source != "blank" && d.UUID == "":
		return invalidDevice("Missing device UUID.")
	case d.Source == "image" && d.Destination == "local" && (!imageSaid || d.BootIndex == nil || *d.BootIndex != 0):
		return invalidDevice("Mapping image to local is not supported.")
	case d.Destination == "local" && d.VolumeType != "":
		return invalidDevice("Specifying a volume_type with destination_type=local is not supported.")
	case d.Source == "volume" && d.VolumeType != "":
		return invalidDevice("Specifying volume type to existing volume is not supported.")
	}
	return nil
}
