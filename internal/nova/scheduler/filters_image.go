package scheduler

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// property reads an image property by its present or its older name.
func (i Image) property(names ...string) string {
	for _, name := range names {
		if value := i.Properties[name]; value != "" {
			return value
		}
	}
	return ""
}

// wantedGuest is what the image says about the hypervisor; empty parts do not matter.
func (i Image) wantedGuest() Guest {
	return Guest{
		Architecture: i.property("hw_architecture", "architecture"),
		Hypervisor:   i.property("img_hv_type", "hypervisor_type"),
		Mode:         i.property("hw_vm_mode", "vm_mode"),
	}.canonical()
}

func asksForGuest(q *query) bool {
	return q.guest != Guest{} || q.spec.Image.property("img_hv_requested_version", "hypervisor_version_requires") != ""
}

// passImageProperties tells whether the host runs the kind of guest that the image is made for (ImagePropertiesFilter).
func passImageProperties(q *query, h *host) bool {
	want := q.guest
	fits := func(have Guest) bool {
		return (want.Architecture == "" || have.Architecture == want.Architecture) &&
			(want.Hypervisor == "" || have.Hypervisor == want.Hypervisor) && (want.Mode == "" || have.Mode == want.Mode)
	}
	if !slices.ContainsFunc(h.guests, fits) {
		return false
	}
	return versionFits(h.HypervisorVersion, q.spec.Image.property("img_hv_requested_version", "hypervisor_version_requires"))
}

// canonical is the guest in nova's words.
func (g Guest) canonical() Guest {
	return Guest{canonicalArch(g.Architecture), canonicalHypervisor(g.Hypervisor), strings.ToLower(g.Mode)}
}

// canonicalArch maps other names of processor architectures to nova's (nova/objects/fields.py, Architecture).
func canonicalArch(name string) string {
	name = strings.ToLower(name)
	switch name {
	case "x86_32", "i386", "i486", "i586":
		return "i686"
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "arm":
		return "armv7"
	}
	return name
}

func canonicalHypervisor(name string) string {
	name = strings.ToLower(name)
	if name == "xapi" {
		return "xen"
	}
	return name
}

// versionFits compares a version number like 8002000 with a predicate like ">=6.0,<9.1".
func versionFits(version int, predicate string) bool {
	if predicate == "" {
		return true
	}
	have := [3]int{version / 1_000_000, version / 1000 % 1000, version % 1000}
	for term := range strings.SplitSeq(predicate, ",") {
		term = strings.TrimSpace(term)
		operator := term[:len(term)-len(strings.TrimLeft(term, "<>=!"))]
		var want [3]int
		for i, part := range strings.SplitN(strings.TrimSpace(term[len(operator):]), ".", 3) {
			n, err := strconv.Atoi(part)
			if err != nil {
				return false
			}
			want[i] = n
		}
		order := cmp.Or(cmp.Compare(have[0], want[0]), cmp.Compare(have[1], want[1]), cmp.Compare(have[2], want[2]))
		fits := map[string]bool{"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0, "==": order == 0, "=": order == 0, "!=": order != 0}
		if !fits[operator] {
			return false
		}
	}
	return true
}
