// Package scheduler decides on which hosts servers go.
//
// Select is a pure function: a snapshot of hosts and a spec in, an ordered choice out, with the number of hosts that each
// filter refused. It reads no database and starts nothing; what it chooses is verified when placement.Claim takes it, and
// an alternate is tried when that fails. Filters and weighers are tables, with the names, the multipliers and the extra
// spec language of Nova.
package scheduler

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"gostack/internal/placement"
)

// Select chooses a host and alternates for each server of the spec, or fails with a *NoValidHostError when one fits
// nowhere: all, or Spec.Least of them, or none. The snapshot is as before afterwards; use Keep to let the decision count in later ones.
func Select(s *Snapshot, spec *Spec) (*Decision, error) {
	q, err := newQuery(s, spec)
	if err != nil {
		return nil, err
	}
	decision := &Decision{Considered: len(s.hosts)}
	defer func() {
		for _, taken := range decision.Selections {
			s.giveBack(taken.Server, taken.Choice)
		}
	}()
	for i, server := range spec.Servers {
		selection, eliminated, err := q.place(server)
		if err != nil {
			return nil, err
		}
		decision.Eliminated = eliminated
		if selection == nil && spec.Least > 0 && i >= spec.Least {
			decision.Unplaced = spec.Servers[i:] // they are equal: what does not fit one fits none
			break
		}
		if selection == nil {
			return nil, &NoValidHostError{Server: server, Considered: len(s.hosts), Eliminated: eliminated}
		}
		decision.Selections = append(decision.Selections, *selection)
		s.take(server, selection.Choice)
		if spec.Group != nil {
			q.inGroup[selection.host]++
		}
	}
	return decision, nil
}

// query is a spec on a snapshot, with what is worked out once for all hosts.
type query struct {
	*Snapshot
	spec    *Spec
	request placement.CandidateRequest
	filters []filter
	guest   Guest // what the image wants

	capabilities []wantedCapability
	inGroup      map[*host]int
	hinted       map[string]map[*host]bool
	json         any
	jsonRead     bool
}

func newQuery(s *Snapshot, spec *Spec) (*query, error) {
	q := &query{Snapshot: s, spec: spec, request: candidateRequest(spec, &s.config), inGroup: map[*host]int{}, guest: spec.Image.wantedGuest()}
	q.capabilities = wantedCapabilities(spec.Flavor)
	if spec.Group != nil {
		for _, member := range spec.Group.Members {
			if h := q.hostOf(member); h != nil && !slices.Contains(spec.Servers, member) {
				q.inGroup[h]++
			}
		}
	}
	var err error
	q.filters, err = activeFilters(q)
	return q, err
}

// hostOf returns the host of a server, or nil.
func (q *query) hostOf(server string) *host {
	if name, found := q.spec.Located[server]; found {
		return q.named[name]
	}
	return q.where[server]
}

// place chooses for one server. No selection means that no host is left.
func (q *query) place(server string) (*Selection, []Elimination, error) {
	eliminated := &eliminations{}
	hosts := q.requestedHosts(eliminated)
	choices, hosts, err := q.placementChoices(hosts, eliminated)
	if err != nil {
		return nil, nil, err
	}
	forced := q.spec.ForcedHost != "" || q.spec.ForcedNode != ""
	for _, f := range q.filters {
		if !forced || f.always {
			hosts = keep(hosts, eliminated, f.name, func(h *host) bool { return f.pass(q, h) })
		}
	}
	if len(hosts) == 0 {
		return nil, eliminated.list, nil
	}
	ordered := q.order(hosts)
	selection := &Selection{Server: server}
	for i, best := range ordered {
		choice := choices(best.host)
		choice.numa, choice.devices, _ = q.fit(best.host)
		choice.Weight = best.weight
		if i == 0 {
			selection.Choice = choice
		} else {
			selection.Alternates = append(selection.Alternates, choice)
		}
	}
	return selection, eliminated.list, nil
}

// eliminations counts refused hosts by filter.
type eliminations struct{ list []Elimination }

// maxNames is how many refused hosts an Elimination names.
const maxNames = 5

// keep returns the hosts that pass, and notes how many do not.
func keep(hosts []*host, eliminated *eliminations, name string, pass func(*host) bool) []*host {
	kept := make([]*host, 0, len(hosts))
	gone := Elimination{Filter: name}
	for _, h := range hosts {
		if pass(h) {
			kept = append(kept, h)
			continue
		}
		if gone.Hosts++; gone.Hosts <= maxNames {
			gone.Names = append(gone.Names, h.Name)
		}
	}
	if gone.Hosts > 0 {
		eliminated.list = append(eliminated.list, gone)
	}
	return kept
}

// requestedHosts applies forced, requested and ignored hosts and the availability zone.
func (q *query) requestedHosts(eliminated *eliminations) []*host {
	spec, hosts := q.spec, q.hosts
	if spec.ForcedHost != "" || spec.ForcedNode != "" {
		hosts = keep(hosts, eliminated, "ForcedHost", func(h *host) bool { return isNamed(h, spec.ForcedHost, spec.ForcedNode) })
	}
	if spec.Host != "" || spec.Node != "" {
		hosts = keep(hosts, eliminated, "RequestedHost", func(h *host) bool { return isNamed(h, spec.Host, spec.Node) })
	}
	if len(spec.IgnoredHosts) > 0 {
		hosts = keep(hosts, eliminated, "IgnoredHosts", func(h *host) bool { return !slices.Contains(spec.IgnoredHosts, h.Name) })
	}
	if spec.AvailabilityZone != "" {
		hosts = keep(hosts, eliminated, "AvailabilityZone", func(h *host) bool { return h.zone == spec.AvailabilityZone })
	}
	return q.memberHosts(hosts, eliminated)
}

func isNamed(h *host, name, node string) bool {
	return (name == "" || h.Name == name) && (node == "" || h.Node == node)
}

type weighed struct {
	host   *host
	weight float64
}

// order returns the chosen host and the alternates, best first.
func (q *query) order(hosts []*host) []weighed {
	want := 1 + max(cmp.Or(q.spec.Alternates, DefaultAlternates), 0)
	size := max(q.config.SubsetSize, 1)
	weights := q.weigh(hosts)
	best := make([]weighed, 0, max(want, size)+1)
	for i, h := range hosts {
		best = insert(best, weighed{h, weights[i]}, max(want, size))
	}
	if size > 1 {
		pick := q.random(min(size, len(best)))
		best[0], best[pick] = best[pick], best[0]
	}
	return best[:min(want, len(best))]
}

// insert keeps the limit best in order; of equals the first stays first.
func insert(best []weighed, w weighed, limit int) []weighed {
	if len(best) == limit && w.weight <= best[limit-1].weight {
		return best
	}
	at := len(best)
	for at > 0 && best[at-1].weight < w.weight {
		at--
	}
	best = slices.Insert(best, at, w)
	return best[:min(len(best), limit)]
}

func (q *query) random(n int) int {
	if q.config.Random != nil {
		return q.config.Random(n)
	}
	return rand.IntN(n)
}
