package nova

import (
	"context"

	"gostack/internal/policy"
	"gostack/internal/rest"
)

// BlockDevice is an element of block_device_mapping_v2.
type BlockDevice struct {
	Source      string // blank, image, snapshot or volume
	Destination string // local or volume
	UUID        string
	SizeGB      int64
	GuestFormat string
	BootIndex   *int
}

// bootImage finds the image that a server boots from and refuses what its flavor cannot hold. Volumes need a block storage
// service; while the cloud has none they are refused as volumes that do not exist.
func (s *Service) bootImage(ctx context.Context, c *policy.Caller, in *CreateRequest, f *Flavor) (*Image, error) {
	if err := s.bootDevices(in, f); err != nil {
		return nil, err
	}
	if in.ImageID == "" {
		return nil, rest.BadRequest("Missing imageRef attribute")
	}
	image, err := s.Images.Image(ctx, c, in.ImageID)
	if err != nil {
		if rest.IsNotFound(err) {
			return nil, rest.BadRequest("Can not find requested image")
		}
		return nil, err
	}
	if image.Status != "active" {
		return nil, rest.BadRequest("Image %s is not active.", image.ID)
	}
	if err := imageFits(image, f.MemoryMB, f.RootGB); err != nil {
		return nil, err
	}
	// A root disk of any size would escape every limit (upstream bug 1739646).
	if f.RootGB == 0 && in.AnyDisk != nil && in.AnyDisk() != nil {
		return nil, rest.Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
	}
	return image, nil
}

// imageFits refuses an image that needs more than a flavor gives. A root disk of 0 is as large as its image.
func imageFits(image *Image, memoryMB, rootGB int64) error {
	const gib = 1 << 30
	size := max(image.Size, image.DiskSize)
	switch {
	case memoryMB < image.MinRAMMB:
		return rest.BadRequest("Flavor's memory is too small for requested image.")
	case rootGB == 0:
	case size > rootGB*gib:
		return rest.BadRequest("Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", rootGB*gib, size)
	case image.MinDiskGB > rootGB:
		return rest.BadRequest("Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is %d bytes, minimum size is %d bytes.",
			rootGB*gib, image.MinDiskGB*gib)
	}
	return nil
}

// bootDevices judges block devices: what is local must be what the flavor gives anyway.
func (s *Service) bootDevices(in *CreateRequest, f *Flavor) error {
	var ephemeral, swap int64
	boots := 0
	for _, d := range in.Devices {
		if d.BootIndex != nil && *d.BootIndex == 0 {
			boots++
		}
		switch {
		case d.Source == "volume":
			return rest.BadRequest("Block Device Mapping is Invalid: failed to get volume %s.", d.UUID)
		case d.Source == "snapshot":
			return rest.BadRequest("Block Device Mapping is Invalid: failed to get snapshot %s.", d.UUID)
		case d.Destination == "volume":
			return rest.BadRequest("Block Device Mapping is Invalid: there is no block storage service to create a volume with.")
		case d.Source == "image":
			if d.BootIndex == nil || *d.BootIndex != 0 {
				return rest.BadRequest("Block Device Mapping is Invalid: Mapping image to local is not supported.")
			}
			if in.ImageID != "" && in.ImageID != d.UUID {
				return rest.BadRequest("Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.")
			}
			in.ImageID = d.UUID
		case d.GuestFormat == "swap":
			swap += d.SizeGB
		default:
			ephemeral += d.SizeGB
		}
	}
	switch {
	case boots > 1 || len(in.Devices) > 0 && in.ImageID == "" && boots == 0:
		return rest.BadRequest("Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.")
	case ephemeral > f.EphemeralGB:
		return rest.BadRequest("Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device mapping, flavor ephemeral size will be used.")
	case swap > f.SwapMB:
		return rest.BadRequest("Swap drive requested is larger than instance type allows.")
	}
	return nil
}
