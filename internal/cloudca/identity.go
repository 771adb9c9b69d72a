package cloudca

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Identity is who a process is: control, a host, both (a machine that runs everything), or nobody.
type Identity struct {
	Control bool   `json:"control,omitempty"`
	Host    string `json:"host,omitempty"`
}

// String is for people: "control", "host a", "control and host a", "nobody".
func (i Identity) String() string {
	var parts []string
	if i.Control {
		parts = append(parts, "control")
	}
	if i.Host != "" {
		parts = append(parts, "host "+i.Host)
	}
	if len(parts) == 0 {
		return "nobody"
	}
	return strings.Join(parts, " and ")
}

// commonName is the subject of a certificate. OVN's southbound database takes it for the client's name when it asks whether a row is the client's own
// (ovn-sb(5), RBAC_Permission), so that of a host is the host's name and nothing else, and nobody else's can be one.
func (i Identity) commonName() string {
	if i.Control {
		return i.String() + " of gostack"
	}
	return i.Host
}

// Has tells whether i is all that other is; nobody is not in anybody.
func (i Identity) Has(other Identity) bool {
	return other != Identity{} && (!other.Control || i.Control) && (other.Host == "" || other.Host == i.Host)
}

// hostName is what a host may be called: letters, digits, dots, dashes and underscores, as in a DNS name. It ends up in queue names, user names and paths.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)

// CheckHost refuses what cannot be a host's name.
func CheckHost(name string) error {
	if !hostName.MatchString(name) || strings.Contains(name, "..") {
		return fmt.Errorf("%q cannot be a host's name: letters, digits, dots, dashes and underscores, as hostname prints", name)
	}
	return nil
}

func (i Identity) verify() error {
	if i == (Identity{}) {
		return errors.New("nobody gets no certificate")
	}
	if i.Host == "" {
		return nil
	}
	return CheckHost(i.Host)
}
