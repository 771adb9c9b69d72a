package conformance

import (
	"bufio"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Report is what a suite said.
type Report struct {
	Passed, Skipped int
	// Failed are the tests that failed, with what they said, without those that the list excludes.
	Failed map[string]string
	// Excluded failed and are on the list.
	Excluded []string
	// Stale are lines of the list that no longer fail although the run tried them.
	Stale []string
}

func (r *Report) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped by the suite, %d excluded", r.Passed, len(r.Failed), r.Skipped, len(r.Excluded))
}

// Findings says what is wrong, one line of heading and some of detail each.
func (r *Report) Findings() string {
	var b strings.Builder
	names := make([]string, 0, len(r.Failed))
	for name := range r.Failed {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "FAILED %s\n%s\n", name, indent(r.Failed[name]))
	}
	for _, s := range r.Stale {
		fmt.Fprintf(&b, "NO LONGER FAILS, take it off exclude.tsv: %s\n", s)
	}
	return b.String()
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    ")
}

//go:embed exclude.tsv
var excludeTable string

// exclusion is a line of exclude.tsv: tests that fail with the reason why that is right.
type exclusion struct {
	suite, world, text, reason string
	test                       *regexp.Regexp
}

// Worlds in which a test may be excluded.
const (
	Everywhere = "all"
	OnReal     = "real"      // engines run
	OnNothing  = "simulated" // hosts that boot nothing
)

// exclusions reads the list: suite, world, regular expression that matches a whole test, reason.
func exclusions(table, suite string, guests bool) ([]exclusion, error) {
	var list []exclusion
	lines := bufio.NewScanner(strings.NewReader(table))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 || len(f[3]) < 20 || !slices.Contains([]string{Everywhere, OnReal, OnNothing}, f[1]) {
			return nil, fmt.Errorf("exclude.tsv:%d: want suite, world, test and a reason", n)
		}
		re, err := regexp.Compile("^(?:" + f[2] + ")$")
		if err != nil {
			return nil, fmt.Errorf("exclude.tsv:%d: %w", n, err)
		}
		if f[0] == suite && (f[1] == Everywhere || (f[1] == OnReal) == guests) {
			list = append(list, exclusion{f[0], f[1], f[2], f[3], re})
		}
	}
	return list, nil
}

// result of one test.
type result struct {
	name, outcome, detail string
}

// Outcomes.
const (
	passed  = "passed"
	failed  = "failed"
	skipped = "skipped"
)

// judge sorts results by the list.
func judge(results []result, list []exclusion) *Report {
	r := &Report{Failed: map[string]string{}}
	tried, hit := make([]bool, len(list)), make([]bool, len(list))
	for _, res := range results {
		at := slices.IndexFunc(list, func(e exclusion) bool { return e.test.MatchString(res.name) })
		if at >= 0 && res.outcome != skipped {
			tried[at] = true
		}
		switch {
		case res.outcome == skipped:
			r.Skipped++
		case res.outcome == passed:
			r.Passed++
		case at >= 0:
			hit[at] = true
			r.Excluded = append(r.Excluded, res.name)
		default:
			r.Failed[res.name] = res.detail
		}
	}
	for i, e := range list {
		if tried[i] && !hit[i] {
			r.Stale = append(r.Stale, e.text)
		}
	}
	return r
}
