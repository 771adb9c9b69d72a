package app

import (
	"context"
	"sync"
	"time"

	"gostack/internal/nova"
)

// watchHosts looks for hosts that die and for news that was lost, on one replica at a time, until stop is called.
func (h *House) watchHosts() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		// A replica that takes over tells anew which hosts are down.
		watch := h.Nova.NewWatch()
		h.Replicas.Every(ctx, "nova hosts", nova.WatchEvery, func(ctx context.Context) error {
			_, err := watch.Look(ctx)
			return err
		})
	})
	work.Go(func() {
		h.Replicas.Every(ctx, "nova power states", nova.SyncEvery, func(ctx context.Context) error {
			return h.Nova.SyncPowerStates(ctx, nova.SyncEvery/4)
		})
	})
	work.Go(func() { h.Replicas.Every(ctx, "history of operations", time.Hour, h.purgeHistory) })
	if h.Nova.Config.ResizeConfirmWindow > 0 {
		work.Go(func() { h.Replicas.Every(ctx, "nova resizes", nova.ConfirmEvery, h.Nova.ConfirmOverdue) })
	}
	return func() {
		cancel()
		work.Wait()
	}
}

// keepHistory is how long gostack why remembers an operation that has ended.
const keepHistory = 90 * 24 * time.Hour

// purgeHistory removes what is older, so that the database does not grow for ever.
func (h *House) purgeHistory(ctx context.Context) error {
	for {
		n, err := h.Saga.Purge(ctx, h.Clock.Now().Add(-keepHistory))
		if err != nil || n == 0 {
			return err
		}
	}
}
