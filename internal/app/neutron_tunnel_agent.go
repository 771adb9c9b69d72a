package app

import (
	"context"
	"errors"

	"gostack/internal/neutron/agent/tunnel"
)

// neutronTunnelAgent carries networks of type gre, vxlan and nvgre between hosts under their own segment ids.
var neutronTunnelAgent = Component{
	Name: "neutron-tunnel-agent", What: "gre, vxlan and nvgre networks between hosts, with their own segment ids on the wire", Build: buildNeutronTunnelAgent,
}

func buildNeutronTunnelAgent(_ context.Context, h *House) (Unit, error) {
	h.Purgers = append(h.Purgers, func(ctx context.Context) error { return tunnel.Purge(ctx, endpoints(h.Config.Neutron.OVSDB)) })
	a := tunnel.New(tunnel.Config{
		Switch: endpoints(h.Config.Neutron.OVSDB), Southbound: endpoints(h.Config.Neutron.OVNSouthbound), Log: h.Log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	started := false
	return Unit{
		Start: func(context.Context) error {
			started = true
			go func() {
				defer close(done)
				if err := a.Run(ctx); err != nil {
					h.Log.Error("neutron-tunnel-agent ended", "error", err)
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
