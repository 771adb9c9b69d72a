package app

import (
	"context"
	"fmt"
	"time"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
	"gostack/internal/neutron/agent"
	"gostack/internal/nova/rpc"
)

// Topics over which the cloud's machines talk: the broker lets a host serve the first and call the second, nothing else. A new one is added
// here; hosts' users get the right at the control side's next start.
var (
	hostTopics    = []string{rpc.ComputeTopic}
	controlTopics = []string{rpc.ConductorTopic, agent.Topic}
)

// openBus opens the transport that the configuration names. A broker that does not answer is told by the log and the status, and tried
// again in the background.
func (h *House) openBus(ctx context.Context, control bool) error {
	cfg := h.Config
	if h.Bus != nil {
		return nil
	}
	if cfg.Bus == "" {
		h.Bus = bus.NewMemory()
		return nil
	}
	address, err := amqp.ParseURL(cfg.Bus)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	if !control && address.User != amqp.ControlUser && address.User != amqp.HostUser(cfg.Host) {
		return fmt.Errorf("bus: user %q is not that of host %s", address.User, cfg.Host)
	}
	if control && cfg.BusAdmin != "" {
		if h.BusAdmin, err = amqp.OpenAdmin(cfg.BusAdmin, address.VHost, cfg.BusCA, cfg.BusCert, cfg.BusKey); err != nil {
			return fmt.Errorf("bus_admin: %w", err)
		}
		h.BusAdmin.HostTopics, h.BusAdmin.ControlTopics = hostTopics, controlTopics
		h.provisionBus(ctx, address)
	}
	b, err := amqp.Open(amqp.Options{
		URL: cfg.Bus, CAFile: cfg.BusCA, CertFile: cfg.BusCert, KeyFile: cfg.BusKey, Name: "gostack " + cfg.Host, Log: h.Log,
	})
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	h.Bus = b
	return nil
}

// provisionPatience bounds how long the start waits for the broker's management, and the pause between tries afterwards.
const provisionPatience = 10 * time.Second

// provisionBus makes the virtual host, our own user and the present rights of hosts' users; in the background when it does not work at
// once.
func (h *House) provisionBus(ctx context.Context, address amqp.Address) {
	try := func(ctx context.Context) error {
		if err := h.BusAdmin.EnsureVhost(ctx); err != nil {
			return err
		}
		if address.User == amqp.ControlUser {
			if err := h.BusAdmin.EnsureControlUser(ctx, address.Password); err != nil {
				return err
			}
		}
		_, err := h.BusAdmin.RefreshHostUsers(ctx)
		return err
	}
	first, cancel := context.WithTimeout(ctx, provisionPatience)
	defer cancel()
	err := try(first)
	if err == nil {
		return
	}
	h.Log.Warn("the message broker cannot be set up; trying on", "error", err)
	later, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	h.stopProvisioning = func() {
		stop()
		<-ended
	}
	go func() {
		defer close(ended)
		for {
			select {
			case <-later.Done():
				return
			case <-time.After(provisionPatience):
			}
			if try(later) == nil {
				h.Log.Info("the message broker is set up")
				return
			}
		}
	}()
}

// closeBus ends the transport, after those who use it.
func (h *House) closeBus() error {
	if h.stopProvisioning != nil {
		h.stopProvisioning()
	}
	if h.BusAdmin != nil {
		h.BusAdmin.Close()
	}
	if b, ok := h.Bus.(*amqp.Bus); ok {
		return b.Close()
	}
	return nil
}

// busStatus is the line of the broker in the status; nothing without one.
func (h *House) busStatus() []ComponentStatus {
	b, ok := h.Bus.(*amqp.Bus)
	if !ok {
		return nil
	}
	st := ComponentStatus{Name: "message bus", State: "ready"}
	if err := b.Ready(); err != nil {
		st.State, st.Why = "degraded", err.Error()
	}
	return []ComponentStatus{st}
}
