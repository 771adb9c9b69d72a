package neutron

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/placement"
)

// This file follows in Placement what servers' ports are guaranteed when their QoS policy becomes another one, their own or their network's
// (neutron/services/qos/qos_plugin.py, _change_placement_allocation). Upstream does so for a network when its new policy is stored already, and
// what does not fit is a line of its log; here the network keeps its policy then, as a port does.

// reallocate takes for a port of a server what its new policy guarantees beyond the old one, or gives back what it does not.
func (u *unit) reallocate(ctx context.Context, p *db.Port, before map[string]int64) error {
	if !u.guaranteed(p, before) || maps.Equal(before, p.MinKbps) {
		return nil
	}
	changes := placement.Allocations{}
	shift(changes, allocatedFrom(p), before, p.MinKbps)
	if len(p.MinKbps) == 0 {
		noMoreAllocated(p)
	}
	return refused(u.s.Placement.Adjust(ctx, u.tx, p.DeviceID, changes), p.DeviceID, changes)
}

// reallocateOn does so for all ports of a network that have no policy of their own: for all of them or none.
func (u *unit) reallocateOn(ctx context.Context, network, from, to string) error {
	rules, err := db.Find[db.QoSRule](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Where("t.policy_id IN (?, ?) AND t.kind = ?", from, to, QoSMinimumBandwidth)
	})
	least := map[string]map[string]int64{from: {}, to: {}}
	for _, r := range rules {
		least[r.PolicyID][r.Direction] = r.Rate
	}
	if err != nil || len(least[from]) == 0 || maps.Equal(least[from], least[to]) {
		return err
	}
	ports, err := db.BarePorts(ctx, u.tx, db.Query{Where: []db.Cond{
		db.Where("t.network_id = ?", network), db.Where("t.qos_policy_id = ''"), db.Where("t.device_owner LIKE 'compute:%'"), db.Where("t.profile LIKE ?", "%"+allocationKey+"%"),
	}})
	if err != nil {
		return err
	}
	changes := map[string]placement.Allocations{} // by server
	var servers []string
	for _, p := range ports {
		if !u.guaranteed(p, least[from]) {
			continue
		}
		if changes[p.DeviceID] == nil {
			changes[p.DeviceID] = placement.Allocations{}
			servers = append(servers, p.DeviceID)
		}
		shift(changes[p.DeviceID], allocatedFrom(p), least[from], least[to])
		if len(least[to]) > 0 {
			continue
		}
		noMoreAllocated(p)
		if err := u.update(ctx, p); err != nil {
			return err
		}
	}
	if len(servers) == 0 {
		return nil
	}
	err = u.s.Placement.AdjustAll(ctx, u.tx, changes)
	if _, full := placement.IsRefusal(err); !full {
		return err
	}
	for _, id := range servers { // whose is it that does not fit?
		if one := refused(u.s.Placement.Adjust(ctx, u.tx, id, changes[id]), id, changes[id]); one != nil {
			return one
		}
	}
	return err
}

// guaranteed tells whether a server's port has something in Placement that follows its policy. A port that got its first guarantee after it was
// bound has not: only the engine enforces it then.
func (u *unit) guaranteed(p *db.Port, before map[string]int64) bool {
	return u.s.Placement != nil && len(before) > 0 && allocatedFrom(p) != "" && p.DeviceID != "" && strings.HasPrefix(p.DeviceOwner, "compute:")
}

// shift adds to changes what is more, or less, of a provider.
func shift(changes placement.Allocations, provider string, before, now map[string]int64) {
	for direction, class := range bandwidthClasses {
		n := now[direction] - before[direction]
		if n == 0 {
			continue
		}
		if changes[provider] == nil {
			changes[provider] = map[string]int64{}
		}
		changes[provider][class] += n
	}
}

// noMoreAllocated notes that a port has nothing in Placement any more; a later policy is enforced by the engine alone.
func noMoreAllocated(p *db.Port) {
	p.Profile = maps.Clone(p.Profile)
	p.Profile[allocationKey] = map[string]any{}
}

// refused is upstream's word for what Placement refuses.
func refused(err error, consumer string, changes placement.Allocations) error {
	if _, full := placement.IsRefusal(err); !full {
		return err
	}
	return conflict("QosPlacementAllocationUpdateConflict",
		"Updating placement allocation with %s for consumer %s failed. The requested resources would exceed the capacity available.", shown(changes), consumer)
}

// shown writes changes as Python does.
func shown(changes placement.Allocations) string {
	var providers []string
	for _, id := range slices.Sorted(maps.Keys(changes)) {
		var classes []string
		for _, class := range slices.Sorted(maps.Keys(changes[id])) {
			classes = append(classes, fmt.Sprintf("'%s': %d", class, changes[id][class]))
		}
		providers = append(providers, fmt.Sprintf("'%s': {%s}", id, strings.Join(classes, ", ")))
	}
	return "{" + strings.Join(providers, ", ") + "}"
}
