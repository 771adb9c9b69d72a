package app

import (
	"context"

	"gostack/internal/neutron/agent/tunnel"
)

// neutronTunnelAgent carries networks of type gre, vxlan and nvgre between hosts under their own segment ids.
var neutronTunnelAgent = Component{
	Name: "neutron-tunnel-agent", What: "gre, vxlan and nvgre networks between hosts, with their own segment ids on the wire", Build: buildNeutronTunnelAgent,
}

func buildNeutronTunnelAgent(_ context.Context, h *House) (Unit, error) {
	h.Purgers = append(h.Purgers, func(ctx context.Context) error { return tunnel.Purge(ctx, endpoints(h.Config.Neutron.OVSDB)) })
	a := tunnel.New(tunnel.Config{
		Switch: endpoints(h.Config.Neutron.OVSDB), Southbound: endpoints(h.Config.Neutron.OVNSouthbound), SouthboundTLS: h.southboundTLS(), Log: h.Log,
	})
	return worker{
		name: "neutron-tunnel-agent", log: h.Log, run: a.Run,
		ready: waitsFor(a.Ready(), errNoSwitch),
	}.unit(), nil
}
