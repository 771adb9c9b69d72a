package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/glance"
	"gostack/internal/rest"
)

// locationViews are an image's locations as they are shown: their store is part of their metadata.
func (a *api) locationViews(list []glance.Location) []map[string]any {
	views := []map[string]any{}
	for _, at := range list {
		metadata := map[string]string{}
		for k, v := range at.Metadata {
			metadata[k] = v
		}
		if id := a.service.StoreOf(at); id != "" {
			metadata["store"] = id
		}
		views = append(views, map[string]any{"url": a.service.URLOf(at), "metadata": metadata})
	}
	return views
}

func (a *api) listLocations(r *rest.Request) (any, error) {
	return a.locationViews(loaded(r).Locations), nil
}

// addLocation is the location API of 2.17.
func (a *api) addLocation(r *rest.Request) (any, error) {
	doc, ok := r.Body.(map[string]any)
	if !ok {
		return nil, rest.BadRequest("Body expected in request.")
	}
	in := glance.LocationImport{}
	if in.URL, _ = doc["url"].(string); in.URL == "" {
		return nil, rest.BadRequest("Provided object does not match schema 'location': 'url' is a required property")
	}
	for name := range doc {
		if name != "url" && name != "validation_data" {
			return nil, rest.BadRequest("Provided object does not match schema 'location': Additional properties are not allowed ('%s' was unexpected)", name)
		}
	}
	if value, there := doc["validation_data"]; there {
		data, _ := value.(map[string]any)
		in.HashAlgo, _ = data["os_hash_algo"].(string)
		in.HashValue, _ = data["os_hash_value"].(string)
		if in.HashAlgo == "" || in.HashValue == "" {
			return nil, rest.BadRequest("Provided object does not match schema 'location': validation_data needs os_hash_algo and os_hash_value")
		}
		if err := glance.CheckHash(in.HashAlgo, in.HashValue); err != nil {
			return nil, err
		}
	}
	img := loaded(r)
	if img.Status != glance.Queued {
		return nil, rest.Conflict("It's not allowed to add locations if image status is %s.", img.Status)
	}
	if err := a.service.CheckLocation(in.URL); err != nil {
		return nil, err
	}
	if err := a.service.AddLocation(r.Context(), r.Caller, img, in); err != nil {
		return nil, err
	}
	return rest.Reply(http.StatusAccepted, nil), nil
}

// newLocation is a location that a patch brings, with what its server says of the data.
type newLocation struct {
	glance.Location
	size int64
	says glance.Validation
}

// locationOf reads one location of a patch and asks its server for the length of the data.
func (a *api) locationOf(r *rest.Request, value any) (newLocation, error) {
	bad := rest.BadRequest("Invalid location")
	doc, ok := value.(map[string]any)
	if !ok {
		return newLocation{}, bad
	}
	url, ok := doc["url"].(string)
	if !ok {
		return newLocation{}, bad
	}
	kept, err := locationMetadata(value)
	if err != nil {
		return newLocation{}, err
	}
	var n newLocation
	if data, ok := doc["validation_data"].(map[string]any); ok {
		n.says.Checksum, _ = data["checksum"].(string)
		n.says.HashAlgo, _ = data["os_hash_algo"].(string)
		n.says.HashValue, _ = data["os_hash_value"].(string)
	}
	n.Location, n.size, err = a.service.NewLocation(r.Context(), url, kept)
	return n, err
}

// locationMetadata is what a patch says of a location; the store is ours to name.
func locationMetadata(value any) (map[string]string, error) {
	doc, _ := value.(map[string]any)
	metadata, ok := doc["metadata"].(map[string]any)
	kept := map[string]string{}
	for k, v := range metadata {
		text, isText := v.(string)
		if ok = ok && isText; k != "store" {
			kept[k] = text
		}
	}
	if !ok {
		return nil, rest.BadRequest("Invalid location")
	}
	return kept, nil
}

// prepareLocations judges the changes of a patch that are about locations, and asks the servers of new ones, before the image is
// changed: nothing waits for others while it is.
func (a *api) prepareLocations(r *rest.Request, img *glance.Image, changes []change) error {
	for i := range changes {
		c := &changes[i]
		if c.path[0] != "locations" {
			continue
		}
		rule, verb := "set_image_location", c.op
		var values []any
		switch c.op {
		case "remove":
			rule = "delete_image_location"
		case "add":
			values = []any{c.value}
		case "replace":
			verb = "update"
			list, ok := c.value.([]any)
			if !ok || len(list) == 0 {
				return rest.Forbidden("Cannot set locations to empty list.")
			}
			values = list
		}
		if err := r.Enforce(rule, target(r.Caller, img)); err != nil {
			return err
		}
		if show, _ := a.service.Shown(); !show {
			return rest.Forbidden("It's not allowed to %s locations if locations are invisible.", verb)
		}
		if img.Status != glance.Active && (img.Status != glance.Queued || c.op == "remove") {
			return rest.Conflict("It's not allowed to %s locations if image status is %s.", map[string]string{"update": "replace"}[verb]+map[bool]string{true: "", false: verb}[verb == "update"], img.Status)
		}
		for _, value := range values {
			if a.present(img, value) {
				c.locations = append(c.locations, newLocation{})
				continue
			}
			n, err := a.locationOf(r, value)
			if err != nil {
				return err
			}
			c.locations = append(c.locations, n)
		}
	}
	return nil
}

// present tells whether the value is a location that the image has, written as it is shown: a replacement may keep it.
func (a *api) present(img *glance.Image, value any) bool { return a.whereIs(img, value) >= 0 }

// whereIs is the place of such a location in the image's list, or -1.
func (a *api) whereIs(img *glance.Image, value any) int {
	doc, _ := value.(map[string]any)
	return slices.IndexFunc(img.Locations, func(at glance.Location) bool { return a.service.URLOf(at) == doc["url"] })
}

// changeLocations does what the patch says to the list.
func (a *api) changeLocations(img *glance.Image, c change) ([]glance.Location, error) {
	list := slices.Clone(img.Locations)
	switch c.op {
	case "add":
		at, ok := position(c.path[1], len(list), true)
		if !ok {
			return nil, rest.BadRequest("Invalid position for adding a location.")
		}
		if a.present(img, c.value) {
			return nil, rest.BadRequest("The location %s already exists", c.value.(map[string]any)["url"])
		}
		if err := a.takeWord(img, c.locations[0]); err != nil {
			return nil, err
		}
		return slices.Insert(list, at, c.locations[0].Location), nil
	case "remove":
		if len(list) == 1 {
			return nil, rest.Forbidden("Cannot remove last location in the image.")
		}
		at, ok := position(c.path[1], len(list), false)
		if !ok {
			return nil, rest.BadRequest("Invalid position for removing a location.")
		}
		return slices.Delete(list, at, at+1), nil
	}
	return a.replaceLocations(img, c, list)
}

// replaceLocations gives an image without locations those of the patch. Where there are some, their order and what is said of each may change, and
// nothing else (upstream's glance/location.py): other data would be another image.
func (a *api) replaceLocations(img *glance.Image, c change, list []glance.Location) ([]glance.Location, error) {
	var next []glance.Location
	for i, value := range c.value.([]any) {
		at := c.locations[i].Location
		if n := a.whereIs(img, value); n >= 0 {
			at = list[n]
			metadata, err := locationMetadata(value)
			if err != nil {
				return nil, err
			}
			at.Metadata = metadata
		} else if err := a.takeWord(img, c.locations[i]); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(next, func(o glance.Location) bool { return a.service.URLOf(o) == a.service.URLOf(at) }) {
			return nil, rest.BadRequest("The location %s already exists", a.service.URLOf(at))
		}
		next = append(next, at)
	}
	if len(list) > 0 && !slices.Equal(a.urls(list), a.urls(next)) {
		return nil, rest.BadRequest("Original locations is not empty: %s", strings.Join(a.urls(list), ", "))
	}
	return next, nil
}

// urls are the addresses of locations, in order of the alphabet.
func (a *api) urls(list []glance.Location) []string {
	out := make([]string, len(list))
	for i, at := range list {
		out[i] = a.service.URLOf(at)
	}
	slices.Sort(out)
	return out
}

// takeWord believes what a client says of the data of a queued image, and nothing else (OSSA-2015-019).
func (a *api) takeWord(img *glance.Image, n newLocation) error {
	if n.size >= 0 && img.Size == nil {
		size := n.size
		img.Size = &size
	}
	for _, w := range []struct {
		name, value string
		at          **string
	}{{"checksum", n.says.Checksum, &img.Checksum}, {"os_hash_algo", n.says.HashAlgo, &img.HashAlgo}, {"os_hash_value", n.says.HashValue, &img.HashValue}} {
		switch {
		case w.value == "" || w.value == deref(*w.at):
		case deref(*w.at) != "":
			return rest.Conflict("%s is already set with a different value", w.name)
		case img.Status != glance.Queued:
			return rest.Conflict("New value(s) for %s may only be provided when image status is 'queued'", w.name)
		default:
			value := w.value
			*w.at = &value
		}
	}
	if n.says.HashValue == "" {
		return nil
	}
	if n.says.HashAlgo != "sha512" {
		return rest.Conflict("os_hash_algo must be sha512, not %s", n.says.HashAlgo)
	}
	if err := glance.CheckHash(n.says.HashAlgo, n.says.HashValue); err != nil {
		return rest.Conflict("%s", message(err))
	}
	return nil
}

// position reads where in a list of n something goes ("-" is the end), or is.
func position(text string, n int, adding bool) (int, bool) {
	if text == "-" {
		if adding {
			return n, true
		}
		return n - 1, n > 0
	}
	at, err := strconv.Atoi(text)
	if err != nil || at < 0 {
		return 0, false
	}
	if adding {
		return min(at, n), true
	}
	return at, at < n
}
