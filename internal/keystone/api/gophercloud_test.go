package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/catalog"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"gostack/internal/keystone"
	"gostack/internal/store/storetest"
)

// The Go client that Terraform and others are built on, unchanged, over a socket.
func TestGophercloud(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t, keystone.Migrations))
	server := httptest.NewServer(c.Handler)
	defer server.Close()
	spec := bootstrapSpec
	spec.BaseURL = server.URL
	if _, err := c.service.Bootstrap(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	login := func(o gophercloud.AuthOptions) (*gophercloud.ServiceClient, error) {
		o.IdentityEndpoint = server.URL + "/identity"
		provider, err := openstack.AuthenticatedClient(ctx, o)
		if err != nil {
			return nil, err
		}
		return openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{Region: "RegionOne"})
	}
	admin, err := login(gophercloud.AuthOptions{Username: "admin", Password: adminPassword, DomainID: "default", TenantName: "admin"})
	must(err)

	domain, err := domains.Create(ctx, admin, domains.CreateOpts{Name: "d"}).Extract()
	must(err)
	project, err := projects.Create(ctx, admin, projects.CreateOpts{Name: "p", DomainID: domain.ID, Tags: []string{"a"}, Extra: map[string]any{"k": "v"}}).Extract()
	must(err)
	if project.Extra["k"] != "v" || len(project.Tags) != 1 {
		t.Errorf("project %+v", project)
	}
	user, err := users.Create(ctx, admin, users.CreateOpts{Name: "u", DomainID: domain.ID, Password: "pw", DefaultProjectID: project.ID}).Extract()
	must(err)
	group, err := groups.Create(ctx, admin, groups.CreateOpts{Name: "g", DomainID: domain.ID}).Extract()
	must(err)
	must(users.AddToGroup(ctx, admin, group.ID, user.ID).ExtractErr())
	in, err := users.IsMemberOfGroup(ctx, admin, group.ID, user.ID).Extract()
	must(err)
	if !in {
		t.Error("the user is not in the group")
	}
	must(roles.Assign(ctx, admin, c.made.RoleIDs["member"], roles.AssignOpts{GroupID: group.ID, ProjectID: project.ID}).ExtractErr())
	page, err := roles.ListAssignments(admin, roles.ListAssignmentsOpts{UserID: user.ID, Effective: ptr(true), IncludeNames: ptr(true)}).AllPages(ctx)
	must(err)
	assignments, err := roles.ExtractRoleAssignments(page)
	must(err)
	if len(assignments) != 2 || assignments[0].Scope.Project.Name != "p" || assignments[0].User.Domain.Name != "d" {
		t.Errorf("role assignments %+v", assignments)
	}

	member, err := login(gophercloud.AuthOptions{UserID: user.ID, Password: "pw", Scope: &gophercloud.AuthScope{ProjectID: project.ID}})
	must(err)
	checked := tokens.Get(ctx, admin, member.Token())
	must(checked.Err)
	who, err := checked.ExtractProject()
	must(err)
	if who.ID != project.ID || who.Domain.Name != "d" {
		t.Errorf("the token is for %+v", who)
	}
	listed, err := catalog.List(member).AllPages(ctx)
	must(err)
	if entries, err := catalog.ExtractServiceCatalog(listed); err != nil || len(entries) != 3 {
		t.Errorf("catalogue %+v, %v", entries, err)
	}
	if _, err := users.Get(ctx, member, c.made.AdminUserID).Extract(); !gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		t.Errorf("a member sees the admin: %v", err)
	}
	must(users.ChangePassword(ctx, member, user.ID, users.ChangePasswordOpts{OriginalPassword: "pw", Password: "new"}).ExtractErr())
	if _, err := login(gophercloud.AuthOptions{UserID: user.ID, Password: "pw"}); !gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) {
		t.Errorf("the old password: %v", err)
	}

	region, err := regions.Create(ctx, admin, regions.CreateOpts{ID: "R", Description: "r"}).Extract()
	must(err)
	service, err := services.Create(ctx, admin, services.CreateOpts{Type: "dns", Extra: map[string]any{"name": "designate"}}).Extract()
	must(err)
	endpoint, err := endpoints.Create(ctx, admin, endpoints.CreateOpts{
		Availability: gophercloud.AvailabilityPublic, Name: "e", Region: region.ID, URL: "http://dns", ServiceID: service.ID,
	}).Extract()
	must(err)
	if endpoint.Region != "R" || endpoint.Name != "e" {
		t.Errorf("endpoint %+v", endpoint)
	}
	must(services.Delete(ctx, admin, service.ID).ExtractErr())
	must(regions.Delete(ctx, admin, "R").ExtractErr())

	must(tokens.Revoke(ctx, admin, admin.Token()).Err)
	if valid, err := tokens.Validate(ctx, admin, admin.Token()); err == nil && valid {
		t.Error("a revoked token is valid")
	}
}

func ptr[T any](v T) *T { return &v }
