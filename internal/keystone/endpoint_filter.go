package keystone

import (
	"context"
	"slices"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// EndpointGroup is all endpoints that its filters fit.
type EndpointGroup = db.EndpointGroup

// endpointFilter says which endpoints projects see. A project that nothing is said about sees all (upstream's [endpoint_filter]
// return_all_endpoints_if_no_filter).
type endpointFilter struct {
	endpoints map[string]map[string]bool // by project, the endpoints' ids
	groups    map[string][]*EndpointGroup
}

func (f *endpointFilter) sees(project string, r *db.CatalogRow) bool {
	if f == nil || project == "" {
		return true
	}
	own, groups := f.endpoints[project], f.groups[project]
	if len(own) == 0 && len(groups) == 0 {
		return true
	}
	region := ""
	if r.RegionID != nil {
		region = *r.RegionID
	}
	return own[r.EndpointID] || slices.ContainsFunc(groups, func(g *EndpointGroup) bool { return fits(g.Filters, r.ServiceID, region, r.Interface) })
}

func fits(filters map[string]any, service, region, face string) bool {
	for k, v := range map[string]string{"service_id": service, "region_id": region, "interface": face} {
		if want, ok := filters[k]; ok && want != v {
			return false
		}
	}
	return true
}

// loadEndpointFilter reads all there is to filter by; nil when there is nothing, as in most clouds.
func (s *Service) loadEndpointFilter(ctx context.Context) (*endpointFilter, error) {
	pairs, err := db.ProjectEndpoints(ctx, s.db.Read(ctx))
	if err != nil {
		return nil, err
	}
	groups, err := db.GroupsOfProjects(ctx, s.db.Read(ctx))
	if err != nil || len(pairs)+len(groups) == 0 {
		return nil, err
	}
	f := &endpointFilter{endpoints: map[string]map[string]bool{}, groups: map[string][]*EndpointGroup{}}
	for _, p := range pairs {
		if f.endpoints[p.ProjectID] == nil {
			f.endpoints[p.ProjectID] = map[string]bool{}
		}
		f.endpoints[p.ProjectID][p.EndpointID] = true
	}
	for i := range groups {
		f.groups[groups[i].ProjectID] = append(f.groups[groups[i].ProjectID], &groups[i].EndpointGroup)
	}
	return f, nil
}

// AddEndpointToProject lets a project see an endpoint.
func (s *Service) AddEndpointToProject(ctx context.Context, projectID, endpointID string) error {
	if err := s.projectAndEndpoint(ctx, projectID, endpointID); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Insert(ctx, tx, &db.ProjectEndpoint{ProjectID: projectID, EndpointID: endpointID})
		if store.IsUnique(err) {
			return conflict("project_endpoint", "Duplicate entry")
		}
		return err
	})
}

func (s *Service) projectAndEndpoint(ctx context.Context, projectID, endpointID string) error {
	if _, err := s.Endpoint(ctx, endpointID); err != nil {
		return err
	}
	_, err := s.Project(ctx, projectID)
	return err
}

// CheckEndpointInProject fails with 404 unless a project was given an endpoint.
func (s *Service) CheckEndpointInProject(ctx context.Context, projectID, endpointID string) error {
	if err := s.projectAndEndpoint(ctx, projectID, endpointID); err != nil {
		return err
	}
	ok, err := db.RowExists(ctx, s.db.Read(ctx), &db.ProjectEndpoint{ProjectID: projectID, EndpointID: endpointID})
	if err == nil && !ok {
		return rest.NotFound("Endpoint %s not found in project %s", endpointID, projectID)
	}
	return err
}

// RemoveEndpointFromProject takes an endpoint from a project.
func (s *Service) RemoveEndpointFromProject(ctx context.Context, projectID, endpointID string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Delete(ctx, tx, &db.ProjectEndpoint{ProjectID: projectID, EndpointID: endpointID})
		if store.IsNotFound(err) {
			return rest.NotFound("Endpoint %s not found in project %s", endpointID, projectID)
		}
		return err
	})
}

// EndpointsOfProject lists the endpoints that a project was given, by themselves and by groups.
func (s *Service) EndpointsOfProject(ctx context.Context, projectID string) ([]*Endpoint, error) {
	if _, err := s.Project(ctx, projectID); err != nil {
		return nil, err
	}
	f, err := s.loadEndpointFilter(ctx)
	if err != nil || f == nil || len(f.endpoints[projectID])+len(f.groups[projectID]) == 0 {
		return []*Endpoint{}, err
	}
	list, err := s.Endpoints(ctx, ListOptions{})
	return slices.DeleteFunc(list, func(e *Endpoint) bool {
		return !f.sees(projectID, &db.CatalogRow{EndpointID: e.ID, ServiceID: e.ServiceID, RegionID: e.RegionID, Interface: e.Interface})
	}), err
}

// ProjectsOfEndpoint lists the projects that were given an endpoint itself.
func (s *Service) ProjectsOfEndpoint(ctx context.Context, endpointID string) ([]*Project, error) {
	if _, err := s.Endpoint(ctx, endpointID); err != nil {
		return nil, err
	}
	return db.ListProjects(ctx, s.db.Read(ctx), func(q *db.Select) {
		q.Where("p.id IN (SELECT project_id FROM keystone_project_endpoints WHERE endpoint_id = ?)", endpointID).Order("p.id")
	})
}

// EndpointGroup returns an endpoint group.
func (s *Service) EndpointGroup(ctx context.Context, id string) (*EndpointGroup, error) {
	g, err := db.GetEndpointGroup(ctx, s.db.Read(ctx), id)
	return g, endpointGroupFound(err, id)
}

func endpointGroupFound(err error, id string) error {
	if store.IsNotFound(err) {
		return rest.NotFound("Could not find Endpoint Group: %s.", id)
	}
	return err
}

// EndpointGroups lists endpoint groups.
func (s *Service) EndpointGroups(ctx context.Context, o ListOptions) ([]*EndpointGroup, error) {
	return db.ListEndpointGroups(ctx, s.db.Read(ctx), o.on("g.id"))
}

func (s *Service) setEndpointGroup(g *EndpointGroup, a Attrs) error {
	a.text("name", &g.Name)
	if v, ok := a["description"]; ok {
		g.Description = nil
		if d, ok := v.(string); ok {
			g.Description = &d
		}
	}
	if filters, ok := a["filters"].(map[string]any); ok {
		for k := range filters {
			if !slices.Contains([]string{"service_id", "region_id", "interface"}, k) {
				return missing("service_id, region_id or interface", "endpoint_group filters")
			}
		}
		if face, ok := filters["interface"]; ok && !slices.Contains([]any{"admin", "public", "internal"}, face) {
			return missing("a valid interface", "endpoint_group filters")
		}
		g.Filters = filters
	}
	return nil
}

// CreateEndpointGroup makes an endpoint group.
func (s *Service) CreateEndpointGroup(ctx context.Context, a Attrs) (*EndpointGroup, error) {
	g := &EndpointGroup{ID: s.newID(), Filters: map[string]any{}}
	if err := s.setEndpointGroup(g, a); err != nil {
		return nil, err
	}
	return g, s.change(ctx, func(ctx context.Context, tx store.Tx) error { return db.Insert(ctx, tx, g) })
}

// UpdateEndpointGroup changes an endpoint group; filters are replaced as a whole.
func (s *Service) UpdateEndpointGroup(ctx context.Context, id string, a Attrs) (*EndpointGroup, error) {
	var g *EndpointGroup
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if g, err = db.GetEndpointGroup(ctx, tx, id); err != nil {
			return endpointGroupFound(err, id)
		}
		if err := s.setEndpointGroup(g, a); err != nil {
			return err
		}
		return db.Update(ctx, tx, g)
	})
	return g, err
}

// DeleteEndpointGroup removes an endpoint group.
func (s *Service) DeleteEndpointGroup(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		return endpointGroupFound(db.Delete(ctx, tx, &EndpointGroup{ID: id}), id)
	})
}

// EndpointsOfGroup lists the endpoints that a group's filters fit.
func (s *Service) EndpointsOfGroup(ctx context.Context, id string) ([]*Endpoint, error) {
	g, err := s.EndpointGroup(ctx, id)
	if err != nil {
		return nil, err
	}
	list, err := s.Endpoints(ctx, ListOptions{})
	return slices.DeleteFunc(list, func(e *Endpoint) bool {
		region := ""
		if e.RegionID != nil {
			region = *e.RegionID
		}
		return !fits(g.Filters, e.ServiceID, region, e.Interface)
	}), err
}

// ProjectsOfEndpointGroup lists the projects that see a group.
func (s *Service) ProjectsOfEndpointGroup(ctx context.Context, id string) ([]*Project, error) {
	if _, err := s.EndpointGroup(ctx, id); err != nil {
		return nil, err
	}
	return db.ListProjects(ctx, s.db.Read(ctx), func(q *db.Select) {
		q.Where("p.id IN (SELECT project_id FROM keystone_project_endpoint_groups WHERE endpoint_group_id = ?)", id).Order("p.id")
	})
}

// EndpointGroupsOfProject lists the groups that a project sees.
func (s *Service) EndpointGroupsOfProject(ctx context.Context, projectID string) ([]*EndpointGroup, error) {
	if _, err := s.Project(ctx, projectID); err != nil {
		return nil, err
	}
	return db.ListEndpointGroups(ctx, s.db.Read(ctx), func(q *db.Select) {
		q.Where("g.id IN (SELECT endpoint_group_id FROM keystone_project_endpoint_groups WHERE project_id = ?)", projectID).Order("g.id")
	})
}

func (s *Service) projectAndGroup(ctx context.Context, projectID, groupID string) error {
	if _, err := s.Project(ctx, projectID); err != nil {
		return err
	}
	_, err := s.EndpointGroup(ctx, groupID)
	return err
}

// AddEndpointGroupToProject lets a project see a group.
func (s *Service) AddEndpointGroupToProject(ctx context.Context, projectID, groupID string) error {
	if err := s.projectAndGroup(ctx, projectID, groupID); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Insert(ctx, tx, &db.ProjectEndpointGroup{ProjectID: projectID, EndpointGroupID: groupID})
		if store.IsUnique(err) {
			return conflict("project_endpoint_group", "Duplicate entry")
		}
		return err
	})
}

// CheckEndpointGroupInProject fails with 404 unless a project sees a group.
func (s *Service) CheckEndpointGroupInProject(ctx context.Context, projectID, groupID string) error {
	if err := s.projectAndGroup(ctx, projectID, groupID); err != nil {
		return err
	}
	ok, err := db.RowExists(ctx, s.db.Read(ctx), &db.ProjectEndpointGroup{ProjectID: projectID, EndpointGroupID: groupID})
	if err == nil && !ok {
		return rest.NotFound("Endpoint Group Project Association not found")
	}
	return err
}

// RemoveEndpointGroupFromProject takes a group from a project.
func (s *Service) RemoveEndpointGroupFromProject(ctx context.Context, projectID, groupID string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Delete(ctx, tx, &db.ProjectEndpointGroup{ProjectID: projectID, EndpointGroupID: groupID})
		if store.IsNotFound(err) {
			return rest.NotFound("Endpoint Group Project Association not found")
		}
		return err
	})
}
