package neutron

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"gostack/internal/neutron/driver"
)

// Agent is an agent as networking-ovn shows it: each chassis is one of ovn-controller and one for metadata.
type Agent struct {
	ID             string         `json:"id"`
	AgentType      string         `json:"agent_type"`
	Binary         string         `json:"binary"`
	Host           string         `json:"host"`
	Topic          string         `json:"topic"`
	Alive          bool           `json:"alive"`
	AdminStateUp   bool           `json:"admin_state_up"`
	Zone           string         `json:"availability_zone"`
	Description    string         `json:"description"`
	CreatedAt      string         `json:"created_at"`
	StartedAt      string         `json:"started_at"`
	HeartbeatAt    string         `json:"heartbeat_timestamp"`
	Configurations map[string]any `json:"configurations"`
	Resources      map[string]any `json:"resources_synced"`
	// HAChassisPriority is told where the agents of one router are listed (extension l3-agent-scheduler-ha-chassis-priority).
	HAChassisPriority *int `json:"ha_chassis_priority,omitempty"`

	chassis string
}

var agentSpace = uuid.MustParse("6e1f1a52-0b0f-4c9c-a9a1-6f3d8e0a4b11")

func metadataAgentID(chassis string) string {
	return uuid.NewSHA1(agentSpace, []byte(chassis)).String()
}

// Agents lists the agents of all chassis.
func (s *Service) Agents(ctx context.Context) ([]Agent, error) {
	all, err := s.Backend.Chassis(ctx)
	if err != nil {
		return nil, fault(503, "ServiceUnavailable", "The network engine does not answer.").Because(err)
	}
	agents := []Agent{}
	for _, c := range all {
		beat := ""
		if !c.LastSeen.IsZero() {
			beat = c.LastSeen.UTC().Format(time.DateTime)
		}
		a := Agent{
			ID: c.Name, AgentType: "OVN Controller agent", Binary: "ovn-controller", Host: c.Host, Topic: "n/a", Alive: c.Alive,
			AdminStateUp: true, CreatedAt: beat, StartedAt: beat, HeartbeatAt: beat,
			Configurations: map[string]any{"chassis_name": c.Name, "bridge-mappings": mappings(c.Bridges)}, chassis: c.Name,
		}
		maps.Copy(a.Configurations, bandwidthsTold(c.Bandwidth))
		if c.Gateway {
			a.AgentType = gatewayAgent
		}
		if types, ip := tunnels(c.Encaps); ip != "" {
			a.Configurations["tunneling_ip"], a.Configurations["tunnel_types"] = ip, types
		}
		if a.Zone = strings.Join(c.Zones, ", "); a.Zone == "" && c.Gateway {
			a.Zone = s.AvailabilityZone
		}
		agents = append(agents, a)
		if !c.MetadataAgent {
			continue
		}
		a.Alive = c.MetadataAlive
		a.ID, a.AgentType, a.Binary, a.Zone = metadataAgentID(c.Name), "OVN Metadata agent", "neutron-ovn-metadata-agent", ""
		a.Configurations = map[string]any{}
		agents = append(agents, a)
	}
	return agents, s.describe(ctx, agents)
}

// bandwidthsTold are the settings of a host about what its bridges carry, in the words of upstream's agents.
func bandwidthsTold(b driver.Bandwidths) map[string]any {
	out := map[string]any{}
	if len(b.Bridges) == 0 {
		return out
	}
	widths, nodes := map[string]any{}, map[string]string{}
	for bridge, w := range b.Bridges {
		width := map[string]any{directionEgress: nil, directionIngress: nil}
		for direction, n := range map[string]int64{directionEgress: w.Egress, directionIngress: w.Ingress} {
			if n > 0 {
				width[direction] = n
			}
		}
		widths[bridge] = width
	}
	maps.Copy(nodes, b.Hypervisors)
	defaults := map[string]float64{"allocation_ratio": 1, "min_unit": 1, "step_size": 1, "reserved": 0}
	maps.Copy(defaults, b.Defaults)
	out["resource_provider_bandwidths"], out["resource_provider_inventory_defaults"], out["resource_provider_hypervisors"] = widths, defaults, nodes
	return out
}

// tunnels are the types of a host's tunnels and the address where they end.
func tunnels(encaps []driver.Encap) (types []string, ip string) {
	for _, e := range encaps {
		types, ip = append(types, e.Type), e.IP.String()
	}
	slices.Sort(types)
	return types, ip
}

func mappings(bridges map[string]string) string {
	var parts []string
	for physnet, bridge := range bridges {
		parts = append(parts, physnet+":"+bridge)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// Agent returns one.
func (s *Service) Agent(ctx context.Context, id string) (*Agent, error) {
	all, err := s.Agents(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	return nil, missing("AgentNotFound", "Agent %s could not be found.", id)
}

// DeleteAgent forgets the chassis of a dead agent. One that is alive would come back at once, so it is refused.
func (s *Service) DeleteAgent(ctx context.Context, id string) error {
	a, err := s.Agent(ctx, id)
	if err != nil {
		return err
	}
	if a.Alive {
		return conflict("AgentIsAlive", "Agent %s is alive and cannot be deleted.", id)
	}
	return s.forgetChassis(ctx, a.chassis)
}
