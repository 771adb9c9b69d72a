package ops_test

import (
	"context"
	"maps"
	"sync"
	"testing"

	"gostack/internal/keystone"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// publicKey is one that nobody has the other half of.
const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test"

// registered are limits of Keystone's that are the same for all projects.
type registered map[string]int64

func (r registered) Limits(context.Context, string, string, string) (map[string]int64, error) {
	return maps.Clone(map[string]int64(r)), nil
}

func (r registered) EnforceLimits(ctx context.Context, project, _, _ string, deltas map[string]int64, usage keystone.Usage) error {
	used, err := usage(ctx, []string{project}, nil)
	var over keystone.OverLimits
	for name, delta := range deltas {
		if limit := r[name]; limit >= 0 && used[project][name]+delta > limit {
			over = append(over, keystone.OverLimit{Project: project, Resource: name, Limit: limit, Current: used[project][name], Delta: delta})
		}
	}
	if err == nil && over != nil {
		return over
	}
	return err
}

// limited switches Keystone's limits on.
func (w *world) limited(options []string, limits registered) registered {
	var err error
	w.Run()() // so that operations can be begun, and nobody does them
	w.Nova.Unified, err = nova.ConfigureQuota(append(options, "driver=nova.quota.UnifiedLimitsDriver"), limits, "RegionOne")
	must(w.T, err)
	return limits
}

func (w *world) many(least, most int) ([]*nova.Server, error) {
	return w.Nova.CreateServers(w.T.Context(), w.caller, nova.CreateRequest{Name: "many", FlavorID: "1", ImageID: novatest.ImageID, Min: least, Max: most})
}

func refuses(t *testing.T, err error, says string) {
	t.Helper()
	if rest.StatusOf(err) != 403 || err.Error() != "403 "+says {
		t.Errorf("%v, want a refusal: %s", err, says)
	}
}

// Keystone's limits count what Placement has given away, and what is on its way there.
func TestUnifiedLimits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		w := newWorld(t, d, 2)
		limits := w.limited(nil, registered{})
		in := "Project " + w.caller.ProjectID + " is over a limit for "
		_, err := w.many(1, 1)
		refuses(t, err, in+"[Resource servers is over limit of 0 due to current usage 0 and delta 1]")
		limits["servers"], limits["class:VCPU"] = 5, 3 // memory and disk are not registered, and not asked about by default
		list, err := w.many(1, 10)
		must(t, err)
		if len(list) != 3 {
			t.Fatalf("%d servers, want 3: as many as have processors", len(list))
		}
		// They have no hosts yet, and count.
		_, err = w.many(1, 2)
		refuses(t, err, in+"[Resource class:VCPU is over limit of 3 due to current usage 3 and delta 1]")
		stop := w.Run()
		defer stop()
		for _, srv := range list {
			w.Settled(srv.ID)
		}
		_, err = w.many(1, 1)
		refuses(t, err, in+"[Resource class:VCPU is over limit of 3 due to current usage 3 and delta 1]")
		use, err := w.Nova.Use(t.Context(), w.caller.ProjectID, "")
		must(t, err)
		now, err := w.Nova.Limits(t.Context(), w.caller.ProjectID, w.caller.UserID)
		must(t, err)
		if use["instances"] != 3 || use["cores"] != 3 || use["ram"] != 3*512 || now["instances"] != 5 || now["cores"] != 3 || now["ram"] != -1 || now["floating_ips"] != -1 {
			t.Errorf("used %v of %v", use, now)
		}

		// One that has left its host gives back what it had, and asks for it when it comes back.
		must(t, w.Nova.Shelve(t.Context(), w.caller, list[0].ID))
		w.Settled(list[0].ID)
		again, err := w.many(1, 1)
		must(t, err)
		w.Settled(again[0].ID)
		refuses(t, w.Nova.Unshelve(t.Context(), w.caller, list[0].ID, nova.UnshelveRequest{}), in+"[Resource class:VCPU is over limit of 3 due to current usage 3 and delta 1]")
		limits["class:VCPU"] = 4
		must(t, w.Nova.Unshelve(t.Context(), w.caller, list[0].ID, nova.UnshelveRequest{}))
		w.Settled(list[0].ID)

		// A resize holds both flavors until it is settled.
		must(t, d.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
			return db.Insert(ctx, tx, &nova.Flavor{ID: "2", Name: "m1.small", MemoryMB: 512, VCPUs: 2, RootGB: 1, IsPublic: true, ExtraSpecs: map[string]string{}, CreatedAt: w.Nova.Now()})
		}))
		refuses(t, w.Nova.Resize(t.Context(), w.caller, list[1].ID, "2", ""), in+"[Resource class:VCPU is over limit of 4 due to current usage 4 and delta 2]")
		limits["class:VCPU"] = 6
		must(t, w.Nova.Resize(t.Context(), w.caller, list[1].ID, "2", ""))
		w.Settled(list[1].ID)
		if use, err := w.Nova.Use(t.Context(), w.caller.ProjectID, ""); err != nil || use["cores"] != 6 || use["instances"] != 4 {
			t.Errorf("used %v %v, want what Placement holds for both flavors", use, err)
		}
	}, novatest.Migrations...)
}

// Requests that come together do not pass a limit together.
func TestUnifiedLimitsHoldInAStorm(t *testing.T) {
	databases(t, func(t *testing.T, d *store.DB) {
		w := newWorld(t, d, 1)
		w.limited(nil, registered{"servers": 100, "class:VCPU": 5})
		var all sync.WaitGroup
		var lock sync.Mutex
		made := 0
		for range 12 {
			all.Go(func() {
				list, err := w.many(1, 1)
				lock.Lock()
				defer lock.Unlock()
				if made += len(list); err != nil && rest.StatusOf(err) != 403 {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if made != 5 {
			t.Errorf("%d servers, want 5", made)
		}
	}, novatest.Migrations...)
}

// What bounds a request, a user or a group is registered for all, and refused in the words of oslo.limit.
func TestUnifiedLimitsOfRequests(t *testing.T) {
	databases(t, func(t *testing.T, d *store.DB) {
		w := newWorld(t, d, 1)
		limits := w.limited([]string{"unified_limits_resource_strategy=ignore", "unified_limits_resource_list=class:VCPU class:MEMORY_MB class:DISK_GB servers"}, registered{"server_metadata_items": 1, "server_groups": 1})
		_, err := w.Nova.CreateServers(t.Context(), w.caller, nova.CreateRequest{Name: "wordy", FlavorID: "1", ImageID: novatest.ImageID, Min: 1, Max: 1, Metadata: map[string]string{"a": "1", "b": "2"}})
		refuses(t, err, "Project None is over a limit for [Resource server_metadata_items is over limit of 1 due to current usage 0 and delta 2]")
		key := &nova.KeyPair{UserID: w.caller.UserID, Name: "key", Type: nova.KeySSH, PublicKey: publicKey}
		refuses(t, w.Nova.ImportKeyPair(t.Context(), w.caller, key), "Project None is over a limit for [Resource server_key_pairs is over limit of 0 due to current usage 0 and delta 1]")
		must(t, w.Nova.CreateServerGroup(t.Context(), w.caller, &nova.ServerGroup{Name: "one", Policy: "affinity"}))
		refuses(t, w.Nova.CreateServerGroup(t.Context(), w.caller, &nova.ServerGroup{Name: "two", Policy: "affinity"}),
			"Project None is over a limit for [Resource server_groups is over limit of 1 due to current usage 1 and delta 1]")
		if _, err := w.many(1, 1); err != nil {
			t.Errorf("what is ignored is limited: %v", err)
		}
		// What is set by the compute API is kept and has no effect.
		w.setQuota(t, "server_groups", 50)
		now, err := w.Nova.ClassLimits(t.Context(), "default")
		if err != nil || now["server_groups"] != 1 || now["key_pairs"] != 0 || now["instances"] != -1 {
			t.Errorf("%v %v", now, err)
		}
		limits["server_key_pairs"] = 1
		must(t, w.Nova.ImportKeyPair(t.Context(), w.caller, key))
	}, novatest.Migrations...)
}

func TestQuotaOptions(t *testing.T) {
	for _, bad := range []string{"driver=NoopQuotaDriver", "unified_limits_resource_strategy=maybe", "unified_limits=yes", "driver"} {
		if _, err := nova.ConfigureQuota([]string{bad}, nil, ""); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	for _, own := range [][]string{nil, {"driver=nova.quota.DbQuotaDriver"}, {"unified_limits_resource_strategy=ignore"}} {
		if u, err := nova.ConfigureQuota(own, nil, ""); err != nil || u != nil {
			t.Errorf("%v: %v %v", own, u, err)
		}
	}
}
