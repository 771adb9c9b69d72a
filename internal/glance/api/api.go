// Package api is the image service's HTTP side: version 2 of the Image API, up to 2.16
// (https://docs.openstack.org/api-ref/image/v2/). It parses, asks policies and formats; the rules are package glance's.
package api

import (
	"net/http"
	"slices"

	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// Content types of image updates: JSON patch as of drafts 4 and 10.
const (
	patchV20 = "application/openstack-images-v2.0-json-patch"
	patchV21 = "application/openstack-images-v2.1-json-patch"
)

// api holds what the handlers need.
type api struct{ service *glance.Service }

// Service is the Image API of s.
func Service(s *glance.Service) *rest.Service {
	a := &api{s}
	svc := &rest.Service{
		Name:         "glance",
		Type:         "image",
		Prefixes:     []string{"/image"},
		Policies:     glance.Policies,
		Envelope:     envelope,
		Deny:         deny,
		ContentTypes: []string{patchV20, patchV21},
		ExactPaths:   true,
		Routes: slices.Concat(a.metadefRoutes(), a.cacheRoutes(), []rest.Route{
			{Method: "GET", Path: "/", Policy: rest.Public, Status: 300, Handle: a.versions},
			{Method: "GET", Path: "/versions", Policy: rest.Public, Handle: a.versions},

			{Method: "GET", Path: "/v2/images", Policy: "get_images", Handle: a.list},
			{Method: "POST", Path: "/v2/images", Policy: "add_image", Status: 201, Body: anything, Target: a.draft, Handle: a.create},
			{Method: "GET", Path: "/v2/images/{image_id}", Policy: "get_image", Target: a.image, Handle: a.show},
			{Method: "PATCH", Path: "/v2/images/{image_id}", Policy: "modify_image", Body: anything, Target: a.patched, Handle: a.update},
			{Method: "DELETE", Path: "/v2/images/{image_id}", Policy: "delete_image", Status: 204, Target: a.image, Handle: a.remove},

			{Method: "PUT", Path: "/v2/images/{image_id}/file", Policy: "upload_image", Status: 204, Stream: true, Target: a.uploaded, Handle: a.upload},
			{Method: "GET", Path: "/v2/images/{image_id}/file", Policy: "download_image", Target: a.image, Handle: a.download},
			{Method: "POST", Path: "/v2/images/{image_id}/actions/deactivate", Policy: "deactivate", Status: 204, Target: a.image, Handle: a.deactivate},
			{Method: "POST", Path: "/v2/images/{image_id}/actions/reactivate", Policy: "reactivate", Status: 204, Target: a.image, Handle: a.reactivate},
			{Method: "PUT", Path: "/v2/images/{image_id}/tags/{tag}", Policy: "modify_image", Status: 204, Target: a.image, Handle: a.addTag},
			{Method: "DELETE", Path: "/v2/images/{image_id}/tags/{tag}", Policy: "modify_image", Status: 204, Target: a.image, Handle: a.removeTag},

			{Method: "GET", Path: "/v2/images/{image_id}/members", Policy: "get_members", Target: a.image, Handle: a.members},
			{Method: "POST", Path: "/v2/images/{image_id}/members", Policy: "add_member", Body: anything, Target: a.image, Handle: a.addMember},
			{Method: "GET", Path: "/v2/images/{image_id}/members/{member_id}", Policy: "get_member", Target: a.member, Handle: a.showMember},
			{Method: "PUT", Path: "/v2/images/{image_id}/members/{member_id}", Policy: "modify_member", Body: anything, Target: a.member, Handle: a.setMember},
			{Method: "DELETE", Path: "/v2/images/{image_id}/members/{member_id}", Policy: "delete_member", Status: 204, Target: a.member, Handle: a.removeMember},

			// Which policy an import asks depends on its method; stores are looked at before images, so these ask themselves.
			{Method: "PUT", Path: "/v2/images/{image_id}/stage", Policy: "modify_image", Status: 204, Stream: true, Target: a.uploaded, Handle: a.stage},
			{Method: "POST", Path: "/v2/images/{image_id}/import", Policy: rest.Authenticated, Status: 202, Body: anything, Target: a.asked, Handle: a.importImage},
			{Method: "DELETE", Path: "/v2/stores/{store_id}/{image_id}", Policy: rest.Authenticated, Status: 204, Handle: a.deleteFromStore},
			{Method: "GET", Path: "/v2/images/{image_id}/locations", Policy: "fetch_image_location", Target: a.anyImage, Handle: a.listLocations},
			{Method: "POST", Path: "/v2/images/{image_id}/locations", Policy: "add_image_location", Status: 202, Body: anything, Target: a.anyImage, Handle: a.addLocation},
			{Method: "GET", Path: "/v2/images/{image_id}/tasks", Policy: "get_image", Target: a.image, Handle: a.imageTasks},
			{Method: "GET", Path: "/v2/tasks", Policy: "tasks_api_access", Handle: a.listTasks},
			{Method: "POST", Path: "/v2/tasks", Policy: "tasks_api_access", Status: 201, Body: anything, Handle: a.createTask},
			{Method: "GET", Path: "/v2/tasks/{task_id}", Policy: "tasks_api_access", Handle: a.showTask},
			{Method: "DELETE", Path: "/v2/tasks/{task_id}", Policy: "tasks_api_access", Handle: deleteTask},
			{Method: "GET", Path: "/v2/info/import", Policy: rest.Authenticated, Handle: a.importMethods},
			{Method: "GET", Path: "/v2/info/stores", Policy: rest.Authenticated, Handle: a.stores},
			{Method: "GET", Path: "/v2/info/stores/detail", Policy: rest.Authenticated, Handle: a.storesDetail},
			{Method: "GET", Path: "/v2/info/usage", Policy: rest.Authenticated, Handle: a.usage},

			{Method: "GET", Path: "/v2/schemas/image", Policy: rest.Authenticated, Handle: schemaOf(imageDocument)},
			{Method: "GET", Path: "/v2/schemas/images", Policy: rest.Authenticated, Handle: schemaOf(imagesDocument)},
			{Method: "GET", Path: "/v2/schemas/member", Policy: rest.Authenticated, Handle: schemaOf(memberDocument)},
			{Method: "GET", Path: "/v2/schemas/members", Policy: rest.Authenticated, Handle: schemaOf(membersDocument)},
			{Method: "GET", Path: "/v2/schemas/task", Policy: rest.Authenticated, Handle: schemaOf(taskDocument)},
			{Method: "GET", Path: "/v2/schemas/tasks", Policy: rest.Authenticated, Handle: schemaOf(tasksDocument)},
		}),
	}
	for i := range svc.Routes {
		refuseBody(&svc.Routes[i])
	}
	return svc
}

// bodyIgnored are lists whose readers upstream lets send a body, which is not looked at.
var bodyIgnored = []string{"/v2/images", "/v2/tasks", "/v2/metadefs/namespaces", "/v2/metadefs/namespaces/{namespace}/objects", "/v2/metadefs/namespaces/{namespace}/tags"}

// refuseBody makes a route that takes no body refuse one (upstream's routes with body_reject).
func refuseBody(route *rest.Route) {
	if route.Body != nil || route.Stream || route.Policy == rest.Public || route.Method == "GET" && slices.Contains(bodyIgnored, route.Path) {
		return
	}
	target := route.Target
	route.Target = func(r *rest.Request) (policy.Target, error) {
		if r.HTTP.ContentLength != 0 && r.HTTP.Body != nil && r.HTTP.Body != http.NoBody {
			return nil, rest.BadRequest("A body is not expected with this request.")
		}
		if target != nil {
			return target(r)
		}
		return rest.OwnTarget(r.Caller), nil
	}
}

// anything lets every body through to the handler, which judges it in upstream's order.
var anything = rest.JSON(`{}`)

// image loads the image of the path for the policy and the handler.
func (a *api) image(r *rest.Request) (policy.Target, error) {
	img, err := a.service.Image(r.Context(), r.Caller, r.Path("image_id"))
	if err != nil {
		return nil, err
	}
	r.Loaded = img
	return target(r.Caller, img), nil
}

// anyImage is image for routes that other services use, whose policies let their users to every project's images.
func (a *api) anyImage(r *rest.Request) (policy.Target, error) {
	if !slices.Contains(r.Caller.Roles, "service") {
		return a.image(r)
	}
	img, err := a.service.Image(r.Context(), nil, r.Path("image_id"))
	if err != nil {
		return nil, err
	}
	r.Loaded = img
	return target(r.Caller, img), nil
}

// target is what policies know of an image.
func target(c *policy.Caller, img *glance.Image) policy.Target {
	t := make(policy.Target, 8+len(img.Properties))
	for name, value := range img.Properties { // a rule may be about a property ('x':%(x_property)s)
		t[name] = value
	}
	t["visibility"], t["status"], t["image_id"] = img.Visibility, img.Status, img.ID
	t["container_format"], t["disk_format"], t["name"] = deref(img.ContainerFormat), deref(img.DiskFormat), deref(img.Name)
	for _, name := range []string{"project_id", "owner", "member_id", "tenant_id", "user_id", "domain_id"} {
		delete(t, name) // whatever a property is called
	}
	if img.Owner != nil {
		t["project_id"], t["owner"] = *img.Owner, *img.Owner
	}
	if img.Member {
		t["member_id"] = c.ProjectID
	}
	return t
}

func loaded(r *rest.Request) *glance.Image { return r.Loaded.(*glance.Image) }

// deny answers a policy's refusal. Whoever may not see an image is told that there is none.
func deny(r *rest.Request, d *policy.Denied) *rest.Error {
	var img *glance.Image
	switch v := r.Loaded.(type) {
	case *glance.Image:
		img = v
	case *patch:
		img = v.Image
	case *draft:
		if o := deref(v.Owner); d.Rule == "add_image" && o != r.Caller.ProjectID {
			return rest.Forbidden("You are not permitted to create images owned by '%s'", o)
		}
	}
	if img != nil && (d.Rule == "get_image" || !r.Can("get_image", target(r.Caller, img))) {
		return rest.NotFound("No image found with ID %s", img.ID)
	}
	if n, ok := r.Loaded.(*glance.Namespace); ok && (d.Rule == "get_metadef_namespace" || !r.Can("get_metadef_namespace", namespaceTarget(n))) {
		return rest.NotFound("Metadata definition namespace=%s was not found.", n.Namespace)
	}
	if d.Rule == "get_member" {
		return rest.NotFound("%s not found in the member list of the image %s.", r.Path("member_id"), img.ID)
	}
	return rest.Forbidden("You are not authorized to complete %s action.", d.Rule)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
