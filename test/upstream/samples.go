package upstream

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// Sample is a documented body.
type Sample struct {
	File  string // "servers/v2.47/server-get-resp.json", also where its bytes are another's
	Name  string // "servers/server-get-resp": without version
	Minor int    // of the microversion it is of; 1 where it says none
	Doc   any
}

var sampleVersion = regexp.MustCompile(`/v2\.([0-9]+)/`)

// Samples reads the documented bodies of a service, those whose bytes are another's included, by name and version.
func Samples(t testing.TB, service string) []Sample {
	t.Helper()
	root := Need(t)
	dir := filepath.Join(root, "samples", service)
	files := map[string]string{} // to the file with the bytes
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".json") {
			rel, _ := filepath.Rel(dir, path)
			files[rel] = rel
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Table(filepath.Join(root, "samples", "duplicates.tsv"), service)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		files[r["skipped"]] = r["same_as"]
	}
	var out []Sample
	for file, bytes := range files {
		s := Sample{File: file, Minor: 1, Name: strings.TrimSuffix(sampleVersion.ReplaceAllString(file, "/"), ".json")}
		if m := sampleVersion.FindStringSubmatch(file); m != nil {
			s.Minor, _ = strconv.Atoi(m[1])
		}
		b, err := os.ReadFile(filepath.Join(dir, bytes))
		if err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(b, &s.Doc) != nil {
			continue // some of upstream's do not parse (not-json.tsv)
		}
		out = append(out, s)
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].Name < out[j].Name || out[i].Name == out[j].Name && out[i].Minor < out[j].Minor
	})
	return out
}

// Shape tells how the form of got differs from that of want: members that are missing or too many, and values of another type. null is of
// every type, lists are judged by their first elements, and objects under one of the free names may have any members.
func Shape(want, got any, free ...string) []string {
	s := shaper{free: map[string]bool{}}
	for _, f := range free {
		s.free[f] = true
	}
	s.compare("", want, got)
	sort.Strings(s.found)
	return s.found
}

type shaper struct {
	free  map[string]bool
	found []string
}

func (s *shaper) compare(at string, want, got any) {
	if want == nil || got == nil {
		return
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		if s.free[at[strings.LastIndexByte(at, '.')+1:]] {
			s.compare(at+".*", first(w), first(g))
			return
		}
		for k, v := range w {
			have, ok := g[k]
			if !ok {
				s.found = append(s.found, at+"."+k+" is missing")
				continue
			}
			s.compare(at+"."+k, v, have)
		}
		for k := range g {
			if _, ok := w[k]; !ok {
				s.found = append(s.found, at+"."+k+" is not in the sample")
			}
		}
		return
	case []any:
		g, ok := got.([]any)
		if !ok {
			break
		}
		if len(w) > 0 && len(g) > 0 {
			s.compare(at+"[]", w[0], g[0])
		}
		return
	}
	if a, b := kindOf(want), kindOf(got); a != b {
		s.found = append(s.found, fmt.Sprintf("%s is %s and should be %s", at, b, a))
	}
}

// first is a value of an object, the one whose name sorts first.
func first(m map[string]any) any {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	return m[names[0]]
}

func kindOf(v any) string {
	switch v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a text"
	case bool:
		return "a truth value"
	}
	return "a number"
}
