// Package chassis is what the agents of a host have in common that follow OVN's Southbound database: they learn from the host's switch who they are and
// whom to ask, and make the host as that database wants it, again and again.
package chassis

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/vswitch"
)

// retry is the pause before what failed is tried again.
const retry = 2 * time.Second

// Host is what the switch is told about OVN.
type Host struct {
	Chassis string
	// Southbound are the addresses of the database.
	Southbound []string
}

// Wait returns when the switch is set up as a chassis, or with the end of ctx. southbound, if any, are the addresses to use whatever the switch says.
func Wait(ctx context.Context, vs *ovsdb.Client, southbound []string, log *slog.Logger) (Host, error) {
	sub := vs.Subscribe("Open_vSwitch")
	defer sub.Cancel()
	for {
		if _, err := sub.Next(ctx); err != nil {
			return Host{}, err
		}
		roots, err := ovsdb.List[vswitch.OpenvSwitch](ctx, vs, nil)
		if err != nil || len(roots) != 1 {
			continue // connection lost, or a database not initialised yet: both end with a change
		}
		ids := roots[0].ExternalIDs
		h := Host{Chassis: ids["system-id"], Southbound: southbound}
		if len(southbound) == 0 {
			h.Southbound = strings.FieldsFunc(ids["ovn-remote"], func(r rune) bool { return r == ',' })
		}
		if h.Chassis != "" && len(h.Southbound) > 0 {
			return h, nil
		}
		log.Info("Open vSwitch is not set up for OVN yet (external_ids:system-id, ovn-remote)")
	}
}

// Follow calls reconcile at first, after every change, and when the time that it returned last has passed (0: not without a change); after an error
// soon again. changed is false when only time has passed. ready is closed after the first success. It returns when ctx ends, with nil, or the
// database's client is closed.
func Follow(ctx context.Context, sub *ovsdb.Subscription, ready chan struct{}, log *slog.Logger, reconcile func(changed bool) (again time.Duration, err error)) error {
	for again := time.Duration(0); ; {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if again > 0 {
			wait, cancel = context.WithTimeout(ctx, again)
		}
		_, err := sub.Next(wait)
		cancel()
		if ctx.Err() != nil || errors.Is(err, ovsdb.ErrClosed) {
			return Ended(ctx, err)
		}
		if again, err = reconcile(err == nil); err != nil {
			again = retry
			if ctx.Err() == nil {
				log.Warn("this host is not as OVN wants it yet", "error", err)
			}
			continue
		}
		select {
		case <-ready:
		default:
			close(ready)
		}
	}
}

// Ended is nil for an error that the end of ctx brought.
func Ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
