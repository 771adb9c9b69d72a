package metadata

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Versions are the dates of OpenStack's format, oldest first. Each serves what
// the ones before it served, and something more.
var Versions = []string{
	"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14",
}

// Positions in Versions, by the release that brought them.
const (
	grizzly   = 1 // random_seed, password
	havana    = 2 // vendor_data.json
	liberty   = 3 // network_data.json, project_id
	newtonOne = 4 // devices
	newtonTwo = 5 // vendor_data2.json
	ocata     = 6 // VLAN of a device
	rocky     = 7 // trust of a virtual function
	victoria  = 8 // dedicated_cpus
)

// openstack answers a path below /openstack.
func (s *Server) openstack(parts []string) (Reply, error) {
	if len(parts) == 0 {
		return listing(append(slices.Clone(Versions), "latest")), nil
	}
	if parts[0] == "content" {
		if len(parts) == 2 {
			for i, f := range s.Files {
				if parts[1] == contentName(i) {
					return Reply{Body: f.Data, Type: plain}, nil
				}
			}
		}
		return Reply{}, ErrNotFound
	}
	version := versionIndex(parts[0])
	if version < 0 || len(parts) > 2 {
		return Reply{}, ErrNotFound
	}
	if len(parts) == 1 {
		return listing(s.documents(version)), nil
	}
	if !slices.Contains(s.documents(version), parts[1]) && parts[1] != userData {
		return Reply{}, ErrNotFound
	}
	switch parts[1] {
	case metaData:
		return s.metaData(version, false)
	case userData:
		if s.UserData == nil {
			return Reply{}, ErrNotFound
		}
		return Reply{Body: s.UserData, Type: plain}, nil
	case password:
		return Reply{Body: []byte(s.Password), Type: plain}, nil
	case vendorData:
		return document(orEmpty(s.VendorData))
	case vendorData2:
		return document(orEmpty(s.VendorData2))
	default:
		return document(s.networkData())
	}
}

// documents lists what a version has for this server.
func (s *Server) documents(version int) []string {
	all := []string{metaData}
	if s.UserData != nil {
		all = append(all, userData)
	}
	for _, d := range []struct {
		since int
		name  string
	}{{grizzly, password}, {havana, vendorData}, {liberty, networkData}, {newtonTwo, vendorData2}} {
		if version >= d.since {
			all = append(all, d.name)
		}
	}
	return all
}

func orEmpty(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("{}")
	}
	return data
}

func contentName(i int) string { return fmt.Sprintf("%04d", i) }

// metaData is meta_data.json; secrets and files are for the config drive only.
func (s *Server) metaData(version int, drive bool) (Reply, error) {
	m := map[string]any{
		"uuid":              s.UUID,
		"hostname":          s.hostname(),
		"name":              s.Name,
		"launch_index":      s.LaunchIndex,
		"availability_zone": s.AvailabilityZone,
	}
	if len(s.Metadata) > 0 {
		m["meta"] = s.Metadata
	}
	if drive && len(s.Files) > 0 {
		files := make([]map[string]string, len(s.Files))
		for i, f := range s.Files {
			files[i] = map[string]string{"path": f.Path, "content_path": "/content/" + contentName(i)}
		}
		m["files"] = files
	}
	if drive && s.AdminPass.Reveal() != "" {
		m["admin_pass"] = s.AdminPass.Reveal()
	}
	if s.Key != nil {
		m["public_keys"] = map[string]string{s.Key.Name: s.Key.Data}
		m["keys"] = []map[string]string{{"name": s.Key.Name, "type": s.Key.Type, "data": s.Key.Data}}
	}
	if version >= grizzly {
		seed := make([]byte, 512)
		if _, err := io.ReadFull(s.random(), seed); err != nil {
			return Reply{}, fmt.Errorf("random_seed: %w", err)
		}
		m["random_seed"] = base64.StdEncoding.EncodeToString(seed)
	}
	if version >= liberty {
		m["project_id"] = s.ProjectID
	}
	if version >= newtonOne {
		m["devices"] = s.devices(version)
	}
	if version >= victoria {
		m["dedicated_cpus"] = []int{}
	}
	return document(m)
}

// devices lists tagged devices. Where one sits that is not known, or not known yet, upstream writes "none" (nova/api/metadata/base.py,
// _get_device_metadata).
func (s *Server) devices(version int) []map[string]any {
	all := []map[string]any{}
	add := func(kind, tag, mac string) map[string]any {
		d := map[string]any{"type": kind, "bus": "none", "address": "none", "tags": []string{tag}}
		for _, p := range s.Places {
			if p.Type == kind && p.Tag == tag && p.MAC == mac && p.Bus != "" {
				d["bus"], d["address"] = p.Bus, p.Address
				if p.Serial != "" {
					d["serial"] = p.Serial
				}
			}
		}
		all = append(all, d)
		return d
	}
	for _, nic := range s.NICs {
		if nic.Tag == "" {
			continue
		}
		d := add("nic", nic.Tag, nic.MAC)
		d["mac"] = nic.MAC
		if version >= rocky {
			d["vf_trusted"] = false
		}
	}
	for _, tag := range s.Disks {
		add("disk", tag, "")
	}
	return all
}
