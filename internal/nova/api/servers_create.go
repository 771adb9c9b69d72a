package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/rest"
)

// createBody is the body of POST /servers.
type createBody struct {
	Server struct {
		Name         string
		Description  *string
		ImageRef     string            `json:"imageRef"`
		FlavorRef    any               `json:"flavorRef"`
		AdminPass    string            `json:"adminPass"`
		Metadata     map[string]string `json:"metadata"`
		Networks     json.RawMessage
		DiskConfig   string `json:"OS-DCF:diskConfig"`
		AccessIPv4   string `json:"accessIPv4"`
		AccessIPv6   string `json:"accessIPv6"`
		Personality  []struct{ Path, Contents string }
		Zone         string                  `json:"availability_zone"`
		ConfigDrive  any                     `json:"config_drive"`
		MinCount     any                     `json:"min_count"`
		MaxCount     any                     `json:"max_count"`
		ReturnID     any                     `json:"return_reservation_id"`
		KeyName      *string                 `json:"key_name"`
		UserData     *string                 `json:"user_data"`
		Groups       []struct{ Name string } `json:"security_groups"`
		Mapping      []map[string]any        `json:"block_device_mapping"`
		MappingV2    []map[string]any        `json:"block_device_mapping_v2"`
		Tags         []string
		TrustedCerts []string `json:"trusted_image_certificates"`
		Host         string
		Node         string `json:"hypervisor_hostname"`
		Hostname     string
	}
	Hints    map[string]any `json:"os:scheduler_hints"`
	OldHints map[string]any `json:"OS-SCH-HNT:scheduler_hints"`
}

func (a *api) createServer(r *rest.Request) (any, error) {
	var body createBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	in := body.Server
	req := nova.CreateRequest{
		PlainPorts: !r.Version.AtLeast(2, 72),
		Name:       strings.TrimSpace(in.Name), Hostname: in.Hostname, Description: in.Description, FlavorID: flavorID(in.FlavorRef), ImageID: strings.ToLower(in.ImageRef), Metadata: notNil(in.Metadata),
		UserData: in.UserData, ConfigDrive: truth(in.ConfigDrive), DiskConfig: in.DiskConfig, AccessIPv4: in.AccessIPv4, AccessIPv6: in.AccessIPv6, Zone: in.Zone,
		Host: in.Host, Node: in.Node, Tags: notNilList(in.Tags), TrustedCerts: in.TrustedCerts, Hints: body.Hints, AdminPass: in.AdminPass,
		ForceHost: func() error { return r.Enforce(serversPolicy+"create:forced_host", nil) },
		AnyDisk:   func() error { return r.Enforce(serversPolicy+"create:zero_disk_flavor", nil) },
	}
	if req.Description == nil && !r.Version.AtLeast(2, 19) {
		req.Description = &req.Name // as before descriptions could be given
	}
	if req.Hints == nil {
		req.Hints = body.OldHints
	}
	if req.Hints == nil {
		req.Hints = map[string]any{}
	}
	if in.KeyName != nil {
		req.KeyName = *in.KeyName
	}
	if err := a.createCounts(&req, in.MinCount, in.MaxCount, in.Hostname); err != nil {
		return nil, err
	}
	if err := a.createRights(r, &body); err != nil {
		return nil, err
	}
	for _, f := range in.Personality {
		data, err := rest.Base64(f.Contents)
		if err != nil {
			return nil, rest.BadRequest("Personality content for %s cannot be decoded", f.Path)
		}
		req.Files = append(req.Files, db.File{Path: f.Path, Data: data})
	}
	var groups []string
	for _, g := range in.Groups {
		groups = append(groups, g.Name)
	}
	var err error
	if req.Networks, err = networksAsked(in.Networks, groups); err != nil {
		return nil, err
	}
	if req.Devices, err = devicesAsked(in.Mapping, in.MappingV2, in.ImageRef != ""); err != nil {
		return nil, err
	}
	req.OldDevices = len(in.MappingV2) == 0
	if req.AdminPass == "" {
		req.AdminPass = nova.NewPassword()
	}
	servers, err := a.nova.CreateServers(r.Context(), r.Caller, req)
	if err != nil {
		return nil, err
	}
	if truth(in.ReturnID) {
		return object{"reservation_id": servers[0].ReservationID}, nil
	}
	shown := make([]object, 0, max(1, len(groups)))
	for _, g := range groups {
		shown = append(shown, object{"name": g})
	}
	if len(groups) == 0 {
		shown = append(shown, object{"name": "default"})
	}
	s := servers[0]
	view := object{"id": s.ID, "links": links(r, "servers", s.ID), "OS-DCF:diskConfig": s.DiskConfig, "adminPass": req.AdminPass, "security_groups": shown}
	return rest.Reply(http.StatusAccepted, object{"server": view}).With("Location", versioned(r)+"/servers/"+s.ID), nil
}

// flavorID is a flavor's id, of which clients of old give the whole address.
func flavorID(ref any) string {
	id := fmt.Sprint(ref)
	if u, err := url.Parse(id); err == nil {
		id = u.Path
	}
	return id[strings.LastIndexByte(id, '/')+1:]
}

func notNilList(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

func (a *api) createCounts(req *nova.CreateRequest, least, most any, hostname string) error {
	req.Min, req.Max = 1, 1
	read := func(v any, to *int) error {
		n, err := whole(v)
		if err != nil || n < 1 {
			return rest.BadRequest("Invalid input for field/attribute min_count. Value: %v. %v is less than the minimum of 1", v, v)
		}
		*to = int(n)
		return nil
	}
	if least != nil {
		if err := read(least, &req.Min); err != nil {
			return err
		}
		req.Max = req.Min
	}
	if most != nil {
		if err := read(most, &req.Max); err != nil {
			return err
		}
	}
	if req.Min > req.Max {
		return rest.BadRequest("min_count must be <= max_count")
	}
	if req.Max > 1 && hostname != "" {
		return rest.BadRequest("Unable to allocate a single hostname to multiple instances")
	}
	return nil
}

// createRights asks the policies that parts of the body have of their own.
func (a *api) createRights(r *rest.Request, body *createBody) error {
	in := &body.Server
	for _, part := range []struct {
		asked bool
		rule  string
	}{
		{in.Host != "" || in.Node != "", "compute:servers:create:requested_destination"},
		{len(in.Mapping)+len(in.MappingV2) > 0, serversPolicy + "create:attach_volume"},
		{len(in.Networks) > 0, serversPolicy + "create:attach_network"},
		{in.TrustedCerts != nil, serversPolicy + "create:trusted_certs"},
	} {
		if part.asked {
			if err := r.Enforce(part.rule, nil); err != nil {
				return err
			}
		}
	}
	if in.TrustedCerts != nil {
		// Signatures of images are checked against certificates of a key manager, and the cloud has none.
		return rest.BadRequest("Image signature certificate validation failed: the cloud has no key manager")
	}
	return nil
}

// networksAsked reads "networks": "auto", "none", or a list.
func networksAsked(raw json.RawMessage, groups []string) ([]neutron.NICRequest, error) {
	if len(raw) == 0 {
		return []neutron.NICRequest{{SecurityGroups: groups}}, nil
	}
	var mode string
	if json.Unmarshal(raw, &mode) == nil {
		return []neutron.NICRequest{{Mode: neutron.NICMode(mode), SecurityGroups: groups}}, nil
	}
	var list []struct {
		UUID    string
		Port    *string
		FixedIP string `json:"fixed_ip"`
		Tag     string
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, rest.BadRequest("Malformed request body").Because(err)
	}
	if len(list) == 0 {
		return []neutron.NICRequest{{SecurityGroups: groups}}, nil
	}
	out := make([]neutron.NICRequest, len(list))
	for i, n := range list {
		out[i] = neutron.NICRequest{NetworkID: n.UUID, FixedIP: n.FixedIP, Tag: n.Tag, SecurityGroups: groups}
		if n.Port != nil {
			out[i].PortID = *n.Port
			out[i].NetworkID = ""
			if n.FixedIP != "" {
				return nil, rest.BadRequest("Specified Fixed IP '%s' cannot be used with port '%s': the two cannot be specified together.", n.FixedIP, *n.Port)
			}
		}
		if out[i].PortID == "" && out[i].NetworkID == "" {
			return nil, rest.BadRequest("Bad network format: missing 'uuid'")
		}
	}
	return out, nil
}

// devicesAsked reads block devices in the new form, or in the old one (nova/api/openstack/compute/servers.py, _process_bdms_for_create).
func devicesAsked(old, v2 []map[string]any, imageSaid bool) ([]nova.BlockDevice, error) {
	if len(old) > 0 && len(v2) > 0 {
		return nil, rest.BadRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
	}
	if len(old) > 0 {
		return nova.OldBlockDevices(old)
	}
	var out []nova.BlockDevice
	for _, m := range v2 {
		d, err := nova.NewBlockDevice(m, imageSaid)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}
