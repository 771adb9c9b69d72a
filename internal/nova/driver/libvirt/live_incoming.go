package libvirt

import (
	"errors"
	"fmt"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// The source of a migration writes the definition that our libvirtd, which is root, makes a guest of. A host is not trusted: one that has been
// taken over could name another tenant's disks, devices and files of this host, or a user to run QEMU as. So what comes is compared with what
// control has said of the server, and what it does not need is refused, whatever it is.

// newcomer is what an incoming definition may have.
type newcomer struct {
	id, name, virt, emulator, listen string
	serial                           []string // sockets of its serial ports
	memoryKiB, vcpus                 int
	disks                            map[string]string // format by path
	kinds                            map[string]string // kind of device by path, of those that are not disks
	bases                            []string          // images below disks
	variables                        []string
	boots                            []string // kernel and ramdisk
	nics                             map[string]driver.NIC
	texts                            map[string]string // the addresses of the move
	places                           map[string]bool   // where on this host its processors and memory may be: "vcpupin 0-3", "memnode 0"
	limits                           map[string]string // of processor time
}

// newcomer says what the server of a plan may have here.
func (d *Driver) newcomer(plan driver.LivePlan, caps *capabilities) (*newcomer, error) {
	if plan.Spec == nil {
		return nil, errors.New("what is to come is not said")
	}
	spec := *plan.Spec
	n := &newcomer{
		id: plan.ServerID, name: DomainName(plan.ServerID), virt: caps.virtType, emulator: caps.emulator, listen: d.VNCListen,
		serial:    d.serialPaths(plan.ServerID),
		memoryKiB: spec.Flavor.MemoryMB << 10, vcpus: spec.Flavor.VCPUs, disks: map[string]string{}, kinds: map[string]string{}, nics: map[string]driver.NIC{},
		texts: map[string]string{
			"destination_name":       DomainName(plan.ServerID),
			rpc.MigrateParamURI:      "unix://" + d.channelPath(plan.ServerID, channelMemory),
			rpc.MigrateParamDisksURI: "unix://" + d.channelPath(plan.ServerID, channelDisks),
		},
	}
	n.variables = []string{d.variables(plan.ServerID).NVRam, libvirtsVariables(n.name)}
	spec.ConfigDrive = []driver.File{}
	for _, k := range d.disksOf(spec) {
		n.disks[d.filePath(plan.ServerID, k)], _ = k.format.QEMU()
		n.kinds[d.filePath(plan.ServerID, k)] = k.device
	}
	if spec.Image != nil {
		n.bases = []string{d.basePath(spec.Image.ID)}
		for _, id := range []string{spec.Image.Properties[driver.PropKernelID], spec.Image.Properties[driver.PropRamdiskID]} {
			if id != "" {
				n.boots = append(n.boots, d.basePath(id))
			}
		}
	}
	for _, nic := range spec.NICs {
		n.nics[nic.PortID] = nic
	}
	return n, n.place(d, spec)
}

// check refuses what is not the server that is expected.
func (n *newcomer) check(in libvirt.Incoming) error {
	for name, value := range in.Texts {
		if want, ok := n.texts[name]; name != rpc.MigrateParamMigrateDisks && (!ok || value != want) {
			return fmt.Errorf("the parameter %s of an incoming migration is %q", name, value)
		}
	}
	for _, text := range in.Definitions {
		if err := n.definition(text); err != nil {
			return fmt.Errorf("an incoming definition is refused: %w", err)
		}
	}
	return nil
}
