package agent

import (
	"context"
	"testing"

	"gostack/internal/bus"
)

func TestRequestsGoOverTheBusInTheHostsName(t *testing.T) {
	b := bus.NewMemory()
	stop, err := b.Serve(bus.To{Topic: Topic}, Handlers(func(_ context.Context, host string, args FetchArgs) (Reply, error) {
		return Reply{Status: 207, Body: []byte(host + " " + args.NetworkID + " " + args.RemoteIP + " " + args.Request.Path)}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	got, err := OverBus(b, "host1").Fetch(t.Context(), "n", "10.0.0.5", Request{Method: "GET", Path: "/latest"})
	if err != nil || got.Status != 207 || string(got.Body) != "host1 n 10.0.0.5 /latest" {
		t.Fatalf("%d %q %v", got.Status, got.Body, err)
	}
}
