package libvirt

import (
	"context"
	"errors"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// List answers every domain that carries our mark.
func (d *Driver) List(ctx context.Context) ([]driver.Guest, error) {
	doms, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) ([]rpc.Domain, error) {
		doms, _, err := l.ConnectListAllDomains(1, 0)
		return doms, err
	})
	if err != nil {
		return nil, err
	}
	var guests []driver.Guest
	for _, dom := range doms {
		def, err := d.definition(ctx, dom, 0)
		if errors.Is(err, driver.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if def.Metadata == nil {
			continue
		}
		m, ok := readMark(def.Metadata.XML)
		if !ok || m.Owner != d.Owner {
			continue
		}
		s, err := d.stateOf(ctx, dom)
		if libvirt.Is(err, rpc.ErrNoDomain) {
			continue
		}
		if err != nil {
			return nil, err
		}
		guests = append(guests, guest(def, m, s.PowerState))
	}
	return guests, nil
}

func guest(def *libvirtxml.Domain, m mark, s driver.PowerState) driver.Guest {
	g := driver.Guest{ID: strings.ToLower(def.UUID), Name: m.Name, Project: m.Project, State: s}
	if def.VCPU != nil {
		g.VCPUs = int(def.VCPU.Value)
	}
	g.MemMB = memoryMB(def)
	if def.Devices != nil {
		for i := range def.Devices.Interfaces {
			if id := portOf(&def.Devices.Interfaces[i]); id != "" {
				g.PortIDs = append(g.PortIDs, id)
			}
		}
	}
	return g
}

func memoryMB(def *libvirtxml.Domain) int {
	if def.Memory == nil {
		return 0
	}
	switch def.Memory.Unit {
	case "MiB":
		return int(def.Memory.Value)
	default: // libvirtd answers in KiB
		return int(def.Memory.Value >> 10)
	}
}
