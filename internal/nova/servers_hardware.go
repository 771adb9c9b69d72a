package nova

import (
	"reflect"

	"gostack/internal/nova/hardware"
	"gostack/internal/rest"
)

// WishOf is what a flavor and an image ask of a guest's hardware.
func WishOf(f FlavorCopy, imageID string, image ImageCopy) hardware.Wish {
	return hardware.Wish{
		Flavor: hardware.Flavor{Name: f.Name, VCPUs: int(f.VCPUs), MemoryMB: int(f.MemoryMB), Specs: f.ExtraSpecs},
		Image:  hardware.Image{ID: imageID, Name: image.Name, Properties: image.Properties},
	}
}

// hardwareFits refuses a flavor and an image that contradict each other.
func hardwareFits(f FlavorCopy, imageID string, image ImageCopy) error {
	return refuseConflict(hardware.Check(WishOf(f, imageID, image)))
}

func refuseConflict(err error) error {
	if text, conflict := hardware.IsConflict(err); conflict {
		return rest.BadRequest("%s", text)
	}
	return err
}

// rebuildFits refuses an image with which a server would have another NUMA topology than before: a rebuild claims nothing anew
// (nova/compute/api.py, _validate_numa_rebuild).
func rebuildFits(srv *Server, imageID string, image ImageCopy) error {
	if err := hardwareFits(srv.Flavor, imageID, image); err != nil {
		return err
	}
	if imageID == srv.ImageID {
		return nil
	}
	before, err := WishOf(srv.Flavor, srv.ImageID, srv.Image).Guest()
	if err != nil {
		return refuseConflict(err)
	}
	after, err := WishOf(srv.Flavor, imageID, image).Guest()
	if err != nil {
		return refuseConflict(err)
	}
	if !reflect.DeepEqual(before, after) {
		return rest.BadRequest("An instance's NUMA topology cannot be changed as part of a rebuild. The image provided is invalid for this instance.")
	}
	return nil
}

// resizeFits refuses a flavor that contradicts the server's image.
func resizeFits(srv *Server, f *Flavor) error {
	return hardwareFits(flavorCopy(f), srv.ImageID, srv.Image)
}

// notWithTPM refuses an operation that would part a server from its trusted platform module (upstream's reject_vtpm_instances). Cold migrations and
// resizes take the module along.
func notWithTPM(operation string) func(*Server) error {
	return func(srv *Server) error {
		tpm, err := WishOf(srv.Flavor, srv.ImageID, srv.Image).TPM()
		if err != nil || tpm == nil {
			return nil //nolint:nilerr // of the time before such wishes were refused: it has none
		}
		return rest.Conflict("Operation '%s' not supported for vTPM-enabled instance (instance=%s).", operation, srv.ID)
	}
}
