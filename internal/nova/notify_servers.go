package nova

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/notify"
	"gostack/internal/nova/db"
	"gostack/internal/nova/notice"
	"gostack/internal/store"
)

// ServerNotice is something that happened to a server, beside the change of its state that is told anyway.
type ServerNotice struct {
	// Event is the versioned event's action and phase, "power_off.start", or a whole type: "compute.exception", "compute_task.build_instances.error",
	// "scheduler.select_destinations.start".
	Event string
	// Source is the process that tells; empty is nova-compute on Host, and without a host nova-api here.
	Source string
	// Host is empty for the one that the server is on.
	Host  string
	Cause string // of errors
	Where string // what failed
	// Flavor, Image say more of what is done: the flavor to become, the image that is made or rescued with.
	Flavor *MovedFlavor
	Image  string
	// IfInError tells only when the server ends the transaction in error.
	IfInError bool
}

// NoteServer tells of something that happens to a server in this transaction.
func (s *Service) NoteServer(ctx context.Context, tx store.Tx, id string, what ...ServerNotice) error {
	n := s.notesOf(ctx)
	if n == nil {
		return nil
	}
	r, err := n.touch(ctx, tx, db.WatchServer, id, false)
	if err != nil || r == nil {
		return err
	}
	r.notices = append(r.notices, what...)
	return nil
}

// told by an action that is no operation of its own.
var actionNotices = map[string][]string{
	"live_migration_cancel":         {"live_migration_abort.start", "live_migration_abort.end"},
	"live_migration_force_complete": {"live_migration_force_complete.start", "live_migration_force_complete.end"},
}

// legacyActions are actions whose unversioned name is another one; "" have none.
var legacyActions = map[string]string{
	"resize_prep": "resize.prep", "resize_finish": "finish_resize", "resize_confirm": "resize.confirm", "resize_revert": "resize.revert",
	"live_migration_pre": "live_migration.pre", "live_migration_post": "live_migration._post", "live_migration_post_dest": "live_migration.post.dest",
	"live_migration_rollback": "live_migration._rollback", "live_migration_rollback_dest": "live_migration.rollback.dest",
	"live_migration_abort": "live.migration.abort", "live_migration_force_complete": "live.migration.force.complete",
	"rebuild_scheduled": "rebuild.scheduled", "interface_attach": "", "interface_detach": "", "lock": "", "unlock": "",
}

func tellServer(ctx context.Context, tx store.Tx, n *notes, r *changedRow) ([]notify.Event, error) {
	verb, srv := change[*Server](r)
	i := &notice.Instance{Server: srv, ImageURL: n.s.Config.Notifications.ImageURL}
	if n.caller != nil && n.caller.ProjectID != "" {
		i.Caller = n.caller
	}
	if srv.DeletedAt == nil && verb != "create" {
		ports, err := n.s.Network.PortsOf(ctx, []string{srv.ID})
		if err != nil {
			return nil, err
		}
		i.Ports = ports[srv.ID]
	}
	events := n.update(i, r)
	if verb == "create" && srv.ServerGroupID != nil {
		g, err := db.GetServerGroup(ctx, tx, *srv.ServerGroupID)
		if err != nil {
			return nil, err
		}
		g.Members = []string{srv.ID}
		events = append(events, n.versioned("server_group.add_member", n.from("nova-api"), notice.ServerGroup(g))...)
	}
	if old, ok := r.old.(*Server); ok && (old.LockedBy == "") != (srv.LockedBy == "") {
		action := "unlock"
		if srv.LockedBy != "" {
			action = "lock"
		}
		r.notices = append(r.notices, ServerNotice{Event: action, Source: "nova-api"})
	}
	for _, what := range r.notices {
		if !what.IfInError || srv.VMState == InError {
			events = append(events, n.happened(i, r, what)...)
		}
	}
	return events, nil
}

// update is instance.update and its unversioned twin.
func (n *notes) update(i *notice.Instance, r *changedRow) []notify.Event {
	states := n.s.Config.Notifications.States
	if states == "none" || i.DeletedAt != nil {
		return nil
	}
	u := notice.Update{OldState: i.VMState, OldTask: i.TaskState}
	u.From, u.To = notice.Month(n.s.Now())
	source := "nova-compute"
	if old, ok := r.old.(*Server); ok {
		changed := old.VMState != i.VMState || states != "vm_state" && old.TaskState != i.TaskState
		if changed {
			u.OldState, u.OldTask = old.VMState, old.TaskState
		} else if !visible(r.columns) {
			return nil
		}
		if old.Name != i.Name {
			u.OldName = old.Name
		}
	} else {
		u.OldTask, source = "", "nova-api"
	}
	host := i.Host
	if host == "" || source == "nova-api" {
		host = n.sender.Host
	}
	return slices.Concat(
		n.legacy("compute.instance.update", strings.TrimPrefix(source, "nova-")+"."+host, i.Legacy(false, i.LegacyStates(u))),
		n.versioned("instance.update", source+":"+host, i.Updated(u)),
	)
}

// happened makes the events of a notice, unversioned and versioned.
func (n *notes) happened(i *notice.Instance, r *changedRow, what ServerNotice) []notify.Event {
	source, host := what.Source, what.Host
	if host == "" {
		host = i.Host
	}
	if old, ok := r.old.(*Server); ok && host == "" { // it has just left
		host = old.Host
	}
	if source == "" {
		source = "nova-compute"
		if host == "" { // it has never been on a host
			source = "nova-api"
		}
	}
	if source != "nova-compute" {
		host = n.sender.Host
	}
	publisher := source + ":" + host
	var fault *notice.Object
	if what.Cause != "" {
		fault = notice.Fault("Exception", what.Cause, what.Where)
	}
	action, phase, _ := strings.Cut(what.Event, ".")
	if source == "nova-api" && (action == "shutdown" || action == "exists") {
		return nil // there was nothing to shut down
	}
	switch action {
	case "compute":
		return n.versioned(what.Event, publisher, fault)
	case "compute_task":
		return n.versioned(what.Event, publisher, notice.Task(i.ID, fault, notice.Request(i.Server)))
	case "scheduler":
		return n.versioned(what.Event, publisher, notice.Request(i.Server))
	}
	old, known := legacyActions[action]
	if !known {
		old = action
	}
	var events []notify.Event
	if old != "" {
		if phase != "" {
			old += "." + phase
		}
		events = n.legacy("compute.instance."+old, strings.TrimPrefix(source, "nova-")+"."+host, i.Legacy(true, n.legacyMore(i, action, phase, what)))
	}
	return append(events, n.versioned("instance."+what.Event, publisher, n.payload(i, action, fault, what))...)
}

func (n *notes) payload(i *notice.Instance, action string, fault *notice.Object, what ServerNotice) *notice.Object {
	switch action {
	case "create":
		print := ""
		if i.KeyName != nil {
			print, _ = fingerprint(i.KeyData.Type, i.KeyData.PublicKey) // it was read when the key pair was stored
		}
		return i.Create(fault, print)
	case "rebuild", "rebuild_scheduled":
		return i.Rebuild(fault)
	case "resize_prep":
		var flavor *notice.Object
		if what.Flavor != nil {
			flavor = notice.CopiedFlavor(what.Flavor.ID, what.Flavor.Flavor)
		}
		return i.ResizePrep(flavor)
	case "rescue":
		return i.Rescue(what.Image)
	case "snapshot":
		return i.Snapshot(what.Image)
	case "exists":
		return i.Exists(notice.Month(n.s.Now()))
	}
	return i.Action(fault)
}

// legacyMore are the members that some unversioned events have beside the instance's (nova/compute/manager.py).
func (n *notes) legacyMore(i *notice.Instance, action, phase string, what ServerNotice) map[string]any {
	switch {
	case phase == "error":
		return notice.LegacyFault(what.Cause)
	case action == "create" && phase == "start", action == "rebuild" && phase == "start":
		return map[string]any{"image_name": i.Image.Name}
	case action == "create" && phase == "end":
		return map[string]any{"message": "Success"}
	case action == "resize_prep" && what.Flavor != nil:
		return map[string]any{"new_instance_type": what.Flavor.Flavor.Name, "new_instance_type_id": nil}
	case action == "rescue":
		return map[string]any{"rescue_image_name": what.Image}
	case action == "exists":
		return notice.LegacyPeriod(notice.Month(n.s.Now()))
	}
	return nil
}
