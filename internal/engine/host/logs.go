package host

import (
	"context"
	"errors"
	"os"

	"gostack/internal/engine/command"
)

// maxLog is the size in bytes at which an engine's log is put aside. One old log is kept, so an engine takes at most
// about twice that.
const maxLog = 32 << 20

// rotateLogs puts the logs aside that have grown too long, of engines that we started.
func (h *Host) rotateLogs(ctx context.Context, limit int64) error {
	var all []error
	for _, e := range h.engines {
		log := h.logFile(e.Name)
		info, err := os.Stat(log)
		if _, ours := h.recorded(e.Name); !ours || e.reopen == nil || err != nil || info.Size() < limit {
			continue
		}
		if err := os.Rename(log, log+".1"); err != nil {
			all = append(all, err)
			continue
		}
		_, err = command.Run(ctx, e.reopen...)
		all = append(all, err)
	}
	return errors.Join(all...)
}
