package nova

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// BlockDevice is an element of block_device_mapping_v2.
type BlockDevice = db.BlockDevice

// defaultLocalDevices is how many disks of its host a server may ask for (upstream's max_local_block_devices).
const defaultLocalDevices = 3

// diskBuses are the buses that Nova knows; which of them a server can have is its host's to say (nova/objects/fields.py, DiskBus).
var diskBuses = []string{"fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml"}

// deviceTypes are the kinds of disks (nova/objects/fields.py, BlockDeviceType).
var deviceTypes = []string{"cdrom", "disk", "floppy", "fs", "lun"}

func invalidDevice(format string, args ...any) error {
	return rest.BadRequest("Block Device Mapping is Invalid: "+format, args...)
}

func errBootSequence() error {
	return invalidDevice("Boot sequence for the instance and image/block device mapping combination is not valid.")
}

// judgeDevices completes the block devices that a server is asked for with by those that its image names, and refuses what cannot be
// (nova/compute/api.py, _check_and_transform_bdm and _validate_bdm). Volumes need a block storage service; while the cloud has none they are
// refused as volumes that do not exist.
func (s *Service) judgeDevices(ctx context.Context, c *policy.Caller, in *CreateRequest, f *Flavor, image *Image) error {
	if image != nil {
		for _, d := range in.Devices {
			if !d.Local() && strings.TrimPrefix(d.DeviceName, "/dev/") == "vda" {
				return rest.BadRequest("The volume cannot be assigned the same device name as the root device vda")
			}
		}
		own, err := imageDevices(image.Properties)
		if err != nil {
			return err
		}
		old := in.OldDevices || len(in.Devices) == 0
		if old && len(in.Devices)+len(own) > 0 && !slices.ContainsFunc(own, root) {
			in.Devices = bootFromImage(in.Devices, image.ID)
		}
		in.Devices = mergeDevices(in.Devices, own)
	}
	in.Devices = slices.DeleteFunc(in.Devices, func(d BlockDevice) bool { return d.Hidden })
	if len(in.Devices) == 0 {
		return nil
	}
	if in.Max > 1 && slices.ContainsFunc(in.Devices, func(d BlockDevice) bool { return d.Source == "volume" }) {
		return rest.BadRequest("Cannot attach one or more volumes to multiple instances")
	}
	if !bootable(in.Devices) {
		return errBootSequence()
	}
	for i := range in.Devices {
		if err := s.judgeDevice(ctx, c, in, &in.Devices[i]); err != nil {
			return err
		}
	}
	return s.devicesFit(in.Devices, f)
}

// root tells whether a server boots from a device first.
func root(d BlockDevice) bool { return d.BootIndex != nil && *d.BootIndex == 0 }

// bootFromImage puts the image to boot from before devices of the old form, unless one of them is the root device.
func bootFromImage(devices []BlockDevice, image string) []BlockDevice {
	if slices.ContainsFunc(devices, root) {
		return devices
	}
	first := 0
	return slices.Insert(devices, 0, BlockDevice{Source: "image", Destination: "local", UUID: image, DeviceType: "disk", BootIndex: &first, DeleteOnTermination: true})
}

// imageDevices are the devices that an image names in its property block_device_mapping: a server that became an image with its volumes.
func imageDevices(properties map[string]string) ([]BlockDevice, error) {
	text := properties["block_device_mapping"]
	if text == "" {
		return nil, nil
	}
	var raw []map[string]any
	if json.Unmarshal([]byte(text), &raw) != nil {
		return nil, invalidDevice("Some fields are invalid.")
	}
	if properties["bdm_v2"] == "" || strings.EqualFold(properties["bdm_v2"], "false") {
		return OldBlockDevices(raw)
	}
	var out []BlockDevice
	for _, m := range raw {
		m = maps.Clone(m)
		if source, _ := m["source_type"].(string); source != "" && m["uuid"] == nil && m[source+"_id"] != nil {
			m["uuid"] = m[source+"_id"]
		}
		for _, field := range []string{"image_id", "snapshot_id", "volume_id", "connection_info", "attachment_id"} {
			delete(m, field)
		}
		maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
		d, err := NewBlockDevice(m, false)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// mergeDevices adds an image's devices to those asked for, which win by their names. A root device of the image takes the image's own place.
func mergeDevices(asked, own []BlockDevice) []BlockDevice {
	if slices.ContainsFunc(own, root) {
		asked = slices.DeleteFunc(slices.Clone(asked), func(d BlockDevice) bool { return root(d) && d.Source == "image" })
	}
	named := map[string]bool{}
	for _, d := range asked {
		named[d.DeviceName] = d.DeviceName != ""
	}
	for _, d := range own {
		if !named[d.DeviceName] {
			asked = append(asked, d)
		}
	}
	return asked
}

// bootable tells whether the boot indexes count from 0 up, each once.
func bootable(devices []BlockDevice) bool {
	var indexes []int
	for _, d := range devices {
		if d.BootIndex != nil && *d.BootIndex >= 0 {
			indexes = append(indexes, *d.BootIndex)
		}
	}
	slices.Sort(indexes)
	for i, n := range indexes {
		if n != i {
			return false
		}
	}
	return len(indexes) > 0
}

func (s *Service) judgeDevice(ctx context.Context, c *policy.Caller, in *CreateRequest, d *BlockDevice) error {
	sized := d.Size != nil && *d.Size > 0
	switch {
	case d.Source == "volume":
		return invalidDevice("failed to get volume %s.", d.UUID)
	case d.Source == "snapshot":
		return invalidDevice("failed to get snapshot %s.", d.UUID)
	case d.Source == "image" && d.UUID != in.ImageID:
		if _, err := s.Images.Image(ctx, c, d.UUID); rest.IsNotFound(err) {
			return invalidDevice("failed to get image %s.", d.UUID)
		} else if err != nil {
			return err
		}
	}
	switch {
	case d.Source == "image" && !d.Local() && !sized:
		return rest.BadRequest("Images with destination_type 'volume' need to have a non-zero size specified")
	case d.Source == "blank" && !d.Local() && !sized:
		return rest.BadRequest("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")
	case d.DiskBus != "" && !slices.Contains(diskBuses, d.DiskBus):
		return invalidDevice("The disk bus provided %s is not valid.", d.DiskBus)
	case d.DeviceType != "" && !slices.Contains(deviceTypes, d.DeviceType):
		return rest.BadRequest("Field value %s is invalid", d.DeviceType)
	case !d.Local():
		return invalidDevice("there is no block storage service to create a volume with.")
	}
	return nil
}

// devicesFit compares the disks of the host with what the flavor gives.
func (s *Service) devicesFit(devices []BlockDevice, f *Flavor) error {
	var ephemeral, swap int64
	ephemerals, swaps, local := 0, 0, 0
	for i := range devices {
		d := &devices[i]
		size := func(otherwise int64) int64 {
			if d.Size != nil {
				return *d.Size
			}
			return otherwise
		}
		switch {
		case d.Ephemeral():
			ephemerals, ephemeral = ephemerals+1, ephemeral+size(f.EphemeralGB)
		case d.Swap():
			swaps, swap = swaps+1, size(0)
		}
		if d.Local() {
			local++
		}
	}
	// What the flavor gives and nobody has spoken of is there too.
	if f.EphemeralGB > 0 && ephemerals == 0 {
		local++
	}
	if f.SwapMB > 0 && swaps == 0 {
		local++
	}
	most := s.Config.MaxLocalDevices
	if most == 0 {
		most = defaultLocalDevices
	}
	switch {
	case ephemeral > f.EphemeralGB:
		return rest.BadRequest("Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device mapping, flavor ephemeral size will be used.")
	case swaps > 1:
		return invalidDevice("More than one swap drive requested.")
	case swap > f.SwapMB:
		return rest.BadRequest("Swap drive requested is larger than instance type allows.")
	case most > 0 && local > most:
		return invalidDevice("You specified more local devices than the limit allows")
	}
	return nil
}

// devicesOf are the rows of new servers' devices.
func devicesOf(servers []*Server, devices []BlockDevice) (rows []*db.BlockDevice) {
	for _, srv := range servers {
		for i, d := range devices {
			d.ServerID, d.Position, d.FlavorID = srv.ID, i, srv.FlavorID
			rows = append(rows, &d)
		}
	}
	return rows
}

// rootDeviceName is how a guest sees its root disk: the first of its bus.
func rootDeviceName(image *Image, devices []BlockDevice) string {
	bus := ""
	if image != nil {
		bus = image.Properties["hw_disk_bus"]
	}
	for _, d := range devices {
		if root(d) && d.DiskBus != "" {
			bus = d.DiskBus
		}
	}
	switch bus {
	case "scsi", "sata", "usb":
		return "/dev/sda"
	case "ide":
		return "/dev/hda"
	}
	return "/dev/vda"
}
