package api

import (
	"net/http"
	"slices"
	"strings"

	"gostack/internal/keystone"
	"gostack/internal/rest"
)

var tagsBody = rest.JSON(`{"type": "object", "required": ["tags"], "properties": {"tags": ` + tagList + `}}`)

func tagsView(r *rest.Request, tags []string) any {
	if tags == nil {
		tags = []string{}
	}
	return map[string]any{"tags": tags, "links": map[string]any{"self": selfURL(r)}}
}

func (a *api) listTags(r *rest.Request) (any, error) {
	p, err := loaded[*keystone.Project](r)
	if err != nil {
		return nil, err
	}
	return tagsView(r, p.Tags()), nil
}

func (a *api) setTags(r *rest.Request) (any, error) {
	list, _ := r.Body.(map[string]any)["tags"].([]any)
	tags, err := a.SetProjectTags(r.Context(), r.Path("project_id"), list)
	if err != nil {
		return nil, err
	}
	return tagsView(r, tags), nil
}

func (a *api) clearTags(r *rest.Request) (any, error) {
	_, err := a.SetProjectTags(r.Context(), r.Path("project_id"), nil)
	return nil, err
}

func (a *api) checkTag(r *rest.Request) (any, error) {
	p, err := loaded[*keystone.Project](r)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(p.Tags(), r.Path("value")) {
		return nil, rest.NotFound("Could not find project tag: %s.", r.Path("value"))
	}
	return nil, nil
}

func (a *api) addTag(r *rest.Request) (any, error) {
	tag := r.Path("value")
	if tag == "" || len([]rune(tag)) > 255 || strings.ContainsAny(tag, ",/") {
		return nil, rest.BadRequest("Invalid input for field 'tag': a tag has 1 to 255 characters, none of which is a comma or a slash")
	}
	if err := a.AddProjectTag(r.Context(), r.Path("project_id"), tag); err != nil {
		return nil, err
	}
	return rest.Reply(http.StatusCreated, nil).With("Location", selfURL(r)), nil
}

func (a *api) removeTag(r *rest.Request) (any, error) {
	return nil, a.RemoveProjectTag(r.Context(), r.Path("project_id"), r.Path("value"))
}
