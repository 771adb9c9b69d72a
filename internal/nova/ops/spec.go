package ops

import (
	"context"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/driver"
)

// nic is a port as a hypervisor plugs it.
func nic(v neutron.VIF, properties map[string]string) driver.NIC {
	return driver.NIC{PortID: v.PortID, MAC: v.MAC, MTU: v.MTU, Bridge: v.Bridge, Model: properties[driver.PropVIFModel]}
}

// guestImage is an image as a host caches it.
func guestImage(srv *nova.Server) driver.Image {
	if srv.Kept.Shelved != nil { // it boots from what it was shelved as, which goes when it has
		image := imageOf(srv.Kept.ShelvedImage, *srv.Kept.Shelved)
		image.Passing = true
		return image
	}
	return imageOf(srv.ImageID, srv.Image)
}

func imageOf(id string, i nova.ImageCopy) driver.Image {
	return driver.Image{
		ID: id, Name: i.Name, DiskFormat: i.DiskFormat, Size: i.Size, MinDiskGB: int(i.MinDiskGB), MinRAMMB: int(i.MinRAMMB), HashAlgo: i.HashAlgo, HashValue: i.HashValue,
		Properties: i.Properties,
	}
}

// guestSpec is everything a host must know to run a server.
func (o *Ops) guestSpec(ctx context.Context, srv *nova.Server) (driver.GuestSpec, error) {
	vifs, err := o.Nova.Network.NetworkInfo(ctx, srv.ID)
	if err != nil {
		return driver.GuestSpec{}, err
	}
	f := srv.Flavor
	spec := driver.GuestSpec{
		ID: srv.ID, Name: srv.Name, Project: driver.Ref{ID: srv.ProjectID}, User: driver.Ref{ID: srv.UserID},
		Flavor: driver.Flavor{
			ID: srv.FlavorID, Name: f.Name, VCPUs: int(f.VCPUs), MemoryMB: int(f.MemoryMB), RootGB: int(f.RootGB), EphemeralGB: int(f.EphemeralGB), SwapMB: int(f.SwapMB), ExtraSpecs: f.ExtraSpecs,
		},
		CreatedAt: srv.CreatedAt.Format(time.RFC3339),
	}
	if srv.ImageID != "" {
		image := guestImage(srv)
		spec.Image = &image
	}
	for _, v := range vifs {
		spec.NICs = append(spec.NICs, nic(v, srv.Image.Properties))
	}
	if srv.ConfigDrive {
		if vifs == nil {
			vifs = []neutron.VIF{}
		}
		m, err := o.Nova.MetadataOf(ctx, srv, vifs)
		if err != nil {
			return spec, err
		}
		if spec.ConfigDrive, err = m.ConfigDrive(); err != nil {
			return spec, err
		}
	}
	return spec, nil
}
