package driver

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// TaggedDevice is where a guest finds a device that its owner has given a tag.
type TaggedDevice struct {
	Type    string `json:"type"`              // nic, disk
	Tag     string `json:"tag"`               // the owner's word
	MAC     string `json:"mac,omitempty"`     // of a NIC
	Bus     string `json:"bus,omitempty"`     // pci, scsi, ide, usb; empty: none that is known
	Address string `json:"address,omitempty"` // on that bus, as "0000:00:02.0"
	Serial  string `json:"serial,omitempty"`  // of a disk
}

// Tags are a driver's knowledge of tagged devices.
type Tags interface {
	// TaggedDevices answers where the devices of a defined server are that have tags in spec.
	TaggedDevices(ctx context.Context, spec GuestSpec) ([]TaggedDevice, error)
}

// Tagged tells whether the owner has given a device of the server a tag.
func (s GuestSpec) Tagged() bool {
	return s.Root.Tag != "" || slices.ContainsFunc(s.NICs, func(n NIC) bool { return n.Tag != "" }) ||
		slices.ContainsFunc(s.Devices, func(d LocalDisk) bool { return d.Tag != "" })
}

// LocateDevices writes into a config drive's meta_data.json where the guest finds its tagged devices, which is not known before the server is
// defined. Other files stay as they are.
func LocateDevices(files []File, devices []TaggedDevice) ([]File, error) {
	files = slices.Clone(files)
	for i, f := range files {
		if path.Base(f.Path) != "meta_data.json" || !strings.HasPrefix(f.Path, "openstack/") {
			continue
		}
		var doc map[string]json.RawMessage
		if err := json.Unmarshal(f.Data, &doc); err != nil {
			return nil, err
		}
		if doc["devices"] == nil {
			continue // an older format
		}
		var listed []map[string]any
		if err := json.Unmarshal(doc["devices"], &listed); err != nil {
			return nil, err
		}
		for _, d := range devices {
			for _, m := range listed {
				tags, _ := m["tags"].([]any)
				if d.Bus != "" && m["type"] == d.Type && slices.Contains(tags, any(d.Tag)) && (d.MAC == "" || m["mac"] == d.MAC) {
					m["bus"], m["address"] = d.Bus, d.Address
				}
			}
		}
		var err error
		if doc["devices"], err = json.Marshal(listed); err != nil {
			return nil, err
		}
		if files[i].Data, err = json.Marshal(doc); err != nil {
			return nil, err
		}
	}
	return files, nil
}
