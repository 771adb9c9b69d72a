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
		Switch: endpoints(h.Config.Neutron.OVSDB), Southbound: endpoints(h.Config.Neutron.OVNSouthbound), Log: h.Log,
	}, agent.OverBus(h.Bus, h.Config.Host))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	started := false
	return Unit{
		Start: func(context.Context) error {
			started = true
			go func() {
				defer close(done)
				if err := a.Run(ctx); err != nil {
					h.Log.Error("neutron-metadata-agent ended", "error", err)
				}
			}()
			return nil
		},
		Stop: func(stop context.Context) error {
			cancel()
			if !started {
				return nil
			}
			select {
			case <-done:
				return nil
			case <-stop.Done():
				return stop.Err()
			}
		},
		Ready: func(context.Context) error {
			select {
			case <-a.Ready():
				return nil
			case <-done:
				return errors.New("the agent has ended; see the log")
			default:
				return errors.New("waits for Open vSwitch and OVN's southbound database on this host")
			}
		},
	}, nil
}

// endpoints splits a list of OVSDB addresses, "tcp:10.0.0.1:6642,tcp:10.0.0.2:6642".
func endpoints(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
