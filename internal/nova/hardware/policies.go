package hardware

import (
	"regexp"
	"slices"
	"strconv"
)

// CPU policies (hw:cpu_policy): on what processors of the host a guest's run.
const (
	Shared    = "shared"    // on those that all share
	Dedicated = "dedicated" // each on one of its own
	Mixed     = "mixed"     // some so, some so
)

// Thread policies (hw:cpu_thread_policy): what dedicated processors may share a core with.
const (
	Prefer  = "prefer"
	Isolate = "isolate"
	Require = "require"
)

// Emulator thread policies (hw:emulator_threads_policy): where the hypervisor's own work for a guest is done.
const (
	EmulatorIsolate = "isolate" // on a dedicated processor more
	EmulatorShare   = "share"   // on the shared ones
)

var (
	cpuPolicies      = []string{Dedicated, Shared, Mixed}
	threadPolicies   = []string{Prefer, Isolate, Require}
	emulatorPolicies = []string{EmulatorIsolate, EmulatorShare}
)

// listed writes words as upstream's messages do: ('isolate', 'share').
func listed(words []string) string {
	text := "("
	for i, word := range words {
		if i > 0 {
			text += ", "
		}
		text += "'" + word + "'"
	}
	return text + ")"
}

// valid refuses a policy of flavor or image that there is not.
func valid(what, flavor, image string, words []string) error {
	if flavor != "" && !slices.Contains(words, flavor) {
		return conflict("%s requested from 'flavor extra specs' is invalid, given: '%s', available: '%s'.", what, flavor, listed(words))
	}
	if image != "" && !slices.Contains(words, image) {
		return conflict("%s requested from 'image properties' is invalid, given: '%s', available: '%s'.", what, image, listed(words))
	}
	return nil
}

// cpuPolicy is the policy that flavor and image agree on; "" is none.
func (w Wish) cpuPolicy() (string, error) {
	flavor, image := w.both("cpu_policy")
	if err := valid("CPU policy", flavor, image, cpuPolicies); err != nil {
		return "", err
	}
	if flavor == Mixed && image == Dedicated || flavor == Shared && (image == Mixed || image == Dedicated) {
		return "", conflict("Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor")
	}
	if flavor == "" {
		flavor = image
	}
	return flavor, nil
}

func (w Wish) threadPolicy() (string, error) {
	flavor, image := w.both("cpu_thread_policy")
	if err := valid("CPU thread policy", flavor, image, threadPolicies); err != nil {
		return "", err
	}
	switch {
	case flavor == "":
		return image, nil
	case flavor != Prefer && image != "" && image != flavor:
		return "", conflict("Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor")
	}
	return flavor, nil
}

func (w Wish) emulatorPolicy() (string, error) {
	policy := w.Flavor.Specs["hw:emulator_threads_policy"]
	if policy != "" && !slices.Contains(emulatorPolicies, policy) {
		return "", conflict("CPU emulator threads option requested is invalid, given: '%s', available: '%s'.", policy, listed(emulatorPolicies))
	}
	return policy, nil
}

const noRealtime = "Realtime policy needs vCPU(s) mask configured with at least 1 RT vCPU and 1 ordinary vCPU. See hw:cpu_realtime_mask or hw_cpu_realtime_mask"

// Realtime are the guest's processors that run with real-time priority; nil is none.
func (w Wish) Realtime() (CPUSet, error) {
	if !IsTrue(w.Flavor.Specs["hw:cpu_realtime"]) {
		return nil, nil
	}
	flavor, image := w.both("cpu_realtime_mask")
	if image == "" {
		image = flavor
	}
	all, set := Range(0, w.Flavor.VCPUs), Range(0, w.Flavor.VCPUs)
	if image != "" {
		var err error
		if set, err = mask(image, w.Flavor.VCPUs); err != nil {
			return nil, err
		}
	}
	emulator, err := w.emulatorPolicy()
	if err != nil {
		return nil, err
	}
	if len(set) == 0 || slices.Equal(set, all) && emulator == "" {
		return nil, conflict(noRealtime)
	}
	if len(set.Without(all)) > 0 {
		return nil, conflict("Realtime policy vCPU(s) mask is configured with RT vCPUs that are not a subset of the vCPUs in the flavor. See hw:cpu_realtime_mask or hw_cpu_realtime_mask")
	}
	return set, nil
}

// dedicatedMask are the processors that a mixed guest has dedicated ones for; nil when the flavor names none.
func (w Wish) dedicatedMask() (CPUSet, error) {
	text := w.Flavor.Specs["hw:cpu_dedicated_mask"]
	if text == "" {
		return nil, nil
	}
	all := Range(0, w.Flavor.VCPUs)
	set, err := mask(text, w.Flavor.VCPUs)
	if err != nil {
		return nil, err
	}
	if len(set) == 0 || len(all.Without(set)) == 0 {
		return nil, conflict("Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU. See 'hw:cpu_dedicated_mask'.")
	}
	if len(set.Without(all)) > 0 {
		return nil, conflict("Mixed instance dedicated vCPU(s) mask is not a subset of vCPUs in the flavor. See \"hw:cpu_dedicated_mask\"")
	}
	return set, nil
}

var (
	cpuResource = regexp.MustCompile(`^resources(?:[1-9][0-9]*)?:(VCPU|PCPU)$`)
	threadTrait = regexp.MustCompile(`^trait(?:[1-9][0-9]*)?:HW_CPU_HYPERTHREADING$`)
)

// explicit are the processors that the flavor asks placement for in so many words.
func (w Wish) explicit() (vcpus, pcpus int) {
	for key, value := range w.Flavor.Specs {
		parts := cpuResource.FindStringSubmatch(key)
		n, err := strconv.Atoi(value)
		switch {
		case parts == nil || err != nil:
		case parts[1] == "VCPU":
			vcpus += n
		default:
			pcpus += n
		}
	}
	return vcpus, pcpus
}

func (w Wish) hyperthreading() string {
	for key, value := range w.Flavor.Specs {
		if threadTrait.MatchString(key) {
			return value
		}
	}
	return w.Image.Properties["trait:HW_CPU_HYPERTHREADING"]
}

// policies are all of a guest's policies, in agreement with each other.
type policies struct {
	cpu, thread, emulator string
	dedicated             CPUSet // the guest's processors that are pinned
}

// policies judges what flavor and image say of processors.
func (w Wish) policies() (p policies, err error) {
	if p.cpu, err = w.cpuPolicy(); err != nil {
		return p, err
	}
	if p.thread, err = w.threadPolicy(); err != nil {
		return p, err
	}
	realtime, err := w.Realtime()
	if err != nil {
		return p, err
	}
	if p.dedicated, err = w.dedicatedMask(); err != nil {
		return p, err
	}
	if p.emulator, err = w.emulatorPolicy(); err != nil {
		return p, err
	}
	if err := w.explicitPolicies(&p); err != nil {
		return p, err
	}
	switch p.cpu {
	case Dedicated:
		if p.dedicated != nil {
			return p, conflict("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
		}
		p.dedicated = Range(0, w.Flavor.VCPUs)
	case Mixed:
		if (realtime != nil) == (p.dedicated != nil) {
			return p, conflict("Must specify either 'hw:cpu_dedicated_mask' or 'hw:cpu_realtime_mask' when using 'mixed' CPU policy. 'hw:cpu_dedicated_mask' and 'hw:cpu_realtime_mask' can not be specified at the same time, or be specified with 'hw:cpu_realtime'.")
		}
		if p.dedicated == nil {
			p.dedicated = realtime
		}
	default:
		switch {
		case p.thread != "":
			return p, conflict("Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy")
		case p.emulator == EmulatorIsolate:
			return p, conflict("An isolated CPU emulator threads option requires a dedicated CPU policy option.")
		case p.dedicated != nil:
			return p, conflict("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
		case realtime != nil:
			return p, conflict("Cannot set realtime policy in a non dedicated cpu pinning policy")
		}
	}
	return p, nil
}

// explicitPolicies are those that follow from resources and traits which the flavor names.
func (w Wish) explicitPolicies(p *policies) error {
	vcpus, pcpus := w.explicit()
	threads := w.hyperthreading()
	switch {
	case p.cpu != "" && (vcpus > 0 || pcpus > 0):
		return conflict("It is not possible to use the 'resources:VCPU' or 'resources:PCPU' extra specs in combination with the 'hw:cpu_policy' extra spec or 'hw_cpu_policy' image metadata property; use one or the other")
	case vcpus > 0 && pcpus > 0:
		return conflict("It is not possible to specify both 'resources:VCPU' and 'resources:PCPU' extra specs; use one or the other")
	case pcpus > 0 && p.emulator == EmulatorIsolate && pcpus != w.Flavor.VCPUs+1:
		return conflict("You have requested 'hw:emulator_threads_policy=isolate' but have not requested sufficient PCPUs to handle this policy; you must allocate exactly flavor.vcpus + 1 PCPUs.")
	case pcpus > 0 && p.emulator != EmulatorIsolate && pcpus != w.Flavor.VCPUs:
		return conflict("There is a mismatch between the number of PCPUs requested via 'resourcesNN:PCPU' and the flavor); you must allocate exactly flavor.vcpus PCPUs")
	case p.thread != "" && threads != "":
		return conflict("It is not possible to use the 'trait:HW_CPU_HYPERTHREADING' extra spec in combination with the 'hw:cpu_thread_policy' extra spec or 'hw_cpu_thread_policy' image metadata property; use one or the other")
	}
	switch {
	case pcpus > 0:
		p.cpu = Dedicated
	case vcpus > 0:
		p.cpu = Shared
	}
	switch threads {
	case "forbidden":
		p.thread = Isolate
	case "required":
		p.thread = Require
	}
	return nil
}

// CPUs is how many shared and dedicated processors placement is asked for.
func (w Wish) CPUs() (vcpus, pcpus int, err error) {
	p, err := w.policies()
	if err != nil {
		return 0, 0, err
	}
	pcpus = len(p.dedicated)
	vcpus = w.Flavor.VCPUs - pcpus
	if p.emulator == EmulatorIsolate && pcpus > 0 {
		pcpus++
	}
	return vcpus, pcpus, nil
}
