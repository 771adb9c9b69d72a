package hardware

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CPUSet is a set of processors, in order and without repetition. In JSON it is text as "0-3,7".
type CPUSet []int

// mostCPUs bounds what a text may name: no host has more.
const mostCPUs = 1 << 16

// NewCPUSet makes a set of numbers.
func NewCPUSet(cpus ...int) CPUSet {
	set := CPUSet(slices.Clone(cpus))
	slices.Sort(set)
	return slices.Compact(set)
}

// Range is the set of n processors from the first.
func Range(first, n int) CPUSet {
	set := make(CPUSet, 0, max(n, 0))
	for i := range max(n, 0) {
		set = append(set, first+i)
	}
	return set
}

// ParseCPUSet reads "0-3,^2,7": numbers, ranges, and what is taken out of them.
func ParseCPUSet(text string) (CPUSet, error) {
	in, out := map[int]bool{}, map[int]bool{}
	for rule := range strings.SplitSeq(text, ",") {
		if rule = strings.TrimSpace(rule); rule == "" {
			continue
		}
		to := in
		rest, without := strings.CutPrefix(rule, "^")
		if without {
			to = out
		}
		first, last, ranged := strings.Cut(rest, "-")
		from, err := strconv.Atoi(strings.TrimSpace(first))
		kind := "inclusion"
		if without {
			kind = "exclusion"
		}
		if ranged {
			kind = "range"
		}
		until := from
		if err == nil && ranged {
			until, err = strconv.Atoi(strings.TrimSpace(last))
		}
		if err != nil || from > until || from < 0 || until >= mostCPUs {
			return nil, conflict("Invalid %s expression '%s'", kind, rule)
		}
		for cpu := from; cpu <= until; cpu++ {
			to[cpu] = true
		}
	}
	set := CPUSet{}
	for cpu := range in {
		if !out[cpu] {
			set = append(set, cpu)
		}
	}
	slices.Sort(set)
	return set, nil
}

// mask reads a set of a guest's processors; one that begins with "^" is taken out of all of them.
func mask(text string, vcpus int) (CPUSet, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "^") {
		text = fmt.Sprintf("0-%d,%s", vcpus-1, text)
	}
	return ParseCPUSet(text)
}

// String writes the set as libvirt reads it: "0-3,7".
func (s CPUSet) String() string {
	var parts []string
	for i := 0; i < len(s); {
		j := i
		for j+1 < len(s) && s[j+1] == s[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, strconv.Itoa(s[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", s[i], s[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// Has tells whether a processor is in the set.
func (s CPUSet) Has(cpu int) bool {
	_, found := slices.BinarySearch(s, cpu)
	return found
}

// And is what both sets have.
func (s CPUSet) And(t CPUSet) CPUSet { return s.keep(func(cpu int) bool { return t.Has(cpu) }) }

// Without is what the set has and t has not.
func (s CPUSet) Without(t CPUSet) CPUSet { return s.keep(func(cpu int) bool { return !t.Has(cpu) }) }

// Or is what either set has.
func (s CPUSet) Or(t CPUSet) CPUSet { return NewCPUSet(append(slices.Clone(s), t...)...) }

func (s CPUSet) keep(pass func(int) bool) CPUSet {
	out := CPUSet{}
	for _, cpu := range s {
		if pass(cpu) {
			out = append(out, cpu)
		}
	}
	return out
}

// MarshalJSON writes the set as text.
func (s CPUSet) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads the set from text.
func (s *CPUSet) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	set, err := ParseCPUSet(text)
	*s = set
	return err
}
