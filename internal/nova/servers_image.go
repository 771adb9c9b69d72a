package nova

import (
	"context"
	"strings"

	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// bootImage finds the image that a server boots from and refuses what its flavor cannot hold. Its block devices are judged with it.
func (s *Service) bootImage(ctx context.Context, c *policy.Caller, in *CreateRequest, f *Flavor) (*Image, error) {
	if in.ImageID == "" {
		if len(in.Devices) == 0 {
			return nil, rest.BadRequest("Missing imageRef attribute")
		}
		if err := s.judgeDevices(ctx, c, in, f, nil); err != nil {
			return nil, err
		}
		return nil, errBootSequence() // nothing to boot is on a blank disk, and there are no volumes
	}
	image, err := s.Images.Image(ctx, c, in.ImageID)
	if err != nil {
		if rest.IsNotFound(err) {
			return nil, rest.BadRequest("Can not find requested image")
		}
		return nil, err
	}
	if err := s.bootable(ctx, c, image); err != nil {
		return nil, err
	}
	if err := imageFits(image, f.MemoryMB, f.RootGB); err != nil {
		return nil, err
	}
	// A root disk of any size would escape every limit (upstream bug 1739646).
	if f.RootGB == 0 && in.AnyDisk != nil && in.AnyDisk() != nil {
		return nil, rest.Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
	}
	return image, s.judgeDevices(ctx, c, in, f, image)
}

// bootable refuses an image that is not whole, or says that nothing can boot from it, or whose kernel is not there.
func (s *Service) bootable(ctx context.Context, c *policy.Caller, image *Image) error {
	if image.Status != "active" {
		return rest.BadRequest("Image %s is not active.", image.ID)
	}
	if image.Properties["cinder_encryption_key_id"] != "" {
		return rest.BadRequest("Image %s is unacceptable: Direct booting of an image uploaded from an encrypted volume is unsupported.", image.ID)
	}
	if image.Properties[driver.PropKernelID] == "nokernel" {
		return nil
	}
	for _, part := range []string{driver.PropKernelID, driver.PropRamdiskID} {
		if id := image.Properties[part]; id != "" {
			if _, err := s.Images.Image(ctx, c, id); rest.IsNotFound(err) {
				return rest.BadRequest("Can not find requested image")
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// diskConfigFits refuses to have a file system enlarged that its image forbids to, and takes the image's word when none is given.
func diskConfigFits(imageID string, properties map[string]string, config *string) error {
	word := strings.ToLower(strings.TrimSpace(properties["auto_disk_config"]))
	switch {
	case *config == "AUTO" && word == "disabled":
		return rest.BadRequest("Requested image %s has automatic disk resize disabled.", imageID)
	case *config != "":
	case yes(word):
		*config = "AUTO"
	default:
		*config = "MANUAL"
	}
	return nil
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
