package ops

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
)

// cacheHosts is on how many hosts at once images are fetched, cacheTries how often a host that fails is asked.
const (
	cacheHosts = 8
	cacheTries = 3
)

type cacheRun = saga.Run[nova.CacheState]

// cacheImages fetches images to hosts before servers need them. A host that cannot is left: it will try again with the first server.
func (o *Ops) cacheImages() *saga.Definition[nova.CacheState] {
	return &saga.Definition[nova.CacheState]{
		Kind: nova.KindCacheImages, Deadline: 2 * time.Hour, Workers: 4,
		Steps: []saga.Step[nova.CacheState]{{Name: "fetch images", Do: o.fetchImages, Deadline: 2 * time.Hour}},
	}
}

func (o *Ops) fetchImages(ctx context.Context, r *cacheRun) error {
	hosts := make(chan string)
	var fetch sync.WaitGroup
	var mu sync.Mutex
	var failed, without []string
	for range min(cacheHosts, len(r.State.Hosts)) {
		fetch.Go(func() {
			for host := range hosts {
				if err := o.fetchTo(ctx, host, r.State); err != nil {
					mu.Lock()
					failed, without = append(failed, err.Error()), append(without, host)
					mu.Unlock()
				}
			}
		})
	}
	for _, host := range r.State.Hosts {
		hosts <- host
	}
	close(hosts)
	fetch.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(failed) > 0 && r.Attempt < cacheTries {
		return fmt.Errorf("%d of %d hosts: %s", len(failed), len(r.State.Hosts), failed[0])
	}
	r.State.Failed = without
	for _, f := range failed {
		r.Note("%s", f)
	}
	return nil
}

// fetchTo fetches the images to one host; one that is down is left out.
func (o *Ops) fetchTo(ctx context.Context, host string, state *nova.CacheState) error {
	if up, err := o.hostUp(ctx, host); err != nil || !up {
		return err
	}
	for _, image := range state.Images {
		err := o.Nova.Hosts.Call(ctx, host, rpc.EnsureImage, image, nil)
		for ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) { // it goes on there; the same call joins it
			err = o.Nova.Hosts.Call(ctx, host, rpc.EnsureImage, image, nil)
		}
		if err != nil {
			return fmt.Errorf("image %s on %s: %w", image.ID, host, err)
		}
	}
	return nil
}
