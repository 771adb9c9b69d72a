package app

import (
	"context"

	"gostack/internal/notify"
)

// newNotifications makes the sender of notifications. Until it runs, what is emitted waits in its outbox.
func (h *House) newNotifications() *notify.Sender {
	return notify.New(notify.Options{
		DB: h.DB, Bus: h.Bus, Driver: h.Config.Notifications.Driver, Host: h.Config.Host, Clock: h.Clock, Log: h.Log, Lead: h.Replicas.Lead,
	})
}

// runNotifications starts to send, on the replica that leads.
func (h *House) runNotifications() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.Notify.Run(ctx)
	}()
	h.stopNotifications = func() {
		stop()
		<-ended
	}
}
