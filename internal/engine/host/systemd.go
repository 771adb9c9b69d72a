package host

import (
	"context"
	"os"

	"gostack/internal/engine/command"
)

// units is the init system, as far as engines need it.
type units interface {
	// booted tells whether an init system runs services here at all.
	booted() bool
	active(ctx context.Context, unit string) bool
	// known tells whether there is such a unit to start.
	known(ctx context.Context, unit string) bool
	start(ctx context.Context, unit string) error
	stop(ctx context.Context, unit string) error
}

type systemd struct{}

// booted is sd_booted(3).
func (systemd) booted() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

func (systemd) active(ctx context.Context, unit string) bool {
	_, err := command.Run(ctx, "systemctl", "is-active", "--quiet", unit)
	return err == nil
}

func (systemd) known(ctx context.Context, unit string) bool {
	_, err := command.Run(ctx, "systemctl", "cat", "--quiet", unit)
	return err == nil
}

func (systemd) start(ctx context.Context, unit string) error {
	_, err := command.Run(ctx, "systemctl", "start", unit)
	return err
}

func (systemd) stop(ctx context.Context, unit string) error {
	_, err := command.Run(ctx, "systemctl", "stop", unit)
	return err
}

// unitOf finds the systemd unit that runs the engine: an active one, or else the one that could be started.
func (h *Host) unitOf(ctx context.Context, e Engine) (unit string, active bool) {
	if !h.units.booted() {
		return "", false
	}
	for _, u := range e.Units {
		if h.units.active(ctx, u) {
			return u, true
		}
	}
	for _, u := range e.Units {
		if h.units.known(ctx, u) {
			return u, false
		}
	}
	return "", false
}
