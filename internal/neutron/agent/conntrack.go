package agent

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/vswitch"
)

// Where Open vSwitch can translate to the source 0.0.0.0 ("translate only if somebody else has these ports"), ovn-controller commits every
// connection of a port with security groups so. Until 3.3 the connection tracking in ovs-vswitchd itself (the netdev datapath; the kernel's is
// another one) keeps a second entry for a translated connection, which never expires of itself. When nothing was in fact translated,
// both entries have the same hash; a packet that comes after the first has expired and before both are swept finds only the second,
// and ovs-vswitchd ends: "assertion conn->conn_type == CT_CONN_TYPE_DEFAULT failed in conn_update_state". Any guest could do that to its host, by
// pausing as long as the timeout, and a guest that has just arrived with open connections did. So the agent tells ovn-controller that
// such a switch cannot, by the very column from which it knows: then it commits connections plainly.
const zeroSNAT = "ct_zero_snat"

// fixedMajor and fixedMinor are the first version of Open vSwitch with one entry for both directions.
const fixedMajor, fixedMinor = 3, 3

// tameConntrack keeps the capability off until ctx ends. ovs-vswitchd sets it anew at each of its starts.
func (a *Agent) tameConntrack(ctx context.Context) {
	sub := a.vs.Subscribe("Open_vSwitch", "Datapath")
	defer sub.Cancel()
	for {
		if _, err := sub.Next(ctx); err != nil {
			return
		}
		if err := a.tameOnce(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("Open vSwitch's connection tracking is not made safe yet", "error", err) // a lost connection ends with a change, too
		}
	}
}

func (a *Agent) tameOnce(ctx context.Context) error {
	roots, err := ovsdb.List[vswitch.OpenvSwitch](ctx, a.vs, nil)
	if err != nil {
		return err
	}
	for _, root := range roots {
		id := root.Datapaths["netdev"]
		if id == "" || root.OVSVersion != nil && oneEntry(*root.OVSVersion) {
			continue
		}
		datapaths, err := ovsdb.List(ctx, a.vs, func(d *vswitch.Datapath) bool { return d.UUID == id && d.Capabilities[zeroSNAT] == "true" })
		if err != nil {
			return err
		}
		for _, d := range datapaths {
			d.Capabilities = maps.Clone(d.Capabilities)
			d.Capabilities[zeroSNAT] = "false"
			ops, err := a.vs.Update(ctx, d, "capabilities")
			if err != nil {
				return err
			}
			if err := a.vs.Transact(ctx, ops...); err != nil {
				return err
			}
			a.log.Info("this Open vSwitch does not survive translation to 0.0.0.0 in its userspace datapath; ovn-controller goes without")
		}
	}
	return nil
}

// oneEntry says whether a version of Open vSwitch has one entry for both directions of a translated connection.
func oneEntry(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	x, err := strconv.Atoi(major)
	if err != nil {
		return false
	}
	y, _ := strconv.Atoi(minor)
	return x > fixedMajor || x == fixedMajor && y >= fixedMinor
}
