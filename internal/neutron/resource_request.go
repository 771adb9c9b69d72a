package neutron

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/placement"
	"gostack/internal/store"
)

// What a port asks of Placement, and what it has got there: the bandwidth that its QoS policy guarantees on a physical network (extensions
// port-resource-request and port-resource-request-groups). Nova asks for it when it looks for a host and takes it there together with what
// the flavor asks for; Neutron notes in the port's binding profile from which provider it comes.

// RequestGroup is what a port asks of one provider.
type RequestGroup struct {
	ID        string           `json:"id"` // the port's
	Resources map[string]int64 `json:"resources"`
	Required  []string         `json:"required"` // traits
	// Provider is where the port has it; "" is nowhere yet.
	Provider string `json:"provider,omitempty"`
}

// Amounts are what the group takes of a provider, or with -1 gives back.
func (g *RequestGroup) Amounts(sign int64) map[string]int64 {
	out := make(map[string]int64, len(g.Resources))
	for class, n := range g.Resources {
		out[class] = sign * n
	}
	return out
}

// bandwidthClasses are Placement's names of bandwidths, by the direction of a rule.
var bandwidthClasses = map[string]string{directionEgress: "NET_BW_EGR_KILOBIT_PER_SEC", directionIngress: "NET_BW_IGR_KILOBIT_PER_SEC"}

// RequestOf is what a port asks of Placement, nil for most. The port has been read with its parts.
func RequestOf(p *db.Port) *RequestGroup {
	return requestOf(p.ID, p.MinKbps, p.NetworkPhysnet, p.VNICType, allocatedFrom(p))
}

func requestOf(id string, least map[string]int64, physnet, vnic, provider string) *RequestGroup {
	if len(least) == 0 || physnet == "" {
		return nil
	}
	g := &RequestGroup{ID: id, Resources: map[string]int64{}, Required: []string{physnetTrait(physnet), vnicTrait(vnic)}, Provider: provider}
	for direction, kbps := range least {
		g.Resources[bandwidthClasses[direction]] = kbps
	}
	return g
}

func physnetTrait(physnet string) string { return "CUSTOM_PHYSNET_" + traitText(physnet) }

func vnicTrait(vnic string) string {
	if vnic == "" {
		vnic = "normal"
	}
	return "CUSTOM_VNIC_TYPE_" + traitText(vnic)
}

// traitText makes a name fit for a trait of Placement (os_traits' normalize_name).
func traitText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, s)
}

// allocationKey of a binding profile names the provider of each group that the port asks for.
const allocationKey = "allocation"

func allocatedFrom(p *db.Port) string {
	from, _ := p.Profile[allocationKey].(map[string]any)
	provider, _ := from[p.ID].(string)
	return provider
}

// setAllocation notes where a port has what it asks for; "" is nowhere.
func setAllocation(p *db.Port, provider string) {
	if _, had := p.Profile[allocationKey]; !had && provider == "" {
		return
	}
	p.Profile = maps.Clone(p.Profile)
	delete(p.Profile, allocationKey)
	if provider != "" {
		if p.Profile == nil {
			p.Profile = map[string]any{}
		}
		p.Profile[allocationKey] = map[string]any{p.ID: provider}
	}
}

// PortRequests are what the ports of a server ask of Placement: nothing for most servers. At most two statements.
func (s *Service) PortRequests(ctx context.Context, serverID string) ([]RequestGroup, error) {
	var ids []string
	err := s.DB.Read(ctx).NewRaw(`SELECT p.id FROM neutron_ports p JOIN neutron_networks n ON n.id = p.network_id
WHERE p.nova_server = ? AND n.physical_network <> '' AND (p.qos_policy_id <> '' OR n.qos_policy_id <> '') ORDER BY p.id`, serverID).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	rows, err := db.Ports(ctx, s.DB.Read(ctx), db.Query{Where: []db.Cond{db.In("t.id", ids)}})
	var out []RequestGroup
	for _, p := range rows {
		if g := RequestOf(p); g != nil {
			out = append(out, *g)
		}
	}
	return out, err
}

// networkRequest is what a port that Nova makes on a network would ask for.
func networkRequest(ctx context.Context, h bun.IDB, n *db.Network) (*RequestGroup, error) {
	if n.PhysicalNetwork == "" || n.QoSPolicyID == "" {
		return nil, nil
	}
	rules, err := db.Find[db.QoSRule](ctx, h, func(q *bun.SelectQuery) {
		q.Where("t.policy_id = ? AND t.kind = ?", n.QoSPolicyID, QoSMinimumBandwidth)
	})
	least := map[string]int64{}
	for _, r := range rules {
		least[r.Direction] = r.Rate
	}
	return requestOf("", least, n.PhysicalNetwork, "", ""), err
}

// allocationsOn tells, by port, from which provider of a host the ports have what they ask for. With OVN a physical network is one bridge of a
// host, so there is no choice.
func (s *Service) allocationsOn(ctx context.Context, portIDs []string, host string) (map[string]string, error) {
	if host == "" || s.Placement == nil {
		return nil, nil
	}
	bridges, err := s.bandwidthsOf(ctx, host)
	if err != nil || len(bridges) == 0 {
		return nil, err
	}
	rows, err := db.Ports(ctx, s.DB.Read(ctx), db.Query{Where: []db.Cond{db.In("t.id", portIDs)}})
	out := map[string]string{}
	for _, p := range rows {
		if RequestOf(p) == nil {
			continue
		}
		if i := slices.IndexFunc(bridges, func(b reportedBridge) bool { return slices.Contains(b.physnets, p.NetworkPhysnet) }); i >= 0 {
			out[p.ID] = bridges[i].provider()
		}
	}
	return out, err
}

// inUse refuses to change what a policy guarantees while servers have it (neutron/services/qos/qos_plugin.py).
func (u *unit) inUse(ctx context.Context, kind, policyID string) error {
	if kind != QoSMinimumBandwidth && kind != QoSMinimumPacketRate {
		return nil
	}
	var ports []string
	err := u.tx.NewRaw(`SELECT p.id FROM neutron_ports p JOIN neutron_networks n ON n.id = p.network_id
WHERE p.device_owner LIKE 'compute:%' AND (p.qos_policy_id = ?0 OR p.qos_policy_id = '' AND n.qos_policy_id = ?0) LIMIT 1`, policyID).Scan(ctx, &ports)
	if err == nil && len(ports) > 0 {
		err = fault(501, "NotImplementedError", "Cannot update QoS policies/rules backed by resources tracked in Placement")
	}
	return err
}

// giveBack returns what a port of a server has in Placement, when its owner deletes it. u's transaction is Placement's too.
func (u *unit) giveBack(ctx context.Context, p *db.Port) error {
	provider := allocatedFrom(p)
	if u.s.Placement == nil || provider == "" || p.DeviceID == "" {
		return nil
	}
	if err := db.LoadPortParts(ctx, u.tx, []*db.Port{p}); err != nil {
		return err
	}
	changes := map[string]int64{}
	for direction, n := range p.MinKbps {
		changes[bandwidthClasses[direction]] = -n
	}
	return u.s.Placement.Adjust(ctx, u.tx, p.DeviceID, placement.Allocations{provider: changes})
}

// Placement is what Neutron asks of Placement.
type Placement interface {
	Snapshot(ctx context.Context) (placement.Snapshot, error)
	EnsureBranches(ctx context.Context, host, prefix string, branches []placement.Branch) (found bool, err error)
	Adjust(ctx context.Context, tx store.Tx, consumer string, changes placement.Allocations) error
	AdjustAll(ctx context.Context, tx store.Tx, changes map[string]placement.Allocations) error
}

// bandwidthSpace is the name space of the providers' UUIDs: upstream's OVN driver's.
var bandwidthSpace = uuid.MustParse("5533233b-800c-11eb-b1f4-000056b2f5b8")
