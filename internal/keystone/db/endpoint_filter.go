package db

import (
	"context"

	"github.com/uptrace/bun"
)

// ProjectEndpoint is a row of keystone_project_endpoints: a project sees an endpoint.
type ProjectEndpoint struct {
	bun.BaseModel `bun:"keystone_project_endpoints,alias:x"`

	ProjectID  string `bun:"project_id,pk"`
	EndpointID string `bun:"endpoint_id,pk"`
}

// EndpointGroup is a row of keystone_endpoint_groups: all endpoints that filters fit.
type EndpointGroup struct {
	bun.BaseModel `bun:"keystone_endpoint_groups,alias:g"`

	ID          string         `bun:"id,pk"`
	Name        string         `bun:"name"`
	Description *string        `bun:"description"`
	Filters     map[string]any `bun:"filters"`
}

// ProjectEndpointGroup is a row of keystone_project_endpoint_groups: a project sees the endpoints of a group.
type ProjectEndpointGroup struct {
	bun.BaseModel `bun:"keystone_project_endpoint_groups,alias:x"`

	ProjectID       string `bun:"project_id,pk"`
	EndpointGroupID string `bun:"endpoint_group_id,pk"`
}

// GetEndpointGroup returns an endpoint group.
func GetEndpointGroup(ctx context.Context, h bun.IDB, id string) (*EndpointGroup, error) {
	return get(ctx, h, &EndpointGroup{ID: id})
}

// ListEndpointGroups runs a list query that narrow has narrowed.
func ListEndpointGroups(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*EndpointGroup, error) {
	var out []*EndpointGroup
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// RowExists tells whether a row with that primary key is there.
func RowExists(ctx context.Context, h bun.IDB, row any) (bool, error) {
	return h.NewSelect().Model(row).WherePK().Exists(ctx)
}

// ProjectEndpoints returns all associations of projects with endpoints.
func ProjectEndpoints(ctx context.Context, h bun.IDB) ([]ProjectEndpoint, error) {
	var out []ProjectEndpoint
	err := h.NewSelect().Model(&out).Scan(ctx)
	return out, err
}

// GroupOfProject is an endpoint group with a project that sees it.
type GroupOfProject struct {
	EndpointGroup `bun:",extend"`
	ProjectID     string `bun:"project_id"`
}

// GroupsOfProjects returns all endpoint groups that projects see, with the projects.
func GroupsOfProjects(ctx context.Context, h bun.IDB) ([]GroupOfProject, error) {
	var out []GroupOfProject
	err := h.NewSelect().Model(&out).ColumnExpr("g.*, x.project_id").
		Join("JOIN keystone_project_endpoint_groups AS x ON x.endpoint_group_id = g.id").Scan(ctx)
	return out, err
}
