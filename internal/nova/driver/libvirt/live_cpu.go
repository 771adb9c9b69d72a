package libvirt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// The processor of a guest that moves while it runs must be one that the destination can give, or the guest would find instructions gone that it uses. The
// destination asks its libvirt, before anything is copied (nova/virt/libvirt/driver.py, check_can_live_migrate_destination and _compare_cpu).

// guestCPU is the processor that a running guest has, in libvirt's words: the model that libvirt has chosen for it, or the host's own where it was handed through.
func (d *Driver) guestCPU(ctx context.Context, cpu *libvirtxml.DomainCPU) (string, error) {
	if cpu != nil && cpu.Model != nil && cpu.Model.Value != "" {
		return cpu.Marshal()
	}
	caps, err := d.capabilities(ctx)
	if err != nil {
		return "", err
	}
	return caps.hostCPU, nil
}

// hostCPU is the host's processor as one that can be compared: model, vendor and features, without what libvirt says of it besides.
func hostCPU(c *libvirtxml.CapsHostCPU) string {
	type feature struct {
		Name string `xml:"name,attr"`
	}
	text, err := xml.Marshal(struct {
		XMLName  xml.Name  `xml:"cpu"`
		Arch     string    `xml:"arch,omitempty"`
		Model    string    `xml:"model,omitempty"`
		Vendor   string    `xml:"vendor,omitempty"`
		Features []feature `xml:"feature"`
	}{Arch: c.Arch, Model: c.Model, Vendor: c.Vendor, Features: func() (list []feature) {
		for _, f := range c.FeatureFlags {
			list = append(list, feature{f.Name})
		}
		return list
	}()})
	if err != nil || c.Model == "" {
		return "" // nothing to compare with
	}
	return string(text)
}

// compareCPU refuses a guest of KVM whose processor this host's KVM cannot give. One that QEMU emulates is the same everywhere, and s390x has no models to compare.
func (d *Driver) compareCPU(ctx context.Context, caps *capabilities, from driver.LiveSource) error {
	if from.Virt != "kvm" || from.CPU == "" || caps.arch == "s390x" {
		return nil
	}
	return d.canGive(ctx, caps, from)
}

// canGive asks libvirt. What it cannot read as a processor is refused too.
func (d *Driver) canGive(ctx context.Context, caps *capabilities, from driver.LiveSource) error {
	compare := func(flags rpc.ConnectCompareCPUFlags) (int32, error) {
		return libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (int32, error) {
			return l.ConnectCompareHypervisorCPU(rpc.OptString{caps.emulator}, rpc.OptString{caps.arch}, rpc.OptString{from.Machine}, rpc.OptString{caps.virtType}, from.CPU, uint32(flags))
		})
	}
	result, err := compare(0)
	var answer rpc.Error
	switch {
	case libvirt.Is(err, rpc.ErrNoSupport):
		return nil // this libvirt cannot say: the migration itself will
	case errors.As(err, &answer):
		return unacceptableCPU(answer.Message)
	case err != nil:
		return fmt.Errorf("compare processors: %w", err)
	case result <= int32(rpc.CPUCompareIncompatible):
		if _, why := compare(rpc.ConnectCompareCPUFailIncompatible); why != nil { // upstream's answer is the number only; this names the features
			d.Log.Warn("the processor of a server that should come here cannot be given here", "why", why)
		}
		return unacceptableCPU(fmt.Sprint(result))
	}
	return nil
}

// unacceptableCPU is upstream's InvalidCPUInfo.
func unacceptableCPU(result string) error {
	return driver.Refuse(driver.CodeUnsupported, "Unacceptable CPU info: CPU doesn't have compatibility.\n\n%s\n\nRefer to http://libvirt.org/html/libvirt-libvirt-host.html#virCPUCompareResult", result)
}
