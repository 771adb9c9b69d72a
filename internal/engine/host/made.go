package host

import (
	"encoding/json"
	"os"
	"slices"
)

// made lists what we changed on this machine outside our own directories, so that purge can take back exactly that.
type made struct {
	Bridges []string `json:"bridges,omitempty"`
	// ExternalIDs of Open_vSwitch that we set, with the value they had before (empty: none).
	ExternalIDs map[string]string `json:"external_ids,omitempty"`
	// TLS says that Open vSwitch's TLS settings are ours.
	TLS bool `json:"tls,omitempty"`
	// Addresses we gave to a bridge that is not ours, "address bridge".
	Addresses []string `json:"addresses,omitempty"`
	// Masquerade names the tool that holds our rule: "nft" or "iptables". ForwardWas is net.ipv4.ip_forward before.
	Masquerade string `json:"masquerade,omitempty"`
	ForwardWas string `json:"forward_was,omitempty"`
}

func (h *Host) made() made {
	m := made{}
	if data, err := os.ReadFile(h.dir("made.json")); err == nil {
		_ = json.Unmarshal(data, &m) // a broken list is an empty one: then less is taken back
	}
	if m.ExternalIDs == nil {
		m.ExternalIDs = map[string]string{}
	}
	return m
}

// note changes the list. It is called before the change itself, so a crash in between leaves no trace unlisted.
func (h *Host) note(change func(*made)) error {
	m := h.made()
	change(&m)
	return writeJSON(h.dir("made.json"), m)
}

func addOnce(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}
