package libvirt

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	engine "gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// A source that has been taken over writes what it likes into the definition of the guest that it sends.
func TestIncomingDefinition(t *testing.T) {
	caps := &capabilities{virtType: "kvm", arch: "x86_64", emulator: "/usr/bin/qemu-system-x86_64", machine: "q35", machines: []string{"q35"}, uefi: true}
	d, err := New(Options{
		Client: engine.New("/nowhere"), Dir: t.TempDir(), Owner: "cloud-1",
		Images:   func(context.Context, driver.Image) (io.ReadCloser, error) { return nil, io.EOF },
		Datapath: func(context.Context, string) (string, error) { return "netdev", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	const id, other = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-00000000000f"
	s := driver.GuestSpec{
		ID: id, Name: "/etc/passwd", Flavor: driver.Flavor{Name: "m1.tiny", VCPUs: 2, MemoryMB: 512, RootGB: 1, EphemeralGB: 2, SwapMB: 1},
		Devices: []driver.LocalDisk{
			{SizeMB: 1024}, {SizeMB: 1024, DiskDevice: driver.DiskDevice{Bus: "scsi"}}, {Swap: true, SizeMB: 1, DiskDevice: driver.DiskDevice{Type: "cdrom", Bus: "scsi"}},
		},
		Image: &driver.Image{ID: "00000000-0000-4000-8000-000000000002", DiskFormat: "qcow2", Properties: map[string]string{driver.PropQGA: "yes", driver.PropFirmware: "uefi"}},
		NICs:  []driver.NIC{{PortID: "00000000-0000-4000-8000-000000000003", MAC: "fa:16:3e:00:00:01", MTU: 1442, Bridge: "br-int"}},
	}
	plan := driver.LivePlan{ServerID: id, Spec: &s}
	if err := os.MkdirAll(d.serverDir(id), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.writeInfo(s); err != nil {
		t.Fatal(err)
	}
	whole := s
	whole.ConfigDrive = []driver.File{}
	def, err := d.domain(t.Context(), caps, whole)
	if err != nil {
		t.Fatal(err)
	}
	good, err := def.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	// As libvirt writes it of a running guest.
	good = strings.NewReplacer(
		`<memory unit="MiB">512<`, `<memory unit="KiB">524288<`,
		`<serial type="pty">`, `<serial type="pty"><source path="/dev/pts/4"/>`,
		`<channel type="unix">`, `<channel type="unix"><source mode="bind" path="/var/lib/libvirt/qemu/channel/target/domain-7-instance-00000000-00/org.qemu.guest_agent.0"/>`,
		`<source mode="bind"></source>`, ``,
		`<nvram>`, `<loader readonly="yes" type="pflash">/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram template="/usr/share/OVMF/OVMF_VARS_4M.fd">`,
		`<devices>`, `<resource><partition>/machine</partition></resource><seclabel type="dynamic" model="dac" relabel="yes"/><devices><audio id="1" type="none"/>`,
	).Replace(good)
	expected, err := d.newcomer(plan, caps)
	if err != nil {
		t.Fatal(err)
	}
	if err := expected.check(engine.Incoming{
		Definitions: []string{good, `<?xml version="1.0"?>` + good},
		Texts: map[string]string{
			"destination_name": "instance-" + id, "migrate_uri": "unix://" + d.channelPath(id, channelMemory), "disks_uri": "unix://" + d.channelPath(id, channelDisks), "migrate_disks": "vda",
		},
	}); err != nil {
		t.Fatalf("an honest source is refused: %v\n%s", err, good)
	}
	dir, base := d.serverDir(id), d.basePath(s.Image.ID)
	for name, c := range map[string][2]string{
		"another server":         {`<uuid>` + id, `<uuid>` + other},
		"another name":           {`<name>instance-` + id, `<name>instance-` + other},
		"no emulation":           {`<domain type="kvm"`, `<domain type="qemu"`},
		"more memory":            {`>524288<`, `>524289<`},
		"memory in other units":  {`<memory unit="KiB">`, `<memory unit="GiB">`},
		"more processors":        {`<vcpu>2<`, `<vcpu>3<`},
		"another's disk":         {`file="` + dir + `/disk.swap"`, `file="` + d.serverDir(other) + `/disk"`},
		"a way out":              {`file="` + dir + `/disk.swap"`, `file="` + dir + `/../` + other + `/disk"`},
		"the image as a disk":    {`file="` + dir + `/disk.swap"`, `file="` + base + `"`},
		"a file of the host":     {`file="` + dir + `/disk.swap"`, `file="/etc/shadow"`},
		"below the disk":         {`file="` + base + `"`, `file="/etc/shadow"`},
		"a header decides":       {`type="raw" cache`, `type="qcow2" cache`},
		"what it stands on":      {`<backingStore`, `<nothing`},
		"a device of the host":   {`<disk type="file" device="disk">`, `<disk type="block" device="disk">`},
		"a mirror":               {`<target dev="vda"`, `<mirror type="file" file="/etc/cron.d/x"/><target dev="vda"`},
		"a PCI device":           {`<devices>`, `<devices><hostdev mode="subsystem" type="pci"/>`},
		"a directory":            {`<devices>`, `<devices><filesystem type="mount"/>`},
		"an option of QEMU":      {`<devices>`, `<qemu:commandline xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"><qemu:arg value="-x"/></qemu:commandline><devices>`},
		"another program":        {`/usr/bin/qemu-system-x86_64`, `/usr/bin/python3`},
		"root":                   {`<seclabel type="dynamic"`, `<seclabel type="static"`},
		"a file by firmware":     {`<sysinfo type="smbios">`, `<sysinfo type="fwcfg"><entry name="x" file="/etc/shadow"/></sysinfo><sysinfo type="smbios">`},
		"another's variables":    {dir + `/nvram.fd`, dir + `/../` + other + `/nvram.fd`},
		"variables made of":      {`template="/usr/share/OVMF/OVMF_VARS_4M.fd"`, `template="/etc/shadow"`},
		"a loader":               {`>/usr/share/OVMF/OVMF_CODE_4M.fd<`, `>/usr/share/OVMF/../../../etc/shadow<`},
		"a kernel":               {`</os>`, `<kernel>/etc/shadow</kernel></os>`},
		"tables":                 {`</os>`, `<acpi><table type="slic">/etc/shadow</table></acpi></os>`},
		"another bridge":         {`bridge="br-int"`, `bridge="br-ex"`},
		"another port":           {`interfaceid="` + s.NICs[0].PortID, `interfaceid="` + other},
		"another address":        {`address="fa:16:3e:00:00:01"`, `address="fa:16:3e:00:00:02"`},
		"a script":               {`<virtualport`, `<script path="x"/><virtualport`},
		"a device by name":       {`<target dev="tap`, `<target dev="eth`},
		"a socket of the host":   {`domain-7-instance-00000000-00/org.qemu.guest_agent.0`, `../../../../../run/libvirt/libvirt-sock`},
		"another's agent":        {`domain-7-instance-00000000-00/`, `domain-7-instance-11111111-11/`},
		"a console elsewhere":    {`file="` + dir + `/console.log"`, `file="/etc/cron.d/x"`},
		"a socket of another":    {`<serial type="pty">`, `<serial type="unix"><source mode="bind" path="/run/gostack/serial/00000000-0000-4000-8000-00000000000f.sock"/>`},
		"a console of a file":    {`<serial type="pty">`, `<serial type="file">`},
		"a screen for all":       {`listen="127.0.0.1"`, `listen="0.0.0.0"`},
		"a screen for all, too":  {`address="127.0.0.1"`, `address="0.0.0.0"`},
		"randomness from a file": {`>/dev/urandom<`, `>/etc/shadow<`},
		"a network's randomness": {`<backend model="random"`, `<backend model="egd"`},
		"a group":                {`/machine<`, `/system<`},
		"a directive":            {`<domain type`, `<!DOCTYPE d [<!ENTITY e "x">]><domain type`},
		"not XML":                {`</domain>`, ``},
		"memory of a file":       {`<vcpu>`, `<memoryBacking><source type="file"/></memoryBacking><vcpu>`},
		"others' processors":     {`<vcpu>`, `<vcpu cpuset="0-1">`},
		"pinned ones":            {`<vcpu>`, `<cputune><vcpupin vcpu="0" cpuset="1"/></cputune><vcpu>`},
		"more than its share":    {`<vcpu>`, `<cputune><shares>200000</shares></cputune><vcpu>`},
		"real time":              {`<vcpu>`, `<cputune><vcpusched vcpus="0" scheduler="fifo" priority="99"/></cputune><vcpu>`},
		"memory of a cell":       {`<vcpu>`, `<numatune><memory mode="strict" nodeset="0"/></numatune><vcpu>`},
	} {
		bad := strings.Replace(good, c[0], c[1], 1)
		if bad == good {
			t.Fatalf("%s: there is no %s in\n%s", name, c[0], good)
		}
		if err := expected.check(engine.Incoming{Definitions: []string{good, bad}}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for name, value := range map[string]string{"migrate_uri": "unix:///run/x", "disks_uri": "tcp://0.0.0.0", "destination_name": "x", "listen_address": "0.0.0.0"} {
		if err := expected.check(engine.Incoming{Texts: map[string]string{name: value}}); err == nil {
			t.Errorf("%s %s is taken", name, value)
		}
	}
	if err := expected.check(engine.Incoming{Definitions: []string{`<domain type="kvm"/>`}}); err == nil {
		t.Error("nothing is taken")
	}
}
