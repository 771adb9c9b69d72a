package console

import (
	"path"
	"regexp"
	"testing"
)

var importOf = regexp.MustCompile(`(?m)^\s*(?:import|export)\s[^;]*?from\s*["']([^"']+)["']|^import\s*\(?["']([^"']+)["']`)

// A browser must find every module that the page asks for, and the modules'
// own.
func TestModulesAreThere(t *testing.T) {
	seen := map[string]bool{}
	var visit func(name, by string)
	visit = func(name, by string) {
		if seen[name] {
			return
		}
		seen[name] = true
		text, err := files.ReadFile(name)
		if err != nil {
			t.Errorf("%s, imported by %s: %v", name, by, err)
			return
		}
		for _, m := range importOf.FindAllStringSubmatch(string(text), -1) {
			visit(path.Join(path.Dir(name), m[1]+m[2]), name)
		}
	}
	visit("page/load.js", "the page")
	if len(seen) < 30 {
		t.Errorf("only %d modules found", len(seen))
	}
}
