package libvirt

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"libvirt.org/go/libvirtxml"

	engine "gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// tuned renders a server of 4 processors and 1024 MiB with words of flavor and image, placed on the host when it asks for that.
func tuned(t *testing.T, d *Driver, caps *capabilities, flavor, image map[string]string) (string, error) {
	t.Helper()
	s := driver.GuestSpec{
		ID: "00000000-0000-4000-8000-000000000001", Name: "web", Flavor: driver.Flavor{Name: "f", VCPUs: 4, MemoryMB: 1024, RootGB: 1, ExtraSpecs: flavor},
		Image: &driver.Image{ID: "00000000-0000-4000-8000-000000000002", Name: "i", DiskFormat: "qcow2", Properties: image}, ConfigDrive: []driver.File{},
	}
	s.NICs = []driver.NIC{{PortID: "00000000-0000-4000-8000-000000000003", MAC: "fa:16:3e:00:00:01", Bridge: "br-int", Tune: driver.TuneNICs(s.Flavor, s.Image)}}
	g, err := driver.WishOf(s.Flavor, s.Image).Guest()
	if err != nil {
		t.Fatal(err)
	}
	if g != nil {
		if s.NUMA = hardware.Fit(*caps.numa, g, hardware.Ratios{}); s.NUMA == nil {
			t.Fatal("it does not fit the host")
		}
	}
	def, err := d.domain(t.Context(), caps, s)
	if err != nil {
		return "", err
	}
	text, err := def.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for line := range strings.Lines(text) {
		parts = append(parts, strings.TrimSpace(line))
	}
	return strings.Join(parts, ""), nil
}

func pairs(text string) map[string]string {
	out := map[string]string{}
	for pair := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(pair, "=")
		out[key] = value
	}
	return out
}

func TestWhatFlavorAndImageAsk(t *testing.T) {
	cell := func(id, first int) hardware.Cell {
		return hardware.Cell{
			ID: id, CPUs: hardware.Range(first, 2), Dedicated: hardware.Range(first+2, 6), MemoryMB: 8192, Siblings: []hardware.CPUSet{{first + 2, first + 3}, {first + 4, first + 5}, {first + 6, first + 7}},
			Pages: []hardware.Pages{{SizeKB: 4, Total: 1 << 20}, {SizeKB: 2048, Total: 1024}},
		}
	}
	kvm := &capabilities{
		virtType: "kvm", arch: "x86_64", emulator: "/usr/bin/qemu-system-x86_64", machine: "q35", machines: []string{"q35", "pc"}, uefi: true, secureBoot: true,
		numa: &hardware.Host{Cells: []hardware.Cell{cell(0, 0), cell(1, 8)}},
	}
	kvm.tpms.models, kvm.tpms.versions = []string{"tpm-tis", "tpm-crb"}, []string{"1.2", "2.0"}
	plain := *kvm
	plain.secureBoot, plain.tpms.models = false, nil
	tcg := *kvm
	tcg.virtType = "qemu"
	for _, c := range []struct {
		flavor, image string
		caps          *capabilities
		has, hasNot   string // parts separated by " | "
		refused       string
	}{
		{has: `<topology sockets="4" cores="1" threads="1"> | <rng model="virtio"> | offset="utc" | <timer name="hpet" present="no">`, hasNot: "cputune | numatune | memoryBacking | iotune | watchdog | bandwidth | bootmenu | <pmu | hyperv | <tpm | cpuset= | <rate"},
		{flavor: "quota:cpu_shares=512 quota:cpu_period=20000 quota:cpu_quota=10000", has: `<shares>512</shares> | <period>20000</period> | <quota>10000</quota>`},
		{flavor: "quota:cpu_shares=0 quota:memory_limit=64", hasNot: "cputune | memtune"},
		{
			flavor: "quota:disk_read_bytes_sec=1000000 quota:disk_write_iops_sec=50 quota:disk_write_iops_sec_max=100 quota:disk_write_iops_sec_max_length=10",
			has:    `<iotune><read_bytes_sec>1000000</read_bytes_sec><write_iops_sec>50</write_iops_sec><write_iops_sec_max>100</write_iops_sec_max><write_iops_sec_max_length>10</write_iops_sec_max_length></iotune>`,
		},
		{
			flavor: "quota:vif_inbound_average=1000 quota:vif_inbound_peak=2000 quota:vif_outbound_average=500 quota:vif_outbound_burst=64",
			has:    `<bandwidth><inbound average="1000" peak="2000"></inbound><outbound average="500" burst="64"></outbound></bandwidth>`,
		},
		{flavor: "quota:vif_inbound_peak=2000", hasNot: "bandwidth"},
		{flavor: "hw:cpu_sockets=2", image: "hw_cpu_threads=2", has: `<topology sockets="2" cores="1" threads="2">`},
		{flavor: "hw:watchdog_action=poweroff", has: `<watchdog model="i6300esb" action="poweroff">`},
		{flavor: "hw:watchdog_action=poweroff", image: "hw_watchdog_action=reset", has: `action="reset"`},
		{flavor: "hw:watchdog_action=poweroff", image: "hw_watchdog_action=disabled", hasNot: "watchdog"},
		{flavor: "hw:watchdog_action=explode", refused: "Provided watchdog action (explode) is not supported."},
		{flavor: "hw_rng:allowed=False", image: "hw_rng_model=virtio", hasNot: "<rng"},
		{flavor: "hw_rng:rate_bytes=2048 hw_rng:rate_period=1000", has: `<rate bytes="2048" period="1000">`},
		{flavor: "hw:boot_menu=true", has: `<bootmenu enable="yes">`},
		{flavor: "hw:boot_menu=true", image: "hw_boot_menu=false", has: `<bootmenu enable="no">`},
		{flavor: "hw:hide_hypervisor_id=true", has: `<kvm><hidden state="on">`},
		{image: "img_hide_hypervisor_id=true os_type=windows", has: `<hidden state="on"> | <hyperv | <vendor_id state="on" value="1234567890ab"> | offset="localtime" | name="hypervclock"`},
		{image: "os_type=windows", caps: &tcg, has: `offset="localtime"`, hasNot: "hyperv"},
		{flavor: "hw:pmu=false", has: `<pmu state="off">`},
		{image: "hw_pmu=true", has: `<pmu state="on">`},
		{image: "hw_time_hpet=true", has: `<timer name="hpet" present="yes">`},
		{image: "hw_video_ram=16 hw_video_model=qxl", flavor: "hw_video:ram_max_mb=32", has: `vram="16384"`},
		{image: "hw_video_ram=64", flavor: "hw_video:ram_max_mb=32", refused: "The requested amount of video memory 64 is higher than the maximum allowed by flavor 32."},
		{image: "hw_input_bus=virtio", has: `<input type="tablet" bus="virtio">`},
		{image: "hw_vif_multiqueue_enabled=true", has: `queues="4"`},
		{image: "hw_vif_multiqueue_enabled=true hw_vif_model=e1000", hasNot: "queues="},
		{flavor: "hw:virtio_packed_ring=true", has: `packed="on"`},
		{flavor: "hw:tpm_version=2.0 hw:tpm_model=tpm-crb", has: `<tpm model="tpm-crb"><backend type="emulator" version="2.0">`},
		{flavor: "hw:tpm_version=1.2", has: `<tpm model="tpm-tis"><backend type="emulator" version="1.2">`},
		{flavor: "hw:tpm_version=1.2", caps: &plain, refused: "This host has no TPM 1.2 of model tpm-tis for guests."},
		{flavor: "os:secure_boot=required", image: "hw_firmware_type=uefi", has: `enabled="yes" name="secure-boot" | <smm state="on">`},
		{flavor: "os:secure_boot=required", refused: "Secure Boot needs hw_firmware_type=uefi."},
		{flavor: "os:secure_boot=required", image: "hw_firmware_type=uefi", caps: &plain, refused: "Secure Boot is not supported by host"},
		{image: "hw_firmware_type=uefi os_secure_boot=optional", has: `enabled="yes" name="secure-boot"`},
		{image: "hw_firmware_type=uefi os_secure_boot=optional", caps: &plain, has: `enabled="no" name="secure-boot"`},
		{flavor: "hw:mem_encryption=true", image: "hw_firmware_type=uefi", refused: "This host cannot encrypt a guest's memory."},
		{flavor: "hw:maxphysaddr_mode=emulate hw:maxphysaddr_bits=42", has: `<maxphysaddr mode="emulate" bits="42">`},
		{flavor: "hw:maxphysaddr_mode=passthrough", caps: &tcg, refused: "with KVM only"},
		{
			flavor: "hw:cpu_policy=dedicated",
			has: `<vcpupin vcpu="0" cpuset="2"></vcpupin><vcpupin vcpu="1" cpuset="3"></vcpupin><vcpupin vcpu="2" cpuset="4"></vcpupin><vcpupin vcpu="3" cpuset="5"></vcpupin><emulatorpin cpuset="2-5"> | ` +
				`<memory mode="strict" nodeset="0"></memory><memnode cellid="0" mode="strict" nodeset="0"> | <numa><cell id="0" cpus="0-3" memory="1048576" unit="KiB"> | threads="2"`,
		},
		{flavor: "hw:cpu_policy=dedicated hw:emulator_threads_policy=isolate", has: `<emulatorpin cpuset="6">`},
		{flavor: "hw:cpu_policy=mixed hw:cpu_dedicated_mask=0-1 hw:emulator_threads_policy=share", has: `<vcpupin vcpu="0" cpuset="2"> | <vcpupin vcpu="2" cpuset="0-1"> | <emulatorpin cpuset="0-1">`},
		{flavor: "hw:cpu_policy=dedicated hw:cpu_realtime=yes hw:cpu_realtime_mask=^0-1", has: `<vcpusched vcpus="2-3" scheduler="fifo" priority="1"> | <locked> | <nosharepages> | <pmu state="off">`},
		{flavor: "hw:numa_nodes=2", has: `<vcpupin vcpu="0" cpuset="0-1"> | <vcpupin vcpu="2" cpuset="8-9"> | <memnode cellid="1" mode="strict" nodeset="1"> | <cell id="1" cpus="2-3" memory="524288" unit="KiB">`, hasNot: "memoryBacking"},
		{flavor: "hw:mem_page_size=large hw:locked_memory=true hw:numa_nodes=2", has: `<hugepages><page size="2048" unit="KiB" nodeset="0-1"></page></hugepages><locked>`},
		{flavor: "hw:mem_page_size=small hw:numa_nodes=2", has: "numatune", hasNot: "hugepages"},
	} {
		name := c.flavor + "/" + c.image
		if c.caps == nil {
			c.caps = kvm
		}
		d, err := New(Options{
			Client: engine.New("/nowhere"), Dir: t.TempDir(), Images: func(context.Context, driver.Image) (io.ReadCloser, error) { return nil, io.EOF },
			Datapath: func(context.Context, string) (string, error) { return "system", nil }, CPUControl: func() bool { return true },
		})
		if err != nil {
			t.Fatal(err)
		}
		text, err := tuned(t, d, c.caps, pairs(c.flavor), pairs(c.image))
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v, want %q", name, err, c.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range strings.Split(c.has, " | ") {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %s:\n%s", name, want, text)
			}
		}
		for _, not := range strings.Split(c.hasNot, " | ") {
			if not != "" && strings.Contains(text, not) {
				t.Errorf("%s has %s:\n%s", name, not, text)
			}
		}
	}
}

// Where a host keeps processors for some servers, the others do not run there; where it cannot share out time, no server may ask for it.
func TestProcessorsOfTheHost(t *testing.T) {
	host := &libvirtxml.Caps{}
	text, err := os.ReadFile("testdata/capabilities-two-cells.xml")
	if err == nil {
		err = host.Unmarshal(string(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Options{
		Client: engine.New("/nowhere"), Dir: t.TempDir(), Images: func(context.Context, driver.Image) (io.ReadCloser, error) { return nil, io.EOF },
		Datapath: func(context.Context, string) (string, error) { return "system", nil }, CPUControl: func() bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	numa := d.numaOf(host)
	if len(numa.Cells) != 2 || numa.Cells[1].CPUs.String() != "2-3,6-7" || len(numa.Cells[1].Dedicated) != 0 || len(numa.Cells[1].Siblings) != 2 || numa.Cells[1].MemoryMB != 16115 {
		t.Errorf("cells %+v", numa.Cells)
	}
	if p := numa.Cells[0].Pages; len(p) != 2 || p[1] != (hardware.Pages{SizeKB: 2048, Total: 512}) {
		t.Errorf("pages %+v", p)
	}
	caps := &capabilities{virtType: "kvm", arch: "x86_64", emulator: "/q", machine: "q35", machines: []string{"q35"}, numa: numa}
	if _, err := tuned(t, d, caps, pairs("quota:cpu_shares=10"), nil); err == nil || !strings.Contains(err.Error(), "Requested CPU control policy not supported by host") {
		t.Error(err)
	}
	d.CPUDedicated = hardware.NewCPUSet(2, 3, 6, 7)
	if numa = d.numaOf(host); numa.Cells[0].CPUs.String() != "" || numa.Cells[1].Dedicated.String() != "2-3,6-7" {
		t.Errorf("cells %+v", numa.Cells)
	}
	if _, err := tuned(t, d, caps, nil, nil); err == nil || !strings.Contains(err.Error(), "no processors that servers share") {
		t.Error(err)
	}
	d.CPUShared = hardware.NewCPUSet(0, 1)
	if numa = d.numaOf(host); numa.Cells[0].CPUs.String() != "0-1" || numa.Cells[1].CPUs.String() != "" {
		t.Errorf("cells %+v", numa.Cells)
	}
	if got, err := tuned(t, d, caps, nil, nil); err != nil || !strings.Contains(got, `<vcpu cpuset="0-1">4<`) {
		t.Error(got, err)
	}
	if got := strings.Join(traits(caps), " "); !strings.Contains(got, "HW_CPU_HYPERTHREADING") {
		t.Error(got)
	}
}
