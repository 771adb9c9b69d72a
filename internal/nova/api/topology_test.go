package api_test

import (
	"testing"

	"gostack/internal/nova/hardware"
)

func TestServerTopology(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		member, admin := c.As("member").At("compute 2.78"), c.As("admin").At("compute 2.78")
		c.NUMA = &hardware.Host{Cells: []hardware.Cell{
			{ID: 0, CPUs: hardware.Range(0, 1), Dedicated: hardware.Range(1, 1), MemoryMB: 1024},
			{ID: 1, CPUs: hardware.Range(4, 2), Dedicated: hardware.Range(6, 4), MemoryMB: 4096, Siblings: []hardware.CPUSet{{6, 7}, {8, 9}}, Pages: []hardware.Pages{{SizeKB: 4, Total: 1 << 18}, {SizeKB: 2048, Total: 512}}},
		}}
		c.AddHost("host-2")
		admin.Post(base+"/flavors", `{"flavor": {"id": "pin", "name": "pinned", "ram": 512, "vcpus": 2, "disk": 1}}`).Want(200)
		admin.Post(base+"/flavors/pin/os-extra_specs", `{"extra_specs": {"hw:cpu_policy": "dedicated", "hw:mem_page_size": "large"}}`).Want(200)
		plain := c.boot(t, "")
		c.settledAs(t, plain, "ACTIVE")
		member.Get(base+"/servers/"+plain+"/topology").Want(200).Has("nodes", "[]").Has("pagesize_kb", "<nil>")
		id := member.Post(base+"/servers", `{"server": {"name": "own", "flavorRef": "pin", "imageRef": "`+image+`", "networks": "auto"}}`).Want(202).Text("server.id")
		c.settledAs(t, id, "ACTIVE")
		a := member.Get(base+"/servers/"+id+"/topology").Want(200).Has("pagesize_kb", 2048).Has("nodes.0.memory_mb", 512).Has("nodes.0.siblings.0.1", 1).Has("nodes.0.vcpu_set.0", 0)
		if a.Len("nodes") != 1 || a.At("nodes.0.host_node") != nil || a.At("nodes.0.cpu_pinning") != nil {
			t.Errorf("a user sees %s", a.Body)
		}
		admin.Get(base+"/servers/"+id+"/topology").Want(200).Has("nodes.0.host_node", 1).Has("nodes.0.cpu_pinning.0", 6).Has("nodes.0.cpu_pinning.1", 7)
		c.As("other").At("compute 2.78").Get(base + "/servers/" + id + "/topology").Want(404)
		member.At("compute 2.77").Get(base + "/servers/" + id + "/topology").Want(404)
		admin.At("compute 2.90").Get(base + "/os-hypervisors/detail").Want(200)
	})
}
