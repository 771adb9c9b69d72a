package neutron

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"gostack/internal/neutron/driver"
	"gostack/internal/placement"
)

// This file tells Placement what the bridges of the hosts carry, as upstream's OVN driver does: below the provider of a compute node one of
// its controller, and below that one for each bridge, with the physical network and the kinds of ports as traits.

// controllerName is between a compute node's name and a bridge's in the names of the providers.
const controllerName = ":OVN Controller agent"

// supportedVNICs are the kinds of ports that OVN binds.
var supportedVNICs = []string{"normal", "direct", "direct-physical", "macvtap", "vdpa", "remote-managed", "baremetal"}

// reportedBridge is a bridge whose bandwidth a host tells.
type reportedBridge struct {
	node, bridge string
	physnets     []string
	width        driver.Bandwidth
	defaults     map[string]float64
}

func (b reportedBridge) provider() string {
	return uuid.NewSHA1(bandwidthSpace, []byte(b.node+":"+b.bridge)).String()
}

// bridgesOf are the bridges of a host that carry a physical network and whose bandwidth it tells.
func bridgesOf(c *driver.Chassis) (out []reportedBridge) {
	for _, bridge := range slices.Sorted(maps.Keys(c.Bandwidth.Bridges)) {
		b := reportedBridge{node: c.Host, bridge: bridge, width: c.Bandwidth.Bridges[bridge], defaults: c.Bandwidth.Defaults}
		if node := c.Bandwidth.Hypervisors[bridge]; node != "" {
			b.node = node
		}
		for _, physnet := range slices.Sorted(maps.Keys(c.Bridges)) {
			if c.Bridges[physnet] == bridge {
				b.physnets = append(b.physnets, physnet)
			}
		}
		if len(b.physnets) > 0 {
			out = append(out, b)
		}
	}
	return out
}

// bandwidthsOf are those of the host that Nova calls by a name.
func (s *Service) bandwidthsOf(ctx context.Context, host string) (out []reportedBridge, err error) {
	all, err := s.Backend.Known(ctx, host)
	for i := range all {
		out = append(out, bridgesOf(&all[i])...)
	}
	return out, err
}

// branches are the providers of a compute node: its controller's, and below it the bridges'.
func branches(node string, bridges []reportedBridge) []placement.Branch {
	var vnics []string
	for _, kind := range supportedVNICs {
		vnics = append(vnics, vnicTrait(kind))
	}
	agent := placement.Branch{UUID: uuid.NewSHA1(bandwidthSpace, []byte(node)).String(), Name: node + controllerName, Traits: vnics}
	out := []placement.Branch{agent}
	for _, b := range bridges {
		row := placement.Branch{UUID: b.provider(), Name: agent.Name + ":" + b.bridge, Parent: agent.UUID, Inventories: map[string]placement.Inventory{}, Traits: slices.Clone(vnics)}
		for _, physnet := range b.physnets {
			row.Traits = append(row.Traits, physnetTrait(physnet))
		}
		for direction, total := range map[string]int64{directionEgress: b.width.Egress, directionIngress: b.width.Ingress} {
			if total > 0 {
				row.Inventories[bandwidthClasses[direction]] = placement.Inventory{
					Total: total, AllocationRatio: b.defaults["allocation_ratio"], MinUnit: int64(b.defaults["min_unit"]), MaxUnit: int64(b.defaults["max_unit"]),
					Reserved: int64(b.defaults["reserved"]), StepSize: int64(b.defaults["step_size"]),
				}
			}
		}
		out = append(out, row)
	}
	return out
}

// tellPlacement keeps Placement's providers of bridges equal to what the hosts say, until ctx ends.
func (s *Service) tellPlacement(ctx context.Context) {
	every := time.NewTicker(s.ScanEvery)
	defer every.Stop()
	nothing := false // is told, and there
	for {
		want, err := s.bridges(ctx)
		if err == nil && (len(want) > 0 || !nothing) {
			err = s.report(ctx, want)
			nothing = err == nil && len(want) == 0
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("placement does not know yet what the bridges of the hosts carry", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// ReportBandwidths compares Placement's providers of bridges with what the hosts say, and changes those that differ. A host that Nova does not
// know yet is left for later.
func (s *Service) ReportBandwidths(ctx context.Context) error {
	want, err := s.bridges(ctx)
	if err != nil {
		return err
	}
	return s.report(ctx, want)
}

// bridges are all whose bandwidth is told, by compute node.
func (s *Service) bridges(ctx context.Context) (map[string][]reportedBridge, error) {
	all, err := s.Backend.Known(ctx, "")
	out := map[string][]reportedBridge{}
	for i := range all {
		for _, b := range bridgesOf(&all[i]) {
			out[b.node] = append(out[b.node], b)
		}
	}
	return out, err
}

func (s *Service) report(ctx context.Context, want map[string][]reportedBridge) error {
	have, err := s.Placement.Snapshot(ctx)
	if err != nil {
		return err
	}
	there := map[string][]string{} // the providers of a node's controller and bridges, with something to tell
	for i := range have.Providers {
		p := &have.Providers[i]
		node, rest, ours := strings.Cut(p.Name, controllerName)
		if !ours || p.Parent == "" {
			continue
		}
		if rest == "" && want[node] == nil {
			want[node] = []reportedBridge{}
		}
		if len(p.Traits) > 0 {
			there[node] = append(there[node], p.UUID)
		}
	}
	for _, node := range slices.Sorted(maps.Keys(want)) {
		var list []placement.Branch
		if len(want[node]) > 0 {
			list = branches(node, want[node])
		}
		if list != nil && !slices.ContainsFunc(list, func(b placement.Branch) bool { return !b.Is(have.Provider(b.UUID)) }) && !strays(there[node], list) {
			continue
		}
		if _, err := s.Placement.EnsureBranches(ctx, node, node+controllerName, list); err != nil {
			return fmt.Errorf("bridges of %s: %w", node, err)
		}
	}
	return nil
}

// strays tells whether there are providers beyond those.
func strays(there []string, list []placement.Branch) bool {
	return slices.ContainsFunc(there, func(id string) bool {
		return !slices.ContainsFunc(list, func(b placement.Branch) bool { return b.UUID == id })
	})
}
