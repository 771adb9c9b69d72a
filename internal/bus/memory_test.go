package bus_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"gostack/internal/bus"
	"gostack/internal/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	bustest.Conform(t, func(_ *testing.T, n int) []bus.Bus {
		m := bus.NewMemory()
		handles := make([]bus.Bus, n)
		for i := range handles {
			handles[i] = m
		}
		return handles
	})
}

func TestMemoryKnowsItsSender(t *testing.T) {
	m := bus.NewMemory()
	stop, err := m.Serve(bus.To{Topic: "who", Host: "h"}, bus.Handlers{"who": func(_ context.Context, msg *bus.Message) (any, error) { return msg.From, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if _, err := m.Serve(bus.To{Topic: "who", Host: "h"}, nil); err == nil {
		t.Error("a second server took the same address")
	}
	var from string
	if err := m.Call(bus.AsHost(context.Background(), "compute-1"), bus.To{Topic: "who"}, "who", nil, &from); err != nil || from != "compute-1" {
		t.Errorf("from %q, %v", from, err)
	}
}
