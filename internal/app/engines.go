package app

import (
	"context"
	"errors"

	"gostack/internal/engine/host"
)

// engineSupervisor keeps this host's engines alive where no init system does.
var engineSupervisor = Component{
	Name: "engine-supervisor", What: "starts the engines of this host again that gostack up had started and that died", Build: buildEngineSupervisor,
}

func buildEngineSupervisor(_ context.Context, h *House) (Unit, error) {
	options, err := host.FromConfig(h.Config)
	if err != nil {
		return Unit{}, err
	}
	options.Log = h.Log
	engines := host.New(options)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var ended error
	started := false
	return Unit{
		Start: func(context.Context) error {
			started = true
			go func() {
				defer close(done)
				if ended = engines.Supervise(ctx); ended != nil {
					h.Log.Error("engine-supervisor ended", "error", ended)
				}
			}()
			return nil
		},
		Stop: func(stop context.Context) error {
			cancel()
			if !started {
				return nil
			}
			select {
			case <-done:
				return nil
			case <-stop.Done():
				return stop.Err()
			}
		},
		Ready: func(ctx context.Context) error {
			select {
			case <-done:
				return errors.Join(errors.New("nobody watches the engines"), ended)
			default:
				return engines.Trouble(ctx)
			}
		},
	}, nil
}
