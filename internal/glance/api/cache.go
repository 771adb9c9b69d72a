package api

import (
	"net/http"
	"strings"
	"time"

	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// cacheRoutes are the image cache (https://docs.openstack.org/api-ref/image/v2/index.html#cache-manage): copies that this process keeps of
// data that is elsewhere. Without image_cache_dir it answers as upstream does, to those whom the policies let in.
func (a *api) cacheRoutes() []rest.Route {
	with := func(handle func(*rest.Request) (any, error)) func(*rest.Request) (any, error) {
		return func(r *rest.Request) (any, error) {
			if !a.service.Caches() {
				return nil, rest.NotFound("Caching via API is not supported at this site.")
			}
			return handle(r)
		}
	}
	return []rest.Route{
		{Method: "GET", Path: "/v2/cache", Policy: "cache_list", Handle: with(a.listCache)},
		{Method: "DELETE", Path: "/v2/cache", Policy: "cache_delete", Status: 204, Handle: with(a.clearCache)},
		{Method: "PUT", Path: "/v2/cache/{image_id}", Policy: "cache_image", Status: 202, Target: a.cached, Handle: with(a.queueCached)},
		{Method: "DELETE", Path: "/v2/cache/{image_id}", Policy: "cache_delete", Status: 204, Target: a.perhapsCached, Handle: with(a.dropCached)},
		{Method: "GET", Path: "/v2/cache/nodes/{image_id}", Policy: "list_cached_nodes", Target: a.cached, Handle: with(a.cachingNodes)},
		{Method: "POST", Path: "/v2/cache/clean", Policy: "cache_clean", Handle: with(a.cleanCache)},
		{Method: "POST", Path: "/v2/cache/prune", Policy: "cache_prune", Handle: with(a.pruneCache)},
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

// perhapsCached is cached for what may still be in the cache when its image is gone.
func (a *api) perhapsCached(r *rest.Request) (policy.Target, error) {
	t, err := a.cached(r)
	if !rest.IsNotFound(err) || !a.service.Caches() {
		return t, err
	}
	kept, queued, problem := a.service.Cached(r.Context())
	if problem != nil {
		return nil, problem
	}
	for _, c := range append(kept, queued...) {
		if c.ImageID == r.Path("image_id") {
			return policy.Target{}, nil
		}
	}
	return nil, err
}

// seconds is a time as the cache's answers have it.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (a *api) listCache(r *rest.Request) (any, error) {
	kept, queued, err := a.service.Cached(r.Context())
	if err != nil {
		return nil, err
	}
	views, ids := []any{}, []string{}
	for _, c := range kept {
		views = append(views, map[string]any{
			"image_id": c.ImageID, "hits": c.Hits, "size": c.Size, "last_accessed": seconds(c.LastAccessed), "last_modified": seconds(c.LastModified),
		})
	}
	for _, c := range queued {
		ids = append(ids, c.ImageID)
	}
	return map[string]any{"cached_images": views, "queued_images": ids}, nil
}

func (a *api) clearCache(r *rest.Request) (any, error) {
	target := strings.ToLower(r.HTTP.Header.Get("X-Image-Cache-Clear-Target"))
	switch target {
	case "", "cache", "queue":
		return nil, a.service.ClearCache(r.Context(), target != "queue", target != "cache")
	}
	return nil, rest.BadRequest("If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.")
}

func (a *api) queueCached(r *rest.Request) (any, error) {
	if err := a.service.QueueCached(r.Context(), r.Loaded.(*glance.Image)); err != nil {
		return nil, err
	}
	return rest.Reply(http.StatusAccepted, nil), nil
}

func (a *api) dropCached(r *rest.Request) (any, error) {
	_, err := a.service.DropCached(r.Context(), r.Path("image_id"))
	return nil, err
}

func (a *api) cachingNodes(r *rest.Request) (any, error) {
	return a.service.CachingNodes(r.Context(), r.Path("image_id"))
}

func (a *api) cleanCache(r *rest.Request) (any, error) {
	return map[string]any{}, a.service.CleanCache(r.Context())
}

func (a *api) pruneCache(r *rest.Request) (any, error) {
	files, bytes, err := a.service.PruneCache(r.Context())
	return map[string]any{"total_files_pruned": files, "total_bytes_pruned": bytes}, err
}
