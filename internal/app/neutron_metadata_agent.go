package app

import (
	"context"
	"errors"
	"strings"

	"gostack/internal/neutron/agent"
)

// neutronMetadataAgent gives the guests of this host the metadata service.
var neutronMetadataAgent = Component{
	Name: "neutron-metadata-agent", What: "metadata service at 169.254.169.254 for the guests of this host", Build: buildNeutronMetadataAgent,
}

func buildNeutronMetadataAgent(_ context.Context, h *House) (Unit, error) {
	h.Purgers = append(h.Purgers, func(context.Context) error { return agent.Purge() })
	a := agent.New(agent.Config{
		Switch: endpoints(h.Config.Neutron.OVSDB), Southbound: endpoints(h.Config.Neutron.OVNSouthbound), SouthboundTLS: h.southboundTLS(), Log: h.Log,
	}, agent.OverBus(h.Bus, h.Config.Host))
	return worker{
		name: "neutron-metadata-agent", log: h.Log, run: a.Run,
		ready: waitsFor(a.Ready(), errNoSwitch),
	}.unit(), nil
}

// errNoSwitch is why an agent of Neutron cannot work yet.
var errNoSwitch = errors.New("waits for Open vSwitch and OVN's southbound database on this host")

// endpoints splits a list of OVSDB addresses, "tcp:10.0.0.1:6642,tcp:10.0.0.2:6642".
func endpoints(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
