// Package metadata renders what a server can learn of itself, in OpenStack's
// and in EC2's format, for the metadata service and for the config drive.
//
// It is pure: everything comes in with a [Server], nothing is looked up, and
// nothing is kept. Which server asks, and whether it may, is decided before.
//
// Sources: Nova user guide, "Metadata" (formats, dated versions, what each
// added); the schema of network_data.json in the Nova documentation; Amazon's
// "Instance metadata categories" for the EC2 tree.
package metadata

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"gostack/internal/neutron"
	"gostack/internal/nova/driver"
	"gostack/internal/secret"
)

// ErrNotFound says that the path does not exist for this server.
var ErrNotFound = errors.New("no such metadata path")

// Server is all that is told about a server.
type Server struct {
	UUID             string
	Name             string // display name
	Hostname         string // without domain
	Domain           string // upstream's dhcp_domain, "novalocal"; empty for none
	ProjectID        string
	AvailabilityZone string
	LaunchIndex      int
	Metadata         map[string]string // the server's own key-value pairs
	Key              *Key
	UserData         []byte          // decoded; nil for none
	VendorData       json.RawMessage // static, from a file of the operator; nil for {}
	VendorData2      json.RawMessage // by target; nil for {}
	AdminPass        secret.String   // told on the config drive only
	Password         string          // encrypted password that the guest posted
	Files            []File          // personality (before microversion 2.57), config drive only
	NICs             []neutron.VIF
	Disks            []string              // tags of disks
	Places           []driver.TaggedDevice // where the guest finds devices with tags, as far as known
	FloatingIP       string                // first one, for EC2
	SecurityGroups   []string

	// What only EC2's format shows.
	EC2ID           string // "i-00000001"
	EC2ImageID      string // "ami-00000001"
	EC2KernelID     string
	EC2RamdiskID    string
	ReservationID   string
	FlavorName      string
	RemoteIP        string // address that asks, shown when the server has no fixed IP
	RootDevice      string // "/dev/vda"
	SwapDevice      string
	EphemeralDevice string

	// Random fills random_seed; nil for crypto/rand.
	Random io.Reader
}

// Key is a public SSH key or X.509 certificate.
type Key struct {
	Name string
	Type string // "ssh" or "x509"
	Data string
}

// File is a file that the user wants inside the guest.
type File struct {
	Path string
	Data []byte
}

// Reply is the answer to a request.
type Reply struct {
	Body []byte
	Type string // content type
}

// Names of documents.
const (
	metaData    = "meta_data.json"
	userData    = "user_data"
	vendorData  = "vendor_data.json"
	vendorData2 = "vendor_data2.json"
	networkData = "network_data.json"
	password    = "password"
)

const (
	plain    = "text/plain; charset=UTF-8"
	jsonType = "application/json"
)

// Lookup answers a GET of path, as "/openstack/latest/meta_data.json" or
// "/latest/meta-data/". What begins with neither ec2 nor openstack is EC2's.
func (s *Server) Lookup(p string) (Reply, error) {
	parts := strings.Split(path.Clean("/" + p)[1:], "/")
	if parts[0] == "" {
		parts = nil
	}
	if len(parts) > 0 && parts[0] == "openstack" {
		return s.openstack(parts[1:])
	}
	if len(parts) > 0 && parts[0] == "ec2" {
		parts = parts[1:]
	}
	return s.ec2(parts)
}

// IsPassword tells whether path is where a guest posts its encrypted password.
func IsPassword(p string) bool {
	parts := strings.Split(path.Clean("/" + p)[1:], "/")
	return len(parts) == 3 && parts[0] == "openstack" && parts[2] == password && versionIndex(parts[1]) >= grizzly
}

// MaxPassword is the longest password that is taken, in bytes (upstream keeps
// four chunks of 255).
const MaxPassword = 4 * 255

func listing(names []string) Reply {
	return Reply{Body: []byte(strings.Join(names, "\n")), Type: plain}
}

func document(v any) (Reply, error) {
	body, err := json.Marshal(v)
	return Reply{Body: body, Type: jsonType}, err
}

func (s *Server) random() io.Reader {
	if s.Random != nil {
		return s.Random
	}
	return rand.Reader
}

// hostname is the server's name with its domain.
func (s *Server) hostname() string {
	if s.Domain == "" {
		return s.Hostname
	}
	return s.Hostname + "." + s.Domain
}

// fixed answers the first fixed address of an IP version.
func (s *Server) fixed(version int) string {
	for _, nic := range s.NICs {
		for _, sub := range nic.Subnets {
			if sub.Version == version && len(sub.Addresses) > 0 {
				return sub.Addresses[0]
			}
		}
	}
	return ""
}

func versionIndex(version string) int {
	if version == "latest" {
		return len(Versions) - 1
	}
	return slices.Index(Versions, version)
}
