package api

import (
	"encoding/json"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

func (a *api) updateServer(r *rest.Request) (any, error) {
	var body struct{ Server map[string]json.RawMessage }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	var u nova.ServerUpdate
	for _, field := range []struct {
		key string
		to  **string
		set *bool
	}{
		{"name", &u.Name, nil},
		{"OS-DCF:diskConfig", &u.DiskConfig, nil},
		{"accessIPv4", &u.AccessIPv4, nil},
		{"accessIPv6", &u.AccessIPv6, nil},
		{"hostname", &u.Hostname, nil},
		{"description", &u.Description, &u.SetDescription},
		{"pinned_availability_zone", &u.PinnedZone, &u.SetPinnedZone},
	} {
		raw, ok := body.Server[field.key]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, field.to); err != nil {
			return nil, rest.BadRequest("Malformed request body").Because(err)
		}
		if field.set != nil {
			*field.set = true
		}
	}
	s, err := a.nova.UpdateServer(r.Context(), r.Caller, r.Path("server_id"), u)
	if err != nil {
		return nil, err
	}
	v, err := a.viewer(r, s)
	if err != nil {
		return nil, err
	}
	full := v.view(s)
	if r.Version.AtLeast(2, 75) {
		v.groups = true
		return object{"server": v.view(s)}, nil
	}
	brief := a.briefView(r, full)
	brief["addresses"] = addressesOf(v.addresses[s.ID], false)
	return object{"server": brief}, nil
}

// briefView is what the answer to an update has of a server before 2.75.
func (a *api) briefView(r *rest.Request, full *serverView) object {
	out := object{
		"id": full.ID, "name": full.Name, "status": full.Status, "tenant_id": full.TenantID, "user_id": full.UserID, "metadata": full.Metadata, "hostId": full.HostID, "image": full.Image,
		"flavor": full.Flavor, "created": full.Created, "updated": full.Updated, "addresses": full.Addresses, "accessIPv4": full.AccessIPv4, "accessIPv6": full.AccessIPv6,
		"links": full.Links, "OS-DCF:diskConfig": full.DiskConfig,
	}
	if full.Progress != nil {
		out["progress"] = *full.Progress
	}
	if full.Fault != nil {
		out["fault"] = full.Fault
	}
	for _, x := range []struct {
		minor int
		key   string
		value any
	}{
		{9, "locked", full.Locked}, {19, "description", full.Description}, {26, "tags", full.Tags}, {63, "trusted_image_certificates", full.TrustedCerts}, {73, "locked_reason", full.LockedReason},
	} {
		if r.Version.AtLeast(2, x.minor) {
			out[x.key] = x.value
		}
	}
	if r.Version.AtLeast(2, 71) {
		out["server_groups"] = []string{}
		if s := loaded(r); s != nil && s.ServerGroupID != nil {
			out["server_groups"] = []string{*s.ServerGroupID}
		}
	}
	return out
}
