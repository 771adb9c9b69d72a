package libvirt

import (
	"context"
	"io"
	"strings"
	"testing"

	engine "gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// definition renders a server for a host that need not exist.
func render(t *testing.T, caps capabilities, datapath string, change func(*driver.GuestSpec)) string {
	t.Helper()
	d, err := New(Options{
		Client: engine.New("/nowhere"), Dir: t.TempDir(), Owner: "cloud-1",
		Images:   func(context.Context, driver.Image) (io.ReadCloser, error) { return nil, io.EOF },
		Datapath: func(context.Context, string) (string, error) { return datapath, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	s := driver.GuestSpec{
		ID: "00000000-0000-4000-8000-000000000001", Name: `<a>&"b"`,
		Flavor: driver.Flavor{Name: "m1.tiny", VCPUs: 2, MemoryMB: 512, RootGB: 1, EphemeralGB: 1, SwapMB: 1},
		Image:  &driver.Image{ID: "00000000-0000-4000-8000-000000000002", DiskFormat: "qcow2", Properties: map[string]string{}},
		NICs: []driver.NIC{{
			PortID: "00000000-0000-4000-8000-000000000003", MAC: "fa:16:3e:00:00:01", MTU: 1442, Bridge: "br-int",
		}},
		ConfigDrive: []driver.File{},
	}
	if change != nil {
		change(&s)
	}
	def, err := d.domain(t.Context(), &caps, s)
	if err != nil {
		t.Fatal(err)
	}
	text, err := def.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDomainXML(t *testing.T) {
	kvm := capabilities{virtType: "kvm", arch: "x86_64", emulator: "/usr/bin/qemu-system-x86_64", machine: "q35", machines: []string{"q35", "pc"}, uefi: true, secureBoot: true}
	tcg := kvm
	tcg.virtType = "qemu"
	prop := func(name, value string) func(*driver.GuestSpec) {
		return func(s *driver.GuestSpec) { s.Image.Properties[name] = value }
	}
	for name, c := range map[string]struct {
		caps     capabilities
		datapath string
		change   func(*driver.GuestSpec)
		has      []string
		hasNot   []string
	}{
		"kvm": {
			kvm, "system", nil,
			[]string{
				`<domain type="kvm">`, `mode="host-model"`, `<nova:name>&lt;a&gt;&amp;&#34;b&#34;</nova:name>`, `owner="cloud-1"`,
				`type="qcow2"`, `dev="vda"`, `dev="vdb"`, `dev="vdc"`, `dev="vdz"`, `<readonly>`, `interfaceid="00000000-0000-4000-8000-000000000003"`,
				`dev="tap00000000-00"`, `<mtu size="1442">`, `listen="127.0.0.1"`, `product">OpenStack Nova<`, `model="pcie-root-port"`, `type="usb" model="none"`,
				`<topology sockets="2" cores="1" threads="1">`,
			},
			[]string{"tb-cache", "csum", `name="qemu" txmode`, "guest_agent", "efi"},
		},
		"emulated": {
			tcg, "netdev", nil,
			[]string{`<domain type="qemu">`, `mode="maximum"`, `<tb-cache unit="MiB">32<`, `<host csum="off" gso="off"`, `<guest csum="off"`},
			[]string{"host-model"},
		},
		"agent":       {kvm, "system", prop(driver.PropQGA, "yes"), []string{`name="org.qemu.guest_agent.0"`}, nil},
		"windows":     {kvm, "system", prop(driver.PropOSType, "windows"), []string{`model="qemu-xhci"`, `type="tablet"`}, []string{`model="none"`}},
		"old machine": {kvm, "system", prop(driver.PropMachineType, "pc"), []string{`machine="pc"`}, []string{"pcie-root"}},
		"scsi":        {kvm, "system", prop(driver.PropDiskBus, "scsi"), []string{`dev="sda" bus="scsi"`, `model="virtio-scsi"`}, []string{`dev="vda"`}},
		"uefi":        {kvm, "system", prop(driver.PropFirmware, "uefi"), []string{`firmware="efi"`, `enabled="no" name="secure-boot"`}, []string{"smm"}},
		"secure boot": {
			kvm, "system", func(s *driver.GuestSpec) {
				s.Image.Properties[driver.PropFirmware], s.Image.Properties[driver.PropSecureBoot] = "uefi", "required"
			},
			[]string{`enabled="yes" name="secure-boot"`, `name="enrolled-keys"`, `<smm state="on">`, `secure="yes"`},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := render(t, c.caps, c.datapath, c.change)
			for _, want := range c.has {
				if !strings.Contains(text, want) {
					t.Errorf("lacks %s:\n%s", want, text)
				}
			}
			for _, not := range c.hasNot {
				if strings.Contains(text, not) {
					t.Errorf("has %s:\n%s", not, text)
				}
			}
		})
	}
}

func TestCPUTraits(t *testing.T) {
	caps := &capabilities{virtType: "kvm", machines: []string{"q35"}}
	caps.cpu.Features = []string{"avx512-vnni", "sse4.1", "vmx", "unheard-of"}
	got := strings.Join(traits(caps), " ")
	for _, want := range []string{"HW_CPU_X86_AVX512VNNI", "HW_CPU_X86_SSE41", "HW_CPU_X86_VMX", "COMPUTE_STORAGE_BUS_SATA"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "UNHEARD") || strings.Contains(got, "BUS_IDE") {
		t.Errorf("traits %s", got)
	}
}

// TestSerialPorts: a flavor's ports are the most, an image may have fewer, QEMU has four, and a host where nobody talks to them has the one that is logged.
func TestSerialPorts(t *testing.T) {
	for _, c := range []struct {
		flavor, image, refused string
		off                    bool
		want                   int
	}{
		{want: 1},
		{flavor: "3", want: 3},
		{flavor: "3", image: "2", want: 2},
		{image: "4", want: 4},
		{image: "4", off: true, want: 1},
		{flavor: "0", image: "2", want: 2},
		{flavor: "5", refused: "Maximum number of serial port exceeds 4 for qemu"},
		{flavor: "1", image: "2", refused: "Forbidden to exceed flavor value of number of serial ports passed in image meta."},
		{flavor: "x", refused: "Number of serial ports specified in flavor is invalid: expected an integer, got 'x'"},
	} {
		d := &Driver{Options: Options{Dir: "/instances", Serial: !c.off, SerialDir: "/serial"}}
		s := driver.GuestSpec{ID: "00000000-0000-4000-8000-000000000001", Flavor: driver.Flavor{ExtraSpecs: map[string]string{}}, Image: &driver.Image{Properties: map[string]string{}}}
		if c.flavor != "" {
			s.Flavor.ExtraSpecs["hw:serial_port_count"] = c.flavor
		}
		if c.image != "" {
			s.Image.Properties["hw_serial_port_count"] = c.image
		}
		got, err := d.serials(s)
		if c.refused != "" {
			if err == nil || err.Error() != c.refused {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err != nil || len(got) != c.want {
			t.Errorf("%+v: %d ports, %v", c, len(got), err)
			continue
		}
		places := map[string]bool{}
		for i, p := range got {
			if *p.Target.Port != uint(i) || (p.Log != nil) != (i == 0) || (p.Source.UNIX != nil) == c.off {
				t.Errorf("%+v: port %d is %+v", c, i, p)
			}
			if p.Source.UNIX != nil {
				places[p.Source.UNIX.Path] = true
			}
		}
		if !c.off && len(places) != c.want {
			t.Errorf("%+v: sockets %v", c, places)
		}
	}
}
