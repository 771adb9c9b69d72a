package agent

import (
	"context"

	"gostack/internal/bus"
)

// Topic is where nova-metadata answers, and MethodFetch what the agents call there.
const (
	Topic       = "nova-metadata"
	MethodFetch = "fetch"
)

// FetchArgs is a guest's request as it goes over the bus. Which host sends it the bus knows: a host may only ask for guests on
// itself.
type FetchArgs struct {
	NetworkID string  `json:"network_id"`
	RemoteIP  string  `json:"remote_ip"`
	Request   Request `json:"request"`
}

// OverBus asks nova-metadata, speaking for the host.
func OverBus(b bus.Bus, host string) Fetcher {
	return FetcherFunc(func(ctx context.Context, network, remoteIP string, req Request) (Reply, error) {
		var reply Reply
		err := b.Call(bus.AsHost(ctx, host), bus.To{Topic: Topic}, MethodFetch, FetchArgs{network, remoteIP, req}, &reply)
		return reply, err
	})
}

// Handlers make what answers agents: f gets the host that asks.
func Handlers(f func(ctx context.Context, host string, args FetchArgs) (Reply, error)) bus.Handlers {
	return bus.Handlers{MethodFetch: bus.Handle(f)}
}
