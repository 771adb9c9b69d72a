package neutron

import (
	"context"
	"net/http"
	"net/netip"
	"slices"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// PlanPorts finds out which ports a new server needs and whether they are possible, for the project of the caller. It changes
// nothing but that a project which asks for a network and has none gets its own topology, so what it found may be gone when CreatePorts comes. Its errors are Nova's answers to POST /servers, with Nova's
// statuses and sentences.
func (s *Service) PlanPorts(ctx context.Context, c *policy.Caller, reqs []NICRequest) ([]NICPlan, error) {
	if len(reqs) == 0 {
		reqs = []NICRequest{{}}
	}
	h := s.DB.Read(ctx)
	groups, err := planGroups(ctx, h, c, reqs)
	if err != nil {
		return nil, err
	}
	if reqs[0].Mode == NICNone {
		return nil, nil
	}
	if reqs[0].Mode == NICAuto || reqs[0].NetworkID == "" && reqs[0].PortID == "" {
		reqs, err = s.defaultNIC(ctx, h, c, reqs[0])
		if err != nil {
			return nil, err
		}
	}
	p := &planner{h: h, c: c, networks: map[string]*db.Network{}, ports: map[string]*db.Port{}, subnets: map[string][]*db.Subnet{}}
	if err := p.load(ctx, reqs); err != nil {
		return nil, err
	}
	plans := make([]NICPlan, 0, len(reqs))
	create := 0
	for i, r := range reqs {
		plan := NICPlan{Index: i, NetworkID: r.NetworkID, PortID: r.PortID, FixedIP: r.FixedIP, Tag: r.Tag}
		if r.PortID != "" {
			err = p.port(r, &plan)
		} else {
			create++
			for _, name := range r.SecurityGroups {
				plan.SecurityGroups = append(plan.SecurityGroups, groups[name])
			}
			err = p.network(ctx, r, &plan)
		}
		if err != nil {
			return nil, err
		}
		plans = append(plans, plan)
	}
	return plans, s.CheckPortQuota(ctx, c.ProjectID, create)
}

// PortRoom is how many more ports a project may have; below 0 there is no bound.
func (s *Service) PortRoom(ctx context.Context, project string) (int, error) {
	var row struct{ Quota, Used int }
	err := s.DB.Read(ctx).NewRaw(`SELECT COALESCE((SELECT quota FROM neutron_quotas WHERE project_id = ? AND resource = ?), ?) AS quota,
	(SELECT COUNT(*) FROM `+limitedResources[quotaPort].table+` WHERE project_id = ?) AS used`, project, quotaPort, s.defaultQuota(quotaPort), project).Scan(ctx, &row)
	if err != nil || row.Quota < 0 {
		return -1, err
	}
	return max(0, row.Quota-row.Used), nil
}

// CheckPortQuota fails as Nova does when a project may not have n more ports.
func (s *Service) CheckPortQuota(ctx context.Context, project string, n int) error {
	if n == 0 {
		return nil
	}
	u := &unit{s: s, tx: s.DB.Read(ctx)}
	err := u.checkQuota(ctx, project, quotaPort, n)
	if rest.StatusOf(err) == http.StatusConflict {
		return rest.Forbidden("Maximum number of ports exceeded")
	}
	return err
}

// planGroups resolves names and ids of security groups.
func planGroups(ctx context.Context, h bun.IDB, c *policy.Caller, reqs []NICRequest) (map[string]string, error) {
	ids := map[string]string{}
	var names []string
	for _, r := range reqs {
		for _, g := range r.SecurityGroups {
			if !slices.Contains(names, g) {
				names = append(names, g)
			}
		}
	}
	if len(names) == 0 || len(names) == 1 && names[0] == defaultGroupName {
		return ids, nil // a port without groups gets the default one
	}
	rows, err := db.Find[db.SecurityGroup](ctx, h, func(q *bun.SelectQuery) {
		q.Where("(t.name IN (?) AND t.project_id = ?) OR t.id IN (?)", bun.List(names), c.ProjectID, bun.List(names)).OrderExpr("t.id")
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		var found []string
		for _, g := range rows {
			if g.ID == name && (g.ProjectID == c.ProjectID || c.IsAdmin()) {
				found = []string{g.ID}
				break
			}
			if g.Name == name {
				found = append(found, g.ID)
			}
		}
		switch {
		case len(found) > 1:
			return nil, rest.Conflict("Multiple security groups found matching '%s'. Use an ID to be more specific.", name)
		case len(found) == 1:
			ids[name] = found[0]
		case name == defaultGroupName: // it is made with the first port
		default:
			return nil, rest.BadRequest("Security group %s not found for project %s.", name, c.ProjectID)
		}
	}
	return ids, nil
}

// defaultNIC chooses the network when the request names none: the project's only one, or for "auto" the one that is made for it.
func (s *Service) defaultNIC(ctx context.Context, h bun.IDB, c *policy.Caller, r NICRequest) ([]NICRequest, error) {
	rows, err := db.Networks(ctx, h, db.Query{Project: c.ProjectID, Limit: 3, Where: []db.Cond{
		db.Or(db.Where("t.project_id = ?", c.ProjectID), db.SharedWith("t.id", db.AccessAsShared, c.ProjectID)),
		db.Where("NOT t.external OR ?", c.IsAdmin() && r.Mode != NICAuto),
	}})
	switch {
	case err != nil:
		return nil, err
	case len(rows) > 1:
		return nil, rest.Conflict("Multiple possible networks found, use a Network ID to be more specific.")
	case len(rows) == 1:
		r.NetworkID, r.Mode = rows[0].ID, NICNamed
		return []NICRequest{r}, nil
	case r.Mode == NICAuto:
		made, err := s.AutoTopology(ctx, c, c.ProjectID, false)
		if code := rest.StatusOf(err); code >= 400 && code < 500 {
			return nil, rest.BadRequest("Unable to automatically allocate a network for project %s", c.ProjectID).Because(err)
		}
		r.NetworkID, r.Mode = made, NICNamed
		return []NICRequest{r}, err
	}
	return []NICRequest{}, nil
}

// planner holds what requests refer to.
type planner struct {
	h        bun.IDB
	c        *policy.Caller
	networks map[string]*db.Network
	ports    map[string]*db.Port
	subnets  map[string][]*db.Subnet
	seen     []string
}

func (p *planner) load(ctx context.Context, reqs []NICRequest) error {
	var networks, ports []string
	for _, r := range reqs {
		if r.PortID != "" {
			ports = append(ports, r.PortID)
		} else {
			networks = append(networks, r.NetworkID)
		}
	}
	if len(ports) > 0 {
		rows, err := db.Ports(ctx, p.h, db.Query{Where: []db.Cond{db.In("t.id", ports)}})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.ProjectID == p.c.ProjectID || p.c.IsAdmin() {
				p.ports[row.ID] = row
				networks = append(networks, row.NetworkID)
			}
		}
	}
	if len(networks) == 0 {
		return nil
	}
	q := db.Query{Project: p.c.ProjectID, Where: []db.Cond{db.In("t.id", networks)}}
	rows, err := db.Networks(ctx, p.h, q)
	if err != nil {
		return err
	}
	for _, n := range rows {
		p.networks[n.ID] = n
	}
	subnets, err := db.Subnets(ctx, p.h, db.Query{Where: []db.Cond{db.In("t.network_id", networks)}})
	for _, sn := range subnets {
		p.subnets[sn.NetworkID] = append(p.subnets[sn.NetworkID], sn)
	}
	return err
}

func (p *planner) port(r NICRequest, plan *NICPlan) error {
	port := p.ports[r.PortID]
	switch {
	case port == nil:
		return rest.BadRequest("Port id %s could not be found.", r.PortID)
	case slices.Contains(p.seen, r.PortID):
		return rest.BadRequest("Duplicate port %s", r.PortID)
	case port.DeviceID != "", port.DeviceOwner == ownerSubPort: // the guest of a subport is its trunk's; a server of its own would wait for it in vain
		return rest.Conflict("Port %s is still in use.", r.PortID)
	case len(port.FixedIPs) == 0 && !port.IPDeferred && len(p.subnets[port.NetworkID]) > 0:
		return rest.BadRequest("Port %s requires a FixedIP in order to be used.", r.PortID)
	}
	p.seen = append(p.seen, r.PortID)
	plan.NetworkID, plan.FixedIP, plan.Request = port.NetworkID, "", RequestOf(port)
	if n := p.networks[port.NetworkID]; n != nil {
		plan.Physnet = n.PhysicalNetwork
	}
	return nil
}

func (p *planner) network(ctx context.Context, r NICRequest, plan *NICPlan) error {
	n := p.networks[r.NetworkID]
	own := n != nil && (n.ProjectID == p.c.ProjectID || n.Shared || p.c.IsAdmin())
	switch {
	case n == nil || !own && !n.External:
		return rest.BadRequest("Network %s could not be found.", r.NetworkID)
	case n.External && !n.Shared && !p.c.IsAdmin():
		return rest.Forbidden("It is not allowed to create an interface on external network %s", n.ID)
	case len(p.subnets[n.ID]) == 0:
		return rest.BadRequest("Network %s requires a subnet in order to boot instances on.", n.ID)
	}
	plan.Physnet = n.PhysicalNetwork
	var err error
	if plan.Request, err = networkRequest(ctx, p.h, n); err != nil || r.FixedIP == "" {
		return err
	}
	ip, err := netip.ParseAddr(r.FixedIP)
	if err != nil {
		return rest.BadRequest("Invalid fixed IP Address %s", r.FixedIP)
	}
	if !slices.ContainsFunc(p.subnets[n.ID], func(sn *db.Subnet) bool { return usable(netip.MustParsePrefix(sn.CIDR), ip) }) {
		return rest.BadRequest("Fixed IP %s is not a valid ip address for network %s.", r.FixedIP, n.ID)
	}
	used, err := p.h.NewSelect().Model((*db.Allocation)(nil)).Where("t.network_id = ? AND t.ip_address = ?", n.ID, ip.String()).Exists(ctx)
	if err == nil && used {
		err = rest.BadRequest("Fixed IP address %s is already in use on network %s.", r.FixedIP, n.ID)
	}
	return err
}
