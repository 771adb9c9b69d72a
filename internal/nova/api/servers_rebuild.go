package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/rest"
)

// rebuildSchema is the body of the action rebuild at 2.minor.
func rebuildSchema(minor int) *rest.Schema {
	props := []string{
		`"name": ` + nameSchema, `"imageRef": ` + uuidSchema, `"adminPass": {"type": "string"}`, `"metadata": ` + metadataSchema, `"preserve_ephemeral": ` + booleanSchema,
		`"OS-DCF:diskConfig": ` + diskConfig, `"accessIPv4": ` + ipv4Schema, `"accessIPv6": ` + ipv6Schema,
	}
	if minor < 57 {
		props = append(props, `"personality": {"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["path", "contents"],
			"properties": {"path": {"type": "string"}, "contents": {"type": "string", "format": "base64"}}}}`)
	}
	for _, p := range []struct {
		from int
		prop string
	}{
		{19, `"description": ` + serverDescriptionSchema},
		{54, `"key_name": {"type": ["string", "null"], "minLength": 1, "maxLength": 255}`},
		{57, `"user_data": {"type": ["string", "null"], "format": "base64", "maxLength": 65535}`},
		{63, `"trusted_image_certificates": {"type": ["array", "null"], "minItems": 1, "maxItems": 50, "uniqueItems": true, "items": {"type": "string", "minLength": 1}}`},
	} {
		if minor >= p.from {
			props = append(props, p.prop)
		}
	}
	switch {
	case minor >= 94:
		props = append(props, `"hostname": `+fqdnSchema)
	case minor >= 90:
		props = append(props, `"hostname": `+rfcHostSchema)
	}
	return rest.JSON(`{"type": "object", "required": ["rebuild"], "additionalProperties": false, "properties": {"rebuild": {"type": "object", "required": ["imageRef"],
		"additionalProperties": false, "properties": {` + strings.Join(props, ", ") + `}}}}`)
}

// rebuildVersions are the microversions at which the body changes.
var rebuildVersions = []int{1, 19, 54, 57, 63, 90, 94}

func (a *api) rebuildRoutes() []rest.Route {
	return windows(rest.Route{
		Method: "POST", Path: "/servers/{server_id}/action", Action: "rebuild", Policy: serversPolicy + "rebuild", Target: a.server, Status: 202, Handle: a.rebuild,
	}, schemas(rebuildVersions, rebuildSchema)...)
}

func (a *api) rebuild(r *rest.Request) (any, error) {
	var body struct{ Rebuild map[string]json.RawMessage }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	in := body.Rebuild
	var req nova.RebuildRequest
	var preserve any
	var files []struct{ Path, Contents string }
	var certs []string
	for _, f := range []struct {
		key string
		to  any
	}{
		{"imageRef", &req.ImageID},
		{"adminPass", &req.AdminPass},
		{"name", &req.Name},
		{"OS-DCF:diskConfig", &req.DiskConfig},
		{"accessIPv4", &req.AccessIPv4},
		{"accessIPv6", &req.AccessIPv6},
		{"hostname", &req.Hostname},
		{"description", &req.Description},
		{"key_name", &req.KeyName},
		{"user_data", &req.UserData},
		{"metadata", &req.Metadata},
		{"preserve_ephemeral", &preserve},
		{"personality", &files},
		{"trusted_image_certificates", &certs},
	} {
		if raw, ok := in[f.key]; ok {
			if err := json.Unmarshal(raw, f.to); err != nil {
				return nil, rest.BadRequest("Malformed request body").Because(err)
			}
		}
	}
	given := func(key string) bool { _, ok := in[key]; return ok }
	req.SetDescription, req.SetKeyName, req.SetUserData, req.UnsetCerts = given("description"), given("key_name"), given("user_data"), given("trusted_image_certificates")
	req.ImageID, req.PreserveEphemeral = strings.ToLower(req.ImageID), truth(preserve)
	if req.Name != nil {
		*req.Name = strings.TrimSpace(*req.Name)
	}
	if certs != nil {
		if err := r.Enforce(serversPolicy+"rebuild:trusted_certs", serverTarget(loaded(r))); err != nil {
			return nil, err
		}
		// As at creation: the cloud has no key manager to ask.
		return nil, rest.BadRequest("Image signature certificate validation failed: the cloud has no key manager")
	}
	for _, f := range files {
		data, err := rest.Base64(f.Contents)
		if err != nil {
			return nil, rest.BadRequest("Personality content for %s cannot be decoded", f.Path)
		}
		req.Files = append(req.Files, db.File{Path: f.Path, Data: data})
	}
	if req.AdminPass == "" {
		req.AdminPass = nova.NewPassword()
	}
	s, err := a.nova.Rebuild(r.Context(), r.Caller, r.Path("server_id"), req)
	if err != nil {
		return nil, err
	}
	view, err := a.rebuiltView(r, s, req.AdminPass)
	if err != nil {
		return nil, err
	}
	return rest.Reply(http.StatusAccepted, object{"server": view}).With("Location", versioned(r)+"/servers/"+s.ID), nil
}

// rebuiltView is a server as the answer to a rebuild shows it.
func (a *api) rebuiltView(r *rest.Request, s *nova.Server, password string) (any, error) {
	v, err := a.viewer(r, s)
	if err != nil {
		return nil, err
	}
	v.groups = true
	full := v.view(s)
	if r.Version.AtLeast(2, 75) {
		full.AdminPass, full.UserData = password, nil
		return struct {
			*serverView
			UserData any `json:"user_data"`
		}{full, orNull(s.UserData)}, nil
	}
	out := a.briefView(r, full)
	out["adminPass"], out["addresses"] = password, addressesOf(v.addresses[s.ID], false)
	if r.Version.AtLeast(2, 54) {
		out["key_name"] = s.KeyName
	}
	if r.Version.AtLeast(2, 57) {
		out["user_data"] = s.UserData
	}
	return out, nil
}
