package ops_test

import (
	"context"
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/placement"
	"gostack/internal/store"
)

// TestAuditOfAllocations changes behind Nova's back what servers hold.
func TestAuditOfAllocations(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("poor")
		snapshot, err := w.Placement.Snapshot(ctx)
		must(t, err)
		node := snapshot.Providers[0].UUID
		const nobody, stranger = "0f0e0d0c-0000-4000-8000-000000000009", "0f0e0d0c-0000-4000-8000-00000000000a"
		must(t, w.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			for id, kind := range map[string]string{nobody: "", stranger: "OTHER"} {
				claim := placement.Claim{Consumer: id, Project: "p", User: "u", Type: kind, Allocations: map[string]map[string]int{node: {"VCPU": 1}}}
				if err := w.Placement.Claim(ctx, tx, claim); err != nil {
					return err
				}
			}
			return w.Placement.Release(ctx, tx, srv.ID)
		}))
		problems := func(repair bool) map[string]nova.AuditFinding {
			t.Helper()
			found, err := w.Nova.Audit(ctx, repair)
			must(t, err)
			out := map[string]nova.AuditFinding{}
			for _, f := range found {
				if strings.Contains(f.Problem, "resources") {
					out[f.ID] = f
				}
			}
			return out
		}
		found := problems(true)
		if len(found) != 2 || !found[nobody].Repaired || found[srv.ID].Repaired {
			t.Errorf("found %+v", found)
		}
		if left := problems(false); len(left) != 1 || left[srv.ID].Problem == "" {
			t.Errorf("after the repair %+v", left)
		}
		if consumer, err := w.Placement.Consumer(ctx, stranger); err != nil || consumer == nil {
			t.Errorf("another client's consumer: %v, %v", consumer, err)
		}
	})
}
