package hardware

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// words makes a map of "key=value" pairs.
func words(text string) map[string]string {
	out := map[string]string{}
	for pair := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(pair, "=")
		out[key] = value
	}
	return out
}

func wish(vcpus, memory int, flavor, image string) Wish {
	return Wish{Flavor{"f", vcpus, memory, words(flavor)}, Image{"id", "i", words(image)}}
}

func TestCPUSets(t *testing.T) {
	for text, want := range map[string]string{"0-3,^2,7": "0-1,3,7", "": "", " 1, 0 ,,2": "0-2", "5,^5": "", "0-9,^3-5": "0-2,6-9"} {
		set, err := ParseCPUSet(text)
		if err != nil || set.String() != want {
			t.Errorf("%q: %q %v, want %q", text, set, err, want)
		}
	}
	for text, want := range map[string]string{"a": "Invalid inclusion expression 'a'", "^b": "Invalid exclusion expression '^b'", "3-1": "Invalid range expression '3-1'", "1-2-3": "Invalid range", "0-99999999": "Invalid range", "-1": "Invalid"} {
		if _, err := ParseCPUSet(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	text, err := json.Marshal(map[string]any{"s": NewCPUSet(3, 1, 2, 2), "pins": Pins{0: 4, 1: 5}})
	if err != nil || string(text) != `{"pins":{"0":4,"1":5},"s":"1-3"}` {
		t.Error(string(text), err)
	}
	var back CPUSet
	if err := json.Unmarshal([]byte(`"0,4-5"`), &back); err != nil || !slices.Equal(back, CPUSet{0, 4, 5}) {
		t.Error(back, err)
	}
}

// What flavor and image say against each other, and with which words it is refused.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ flavor, image, want string }{
		{"", "", ""},
		{"hw:cpu_policy=dedicated", "hw_cpu_policy=shared", ""},
		{"hw:cpu_policy=shared", "hw_cpu_policy=dedicated", "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor"},
		{"hw:cpu_policy=mixed hw:cpu_dedicated_mask=0", "hw_cpu_policy=dedicated", "'hw_cpu_policy' is not permitted"},
		{"hw:cpu_policy=x", "", "CPU policy requested from 'flavor extra specs' is invalid, given: 'x', available: '('dedicated', 'shared', 'mixed')'."},
		{"", "hw_cpu_policy=x", "CPU policy requested from 'image properties' is invalid"},
		{"hw:cpu_policy=dedicated hw:cpu_thread_policy=isolate", "hw_cpu_thread_policy=require", "Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor"},
		{"hw:cpu_policy=dedicated hw:cpu_thread_policy=prefer", "hw_cpu_thread_policy=require", ""},
		{"hw:cpu_thread_policy=isolate", "", "Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy"},
		{"hw:emulator_threads_policy=isolate", "", "An isolated CPU emulator threads option requires a dedicated CPU policy option."},
		{"hw:emulator_threads_policy=x", "", "CPU emulator threads option requested is invalid, given: 'x', available: '('isolate', 'share')'."},
		{"hw:cpu_realtime=yes hw:cpu_policy=dedicated", "", "Realtime policy needs vCPU(s) mask"},
		{"hw:cpu_realtime=yes hw:cpu_policy=dedicated hw:cpu_realtime_mask=^0", "", ""},
		{"hw:cpu_realtime=yes hw:cpu_policy=dedicated hw:cpu_realtime_mask=0-9", "", "not a subset of the vCPUs"},
		{"hw:cpu_realtime=yes hw:cpu_realtime_mask=^0", "", "Cannot set realtime policy in a non dedicated cpu pinning policy"},
		{"hw:cpu_policy=mixed", "", "Must specify either 'hw:cpu_dedicated_mask' or 'hw:cpu_realtime_mask'"},
		{"hw:cpu_policy=mixed hw:cpu_dedicated_mask=0-3", "", "at least 1 pinned vCPU"},
		{"hw:cpu_policy=mixed hw:cpu_dedicated_mask=0-1", "", ""},
		{"hw:cpu_policy=dedicated hw:cpu_dedicated_mask=0-1", "", "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy."},
		{"resources:PCPU=4", "", ""},
		{"resources:PCPU=3", "", "There is a mismatch between the number of PCPUs"},
		{"resources:PCPU=4 resources:VCPU=4", "", "It is not possible to specify both"},
		{"resources:PCPU=4 hw:cpu_policy=dedicated", "", "in combination with the 'hw:cpu_policy' extra spec"},
		{"resources:PCPU=4 hw:emulator_threads_policy=isolate", "", "flavor.vcpus + 1 PCPUs"},
		{"hw:cpu_policy=dedicated hw:cpu_thread_policy=require trait:HW_CPU_HYPERTHREADING=required", "", "'trait:HW_CPU_HYPERTHREADING'"},
		{"hw:numa_nodes=2", "hw_numa_nodes=2", "Image property 'hw_numa_nodes' is not permitted to override NUMA configuration set against the flavor"},
		{"hw:numa_nodes=0", "", "The property 'numa_nodes' cannot be '0'. It must be a number greater than 0"},
		{"hw:numa_nodes=3", "", "cannot be evenly distributed"},
		{"hw:numa_nodes=2 hw:numa_cpus.0=0", "", "CPU and memory allocation must be provided for all NUMA nodes"},
		{"hw:numa_nodes=2 hw:numa_cpus.0=0 hw:numa_cpus.1=1-3 hw:numa_mem.0=512 hw:numa_mem.1=512", "", ""},
		{"hw:numa_nodes=2 hw:numa_cpus.0=0 hw:numa_cpus.1=1-3 hw:numa_mem.0=512 hw:numa_mem.1=511", "", "1023 MB of memory assigned, but expected 1024 MB"},
		{"hw:numa_nodes=2 hw:numa_cpus.0=0 hw:numa_cpus.1=1-4 hw:numa_mem.0=512 hw:numa_mem.1=512", "", "CPU number 4 is larger than max 3"},
		{"hw:numa_nodes=2 hw:numa_cpus.0=0-1 hw:numa_cpus.1=1-3 hw:numa_mem.0=512 hw:numa_mem.1=512", "", "CPU number 1 is assigned to two nodes"},
		{"hw:numa_nodes=2 hw:numa_cpus.0=0 hw:numa_cpus.1=1-2 hw:numa_mem.0=512 hw:numa_mem.1=512", "", "CPU number 3 is not assigned to any node"},
		{"hw:mem_page_size=x", "", "Invalid memory page size 'x'"},
		{"", "hw_mem_page_size=2048", "Page size 2048 forbidden against '<empty>'"},
		{"hw:mem_page_size=small", "hw_mem_page_size=2048", "Page size 2048 forbidden against 'small'"},
		{"hw:mem_page_size=large", "hw_mem_page_size=2048", ""},
		{"hw:cpu_max_sockets=2", "hw_cpu_max_sockets=3", "Image vCPU topology limits (sockets=3, cores=0, threads=0) exceeds the limits of the flavor (sockets=2, cores=0, threads=0)"},
		{"hw:cpu_max_sockets=2", "hw_cpu_sockets=4", "Image vCPU topology (sockets=4, cores=0, threads=0) exceeds the limits of the flavor or image (sockets=2, cores=65536, threads=65536)"},
		{"hw:pmu=yes", "hw_pmu=no", "Image property 'hw_pmu' is not permitted to override the PMU policy set in the flavor"},
		{"hw:serial_port_count=2", "hw_serial_port_count=3", "Forbidden to exceed flavor value"},
		{"hw:serial_port_count=x", "", "expected an integer, got 'x'"},
		{"hw:mem_encryption=true", "", "Memory encryption requested by hw:mem_encryption extra spec in f flavor but image i doesn't have 'hw_firmware_type' property set to 'uefi'"},
		{"hw:mem_encryption=true", "hw_firmware_type=uefi hw_machine_type=pc", "Machine type 'pc' is not compatible with image i (id): q35 type is required for SEV to work"},
		{"hw:mem_encryption=true", "hw_mem_encryption=false", "Flavor f has hw:mem_encryption extra spec explicitly set to true, conflicting with image i which has hw_mem_encryption property explicitly set to False"},
		{"hw:tpm_version=2.0", "hw_tpm_version=1.2", "Flavor f has hw:tpm_version extra spec explicitly set to 2.0, conflicting with image i which has hw_tpm_version explicitly set to 1.2."},
		{"hw:tpm_version=1.2 hw:tpm_model=tpm-crb", "", "TPM model CRB is only valid with TPM version 2.0."},
		{"hw:tpm_version=3", "", "Invalid TPM version '3'. Allowed values: 1.2, 2.0."},
		{"os:secure_boot=required", "os_secure_boot=disabled", "conflicting with image i which has os_secure_boot explicitly set to disabled."},
		{"hw:locked_memory=true", "", "forbidden when mem_page_size is not set"},
		{"hw:locked_memory=true hw:mem_page_size=large", "hw_locked_memory=false", "A consistent value is expected"},
		{"", "hw_watchdog_action=explode", "Invalid image metadata. Error: Field value explode is invalid"},
		{"", "architecture=x64", "Invalid image metadata. Error: Architecture name 'x64' is not valid"},
		{"", "architecture=AMD64 hypervisor_type=QEMU vm_mode=hv hw_video_ram=64", ""},
		{"", "img_hv_type=magic", "Hypervisor virt type 'magic' is not valid"},
		{"", "hw_vm_mode=magic", "Virtual machine mode 'magic' is not valid"},
		{"", "hw_video_ram=much", "Invalid image metadata. Error: invalid literal for int() with base 10: 'much'"},
		{"", "img_config_drive=never", "Image's config drive option 'never' is invalid"},
	} {
		err := Check(wish(4, 1024, c.flavor, c.image))
		text, refused := IsConflict(err)
		if refused != (c.want != "") || !strings.Contains(text, c.want) {
			t.Errorf("flavor %q, image %q: %v, want %q", c.flavor, c.image, err, c.want)
		}
	}
}

func TestCPUTopology(t *testing.T) {
	for _, c := range []struct {
		vcpus         int
		flavor, image string
		threads       int
		want          CPUTopology
	}{
		{4, "", "", 0, CPUTopology{4, 1, 1}},
		{4, "hw:cpu_sockets=2", "", 0, CPUTopology{2, 2, 1}},
		{8, "hw:cpu_sockets=2 hw:cpu_cores=2 hw:cpu_threads=2", "", 0, CPUTopology{2, 2, 2}},
		{8, "hw:cpu_max_sockets=1", "", 0, CPUTopology{1, 8, 1}},
		{8, "hw:cpu_max_sockets=2 hw:cpu_max_cores=2", "", 0, CPUTopology{2, 2, 2}},
		{4, "hw:cpu_sockets=4", "hw_cpu_cores=4", 0, CPUTopology{1, 4, 1}},
		{4, "", "", 2, CPUTopology{2, 1, 2}},
		{4, "hw:cpu_threads=1", "", 2, CPUTopology{4, 1, 1}},
		{3, "hw:cpu_cores=3", "", 2, CPUTopology{1, 3, 1}},
	} {
		got, err := wish(c.vcpus, 64, c.flavor, c.image).CPUTopology(c.threads)
		if err != nil || got != c.want {
			t.Errorf("%d with %q %q and %d threads: %v %v, want %v", c.vcpus, c.flavor, c.image, c.threads, got, err, c.want)
		}
	}
	if _, err := wish(7, 64, "hw:cpu_max_sockets=2 hw:cpu_max_cores=2 hw:cpu_max_threads=2", "").CPUTopology(0); err == nil || err.Error() != "Requested vCPU limits 2:2:2 are impossible to satisfy for vcpus count 7" {
		t.Error(err)
	}
}

func TestPageSizes(t *testing.T) {
	for text, want := range map[string]int{"small": PagesSmall, "large": PagesLarge, "any": PagesAny, "2048": 2048, "2MB": 2048, "1GB": 1 << 20, "1Gi": 1 << 20, "8Mbit": 1024} {
		if got, err := pageSize(text); err != nil || got != want {
			t.Errorf("%s: %d %v, want %d", text, got, err, want)
		}
	}
}
