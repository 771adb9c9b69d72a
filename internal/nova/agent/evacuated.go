package agent

import (
	"context"
	"errors"
	"fmt"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// runs are the calls after which a server runs. They wait until the control side has said what must not run here any more: a message from
// before the host was taken for dead may come late.
var runs = map[string]bool{rpc.Start: true, rpc.Reboot: true, rpc.Resume: true, rpc.Unpause: true}

// leave gives up servers that are run elsewhere: this host was taken for dead. Those whose evacuation is under way are only kept off: should it
// fail, what is here is all there is. Files that the new host uses, on storage that both have, are not this host's any more, so they stay.
func (a *Agent) leave(ctx context.Context, servers []rpc.Evacuation) error {
	var gone []string
	for _, e := range servers {
		do, method := func(ctx context.Context) error { return a.Driver.Stop(ctx, e.ServerID, 0) }, rpc.Stop
		if e.Done {
			do, method = func(ctx context.Context) error { return a.Driver.Destroy(ctx, e.ServerID) }, rpc.Destroy
			gone = append(gone, e.Migration)
		}
		j := a.jobs.join(method, e.Migration, e.ServerID, do)
		select {
		case <-j.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if j.err != nil && !errors.Is(j.err, driver.ErrNotFound) {
			return fmt.Errorf("server %s was evacuated and cannot be given up: %w", e.ServerID, j.err)
		}
		a.Log.InfoContext(ctx, "a server was evacuated from this host", "server", e.ServerID, "removed", e.Done)
	}
	if len(gone) == 0 {
		return nil
	}
	if err := a.Bus.Call(ctx, conductor, rpc.EvacuationsDone, rpc.EvacuationsDoneArgs{Host: a.Host, Migrations: gone}, nil); err != nil {
		return fmt.Errorf("control side: %w", err)
	}
	return nil
}
