package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/rest"
)

const endpointGroupProperties = `"name": {"type": "string"}, "description": ` + textOrNull + `, "filters": {"type": "object"}`

// endpointFilter are the routes that say which endpoints a project's catalogue shows (OS-EP-FILTER).
func (a *api) endpointFilter() []rest.Route {
	const inProject, ofGroup = "/OS-EP-FILTER/projects/{project_id}", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"
	routes := []rest.Route{
		{Method: "GET", Path: inProject + "/endpoints", Policy: "identity:list_endpoints_for_project", Handle: func(r *rest.Request) (any, error) {
			list, err := a.EndpointsOfProject(r.Context(), r.Path("project_id"))
			return collection(r, "endpoints", list, endpointView), err
		}},
		{
			Method: "GET", Path: "/OS-EP-FILTER/endpoints/{endpoint_id}/projects", Policy: "identity:list_projects_for_endpoint",
			Handle: func(r *rest.Request) (any, error) {
				list, err := a.ProjectsOfEndpoint(r.Context(), r.Path("endpoint_id"))
				return collection(r, "projects", list, projectView), err
			},
		},
		{
			Method: "GET", Path: inProject + "/endpoint_groups", Policy: "identity:list_endpoint_groups_for_project",
			Handle: func(r *rest.Request) (any, error) {
				list, err := a.EndpointGroupsOfProject(r.Context(), r.Path("project_id"))
				return collection(r, "endpoint_groups", list, endpointGroupView), err
			},
		},
		{Method: "GET", Path: "/OS-EP-FILTER/endpoint_groups", Policy: "identity:list_endpoint_groups", Handle: func(r *rest.Request) (any, error) {
			o, err := listOptions(r, filterable{"name", "g.name", false})
			if err != nil {
				return nil, err
			}
			list, err := a.EndpointGroups(r.Context(), o)
			return collection(r, "endpoint_groups", list, endpointGroupView), err
		}},
		{
			Method: "POST", Path: "/OS-EP-FILTER/endpoint_groups", Policy: "identity:create_endpoint_group", Status: http.StatusCreated,
			Body: body("endpoint_group", endpointGroupProperties, "name", "filters"), Handle: func(r *rest.Request) (any, error) {
				g, err := a.CreateEndpointGroup(r.Context(), object(r, "endpoint_group"))
				return oneOf("endpoint_group", err, func() any { return endpointGroupView(r, g) })
			},
		},
		{Method: "GET", Path: ofGroup, Policy: "identity:get_endpoint_group", Handle: func(r *rest.Request) (any, error) {
			g, err := a.EndpointGroup(r.Context(), r.Path("endpoint_group_id"))
			return oneOf("endpoint_group", err, func() any { return endpointGroupView(r, g) })
		}},
		{
			Method: "PATCH", Path: ofGroup, Policy: "identity:update_endpoint_group", Body: body("endpoint_group", endpointGroupProperties),
			Handle: func(r *rest.Request) (any, error) {
				g, err := a.UpdateEndpointGroup(r.Context(), r.Path("endpoint_group_id"), object(r, "endpoint_group"))
				return oneOf("endpoint_group", err, func() any { return endpointGroupView(r, g) })
			},
		},
		{
			Method: "DELETE", Path: ofGroup, Policy: "identity:delete_endpoint_group", Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.DeleteEndpointGroup(r.Context(), r.Path("endpoint_group_id"))
			},
		},
		{
			Method: "GET", Path: ofGroup + "/endpoints", Policy: "identity:list_endpoints_associated_with_endpoint_group",
			Handle: func(r *rest.Request) (any, error) {
				list, err := a.EndpointsOfGroup(r.Context(), r.Path("endpoint_group_id"))
				return collection(r, "endpoints", list, endpointView), err
			},
		},
		{
			Method: "GET", Path: ofGroup + "/projects", Policy: "identity:list_projects_associated_with_endpoint_group",
			Handle: func(r *rest.Request) (any, error) {
				list, err := a.ProjectsOfEndpointGroup(r.Context(), r.Path("endpoint_group_id"))
				return collection(r, "projects", list, projectView), err
			},
		},
		// Upstream answers this one with the association, and 200; the others with 204.
		{
			Method: "GET", Path: ofGroup + "/projects/{project_id}", Policy: "identity:get_endpoint_group_in_project",
			Handle: func(r *rest.Request) (any, error) {
				p, err := a.Project(r.Context(), r.Path("project_id"))
				if err == nil {
					err = a.CheckEndpointGroupInProject(r.Context(), r.Path("project_id"), r.Path("endpoint_group_id"))
				}
				return oneOf("project", err, func() any { return projectView(r, p) })
			},
		},
	}
	pair := func(method, path, rule string, do func(*rest.Request) error) {
		routes = append(routes, rest.Route{
			Method: method, Path: path, Policy: rule, Status: http.StatusNoContent, Handle: func(r *rest.Request) (any, error) { return nil, do(r) },
		})
	}
	pair("PUT", inProject+"/endpoints/{endpoint_id}", "identity:add_endpoint_to_project", func(r *rest.Request) error {
		return a.AddEndpointToProject(r.Context(), r.Path("project_id"), r.Path("endpoint_id"))
	})
	pair("GET", inProject+"/endpoints/{endpoint_id}", "identity:check_endpoint_in_project", func(r *rest.Request) error {
		return a.CheckEndpointInProject(r.Context(), r.Path("project_id"), r.Path("endpoint_id"))
	})
	pair("DELETE", inProject+"/endpoints/{endpoint_id}", "identity:remove_endpoint_from_project", func(r *rest.Request) error {
		return a.RemoveEndpointFromProject(r.Context(), r.Path("project_id"), r.Path("endpoint_id"))
	})
	pair("PUT", ofGroup+"/projects/{project_id}", "identity:add_endpoint_group_to_project", func(r *rest.Request) error {
		return a.AddEndpointGroupToProject(r.Context(), r.Path("project_id"), r.Path("endpoint_group_id"))
	})
	pair("DELETE", ofGroup+"/projects/{project_id}", "identity:remove_endpoint_group_from_project", func(r *rest.Request) error {
		return a.RemoveEndpointGroupFromProject(r.Context(), r.Path("project_id"), r.Path("endpoint_group_id"))
	})
	return routes
}

func endpointGroupView(r *rest.Request, g *keystone.EndpointGroup) map[string]any {
	return map[string]any{
		"id": g.ID, "name": g.Name, "description": g.Description, "filters": g.Filters,
		"links": map[string]any{"self": r.BaseURL() + "/OS-EP-FILTER/endpoint_groups/" + g.ID},
	}
}
