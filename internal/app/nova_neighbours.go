package app

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"gostack/internal/bus"
	"gostack/internal/glance"
	"gostack/internal/keystone"
	"gostack/internal/neutron"
	neutronagent "gostack/internal/neutron/agent"
	"gostack/internal/neutron/attr"
	neutrondb "gostack/internal/neutron/db"
	"gostack/internal/nova"
	"gostack/internal/nova/console"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// novaImages is Glance as Nova sees it.
type novaImages struct{ glance *glance.Service }

func (n novaImages) Image(ctx context.Context, c *policy.Caller, id string) (*nova.Image, error) {
	i, err := n.glance.Image(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return &nova.Image{
		ID: i.ID, Name: orZero(i.Name), Status: i.Status, DiskFormat: orZero(i.DiskFormat), Size: orZero(i.Size), DiskSize: orZero(i.VirtualSize),
		MinDiskGB: i.MinDisk, MinRAMMB: i.MinRAM, HashAlgo: orZero(i.HashAlgo), HashValue: orZero(i.HashValue), Properties: i.Properties,
	}, nil
}

func orZero[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}

// novaProjects is Keystone as Nova sees it.
type novaProjects struct{ keystone *keystone.Service }

func (n novaProjects) ProjectExists(ctx context.Context, id string) (bool, error) {
	_, err := n.keystone.Project(ctx, id)
	if rest.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// novaConsoles is Nova as the proxy of one type of consoles sees it.
type novaConsoles struct {
	nova *nova.Service
	kind string
}

func (n novaConsoles) Validate(ctx context.Context, token string) (string, int, string, error) {
	host, port, server, err := n.nova.ValidateConsole(ctx, n.kind, token)
	if errors.Is(err, nova.ErrConsoleToken) {
		err = console.ErrToken
	}
	return host, port, server, err
}

// novaGroups are Neutron's security groups as the compute API shows and changes them.
type novaGroups struct{ neutron *neutron.Service }

func (n novaGroups) ServersByAddress(ctx context.Context, project, fragment string, v6 bool) ([]string, error) {
	return neutrondb.ServersByAddress(ctx, n.neutron.DB.Read(ctx), project, fragment, v6)
}

func (n novaGroups) Change(ctx context.Context, c *policy.Caller, serverID, group string, add bool) error {
	groups, err := n.neutron.SecurityGroups(ctx, c, neutrondb.Query{Where: []neutrondb.Cond{neutrondb.Where("t.id = ? OR t.name = ?", group, group)}})
	if err != nil {
		return err
	}
	switch len(groups) {
	case 0:
		return rest.NotFound("Security group %s not found for project %s.", group, c.ProjectID)
	case 1:
	default:
		return rest.Conflict("Multiple security groups found matching '%s'. Use an ID to be more specific.", group)
	}
	id := groups[0].ID
	ports, err := n.neutron.PortsOf(ctx, []string{serverID})
	if err != nil {
		return err
	}
	if len(ports[serverID]) == 0 {
		return rest.NotFound("instance_id %s could not be found as device id on any ports", serverID)
	}
	found := false
	for _, p := range ports[serverID] {
		var list []string
		for _, g := range p.SecurityGroups {
			list = append(list, g.ID)
		}
		at := slices.Index(list, id)
		found = found || at >= 0
		switch {
		case add && at < 0:
			list = append(list, id)
		case !add && at >= 0:
			list = slices.Delete(list, at, at+1)
		default:
			continue
		}
		if _, err := n.neutron.UpdatePort(ctx, c, p.ID, attr.Values{"security_groups": list}); err != nil {
			return err
		}
	}
	if !add && !found {
		return rest.NotFound("Security group %s not associated with the instance %s", group, serverID)
	}
	return nil
}

func (n novaGroups) Of(ctx context.Context, _ *policy.Caller, serverID string) ([]nova.SecurityGroup, error) {
	ports, err := n.neutron.PortsOf(ctx, []string{serverID})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, p := range ports[serverID] {
		for _, g := range p.SecurityGroups {
			ids = append(ids, g.ID)
		}
	}
	slices.Sort(ids)
	groups, err := neutrondb.SecurityGroups(ctx, n.neutron.DB.Read(ctx), neutrondb.Query{Where: []neutrondb.Cond{neutrondb.In("t.id", slices.Compact(ids))}})
	if err != nil {
		return nil, err
	}
	return novaGroupViews(ctx, n.neutron, groups)
}

// novaGroupViews are groups in the words of the compute API, which knows rules for what comes in only.
func novaGroupViews(ctx context.Context, svc *neutron.Service, groups []*neutrondb.SecurityGroup) ([]nova.SecurityGroup, error) {
	known, missing := map[string]*neutrondb.SecurityGroup{}, []string{}
	for _, g := range groups {
		known[g.ID] = g
	}
	for _, g := range groups {
		for _, r := range g.Rules {
			if r.RemoteGroupID != "" && known[r.RemoteGroupID] == nil {
				missing = append(missing, r.RemoteGroupID)
			}
		}
	}
	if len(missing) > 0 {
		others, err := neutrondb.SecurityGroups(ctx, svc.DB.Read(ctx), neutrondb.Query{Where: []neutrondb.Cond{neutrondb.In("t.id", missing)}})
		if err != nil {
			return nil, err
		}
		for _, g := range others {
			known[g.ID] = g
		}
	}
	out := make([]nova.SecurityGroup, len(groups))
	for i, g := range groups {
		out[i] = nova.SecurityGroup{ID: g.ID, Name: g.Name, Description: g.Description, ProjectID: g.ProjectID, Rules: []nova.GroupRule{}}
		for _, r := range g.Rules {
			if r.Direction == "ingress" { // all that nova-network's rules could say
				out[i].Rules = append(out[i].Rules, novaRule(r, known))
			}
		}
	}
	return out, nil
}

// novaRule is a rule in the words of the compute API (nova/network/security_group_api.py). A protocol without ports has all of them, and a
// rule without a source is for all of IPv4, whatever its ethertype.
func novaRule(r *neutrondb.SecurityGroupRule, groups map[string]*neutrondb.SecurityGroup) nova.GroupRule {
	rule := nova.GroupRule{ID: r.ID, GroupID: r.SecurityGroupID, FromPort: r.PortRangeMin, ToPort: r.PortRangeMax, Group: map[string]string{}, Range: map[string]string{}, RemoteGroupID: r.RemoteGroupID}
	if r.Protocol != "" {
		rule.Protocol = &r.Protocol
		if r.PortRangeMin == nil && r.PortRangeMax == nil {
			from, to := int64(-1), int64(-1)
			if r.Protocol == "tcp" || r.Protocol == "udp" {
				from, to = 1, 65535
			}
			rule.FromPort, rule.ToPort = &from, &to
		}
	}
	switch g := groups[r.RemoteGroupID]; {
	case g != nil:
		rule.Group = map[string]string{"name": g.Name, "tenant_id": g.ProjectID}
	case r.RemoteIPPrefix != "":
		rule.Range = map[string]string{"cidr": r.RemoteIPPrefix}
	default:
		rule.Range = map[string]string{"cidr": "0.0.0.0/0"}
	}
	return rule
}

// buildNovaMetadata answers the agents that forward guests' questions. The bus knows which host asks, and a host hears of its own
// guests only.
func buildNovaMetadata(_ context.Context, h *House) (Unit, error) {
	var stop func()
	answer := func(ctx context.Context, host string, args neutronagent.FetchArgs) (neutronagent.Reply, error) {
		path, _, _ := strings.Cut(args.Request.Path, "?")
		var reply nova.MetadataReply
		var err error
		switch args.Request.Method {
		case http.MethodGet, http.MethodHead:
			reply, err = h.Nova.Metadata(ctx, host, args.NetworkID, args.RemoteIP, path)
		case http.MethodPost:
			reply, err = h.Nova.PostMetadata(ctx, host, args.NetworkID, args.RemoteIP, path, args.Request.Body)
		default:
			return neutronagent.Reply{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {"GET, HEAD, POST"}}}, nil
		}
		if err != nil {
			return neutronagent.Reply{}, err
		}
		return neutronagent.Reply{Status: reply.Status, Header: http.Header{"Content-Type": {reply.ContentType}}, Body: reply.Body}, nil
	}
	return Unit{
		Start: func(context.Context) (err error) {
			stop, err = h.Bus.Serve(bus.To{Topic: neutronagent.Topic, Host: h.Config.Host}, neutronagent.Handlers(answer))
			return err
		},
		Stop: func(context.Context) error {
			stop()
			return nil
		},
	}, nil
}
