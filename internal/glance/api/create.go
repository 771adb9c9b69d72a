package api

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// Attributes that clients may not write: at all, at creation, or under their own names.
var (
	disallowed = []string{"direct_url", "self", "file", "schema", "stores"}
	readOnly   = []string{"created_at", "updated_at", "status", "checksum", "size", "virtual_size", "os_hash_algo", "os_hash_value"}
	reserved   = []string{"location", "locations", "deleted", "deleted_at"}
)

// namespace is the beginning of property names that belong to the service itself.
const namespace = "os_glance"

// draft is an image that is being created.
type draft struct{ glance.Image }

// draft reads the body into the image that is to be, and says so to the policy.
func (a *api) draft(r *rest.Request) (policy.Target, error) {
	doc, ok := r.Body.(map[string]any)
	if !ok {
		return nil, rest.BadRequest("Body expected in request.")
	}
	if err := writable(doc); err != nil {
		return nil, err
	}
	if err := validate(doc); err != nil {
		return nil, err
	}
	d := &draft{}
	if r.Caller.ProjectID != "" {
		d.Owner = &r.Caller.ProjectID
	}
	d.Properties = map[string]string{}
	for name, value := range doc {
		if err := assign(&d.Image, name, value); err != nil {
			return nil, err
		}
	}
	r.Loaded = d
	t := target(r.Caller, &d.Image)
	if d.Visibility == "" {
		t["visibility"] = glance.Private
	}
	return t, nil
}

func (a *api) create(r *rest.Request) (any, error) {
	d := r.Loaded.(*draft)
	if err := visibility(r, target(r.Caller, &d.Image), d.Visibility); err != nil {
		return nil, err
	}
	for name := range d.Properties {
		if err := a.service.MayProperty(r.Caller, glance.CreateProperty, name); err != nil {
			return nil, err
		}
	}
	if err := a.service.Create(r.Context(), &d.Image); err != nil {
		return nil, err
	}
	for name := range d.Properties { // who may write a property may not always read it
		if !a.service.Readable(r.Caller, name) {
			delete(d.Properties, name)
		}
	}
	answer := rest.Reply(201, a.view(r, &d.Image)).With("Location", r.BaseURL()+"/v2/images/"+d.ID)
	if methods := a.service.ImportMethods(); len(methods) > 0 {
		answer.With("OpenStack-Image-Import-Methods", strings.Join(methods, ","))
	}
	if a.service.Multi() {
		ids := []string{}
		for _, st := range a.service.Stores() {
			ids = append(ids, st.ID)
		}
		answer.With("OpenStack-Image-Store-Ids", strings.Join(ids, ","))
	}
	return answer, nil
}

// visibility asks the policies that some visibilities have.
func visibility(r *rest.Request, t policy.Target, v string) error {
	switch v {
	case glance.Public:
		return r.Enforce("publicize_image", t)
	case glance.Community:
		return r.Enforce("communitize_image", t)
	}
	return nil
}

// writable refuses attributes that nobody may give.
func writable(doc map[string]any) error {
	for _, name := range disallowed {
		if _, there := doc[name]; there {
			return rest.Forbidden("Attribute '%s' is read-only.", name)
		}
	}
	for name := range doc {
		switch {
		case slices.Contains(readOnly, name):
			return rest.Forbidden("Attribute '%s' is read-only.", name)
		case slices.Contains(reserved, name), strings.HasPrefix(name, namespace):
			return rest.Forbidden("Attribute '%s' is reserved.", name)
		case len(name) > 255:
			return rest.BadRequest("Custom property should not be greater than 255 characters.")
		}
	}
	return nil
}

func validate(doc any) error {
	if err := imageSchema.Validate(doc); err != nil {
		return rest.BadRequest("Provided object does not match schema 'image': %s", strings.TrimPrefix(message(err), "Invalid input for "))
	}
	return nil
}

func message(err error) string {
	var e *rest.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// assign sets an attribute of img to a value that the schema has let through.
func assign(img *glance.Image, name string, value any) error {
	text := func() *string {
		if s, ok := value.(string); ok {
			return &s
		}
		return nil
	}
	number := func(to *int64) error {
		n, ok := value.(json.Number)
		if !ok {
			return rest.BadRequest("%s must be an integer", name)
		}
		i, err := n.Int64()
		if err != nil {
			return rest.BadRequest("Invalid value '%s' for parameter '%s': it must be an integer", n, name)
		}
		*to = i
		return nil
	}
	switch name {
	case "id":
		img.ID = strings.ToLower(value.(string))
	case "name":
		img.Name = text()
	case "visibility":
		img.Visibility = value.(string)
	case "owner":
		img.Owner = text()
	case "disk_format":
		img.DiskFormat = text()
	case "container_format":
		img.ContainerFormat = text()
	case "min_disk":
		return number(&img.MinDisk)
	case "min_ram":
		return number(&img.MinRAM)
	case "protected":
		img.Protected = value.(bool)
	case "os_hidden":
		img.Hidden = value.(bool)
	case "tags":
		img.Tags = nil
		for _, tag := range value.([]any) {
			img.Tags = append(img.Tags, tag.(string))
		}
	default:
		if s, ok := value.(string); ok {
			img.Properties[name] = s
		} else {
			delete(img.Properties, name) // null, which the schema allows for kernel_id and ramdisk_id
		}
	}
	return nil
}
