package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"gostack/internal/bus/amqp"
	"gostack/internal/bus/amqp/rabbittest"
)

func (h *House) busLine(t *testing.T) ComponentStatus {
	t.Helper()
	for _, c := range h.Status(t.Context()) {
		if c.Name == "message bus" {
			return c
		}
	}
	t.Fatal("the status says nothing of the message bus")
	return ComponentStatus{}
}

// TestTheBrokerComesLater starts a control side whose broker is not there, and was never set up.
func TestTheBrokerComesLater(t *testing.T) {
	broker := rabbittest.Start(t)
	vhost := broker.NewVHost(t)
	broker.Stop()
	h := testHouse(t)
	h.Config.Bus, h.Config.BusAdmin = broker.URL(amqp.ControlUser, "hunter2", vhost), broker.AdminURL("")
	h.Config.Hostlink = "127.0.0.1:0"
	if err := h.Start(t.Context(), "control"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	line := h.busLine(t)
	soon(t, "the first attempt to connect has failed", func() bool {
		line = h.busLine(t)
		return strings.Contains(line.Why, "refused")
	})
	if line.State != "degraded" || !strings.Contains(line.Why, broker.Addr) || strings.Contains(line.Why, "hunter2") {
		t.Errorf("%+v", line)
	}
	for _, c := range h.Status(t.Context()) {
		if c.State != "ready" && c.Name != "message bus" {
			t.Logf("%s is %s: %s", c.Name, c.State, c.Why)
		}
	}
	broker.Restart(t)
	soon(t, "the bus is ready", func() bool { return h.busLine(t).State == "ready" })
	soon(t, "the conductor's queues and our own are there", func() bool { // they are declared after the connection has been made
		n, err := h.BusAdmin.Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n.Queues >= 3
	})
}

func TestBusesThatCannotBe(t *testing.T) {
	for says, set := range map[string]func(h *House){
		"gostack-host-other":      func(h *House) { h.Config.Bus = "amqp://gostack-host-other:hunter2@127.0.0.1:1/v" },
		"neither gostack-control": func(h *House) { h.Config.Bus = "amqp://guest:hunter2@127.0.0.1:1/v" },
		"names no user":           func(h *House) { h.Config.Bus = "amqp://127.0.0.1:1/v" },
		"/does/not/exist": func(h *House) {
			h.Config.Bus, h.Config.BusCA = "amqps://gostack-control:hunter2@127.0.0.1:1/v", "/does/not/exist"
		},
		"http(s)://user:password@host:port": func(h *House) {
			h.Config.Bus, h.Config.BusAdmin = "amqp://gostack-control:hunter2@127.0.0.1:1/v", "127.0.0.1"
		},
	} {
		h := testHouse(t)
		set(h)
		control := h.Config.BusAdmin != "" || !strings.Contains(says, "gostack-host")
		err := h.openBus(t.Context(), control)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", says, err)
		}
		if err := h.closeBus(); err != nil {
			t.Error(err)
		}
	}
}
