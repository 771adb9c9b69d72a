package scheduler

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/nova/hardware"
	"gostack/internal/placement"
)

// Keys of extra specs that ask placement directly: "resources:VCPU", "trait2:CUSTOM_X", "resources_NET:…". The suffix is
// a number, or anything after an underscore (nova docs, configuration/extra-specs).
var (
	groupKey    = regexp.MustCompile(`^(resources|trait|member_of|in_tree)([1-9][0-9]*|_[a-zA-Z0-9_-]{1,63})?:(.+)$`)
	policyKey   = "group_policy"
	memEncrypts = "hw:mem_encryption"
)

// Resources is what the flavor and the image of a server ask of placement, all groups together and without ports: what counts for limits
// (nova/scheduler/utils.py, resources_for_limits).
func Resources(spec *Spec) map[string]int64 {
	sum := map[string]int64{}
	for _, g := range resourceGroups(spec) {
		for class, n := range g.Resources {
			sum[class] += n
		}
	}
	return sum
}

// candidateRequest translates flavor and image to the question that placement answers.
func candidateRequest(spec *Spec, config *Config) placement.CandidateRequest {
	groups := resourceGroups(spec)
	req := placement.CandidateRequest{Isolate: spec.Flavor.ExtraSpecs[policyKey] == "isolate"}
	req.RootRequired, req.RootForbidden = rootTraits(spec, config)
	for _, suffix := range slices.Sorted(maps.Keys(groups)) {
		if g := groups[suffix]; suffix == "" || len(g.Resources) > 0 {
			req.Groups = append(req.Groups, *g)
		}
	}
	req.Groups = append(req.Groups, spec.Ports...)
	return req
}

// resourceGroups are the groups that flavor and image ask for, by suffix; the first has none.
func resourceGroups(spec *Spec) map[string]*placement.RequestGroup {
	groups := map[string]*placement.RequestGroup{"": {Resources: flavorResources(spec)}}
	group := func(suffix string) *placement.RequestGroup {
		if groups[suffix] == nil {
			groups[suffix] = &placement.RequestGroup{Suffix: suffix, Resources: map[string]int64{}}
		}
		return groups[suffix]
	}
	for key, value := range spec.Flavor.ExtraSpecs {
		applyExtraSpec(key, value, group)
	}
	for key, value := range spec.Image.Properties {
		if trait, found := strings.CutPrefix(key, "trait:"); found && value == "required" {
			group("").Required = append(group("").Required, []string{trait})
		}
	}
	return groups
}

func applyExtraSpec(key, value string, group func(string) *placement.RequestGroup) {
	parts := groupKey.FindStringSubmatch(key)
	if parts == nil {
		return
	}
	kind, suffix, name := parts[1], parts[2], parts[3]
	g := group(suffix)
	switch kind {
	case "resources":
		amount, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil || amount < 0:
		case amount == 0:
			delete(g.Resources, name)
		default:
			g.Resources[name] = amount
		}
	case "trait":
		switch value {
		case "required":
			g.Required = append(g.Required, []string{name})
		case "forbidden":
			g.Forbidden = append(g.Forbidden, name)
		}
	}
}

// flavorResources are the standard resources of a flavor (nova/scheduler/utils.py, ResourceRequest).
func flavorResources(spec *Spec) map[string]int64 {
	f := spec.Flavor
	disk := f.EphemeralGB + (f.SwapMB+1023)/1024
	if !spec.BootFromVolume {
		disk += f.RootGB
	}
	resources := map[string]int64{}
	set := func(class string, amount int) {
		if amount > 0 {
			resources[class] = int64(amount)
		}
	}
	wish := hardware.Wish{Flavor: hardware.Flavor{Name: f.Name, VCPUs: f.VCPUs, MemoryMB: f.MemoryMB, Specs: f.ExtraSpecs}, Image: hardware.Image{Properties: spec.Image.Properties}}
	shared, dedicated, err := wish.CPUs()
	if err != nil { // of the time before such wishes were refused
		shared, dedicated = f.VCPUs, 0
	}
	set(placement.VCPU, shared)
	set(placement.PCPU, dedicated)
	set(placement.MemoryMB, f.MemoryMB)
	set(placement.DiskGB, disk)
	if isTrue(f.ExtraSpecs[memEncrypts]) || isTrue(spec.Image.Properties["hw_mem_encryption"]) {
		resources["MEM_ENCRYPTION_CONTEXT"] = 1
	}
	return resources
}

func isTrue(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "1", "t", "true", "on", "y", "yes":
		return true
	}
	return false
}
