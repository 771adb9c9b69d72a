package nova

import (
	"context"

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
	return image, s.judgeDevices(ctx, c, in, f, image)
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
