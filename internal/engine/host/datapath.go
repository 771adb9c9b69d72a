package host

import "github.com/vishvananda/netlink"

// datapath is the kind of Open vSwitch datapath that this machine uses: the configured one, or the kernel's where the
// kernel has it ("system"), else the one in ovs-vswitchd itself ("netdev"), which needs no module.
func (h *Host) datapath() string {
	switch {
	case h.opts.Datapath != "":
		return h.opts.Datapath
	case kernelSwitch():
		return "system"
	default:
		return "netdev"
	}
}

// kernelSwitch asks the kernel for Open vSwitch's netlink family; the question loads the module where there is one.
func kernelSwitch() bool {
	_, err := netlink.GenlFamilyGet("ovs_datapath")
	return err == nil
}
