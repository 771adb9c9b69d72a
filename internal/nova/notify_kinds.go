package nova

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/notify"
	"gostack/internal/nova/db"
	"gostack/internal/nova/notice"
	"gostack/internal/store"
)

// kinds says how what is watched is read, and what its changes are told as. Publishers and event types are upstream's (doc/source/admin/notifications.rst).
func kinds(kind string) kindOf {
	switch kind {
	case db.WatchServer:
		return kindOf{func(ctx context.Context, tx store.Tx, id string) (any, error) { return db.GetServer(ctx, tx, id) }, tellServer}
	case db.WatchFlavor:
		return kindOf{loadFlavor, tellFlavor}
	case db.WatchKeyPair:
		return kindOf{func(ctx context.Context, tx store.Tx, key string) (any, error) {
			user, name, _ := strings.Cut(key, "\n")
			return db.GetKeyPair(ctx, tx, user, name)
		}, tellKeyPair}
	case db.WatchServerGroup:
		return kindOf{func(ctx context.Context, tx store.Tx, id string) (any, error) { return db.GetServerGroup(ctx, tx, id) }, tellServerGroup}
	case db.WatchAggregate:
		return kindOf{func(ctx context.Context, tx store.Tx, key string) (any, error) {
			id, err := strconv.ParseInt(key, 10, 64)
			if err != nil {
				return nil, err
			}
			return db.GetAggregate(ctx, tx, id)
		}, tellAggregate}
	case db.WatchService:
		return kindOf{func(ctx context.Context, tx store.Tx, id string) (any, error) { return db.GetService(ctx, tx, id) }, tellService}
	}
	panic("nova: changes of " + kind + " are not watched")
}

// flavorWith is a flavor with the projects that may use it.
type flavorWith struct {
	*Flavor
	projects []string
}

func loadFlavor(ctx context.Context, tx store.Tx, id string) (any, error) {
	f, err := db.GetFlavor(ctx, tx, id, "")
	if err != nil {
		return nil, err
	}
	with := &flavorWith{Flavor: f, projects: []string{}}
	access, err := db.ListFlavorAccess(ctx, tx, id)
	for _, a := range access {
		with.projects = append(with.projects, a.ProjectID)
	}
	return with, err
}

// change is what became of a row: "create", "delete" or "update", with the row as it is or was last.
func change[T any](r *changedRow) (verb string, row T) {
	old, hadOld := r.old.(T)
	now, has := r.now.(T)
	switch {
	case !has:
		return "delete", old
	case !hadOld:
		return "create", now
	}
	return "update", now
}

func tellFlavor(_ context.Context, _ store.Tx, n *notes, r *changedRow) ([]notify.Event, error) {
	verb, f := change[*flavorWith](r)
	return n.versioned("flavor."+verb, n.from("nova-api"), notice.Flavor(f.Flavor, f.projects)), nil
}

func tellKeyPair(_ context.Context, _ store.Tx, n *notes, r *changedRow) ([]notify.Event, error) {
	verb, k := change[*KeyPair](r)
	if verb == "create" && !strings.HasSuffix(k.PublicKey, " Generated-by-Nova") && k.Type == KeySSH {
		verb = "import"
	}
	before := *k
	if verb == "create" { // it is made between the two
		before.PublicKey, before.Fingerprint = "", ""
	}
	return n.both("keypair."+verb, n.from("nova-api"), notice.KeyPair(&before), notice.KeyPair(k)), nil
}

func tellServerGroup(_ context.Context, _ store.Tx, n *notes, r *changedRow) ([]notify.Event, error) {
	verb, g := change[*ServerGroup](r)
	return n.versioned("server_group."+verb, n.from("nova-api"), notice.ServerGroup(g)), nil
}

func tellAggregate(_ context.Context, _ store.Tx, n *notes, r *changedRow) ([]notify.Event, error) {
	verb, now := change[*Aggregate](r)
	publisher := n.from("nova-api")
	old, _ := r.old.(*Aggregate)
	if verb != "update" || now.Name != old.Name {
		if verb == "update" {
			verb = "update_prop"
		}
		before := now
		if old != nil {
			before = old
		}
		return n.both("aggregate."+verb, publisher, notice.Aggregate(before), notice.Aggregate(now)), nil
	}
	var events []notify.Event
	told := func(verb string) {
		events = append(events, n.both("aggregate."+verb, publisher, notice.Aggregate(old), notice.Aggregate(now))...)
	}
	switch {
	case len(now.Hosts) > len(old.Hosts):
		told("add_host")
	case len(now.Hosts) < len(old.Hosts):
		told("remove_host")
	}
	if !maps.Equal(now.Metadata, old.Metadata) {
		told("update_metadata")
	}
	return events, nil
}

func tellService(_ context.Context, _ store.Tx, n *notes, r *changedRow) ([]notify.Event, error) {
	verb, sv := change[*ServiceRow](r)
	if old, ok := r.old.(*ServiceRow); ok && verb == "update" {
		reason := func(s *ServiceRow) string {
			if s.DisabledReason == nil {
				return ""
			}
			return *s.DisabledReason
		}
		if old.Disabled == sv.Disabled && old.ForcedDown == sv.ForcedDown && reason(old) == reason(sv) {
			return nil, nil // heartbeats are no news
		}
	}
	return n.versioned("service."+verb, sv.Binary+":"+sv.Host, notice.Service(sv, "")), nil
}

// silent are columns of servers whose change nobody is told of: they are ours.
var silent = []string{"requested", "kept", "operation_id", "updated_at", "fault", "progress", "pinned_zone", "seq"}

func visible(columns []string) bool {
	return slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(silent, c) })
}
