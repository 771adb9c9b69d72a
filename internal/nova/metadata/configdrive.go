package metadata

import (
	"encoding/json"
	"slices"

	"gostack/internal/nova/driver"
)

// driveEC2 is where EC2's versions begin on a config drive (upstream's default
// of config_drive_skip_versions leaves out all before).
const driveEC2 = "2009-04-04"

// ConfigDrive renders the files of the server's config drive: every dated
// version and "latest", in both formats, and the user's files.
func (s *Server) ConfigDrive() ([]driver.File, error) {
	var files []driver.File
	add := func(path string, body []byte) { files = append(files, driver.File{Path: path, Data: body}) }

	for _, version := range []string{driveEC2, "latest"} {
		if s.UserData != nil {
			add("ec2/"+version+"/user-data", s.UserData)
		}
		body, err := json.Marshal(plainTree(s.ec2Tree(ec2Index(version))))
		if err != nil {
			return nil, err
		}
		add("ec2/"+version+"/meta-data.json", body)
	}
	for _, version := range append(slices.Clone(Versions), "latest") {
		at := versionIndex(version)
		for _, name := range s.documents(at) {
			if name == password {
				continue // only the service can take one
			}
			reply, err := s.driveDocument(at, version, name)
			if err != nil {
				return nil, err
			}
			add("openstack/"+version+"/"+name, reply.Body)
		}
	}
	for i, f := range s.Files {
		add("openstack/content/"+contentName(i), f.Data)
	}
	return files, nil
}

func (s *Server) driveDocument(at int, version, name string) (Reply, error) {
	if name == metaData {
		return s.metaData(at, true)
	}
	return s.openstack([]string{version, name})
}

// plainTree is a tree as JSON shows it: without the labels of listings.
func plainTree(t tree) map[string]any {
	m := map[string]any{}
	for name, v := range t {
		switch v := v.(type) {
		case tree:
			m[name] = plainTree(v)
		case labelled:
			m[name] = plainTree(v.tree)
		default:
			m[name] = v
		}
	}
	if v, ok := t["ami-launch-index"].(string); ok {
		m["ami-launch-index"] = json.RawMessage(v) // a number here
	}
	return m
}
