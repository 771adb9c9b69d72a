package libvirt_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"
	"libvirt.org/go/libvirtxml"

	engine "gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// number reads a parameter of libvirt's, -1 when it is not there.
func number(params []rpc.TypedParam, name string) int64 {
	for _, p := range params {
		if p.Field != name {
			continue
		}
		switch v := p.Value.I.(type) {
		case uint64:
			return int64(v)
		case int64:
			return v
		case uint32:
			return int64(v)
		}
	}
	return -1
}

// running is the definition that libvirt has of a guest that runs.
func (l *lab) running(id string) *libvirtxml.Domain {
	l.t.Helper()
	u, err := engine.ParseUUID(id)
	l.must("id", err)
	text, err := engine.Call(l.t.Context(), l.client, func(v *rpc.Libvirt) (string, error) {
		dom, err := v.DomainLookupByUUID(u)
		if err != nil {
			return "", err
		}
		return v.DomainGetXMLDesc(dom, 0)
	})
	l.must("definition", err)
	def := &libvirtxml.Domain{}
	l.must("definition", def.Unmarshal(text))
	return def
}

// A real guest has its quotas, its devices and its place on the host; QEMU says so, not only the definition.
func TestRealGuestHasWhatItsFlavorAsks(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	info, err := l.HostInfo(ctx)
	l.must("host", err)
	s := spec()
	s.Flavor.VCPUs = 1
	s.Flavor.ExtraSpecs = map[string]string{
		"quota:disk_read_bytes_sec": "104857600", "quota:disk_write_iops_sec": "5000", "quota:disk_write_iops_sec_max": "9000",
		"hw:watchdog_action": "poweroff", "hw_rng:rate_bytes": "2048", "hw_rng:rate_period": "1000", "hw:hide_hypervisor_id": "true",
	}
	if info.NUMA != nil {
		s.Flavor.ExtraSpecs["hw:numa_nodes"] = "1"
		g, err := driver.WishOf(s.Flavor, s.Image).Guest()
		l.must("wish", err)
		if s.NUMA = hardware.Fit(*info.NUMA, g, hardware.Ratios{}); s.NUMA == nil {
			t.Fatalf("a small guest does not fit on %+v", info.NUMA)
		}
	}
	l.boot(s)
	u, err := engine.ParseUUID(s.ID)
	l.must("id", err)
	io, err := engine.Call(ctx, l.client, func(v *rpc.Libvirt) ([]rpc.TypedParam, error) {
		dom, err := v.DomainLookupByUUID(u)
		if err != nil {
			return nil, err
		}
		params, _, err := v.DomainGetBlockIOTune(dom, rpc.OptString{"vda"}, 32, 0)
		return params, err
	})
	l.must("limits of the disk", err)
	if number(io, "read_bytes_sec") != 104857600 || number(io, "write_iops_sec") != 5000 || number(io, "write_iops_sec_max") != 9000 || number(io, "total_bytes_sec") != 0 {
		t.Errorf("QEMU limits the disk to %+v", io)
	}
	def := l.running(s.ID)
	if len(def.Devices.Watchdogs) == 0 || def.Devices.Watchdogs[0].Action != "poweroff" || len(def.Devices.RNGs) != 1 || def.Devices.RNGs[0].Rate == nil || def.Devices.RNGs[0].Rate.Bytes != 2048 {
		t.Errorf("watchdogs %+v, generators %+v", def.Devices.Watchdogs, def.Devices.RNGs)
	}
	if s.NUMA != nil && (def.CPU.Numa == nil || len(def.CPU.Numa.Cell) != 1 || def.NUMATune == nil || def.CPUTune == nil || def.CPUTune.VCPUPin[0].CPUSet != s.NUMA.Cells[0].Shared.String()) {
		t.Errorf("cells %+v, places %+v %+v", def.CPU.Numa, def.NUMATune, def.CPUTune)
	}

	// libvirt takes a definition with devices of the host, be they there or not.
	given := spec()
	given.PCI = []string{"0000:7f:1f.7"}
	l.must("disks", l.PrepareDisks(ctx, given))
	t.Cleanup(func() { _ = l.Destroy(context.Background(), given.ID) })
	l.must("define with a device", l.Define(ctx, given))
	if devices := l.running(given.ID).Devices.Hostdevs; len(devices) != 1 || devices[0].Managed != "yes" || *devices[0].SubsysPCI.Source.Address.Bus != 0x7f || *devices[0].SubsysPCI.Source.Address.Function != 7 {
		t.Errorf("devices of the host %+v", devices)
	}

	// Processor time, where the host can share it out.
	shared := spec()
	shared.Flavor.ExtraSpecs = map[string]string{"quota:cpu_shares": "512"}
	for _, id := range []string{kernelID, ramdiskID} {
		l.must("image", l.EnsureImage(ctx, driver.Image{ID: id, DiskFormat: "aki"}))
	}
	l.must("disks", l.PrepareDisks(ctx, shared))
	t.Cleanup(func() { _ = l.Destroy(context.Background(), shared.ID) })
	switch err := l.Define(ctx, shared); {
	case err != nil && strings.Contains(err.Error(), "Requested CPU control policy not supported by host"):
		t.Log("this host cannot share out processor time")
	case err != nil:
		t.Errorf("define: %v", err)
	default:
		if err := l.Start(ctx, shared.ID); err != nil {
			t.Errorf("start with shares: %v", err)
		} else if def := l.running(shared.ID); def.CPUTune == nil || def.CPUTune.Shares == nil || def.CPUTune.Shares.Value != 512 {
			t.Errorf("shares %+v", def.CPUTune)
		}
	}
}

// A guest of UEFI firmware gets it, with Secure Boot where the host has such firmware.
func TestRealGuestOfUEFI(t *testing.T) {
	l := newLab(t)
	info, err := l.HostInfo(t.Context())
	l.must("host", err)
	s := spec()
	s.Flavor.MemoryMB = 192
	s.Image.Properties = map[string]string{driver.PropFirmware: "uefi", driver.PropSecureBoot: "optional"}
	l.must("image", l.EnsureImage(t.Context(), *s.Image))
	l.must("disks", l.PrepareDisks(t.Context(), s))
	l.must("define", l.Define(t.Context(), s))
	t.Cleanup(func() { _ = l.Destroy(context.Background(), s.ID) })
	l.must("start", l.Start(t.Context(), s.ID))
	def := l.running(s.ID)
	if def.OS.Loader == nil || !strings.Contains(def.OS.Loader.Path, "OVMF") || def.OS.NVRam == nil || !strings.HasSuffix(def.OS.NVRam.NVRam, s.ID+"/nvram.fd") {
		t.Errorf("firmware %+v, variables %+v", def.OS.Loader, def.OS.NVRam)
	}
	secure := false
	for _, trait := range info.Traits {
		secure = secure || trait == "COMPUTE_SECURITY_UEFI_SECURE_BOOT"
	}
	if got := def.OS.Loader != nil && def.OS.Loader.Secure == "yes"; got != secure {
		t.Errorf("Secure Boot is %v on a host where it is %v: %+v", got, secure, def.OS.Loader)
	}
}

// A guest has a trusted platform module where the host can emulate one, and its secrets outlast the power.
func TestRealGuestWithTPM(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	info, err := l.HostInfo(ctx)
	l.must("host", err)
	if !slices.Contains(info.Traits, "COMPUTE_SECURITY_TPM_2_0") || !slices.Contains(info.Traits, "COMPUTE_SECURITY_TPM_CRB") {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatal("libvirt has no swtpm or swtpm_setup here")
		}
		t.Skip("libvirt has no swtpm or swtpm_setup here")
	}
	s := spec()
	s.Flavor.ExtraSpecs = map[string]string{"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb"}
	l.boot(s)
	if def := l.running(s.ID); len(def.Devices.TPMs) != 1 || def.Devices.TPMs[0].Model != "tpm-crb" {
		t.Errorf("modules %+v", def.Devices.TPMs)
	}
	state := filepath.Join("/var/lib/libvirt/swtpm", s.ID, "tpm2", "tpm2-00.permall")
	if _, err := os.Stat(state); err != nil {
		t.Errorf("what the module keeps: %v", err)
	}
	l.must("stop", l.Stop(ctx, s.ID, 0))
	if _, err := os.Stat(state); err != nil {
		t.Errorf("what the module keeps without power: %v", err)
	}
	kept, err := os.ReadFile(state)
	l.must("what the module keeps", err)
	// It goes with the disks while there is no definition, and is taken back from them.
	move := uuid.NewString()
	l.must("set aside", l.SetAside(ctx, s.ID, move, "host-b", time.Minute))
	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a server that is aside: %v", err)
	}
	l.must("restore", l.Restore(ctx, s.ID, move))
	among := filepath.Join(l.dir, "instances", s.ID, "tpm.2.0.crb")
	if got, err := os.ReadFile(among); err != nil || !bytes.Equal(got, kept) {
		t.Errorf("among the disks: %d bytes of %d, %v", len(got), len(kept), err)
	}
	l.must("define", l.Define(ctx, s))
	if got, err := os.ReadFile(state); err != nil || !bytes.Equal(got, kept) {
		t.Errorf("given back: %d bytes of %d, %v", len(got), len(kept), err)
	}
	if _, err := os.Stat(among); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("among the disks of a server that is defined: %v", err)
	}
	l.must("start", l.Start(ctx, s.ID)) // swtpm takes it
	// A module of another model begins anew.
	move = uuid.NewString()
	l.must("set aside", l.SetAside(ctx, s.ID, move, "host-b", time.Minute))
	l.must("restore", l.Restore(ctx, s.ID, move))
	s.Flavor.ExtraSpecs["hw:tpm_model"] = "tpm-tis"
	l.must("define", l.Define(ctx, s))
	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of another module: %v", err)
	}
	l.must("start", l.Start(ctx, s.ID))
	l.must("destroy", l.Destroy(ctx, s.ID))
	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a server that is gone: %v", err)
	}
}
