package metadata

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// EC2Versions are the dates of EC2's format, oldest first.
var EC2Versions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
}

// tree is a directory of EC2's format: values are tree, labelled, string or
// []string.
type tree map[string]any

// labelled is a directory that its parent lists by another name, without a
// slash, as EC2 lists a key pair: "0=name".
type labelled struct {
	label string
	tree
}

// ec2 answers a path of EC2's format, the version first.
func (s *Server) ec2(parts []string) (Reply, error) {
	if len(parts) == 0 {
		return listing(append(slices.Clone(EC2Versions), "latest")), nil
	}
	version := ec2Index(parts[0])
	if version < 0 {
		return Reply{}, ErrNotFound
	}
	top := tree{"meta-data": s.ec2Tree(version)}
	if s.UserData != nil {
		top["user-data"] = string(s.UserData)
	}
	var at any = top
	for _, name := range parts[1:] {
		if l, ok := at.(labelled); ok {
			at = l.tree
		}
		dir, ok := at.(tree)
		if !ok {
			return Reply{}, ErrNotFound
		}
		if at, ok = dir[name]; !ok {
			return Reply{}, ErrNotFound
		}
	}
	return Reply{Body: []byte(printEC2(at)), Type: plain}, nil
}

func ec2Index(version string) int {
	if version == "latest" {
		return len(EC2Versions) - 1
	}
	return slices.Index(EC2Versions, version)
}

// ec2Tree is the meta-data directory of a version.
func (s *Server) ec2Tree(version int) tree {
	since := func(date string) bool { return version >= ec2Index(date) }
	local := s.fixed(4)
	if local == "" {
		local = s.RemoteIP
	}
	t := tree{
		"ami-id":            s.EC2ImageID,
		"ami-launch-index":  strconv.Itoa(s.LaunchIndex),
		"ami-manifest-path": "FIXME", // upstream's very word
		"instance-id":       s.EC2ID,
		"hostname":          s.hostname(),
		"local-ipv4":        local,
		"reservation-id":    s.ReservationID,
		"security-groups":   s.SecurityGroups,
	}
	if s.Key != nil {
		t["public-keys"] = tree{"0": labelled{"0=" + s.Key.Name, tree{"openssh-key": s.Key.Data}}}
	}
	if since("2007-01-19") {
		t["local-hostname"] = s.hostname()
		t["public-hostname"] = s.hostname()
		t["public-ipv4"] = s.FloatingIP
	}
	if since("2007-08-29") {
		t["instance-type"] = s.FlavorName
	}
	if since("2007-12-15") {
		t["block-device-mapping"] = s.blockDevices()
		if s.EC2KernelID != "" {
			t["kernel-id"] = s.EC2KernelID
		}
		if s.EC2RamdiskID != "" {
			t["ramdisk-id"] = s.EC2RamdiskID
		}
	}
	if since("2008-02-01") {
		t["placement"] = tree{"availability-zone": s.AvailabilityZone}
	}
	if since("2008-09-01") {
		t["instance-action"] = "none"
	}
	return t
}

func (s *Server) blockDevices() tree {
	t := tree{}
	root := s.RootDevice
	if root == "" {
		root = "/dev/vda"
	}
	t["ami"] = strings.TrimPrefix(root, "/dev/")
	t["root"] = root
	if s.EphemeralDevice != "" {
		t["ephemeral0"] = s.EphemeralDevice
	}
	if s.SwapDevice != "" {
		t["swap"] = s.SwapDevice
	}
	return t
}

// printEC2 writes a value as EC2 does: directories list their names, with a
// slash where there is more below.
func printEC2(v any) string {
	switch v := v.(type) {
	case tree:
		names := slices.Sorted(maps.Keys(v))
		for i, name := range names {
			switch below := v[name].(type) {
			case tree:
				names[i] += "/"
			case labelled:
				names[i] = below.label
			}
		}
		return strings.Join(names, "\n")
	case labelled:
		return printEC2(v.tree)
	case []string:
		return strings.Join(v, "\n")
	case string:
		return v
	default:
		return ""
	}
}
