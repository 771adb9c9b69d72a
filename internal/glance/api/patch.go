package api

import (
	"context"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// change is one operation of a JSON patch.
type change struct {
	op    string // add, remove or replace
	path  []string
	value any
	old   bool // in the form of draft 4, where adding what is there is a conflict

	locations []newLocation // that it brings
}

// patch is an image and what is to be done to it.
type patch struct {
	*glance.Image
	changes []change
}

// base are the attributes that every image has: they cannot be removed.
var base = []string{
	"name", "visibility", "owner", "disk_format", "container_format", "min_disk", "min_ram", "protected", "os_hidden", "tags",
}

var adjacent = regexp.MustCompile(`/\s*?/`)

// patched judges the patch as far as that goes without the image, then loads the image.
func (a *api) patched(r *rest.Request) (policy.Target, error) {
	kind, _, err := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	if err != nil || kind != patchV20 && kind != patchV21 {
		return nil, rest.Fail(http.StatusUnsupportedMediaType, "The request entity's media type is not supported by this resource.").
			WithHeader("Accept-Patch", patchV20+", "+patchV21)
	}
	if len(r.Raw) == 0 {
		return nil, rest.BadRequest("Body expected in request.")
	}
	list, ok := r.Body.([]any)
	if !ok {
		return nil, rest.BadRequest("Request body must be a JSON array of operation objects.")
	}
	p := &patch{}
	for _, item := range list {
		doc, ok := item.(map[string]any)
		if !ok {
			return nil, rest.BadRequest("Operations must be JSON objects.")
		}
		c, err := parseChange(doc, kind == patchV20)
		if err != nil {
			return nil, err
		}
		p.changes = append(p.changes, c)
	}
	t, err := a.image(r)
	if err != nil {
		return nil, err
	}
	p.Image = loaded(r)
	r.Loaded = p
	return t, nil
}

func (a *api) update(r *rest.Request) (any, error) {
	p := r.Loaded.(*patch)
	if len(p.changes) == 0 {
		return a.view(r, p.Image), nil
	}
	if err := a.prepareLocations(r, p.Image, p.changes); err != nil {
		return nil, err
	}
	var img *glance.Image
	err := a.service.AllOrNothing(r.Context(), func(ctx context.Context) (err error) {
		for _, c := range p.changes {
			if c.path[0] == "locations" {
				if _, err := a.service.ChangeLocations(ctx, r.Caller, p.ID, func(img *glance.Image) ([]glance.Location, error) { return a.changeLocations(img, c) }); err != nil {
					return err
				}
			}
		}
		img, err = a.service.Update(ctx, r.Caller, p.ID, func(img *glance.Image) error {
			for _, c := range p.changes {
				if err := c.apply(a, r, img); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.view(r, img), nil
}

func parseChange(doc map[string]any, old bool) (change, error) {
	c := change{old: old}
	var err error
	if old {
		c.op, err = operationV4(doc)
	} else {
		c.op, err = operationV10(doc)
	}
	if err != nil {
		return c, err
	}
	member := "path"
	if old {
		member = c.op
	}
	pointer, ok := doc[member].(string)
	if !ok {
		return c, rest.BadRequest("Unable to find '%s' in JSON Schema change", member)
	}
	if c.path, err = parsePointer(pointer); err != nil {
		return c, err
	}
	depth := 1
	if c.path[0] == "locations" && c.op != "replace" {
		depth = 2
	}
	if len(c.path) != depth {
		return c, rest.BadRequest("Invalid JSON pointer for this resource: '/%s'", strings.Join(c.path, "/"))
	}
	if c.op != "remove" {
		if c.value, ok = doc["value"]; !ok {
			return c, rest.BadRequest(`Operation "%s" requires a member named "value".`, c.op)
		}
	}
	return c, c.validate()
}

func operationV10(doc map[string]any) (string, error) {
	const available = "It must be one of the following: add, remove, replace."
	op, there := doc["op"]
	if !there || op == nil {
		return "", rest.BadRequest("Unable to find `op` in JSON Schema change. " + available)
	}
	switch op {
	case "add", "remove", "replace":
		return op.(string), nil
	}
	return "", rest.BadRequest("Invalid operation: `%v`. "+available, op)
}

func operationV4(doc map[string]any) (op string, err error) {
	for _, name := range []string{"add", "remove", "replace"} {
		if _, there := doc[name]; !there {
			continue
		}
		if op != "" {
			return "", rest.BadRequest(`Operation objects must contain only one member named "add", "remove", or "replace".`)
		}
		op = name
	}
	if op == "" {
		return "", rest.BadRequest(`Operation objects must contain exactly one member named "add", "remove", or "replace".`)
	}
	return op, nil
}

// parsePointer reads the limited form of JSON pointers (RFC 6901) that the API takes.
func parsePointer(pointer string) ([]string, error) {
	switch {
	case !strings.HasPrefix(pointer, "/"):
		return nil, rest.BadRequest("Pointer `%s` does not start with \"/\".", pointer)
	case adjacent.MatchString(pointer[1:]):
		return nil, rest.BadRequest("Pointer `%s` contains adjacent \"/\".", pointer)
	case len(pointer) > 1 && strings.HasSuffix(pointer, "/"):
		return nil, rest.BadRequest("Pointer `%s` end with \"/\".", pointer)
	case strings.TrimSpace(pointer[1:]) == "":
		return nil, rest.BadRequest("Pointer `%s` does not contains valid token.", pointer)
	case strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(pointer), "~"):
		return nil, rest.BadRequest("Pointer `%s` contains \"~\" not part of a recognized escape sequence.", pointer)
	}
	parts := strings.Split(strings.TrimLeft(pointer, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
	}
	return parts, nil
}

func (c change) validate() error {
	name := c.path[0]
	switch {
	case slices.Contains(readOnly, name), slices.Contains(disallowed, name), name == "id":
		return rest.Forbidden("Attribute '%s' is read-only.", name)
	case name != "locations" && slices.Contains(reserved, name), strings.HasPrefix(name, namespace):
		return rest.Forbidden("Attribute '%s' is reserved.", name)
	case len(name) > 255:
		return rest.BadRequest("Custom property should not be greater than 255 characters.")
	case c.op == "remove", name == "locations":
		return nil
	}
	return validate(map[string]any{name: c.value})
}

// apply does the change to img, which has been loaded again inside the transaction.
func (c change) apply(a *api, r *rest.Request, img *glance.Image) error {
	name := c.path[0]
	if name == "locations" { // done already
		return nil
	}
	t := target(r.Caller, img)
	if err := r.Enforce("modify_image", t); err != nil {
		return err
	}
	isBase := slices.Contains(base, name)
	_, there := img.Properties[name]
	switch {
	case c.op == "remove" && isBase:
		return rest.Forbidden("Property %s may not be removed.", name)
	case c.op != "add" && !isBase && !there:
		return rest.Conflict("Property %s does not exist.", name)
	case c.op == "add" && c.old && (isBase || there):
		return rest.Conflict("Property %s already present.", name)
	case !isBase:
		if err := a.service.MayProperty(r.Caller, c.does(there), name); err != nil {
			return err
		}
		if c.op == "remove" {
			delete(img.Properties, name)
			return nil
		}
	case name == "owner" && !r.Caller.IsAdmin():
		return rest.Forbidden("Owner can't be updated by non admin.")
	case (name == "disk_format" || name == "container_format") && img.Status != glance.Queued:
		return rest.Forbidden("Attribute %s can be only replaced for a queued image.", name)
	case name == "visibility":
		if err := visibility(r, t, c.value.(string)); err != nil {
			return err
		}
	}
	return assign(img, name, c.value)
}

// does is what the change does to a custom property that is there, or is not.
func (c change) does(there bool) string {
	switch {
	case c.op == "remove":
		return glance.DeleteProperty
	case there:
		return glance.UpdateProperty
	}
	return glance.CreateProperty
}
