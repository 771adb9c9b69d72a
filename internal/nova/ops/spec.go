package ops

import (
	"context"
	"maps"
	"slices"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
)

// nic is a port as a hypervisor plugs it.
func nic(v neutron.VIF, srv *nova.Server) driver.NIC {
	return driver.NIC{
		PortID: v.PortID, MAC: v.MAC, MTU: v.MTU, Bridge: v.Bridge, Model: srv.Image.Properties[driver.PropVIFModel], Tag: v.Tag,
		Tune: driver.TuneNICs(guestFlavor(srv.FlavorID, srv.Flavor), &driver.Image{ID: srv.ImageID, Name: srv.Image.Name, Properties: srv.Image.Properties}),
	}
}

// guestFlavor is the part of a flavor that a host realises.
func guestFlavor(id string, f nova.FlavorCopy) driver.Flavor {
	return driver.Flavor{
		ID: id, Name: f.Name, VCPUs: int(f.VCPUs), MemoryMB: int(f.MemoryMB), RootGB: int(f.RootGB), EphemeralGB: int(f.EphemeralGB), SwapMB: int(f.SwapMB), ExtraSpecs: f.ExtraSpecs,
	}
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
	if i.Properties[driver.PropKernelID] == "nokernel" { // how images of old say that they boot from their disk
		i.Properties = maps.Clone(i.Properties)
		delete(i.Properties, driver.PropKernelID)
		delete(i.Properties, driver.PropRamdiskID)
	}
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
	spec := driver.GuestSpec{
		ID: srv.ID, Name: srv.Name, Project: driver.Ref{ID: srv.ProjectID}, User: driver.Ref{ID: srv.UserID},
		Flavor:    guestFlavor(srv.FlavorID, srv.Flavor),
		CreatedAt: srv.CreatedAt.Format(time.RFC3339),
	}
	if srv.ImageID != "" {
		image := guestImage(srv)
		spec.Image = &image
	}
	if err := o.blockDevices(ctx, srv, &spec); err != nil {
		return spec, err
	}
	if spec.NUMA, err = o.Nova.NUMAOf(ctx, srv); err != nil {
		return spec, err
	}
	if spec.PCI, err = o.Nova.PCIOf(ctx, srv); err != nil {
		return spec, err
	}
	for _, v := range vifs {
		spec.NICs = append(spec.NICs, nic(v, srv))
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

// blockDevices tells a host of the disks that a server was asked for with. Sizes that were not given are the flavor's; a swap disk has its own
// size as long as the server has the flavor that it was asked for with, and after a resize the new flavor's (nova/compute/manager.py,
// _update_bdm_for_swap_to_finish_resize).
func (o *Ops) blockDevices(ctx context.Context, srv *nova.Server, spec *driver.GuestSpec) error {
	if !srv.Requested.Devices {
		return nil
	}
	rows, err := db.BlockDevicesOf(ctx, o.Nova.DB.Read(ctx), srv.ID)
	if err != nil {
		return err
	}
	var ephemeral, swap []driver.LocalDisk
	for _, b := range rows {
		device := driver.DiskDevice{Bus: b.DiskBus, Type: b.DeviceType, Tag: b.Tag}
		switch {
		case b.Source == "image" && b.Local():
			spec.Root = device
		case b.Ephemeral():
			d := driver.LocalDisk{DiskDevice: device, SizeMB: srv.Flavor.EphemeralGB << 10, Format: b.GuestFormat}
			if b.Size != nil {
				d.SizeMB = *b.Size << 10
			}
			ephemeral = append(ephemeral, d)
		case b.Swap():
			d := driver.LocalDisk{DiskDevice: device, Swap: true, SizeMB: srv.Flavor.SwapMB}
			if b.Size != nil && b.FlavorID == srv.FlavorID {
				d.SizeMB = *b.Size
			}
			swap = append(swap, d)
		}
	}
	for _, d := range spec.Flavor.LocalDisks() {
		switch {
		case !d.Swap && ephemeral == nil:
			ephemeral = append(ephemeral, d)
		case d.Swap && swap == nil:
			swap = append(swap, d)
		}
	}
	spec.Devices = slices.DeleteFunc(append(ephemeral, swap...), func(d driver.LocalDisk) bool { return d.SizeMB == 0 })
	return nil
}
