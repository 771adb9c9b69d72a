package driver

import (
	"strconv"
	"strings"

	"gostack/internal/nova/hardware"
)

// NICTune is what a flavor, or an image, says of a server's network cards beyond their model.
type NICTune struct {
	Inbound  *Bandwidth `json:"inbound,omitempty"`  // to the guest
	Outbound *Bandwidth `json:"outbound,omitempty"` // from it
	Queues   int        `json:"queues,omitempty"`   // of a virtio card; 0 is one
	Packed   bool       `json:"packed,omitempty"`   // packed rings of a virtio card
}

// Bandwidth is a limit: average and peak in KiB a second, burst in KiB (libvirt's units).
type Bandwidth struct {
	Average int `json:"average"`
	Peak    int `json:"peak,omitempty"`
	Burst   int `json:"burst,omitempty"`
}

// mostQueues is how many queues a tap device can have.
const mostQueues = 256

// TuneNICs is what flavor and image say of network cards; nil is nothing. What contradicts itself has been refused before.
func TuneNICs(f Flavor, image *Image) *NICTune {
	w := WishOf(f, image)
	t := NICTune{Inbound: bandwidth(f.ExtraSpecs, "inbound"), Outbound: bandwidth(f.ExtraSpecs, "outbound")}
	if many, err := w.Multiqueue(); err == nil && many && f.VCPUs > 1 {
		t.Queues = min(f.VCPUs, mostQueues)
	}
	t.Packed, _ = w.PackedRing()
	if t == (NICTune{}) {
		return nil
	}
	return &t
}

func bandwidth(specs map[string]string, way string) *Bandwidth {
	b := Bandwidth{Average: Quota(specs, "vif_"+way+"_average"), Peak: Quota(specs, "vif_"+way+"_peak"), Burst: Quota(specs, "vif_"+way+"_burst")}
	if b.Average == 0 { // libvirt wants it
		return nil
	}
	return &b
}

// Quota is a number that a flavor limits its servers to (quota:name); 0 is no limit.
func Quota(specs map[string]string, name string) int {
	n, err := strconv.Atoi(strings.TrimSpace(specs["quota:"+name]))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// WishOf is what a flavor and an image ask of a guest's hardware.
func WishOf(f Flavor, image *Image) hardware.Wish {
	w := hardware.Wish{Flavor: hardware.Flavor{Name: f.Name, VCPUs: f.VCPUs, MemoryMB: f.MemoryMB, Specs: f.ExtraSpecs}}
	if image != nil {
		w.Image = hardware.Image{ID: image.ID, Name: image.Name, Properties: image.Properties}
	}
	return w
}
