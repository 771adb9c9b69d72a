package api_test

import (
	"net/url"
	"testing"
)

const candidates = "/placement/allocation_candidates?"

func TestCandidateShapes(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 8, "DISK_GB", 100)
		c.traits(rp1, "HW_CPU_X86_AVX2")
		c.allocate(con1, nil, rp1, "VCPU", 3).Want(204)
		c.at(10).Get(candidates+"resources=VCPU:1").Want(200).Has("allocation_requests.0.allocations.0.resource_provider.uuid", rp1).
			Has("allocation_requests.0.allocations.0.resources.VCPU", 1).Has("provider_summaries."+rp1+".resources.VCPU.used", 3).
			Has("provider_summaries."+rp1+".resources.DISK_GB", nil).Has("provider_summaries."+rp1+".traits", nil)
		c.at(12).Get(candidates+"resources=VCPU:1").Want(200).Has("allocation_requests.0.allocations."+rp1+".resources.VCPU", 1).
			Has("allocation_requests.0.mappings", nil)
		c.at(17).Get(candidates+"resources=VCPU:1").Want(200).Has("provider_summaries."+rp1+".traits.0", "HW_CPU_X86_AVX2")
		c.at(27).Get(candidates+"resources=VCPU:1").Want(200).Has("provider_summaries."+rp1+".resources.DISK_GB.capacity", 100).
			Has("provider_summaries."+rp1+".root_provider_uuid", nil)
		c.at(29).Get(candidates+"resources=VCPU:1").Want(200).Has("provider_summaries."+rp1+".root_provider_uuid", rp1)
		c.latest().Get(candidates+"resources=VCPU:1").Want(200).Has("allocation_requests.0.mappings..0", rp1)
		if n := c.latest().Get(candidates + "resources=VCPU:6").Want(200).Len("allocation_requests"); n != 0 {
			t.Errorf("%d candidates for more than is left", n)
		}
	})
}

func TestCandidateRefusals(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 8)
		for _, test := range []struct {
			minor       int
			query, code string
		}{
			{10, "", ""},
			{10, "resources=VCPU:1&limit=1", ""},
			{16, "resources=VCPU:1&limit=0", ""},
			{16, "resources=VCPU:1&required=HW_CPU_X86_AVX2", ""},
			{17, "resources=VCPU:1&member_of=" + agg1, ""},
			{24, "resources1=VCPU:1", ""},
			{25, "resources01=VCPU:1", ""},
			{25, "resourcesX=VCPU:1", ""},
			{25, "resources1=VCPU:1&resources2=VCPU:1", ""},
			{25, "resources1=VCPU:1&resources2=VCPU:1&group_policy=together", ""},
			{25, "required1=HW_CPU_X86_AVX2", ""},
			{25, "resources=VCPU:1&member_of1=" + agg1, ""},
			{25, "limit=1", ""},
			{30, "resources=VCPU:1&in_tree=" + rp1, ""},
			{31, "resources=VCPU:1&in_tree=x", ""},
			{34, "resources=VCPU:1&root_required=HW_CPU_X86_AVX2", ""},
			{35, "resources=VCPU:1&same_subtree=1", ""},
			{39, "resources=NOSUCH:1", ""},
			{39, "resources=VCPU:1&required=NOSUCH", ""},
			{39, "resources=VCPU:1&required=HW_CPU_X86_AVX2,!HW_CPU_X86_AVX2", ""},
			{39, "resources=VCPU:1&root_required=HW_CPU_X86_AVX2&root_required=COMPUTE_NODE", "placement.query.duplicate_key"},
			{39, "resources=VCPU:1&root_required=HW_CPU_X86_AVX2,!HW_CPU_X86_AVX2", "placement.query.bad_value"},
			{39, "resources=VCPU:1&same_subtree=,1", "placement.query.bad_value"},
			{39, "resources=VCPU:1&same_subtree=9", "placement.query.bad_value"},
			{39, "resources=VCPU:1&required1=HW_CPU_X86_AVX2", "placement.query.bad_value"},
			{39, "required1=HW_CPU_X86_AVX2&same_subtree=1", "placement.query.missing_value"},
			{39, "resources=VCPU:1&colour=red", ""},
		} {
			answer := c.at(test.minor).Get(candidates + test.query).Want(400)
			if test.code != "" {
				answer.Has("errors.0.code", test.code)
			}
		}
	})
}

// TestCandidatesInTrees asks about two NUMA nodes below one host, a GPU below one of them, and a shared disk.
func TestCandidatesInTrees(t *testing.T) {
	const numa0, numa1, gpu, disk = rp2, rp3, "aaaaaaaa-0000-0000-0000-000000000004", "aaaaaaaa-0000-0000-0000-000000000005"
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "MEMORY_MB", 1024)
		c.provider(numa0, rp1, "VCPU", 4)
		c.provider(numa1, rp1, "VCPU", 4)
		c.provider(gpu, numa1, "VGPU", 2)
		c.provider(disk, "", "DISK_GB", 1000)
		c.traits(rp1, "COMPUTE_NODE")
		c.traits(numa0, "HW_CPU_X86_AVX2")
		c.traits(disk, "MISC_SHARES_VIA_AGGREGATE", "STORAGE_DISK_SSD")
		c.aggregates(disk, agg1)
		c.aggregates(rp1, agg1)
		for _, test := range []struct {
			query string
			want  int
		}{
			{"resources=VCPU:1,MEMORY_MB:1", 2},
			{"resources=VCPU:5", 0},
			{"resources=VCPU:1,MEMORY_MB:1,DISK_GB:1", 2},
			{"resources=VCPU:1&required=HW_CPU_X86_AVX2", 1},
			{"resources=VCPU:1&required=!HW_CPU_X86_AVX2", 1},
			{"resources=VCPU:1,DISK_GB:1&required=STORAGE_DISK_SSD", 2},
			{"resources1=VCPU:1&resources2=VCPU:1&group_policy=none", 4},
			{"resources1=VCPU:1&resources2=VCPU:1&group_policy=isolate", 2},
			{"resources1=VCPU:3&resources2=VCPU:3&group_policy=none", 2}, // they do not fit on one
			{"resources1=VCPU:1&resources_GPU=VGPU:1&group_policy=none", 2},
			{"resources1=VCPU:1&resources_GPU=VGPU:1&group_policy=none&same_subtree=1,_GPU", 1},
			{"resources1=VCPU:1&resources_DISK=DISK_GB:1&group_policy=none", 2},
			{"resources1=VCPU:1&required1=in:HW_CPU_X86_AVX2,HW_CPU_X86_SSE", 1},
			{"resources1=VCPU:1&member_of1=" + agg1, 0}, // the aggregate of the root does not count for groups
			{"resources=VCPU:1&member_of=" + agg1, 2},
			{"resources=VCPU:1&member_of=!" + agg1, 0},
			{"resources=VCPU:1&root_required=COMPUTE_NODE", 2},
			{"resources=VCPU:1&root_required=!COMPUTE_NODE", 0},
			{"resources=VCPU:1&in_tree=" + gpu, 2},
			{"resources=VCPU:1&in_tree=" + disk, 0},
			{"resources=DISK_GB:1", 1},
			{"resources=VGPU:1&required_N=HW_CPU_X86_AVX2&same_subtree=_N", 1},
			{"resources=VCPU:1,MEMORY_MB:1&limit=1", 1},
		} {
			if n := c.latest().Get(candidates + test.query).Want(200).Len("allocation_requests"); n != test.want {
				t.Errorf("%s: %d candidates, want %d", test.query, n, test.want)
			}
		}
		c.latest().Get(candidates + "resources=VCPU:1&required=CUSTOM_" + url.QueryEscape("NOPE")).Want(400)
		// Before 1.29 no candidate uses two providers of one tree.
		if n := c.at(28).Get(candidates + "resources=VCPU:1,MEMORY_MB:1").Want(200).Len("allocation_requests"); n != 0 {
			t.Errorf("%d nested candidates at 1.28", n)
		}
		answer := c.latest().Get(candidates + "resources=VCPU:1,DISK_GB:1&limit=1").Want(200)
		if n := len(answer.At("provider_summaries").(map[string]any)); n != 5 {
			t.Errorf("%d summaries: all of the tree and the sharing provider belong in", n)
		}
	})
}

// TestCandidatesCanBeClaimed sends a candidate back as it came.
func TestCandidatesCanBeClaimed(t *testing.T) {
	each(t, func(_ *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 8)
		c.provider(rp2, rp1, "VGPU", 1)
		body := c.latest().Get(candidates + "resources=VCPU:2&resources1=VGPU:1").Want(200).At("allocation_requests.0").(map[string]any)
		for key, value := range allocation(nil, nil) {
			if key != "allocations" {
				body[key] = value
			}
		}
		c.latest().Put(allocationsPath+"/"+con1, body).Want(204)
		c.latest().Get(providers+"/"+rp2+"/usages").Want(200).Has("usages.VGPU", 1)
	})
}
