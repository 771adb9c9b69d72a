package api

import (
	"net/http"
	"slices"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

func (a *api) partRoutes() []rest.Route {
	const meta, tags = "os_compute_api:server-metadata:", "os_compute_api:os-server-tags:"
	items := rest.JSON(`{"type": "object", "required": ["metadata"], "additionalProperties": false, "properties": {"metadata": ` + metadataSchema + `}}`)
	item := rest.JSON(`{"type": "object", "required": ["meta"], "additionalProperties": false, "properties": {"meta": ` + metadataSchema + `}}`)
	v26 := rest.V(2, 26)
	return []rest.Route{
		{Method: "GET", Path: "/servers/{server_id}/metadata", Policy: meta + "index", Target: a.server, Handle: func(r *rest.Request) (any, error) {
			return object{"metadata": notNil(loaded(r).Metadata)}, nil
		}},
		{Method: "GET", Path: "/servers/{server_id}/metadata/{key}", Policy: meta + "show", Target: a.server, Handle: func(r *rest.Request) (any, error) {
			v, ok := loaded(r).Metadata[r.Path("key")]
			if !ok {
				return nil, rest.NotFound("Metadata item was not found")
			}
			return object{"meta": object{r.Path("key"): v}}, nil
		}},
		{Method: "POST", Path: "/servers/{server_id}/metadata", Policy: meta + "create", Target: a.server, Body: items, Handle: a.setMetadata(false)},
		{Method: "PUT", Path: "/servers/{server_id}/metadata", Policy: meta + "update_all", Target: a.server, Body: items, Handle: a.setMetadata(true)},
		{Method: "PUT", Path: "/servers/{server_id}/metadata/{key}", Policy: meta + "update", Target: a.server, Body: item, Handle: a.setMetadataItem},
		{Method: "DELETE", Path: "/servers/{server_id}/metadata/{key}", Policy: meta + "delete", Target: a.server, Status: 204, Handle: a.deleteMetadataItem},

		{Method: "GET", Path: "/servers/{server_id}/tags", Policy: tags + "index", Target: a.server, Min: v26, Handle: func(r *rest.Request) (any, error) {
			return object{"tags": notNilList(loaded(r).Tags)}, nil
		}},
		{Method: "PUT", Path: "/servers/{server_id}/tags", Policy: tags + "update_all", Target: a.server, Min: v26, Handle: a.setTags, Body: rest.JSON(`{
			"type": "object", "required": ["tags"], "additionalProperties": false, "properties": {"tags": {"type": "array", "maxItems": 50, "items": ` + tagSchema + `}}}`)},
		{Method: "DELETE", Path: "/servers/{server_id}/tags", Policy: tags + "delete_all", Target: a.server, Min: v26, Status: 204, Handle: func(r *rest.Request) (any, error) {
			_, err := a.nova.ChangeTags(r.Context(), r.Caller, r.Path("server_id"), "delete tags", func([]string) ([]string, error) { return []string{}, nil })
			return nil, err
		}},
		{Method: "GET", Path: "/servers/{server_id}/tags/{tag}", Policy: tags + "show", Target: a.server, Min: v26, Status: 204, Handle: func(r *rest.Request) (any, error) {
			if !slices.Contains(loaded(r).Tags, r.Path("tag")) {
				return nil, noTag(r)
			}
			return nil, nil
		}},
		{Method: "PUT", Path: "/servers/{server_id}/tags/{tag}", Policy: tags + "update", Target: a.server, Min: v26, Status: 204, Handle: a.addTag},
		{Method: "DELETE", Path: "/servers/{server_id}/tags/{tag}", Policy: tags + "delete", Target: a.server, Min: v26, Status: 204, Handle: func(r *rest.Request) (any, error) {
			_, err := a.nova.ChangeTags(r.Context(), r.Caller, r.Path("server_id"), "delete tag", func(have []string) ([]string, error) {
				i := slices.Index(have, r.Path("tag"))
				if i < 0 {
					return nil, rest.NotFound("Instance %s has no tag '%s'", r.Path("server_id"), r.Path("tag"))
				}
				return slices.Delete(have, i, i+1), nil
			})
			return nil, err
		}},

		{Method: "GET", Path: "/servers/{server_id}/ips", Policy: "os_compute_api:ips:index", Target: a.server, Handle: func(r *rest.Request) (any, error) {
			ports, err := a.nova.Interfaces(r.Context(), loaded(r).ID)
			return object{"addresses": addressesOf(ports, false)}, err
		}},
		{Method: "GET", Path: "/servers/{server_id}/ips/{label}", Policy: "os_compute_api:ips:show", Target: a.server, Handle: func(r *rest.Request) (any, error) {
			ports, err := a.nova.Interfaces(r.Context(), loaded(r).ID)
			if err != nil {
				return nil, err
			}
			list, ok := addressesOf(ports, false).by[r.Path("label")]
			if !ok {
				return nil, rest.NotFound("Instance is not a member of specified network")
			}
			return object{r.Path("label"): list}, nil
		}},
		{Method: "GET", Path: "/servers/{server_id}/os-security-groups", Policy: "os_compute_api:os-security-groups:list", Target: a.server, Handle: func(r *rest.Request) (any, error) {
			groups, err := a.nova.Groups.Of(r.Context(), r.Caller, loaded(r).ID)
			if groups == nil {
				groups = []nova.SecurityGroup{}
			}
			return object{"security_groups": groups}, err
		}},
	}
}

func noTag(r *rest.Request) error {
	return rest.NotFound("Server %s has no tag '%s'", r.Path("server_id"), r.Path("tag"))
}

func (a *api) setMetadata(replace bool) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		var body struct{ Metadata map[string]string }
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		items, err := a.nova.ChangeMetadata(r.Context(), r.Caller, r.Path("server_id"), "update metadata", func(have map[string]string) (map[string]string, error) {
			if replace {
				return notNil(body.Metadata), nil
			}
			for k, v := range body.Metadata {
				have[k] = v
			}
			return have, nil
		})
		return object{"metadata": items}, err
	}
}

func (a *api) setMetadataItem(r *rest.Request) (any, error) {
	var body struct{ Meta map[string]string }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	v, ok := body.Meta[r.Path("key")]
	if !ok {
		return nil, rest.BadRequest("Request body and URI mismatch")
	}
	if len(body.Meta) > 1 {
		return nil, rest.BadRequest("Request body contains too many items")
	}
	_, err := a.nova.ChangeMetadata(r.Context(), r.Caller, r.Path("server_id"), "update metadata", func(have map[string]string) (map[string]string, error) {
		have[r.Path("key")] = v
		return have, nil
	})
	return object{"meta": body.Meta}, err
}

func (a *api) deleteMetadataItem(r *rest.Request) (any, error) {
	_, err := a.nova.ChangeMetadata(r.Context(), r.Caller, r.Path("server_id"), "delete metadata", func(have map[string]string) (map[string]string, error) {
		if _, ok := have[r.Path("key")]; !ok {
			return nil, rest.NotFound("Metadata item was not found")
		}
		delete(have, r.Path("key"))
		return have, nil
	})
	return nil, err
}

func (a *api) setTags(r *rest.Request) (any, error) {
	var body struct{ Tags []string }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	slices.Sort(body.Tags)
	tags, err := a.nova.ChangeTags(r.Context(), r.Caller, r.Path("server_id"), "update tags", func([]string) ([]string, error) {
		return slices.Compact(notNilList(body.Tags)), nil
	})
	return object{"tags": tags}, err
}

var oneTag = rest.JSON(tagSchema)

func (a *api) addTag(r *rest.Request) (any, error) {
	tag := r.Path("tag")
	if err := oneTag.Validate(tag); err != nil {
		return nil, rest.BadRequest("Tag '%s' is invalid. It must be a non empty string without characters '/' and ','. Maximum length is 60 characters.", tag)
	}
	added := false
	_, err := a.nova.ChangeTags(r.Context(), r.Caller, r.Path("server_id"), "update tag", func(have []string) ([]string, error) {
		if slices.Contains(have, tag) {
			return have, nil
		}
		added = true
		return append(have, tag), nil
	})
	if err != nil || !added {
		return nil, err
	}
	return rest.Reply(http.StatusCreated, nil).With("Location", versioned(r)+"/servers/"+r.Path("server_id")+"/tags/"+tag), nil
}
