package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Down stops the engines that we started, last first, and no other. Guests are processes of their own and are not
// stopped; while there are any, engines that a guest cannot do without stay (virtlogd), and a later Up finds them.
func (h *Host) Down(ctx context.Context, progress Progress) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return h.down(ctx, progress)
}

func (h *Host) down(ctx context.Context, progress Progress) error {
	guests := runningGuests()
	var all []error
	for _, e := range slices.Backward(h.engines) {
		r, ours := h.recorded(e.Name)
		if r == (record{}) && ours {
			h.look(ctx, e) // completes a record that a killed gostack left without a pid
			r, ours = h.recorded(e.Name)
		}
		switch {
		case !ours:
			if s := h.look(ctx, e); s.State == Running {
				progress.say(e.Name, "left alone", "started by "+s.By, 0)
			}
			continue
		case e.guestsNeedIt && guests > 0:
			progress.say(e.Name, "left alone", fmt.Sprintf("guests still run and need it (%d)", guests), 0)
			continue
		}
		began := time.Now()
		progress.say(e.Name, "stopping", e.Why, 0)
		if err := h.stop(ctx, e, r); err != nil {
			all = append(all, fmt.Errorf("%s: %w", e.Name, err))
			continue
		}
		progress.say(e.Name, "stopped", e.Why, time.Since(began))
	}
	return errors.Join(all...)
}

// stop ends what the record names. The record goes first: the supervisor takes that as the word to let it die.
func (h *Host) stop(ctx context.Context, e Engine, r record) error {
	if err := h.forget(e.Name); err != nil {
		return err
	}
	var err error
	if r.Unit != "" {
		err = h.units.stop(ctx, r.Unit)
	} else if r.PID != 0 {
		err = r.process.stop(ctx, stopGrace)
	}
	if err != nil {
		return errors.Join(err, h.remember(e.Name, r)) // still ours to stop
	}
	return nil
}

// runningGuests counts the guests' processes by the pid files that libvirt's QEMU driver keeps.
func runningGuests() int {
	files, _ := filepath.Glob("/run/libvirt/qemu/*.pid")
	count := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			if p, err := find(pid); err == nil && strings.HasPrefix(p.command(), "qemu-system-") {
				count++
			}
		}
	}
	return count
}
