package api

import (
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// cacheRoutes are the image cache (https://docs.openstack.org/api-ref/image/v2/index.html#cache-manage). This service keeps no copies of
// its own data: hosts have their caches, and each control replica reads the others' files. So it answers as upstream does without
// image_cache_dir, to those whom the policies let in.
func (a *api) cacheRoutes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/v2/cache", Policy: "cache_list", Handle: noCache},
		{Method: "DELETE", Path: "/v2/cache", Policy: "cache_delete", Status: 204, Handle: noCache},
		{Method: "PUT", Path: "/v2/cache/{image_id}", Policy: "cache_image", Status: 202, Target: a.cached, Handle: noCache},
		{Method: "DELETE", Path: "/v2/cache/{image_id}", Policy: "cache_delete", Status: 204, Target: a.cached, Handle: noCache},
		{Method: "GET", Path: "/v2/cache/nodes/{image_id}", Policy: "list_cached_nodes", Target: a.cached, Handle: noCache},
		{Method: "POST", Path: "/v2/cache/clean", Policy: "cache_clean", Handle: noCache},
		{Method: "POST", Path: "/v2/cache/prune", Policy: "cache_prune", Handle: noCache},
	}
}

// cached loads the image of the path, which upstream looks for before anything else.
func (a *api) cached(r *rest.Request) (policy.Target, error) {
	t, err := a.image(r)
	if rest.IsNotFound(err) {
		return nil, rest.NotFound("Image %s not found.", r.Path("image_id"))
	}
	return t, err
}

func noCache(*rest.Request) (any, error) {
	return nil, rest.NotFound("Caching via API is not supported at this site.")
}
