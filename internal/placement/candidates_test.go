package placement

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawSnapshot makes a few trees, with sharing providers and aggregates.
func drawSnapshot(t *rapid.T) Snapshot {
	s := Snapshot{CustomTraits: map[string]bool{"CUSTOM_A": true, "CUSTOM_B": true}}
	for i := range rapid.IntRange(1, 7).Draw(t, "providers") {
		p := Provider{UUID: fmt.Sprintf("p%d", i), Inventories: map[string]Inventory{}}
		p.Root = p.UUID
		if i > 0 && rapid.Bool().Draw(t, "nested") {
			above := s.Providers[rapid.IntRange(0, i-1).Draw(t, "parent")]
			p.Parent, p.Root = above.UUID, above.Root
		}
		for _, class := range []string{VCPU, MemoryMB, DiskGB} {
			if rapid.Bool().Draw(t, class) {
				total := rapid.Int64Range(1, 4).Draw(t, "total")
				p.Inventories[class] = Inventory{
					Total: total, MinUnit: 1, MaxUnit: rapid.Int64Range(1, 4).Draw(t, "max_unit"), StepSize: 1, AllocationRatio: 1,
					Used: rapid.Int64Range(0, total).Draw(t, "used"),
				}
			}
		}
		for _, name := range []string{"CUSTOM_A", "CUSTOM_B", TraitSharesViaAggregate} {
			if rapid.IntRange(0, 2).Draw(t, name) == 0 {
				p.Traits = append(p.Traits, name)
			}
		}
		for _, aggregate := range []string{"g1", "g2"} {
			if rapid.Bool().Draw(t, aggregate) {
				p.Aggregates = append(p.Aggregates, aggregate)
			}
		}
		s.Providers = append(s.Providers, p)
	}
	return s
}

func drawRequest(t *rapid.T) CandidateRequest {
	req := CandidateRequest{Isolate: rapid.Bool().Draw(t, "isolate")}
	for _, suffix := range []string{"", "1", "2"} {
		if !rapid.Bool().Draw(t, "group"+suffix) {
			continue
		}
		group := RequestGroup{Suffix: suffix, Resources: map[string]int64{}}
		for _, class := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{VCPU, MemoryMB, DiskGB}), 1, 2, rapid.ID).Draw(t, "classes") {
			group.Resources[class] = rapid.Int64Range(1, 2).Draw(t, "amount")
		}
		if rapid.IntRange(0, 2).Draw(t, "required") == 0 {
			group.Required = [][]string{{"CUSTOM_A"}}
		}
		if rapid.IntRange(0, 3).Draw(t, "forbidden") == 0 {
			group.Forbidden = []string{"CUSTOM_B"}
		}
		req.Groups = append(req.Groups, group)
	}
	return req
}

// TestCandidatesKeepTheirPromises checks that whatever is offered fits, has what was asked for, and is offered once.
func TestCandidatesKeepTheirPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, req := drawSnapshot(t), drawRequest(t)
		if len(req.Groups) == 0 {
			t.Skip("nothing asked")
		}
		candidates, err := s.Candidates(req)
		if err != nil {
			t.Fatal(err)
		}
		asked := map[string]int64{}
		for _, group := range req.Groups {
			for class, amount := range group.Resources {
				asked[class] += amount
			}
		}
		seen := map[string]bool{}
		for _, request := range candidates.Requests {
			if key := request.key(); seen[key] {
				t.Fatalf("offered twice: %s", key)
			} else {
				seen[key] = true
			}
			given := map[string]int64{}
			for _, r := range request.Resources {
				given[r.Class] += r.Amount
				if inventory := r.Provider.Inventories[r.Class]; !inventory.Has(r.Amount) {
					t.Fatalf("%d of %s does not fit %s: %+v", r.Amount, r.Class, r.Provider.UUID, inventory)
				}
			}
			for class, amount := range asked {
				if given[class] != amount {
					t.Fatalf("given %v, asked %v", given, asked)
				}
			}
			checkGroups(t, &s, req, request)
		}
	})
}

func checkGroups(t *rapid.T, s *Snapshot, req CandidateRequest, request AllocationRequest) {
	alone := map[string]bool{}
	for _, group := range req.Groups {
		uuids := request.Mappings[group.Suffix]
		if group.sameProvider() {
			if len(uuids) != 1 {
				t.Fatalf("group %s has %v", group.Suffix, uuids)
			}
			if req.Isolate && alone[uuids[0]] {
				t.Fatalf("two isolated groups on %s", uuids[0])
			}
			alone[uuids[0]] = true
		}
		var traits []string
		for _, uuid := range uuids {
			traits = append(traits, s.Provider(uuid).Traits...)
		}
		if len(group.Required) > 0 && !slices.Contains(traits, "CUSTOM_A") {
			t.Fatalf("group %q lacks its trait: %v", group.Suffix, traits)
		}
		if len(group.Forbidden) > 0 && slices.Contains(traits, "CUSTOM_B") {
			t.Fatalf("group %q has a forbidden trait", group.Suffix)
		}
	}
}

// TestLimitIsAPartOfAll compares a limited answer with the whole.
func TestLimitIsAPartOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, req := drawSnapshot(t), drawRequest(t)
		if len(req.Groups) == 0 {
			t.Skip("nothing asked")
		}
		all, err := s.Candidates(req)
		if err != nil {
			t.Fatal(err)
		}
		req.Limit = rapid.IntRange(1, 5).Draw(t, "limit")
		some, err := s.Candidates(req)
		if err != nil || len(some.Requests) != min(req.Limit, len(all.Requests)) {
			t.Fatalf("%d of %d with limit %d: %v", len(some.Requests), len(all.Requests), req.Limit, err)
		}
		for i := range some.Requests {
			if some.Requests[i].key() != all.Requests[i].key() {
				t.Fatal("not the first ones")
			}
		}
	})
}

// TestManyGroupsEnd asks for more combinations than anybody could look at: some that all fit, and some of which none does.
func TestManyGroupsEnd(t *testing.T) {
	s := Snapshot{}
	for i := range 60 {
		p := Provider{UUID: fmt.Sprintf("p%02d", i), Root: "p00", Inventories: map[string]Inventory{
			"VGPU": {Total: 100, MinUnit: 1, MaxUnit: 100, StepSize: 1, AllocationRatio: 1},
		}}
		if i > 0 {
			p.Parent = "p00"
		}
		s.Providers = append(s.Providers, p)
	}
	req := CandidateRequest{Limit: 1000}
	var suffixes []string
	for i := range 8 {
		req.Groups = append(req.Groups, RequestGroup{Suffix: fmt.Sprint(i), Resources: map[string]int64{"VGPU": 1}})
		suffixes = append(suffixes, fmt.Sprint(i))
	}
	if candidates, err := s.Candidates(req); err != nil || len(candidates.Requests) != 1000 {
		t.Errorf("%d candidates, %v", len(candidates.Requests), err)
	}
	s.Providers[0].Inventories = nil
	req.Isolate, req.SameSubtree = true, [][]string{suffixes} // siblings are in no common subtree
	if candidates, err := s.Candidates(req); err != nil || len(candidates.Requests) != 0 {
		t.Errorf("%d candidates, %v", len(candidates.Requests), err)
	}
}
