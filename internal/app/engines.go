package app

import (
	"context"

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
	return worker{
		name: "engine-supervisor", log: h.Log, run: engines.Supervise,
		ready: engines.Trouble,
	}.unit(), nil
}
