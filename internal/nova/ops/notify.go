package ops

import (
	"context"
	"strings"

	"gostack/internal/notify"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// moment is a point in an operation and what is told of it: events by upstream's names, with "@" and who tells when it is not the compute host that
// the server is on: dest and source of a move, api, conductor or scheduler.
type moment struct {
	// step is empty for any; with a minus before it, for all but one.
	when, step string
	events     string
	// only, when set, tells whether it happened that way.
	only func(s *toldState) bool
}

// toldState is what notifications need of the operations' states; their members have the same names in all of them.
type toldState struct {
	Action     string            `json:"action"`
	Image      string            `json:"image_id"`
	Source     nova.Site         `json:"source"`
	SourceHost string            `json:"source_host"`
	New        *nova.MovedFlavor `json:"new"`
	Progress   struct {
		Choice *nova.Place `json:"choice"`
		Landed bool        `json:"landed"`
	} `json:"progress"`
	Move nova.MoveDetails `json:"move"`
}

func (m *moment) at(step string) bool {
	but, all := strings.CutPrefix(m.step, "-")
	return m.step == "" || all && step != but || m.step == step
}

func placed(s *toldState) bool  { return s.Progress.Choice != nil }
func nowhere(s *toldState) bool { return s.Progress.Choice == nil }
func landed(s *toldState) bool  { return s.Progress.Landed }
func stayed(s *toldState) bool  { return placed(s) && !s.Progress.Landed }

const (
	exception = "compute.exception"
	scheduled = "scheduler.select_destinations.start@scheduler scheduler.select_destinations.end@scheduler"
)

// simple is an operation that begins, and ends or fails.
func simple(action string) []moment { return failing(action, exception) }

func failing(action, failure string) []moment {
	return []moment{
		{saga.ChangeStarted, "", action + ".start", nil}, {saga.ChangeDone, "", action + ".end", nil}, {saga.ChangeUndone, "", failure, nil},
	}
}

// told is what is told of each kind of operation on servers, as nova/compute/manager.py does.
var told = map[string][]moment{
	nova.KindCreate: {
		{saga.ChangeStep, "pick host", scheduled + " create.start@dest", nil},
		{saga.ChangeTurned, "pick host", "compute_task.build_instances.error@conductor", nil},
		{saga.ChangeTurned, "-pick host", "create.error@dest", placed},
		{saga.ChangeDone, "", "create.end", nil},
	},
	nova.KindDelete: {
		{saga.ChangeStarted, "", "exists delete.start shutdown.start", nil},
		{saga.ChangeStep, "destroy guest", "shutdown.end", nil},
		{saga.ChangeDone, "", "delete.end", nil},
	},
	nova.KindAttach: failing("interface_attach", "interface_attach.error"),
	nova.KindDetach: simple("interface_detach"),
	nova.KindResize: {
		{saga.ChangeStarted, "", "exists@source", nil},
		{saga.ChangeStep, "pick host", scheduled + " resize_prep.start@dest resize_prep.end@dest", nil},
		{saga.ChangeStep, "fetch image", "resize.start@source", nil},
		{saga.ChangeStep, "set aside", "resize.end@source resize_finish.start@dest", nil},
		{saga.ChangeDone, "", "resize_finish.end@dest", nil},
		{saga.ChangeUndone, "", "resize.error@source", placed},
		{saga.ChangeUndone, "", "compute_task.migrate_server.error@conductor", nowhere},
	},
	nova.KindConfirm: simple("resize_confirm"),
	nova.KindRevert:  simple("resize_revert"),
	nova.KindEvacuate: {
		{saga.ChangeStarted, "", "evacuate@api", nil},
		{saga.ChangeStep, "pick host", scheduled + " rebuild_scheduled@conductor rebuild.start@dest", nil},
		{saga.ChangeDone, "", "rebuild.end", nil},
		{saga.ChangeUndone, "", "rebuild.error@dest", placed},
		{saga.ChangeUndone, "", "compute_task.rebuild_server.error@conductor", nowhere},
	},
	nova.KindRebuild: {
		{saga.ChangeStarted, "", "rebuild_scheduled@conductor exists rebuild.start", nil},
		{saga.ChangeDone, "", "rebuild.end", nil},
		{saga.ChangeUndone, "", "rebuild.error", nil},
	},
	nova.KindRescue:   simple("rescue"),
	nova.KindUnrescue: simple("unrescue"),
	nova.KindShelve:   simple("shelve"),
	nova.KindOffload:  simple("shelve_offload"),
	nova.KindUnshelve: {
		{saga.ChangeStep, "pick host", scheduled + " unshelve.start@dest", nil},
		{saga.ChangeDone, "", "unshelve.end", nil},
		{saga.ChangeUndone, "", exception, placed},
	},
	nova.KindSnapshot: simple("snapshot"),
	nova.KindNMI:      simple("trigger_crash_dump"),
	nova.KindLive: {
		{saga.ChangeStep, "pick host", scheduled, nil},
		{saga.ChangeStep, "wait for a turn", "live_migration_pre.start@dest", nil},
		{saga.ChangeStep, "prepare ports", "live_migration_pre.end@dest", nil},
		{saga.ChangeTurned, "", "live_migration_rollback.start@source live_migration_rollback_dest.start@dest", stayed},
		{saga.ChangeStep, "migrate", "live_migration_post.start@source live_migration_post_dest.start@dest", nil},
		{saga.ChangeStep, "bind ports", "live_migration_post_dest.end@dest", nil},
		{saga.ChangeDone, "", "live_migration_post.end@source", nil},
		{saga.ChangeUndone, "", "live_migration_rollback_dest.end@dest live_migration_rollback.end@source", stayed},
		{saga.ChangeUndone, "", "live_migration_post_dest.start@dest live_migration_post_dest.end@dest live_migration_post.end@source", landed},
		{saga.ChangeUndone, "", "compute_task.migrate_server.error@conductor", nowhere},
	},
}

// powerNotices are the names of power actions that are told by another one than their own.
var powerNotices = map[nova.PowerAction]string{nova.ActStart: "power_on", nova.ActStop: "power_off", nova.ActSoftDelete: "soft_delete"}

func powerMoments(action nova.PowerAction) []moment {
	name := powerNotices[action]
	if name == "" {
		name = string(action)
	}
	if action == nova.ActReboot {
		return failing(name, "reboot.error")
	}
	return simple(name)
}

// observe notes what is told of an operation on a server, in the transaction that records it.
func (o *Ops) observe(ctx context.Context, tx store.Tx, c *saga.Change) error {
	if notify.Sending(ctx) == nil {
		return nil
	}
	var s toldState
	if c.State(&s) != nil {
		return nil // a state that cannot be read is the engine's to tell
	}
	moments := told[c.Kind()]
	if c.Kind() == nova.KindPower {
		moments = powerMoments(nova.PowerAction(s.Action))
	}
	op := c.Operation()
	var notices []nova.ServerNotice
	for _, m := range moments {
		if m.when != c.When || !m.at(c.Step) || m.only != nil && !m.only(&s) {
			continue
		}
		for event := range strings.FieldsSeq(m.events) {
			if op.Canceled && strings.HasPrefix(event, "compute_task.") {
				continue // it was not the lack of a host
			}
			notices = append(notices, s.notice(event, op.Cause, c.Step))
		}
	}
	if len(notices) == 0 {
		return nil
	}
	caller := *op.Caller
	if caller.RequestID == "" {
		caller.RequestID = op.RequestID
	}
	return o.Nova.NoteServer(policy.WithCaller(ctx, &caller), tx, op.Resource.ID, notices...)
}

func (s *toldState) notice(event, cause, step string) nova.ServerNotice {
	event, who, _ := strings.Cut(event, "@")
	n := nova.ServerNotice{Event: event, Flavor: s.New, Image: s.Image}
	if strings.HasSuffix(event, "error") || event == exception {
		n.Cause, n.Where = cause, step
	}
	switch who {
	case "api", "conductor", "scheduler":
		n.Source = "nova-" + who
	case "dest":
		if s.Progress.Choice != nil {
			n.Host = s.Progress.Choice.Host
		}
	case "source":
		if n.Host = s.SourceHost; n.Host == "" {
			n.Host = s.Source.Host
		}
	}
	return n
}

// observePlacing tells of servers of one request that found no host together.
func (o *Ops) observePlacing(ctx context.Context, tx store.Tx, c *saga.Change) error {
	if notify.Sending(ctx) == nil || c.Kind() != nova.KindPlace || c.When != saga.ChangeDone && c.When != saga.ChangeUndone {
		return nil
	}
	var s nova.PlaceState
	if c.State(&s) != nil {
		return nil
	}
	op := c.Operation()
	for _, id := range s.Servers {
		err := o.Nova.NoteServer(policy.WithCaller(ctx, op.Caller), tx, id, nova.ServerNotice{
			Event: "compute_task.build_instances.error", Source: "nova-conductor", Cause: op.Cause, Where: c.Step, IfInError: true,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// observeCaching tells how far the images of an aggregate are.
func (o *Ops) observeCaching(ctx context.Context, tx store.Tx, c *saga.Change) error {
	if notify.Sending(ctx) == nil || c.Kind() != nova.KindCacheImages {
		return nil
	}
	var s nova.CacheState
	if c.State(&s) != nil {
		return nil
	}
	a, err := db.GetAggregateByUUID(ctx, tx, s.Aggregate)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.When == saga.ChangeUndone {
		s.Failed = s.Hosts
	}
	return o.Nova.NoteCaching(policy.WithCaller(ctx, c.Operation().Caller), a, c.When, s)
}

// tellOthers makes everything that operations do known to those who hear.
func (o *Ops) tellOthers() {
	o.Nova.WatchForNotifications()
	o.Engine.Observe(nova.ServerResource, o.observe)
	o.Engine.Observe(nova.ReservationResource, o.observePlacing)
	o.Engine.Observe(nova.AggregateResource, o.observeCaching)
}
