// Package faultpoint kills the process at a named place, for crash tests.
//
// A place calls Hit with its name. When the environment variable GOSTACK_FAULTPOINT is "NAME" or "NAME#N", the process
// sends itself SIGKILL at the first (or N-th) Hit of NAME: no deferred call runs, no buffer is flushed, as in a power cut.
// With the variable GOSTACK_FAULTPOINT_LIST naming a file, every first Hit of a name appends it to that file, so a test
// can enumerate the places a walk passes. Without the variables Hit costs one comparison.
package faultpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

type plan struct {
	mu    sync.Mutex
	name  string
	after int
	list  string
	seen  map[string]int
}

var current = load(os.Getenv("GOSTACK_FAULTPOINT"), os.Getenv("GOSTACK_FAULTPOINT_LIST"))

func load(spec, list string) *plan {
	if spec == "" && list == "" {
		return nil
	}
	p := &plan{name: spec, after: 1, list: list, seen: map[string]int{}}
	if name, n, ok := strings.Cut(spec, "#"); ok {
		if i, err := strconv.Atoi(n); err == nil {
			p.name, p.after = name, i
		}
	}
	return p
}

// Hit marks a place. It does not return when this is the place to die.
func Hit(name string) {
	if current == nil {
		return
	}
	current.hit(name)
}

func (p *plan) hit(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[name]++
	if p.list != "" && p.seen[name] == 1 {
		if f, err := os.OpenFile(p.list, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			_, _ = f.WriteString(name + "\n")
			_ = f.Close()
		}
	}
	if name == p.name && p.seen[name] == p.after {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
