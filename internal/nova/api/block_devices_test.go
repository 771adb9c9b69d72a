package api_test

import (
	"strings"
	"testing"

	"gostack/internal/nova/driver"
)

// Every refusal of block devices with upstream's code and words.
func TestBlockDevicesRefused(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		c.As("admin").Post(base+"/flavors", `{"flavor": {"id": "roomy", "name": "roomy", "ram": 512, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 3, "swap": 64}}`).Want(200)
		const boot = `{"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": "` + image + `"}`
		member := c.As("member").At("compute 2.67")
		for _, x := range []struct{ imageRef, devices, says string }{
			{image, boot + `, {"source_type": "blank", "destination_type": "local", "volume_size": 4}`, "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device mapping, flavor ephemeral size will be used."},
			{image, boot + `, {"source_type": "blank", "destination_type": "local", "volume_size": 1}, {"source_type": "blank", "destination_type": "local"}`, "Ephemeral disks requested are larger"},
			{image, boot + `, {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 65}`, "Swap drive requested is larger than instance type allows."},
			{image, boot + `, {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 1}, {"source_type": "blank", "destination_type": "local", "guest_format": "swap"}`, "Block Device Mapping is Invalid: More than one swap drive requested."},
			{image, boot + `, {"source_type": "blank", "volume_size": 1}, {"source_type": "blank", "volume_size": 1}`, "You specified more local devices than the limit allows"}, // with the flavor's swap
			{image, `{"source_type": "blank", "destination_type": "local"}`, "Boot sequence for the instance and image/block device mapping combination is not valid."},
			{image, boot + `, {"source_type": "blank", "boot_index": 2}`, "Boot sequence for the instance"},
			{image, boot + `, {"source_type": "blank", "boot_index": 0}`, "Boot sequence for the instance"},
			{"", boot, "Mapping image to local is not supported."},
			{image, strings.Replace(boot, `"boot_index": 0`, `"boot_index": -1`, 1), "Mapping image to local is not supported."},
			{"", `{"source_type": "blank", "boot_index": 0}`, "Boot sequence for the instance"},
			{image, `{"source_type": "image", "destination_type": "local", "boot_index": 0}`, "Block Device Mapping is Invalid: Missing device UUID."},
			{image, `{"source_type": "blank", "uuid": "x"}`, "Block Device Mapping is Invalid: Invalid device UUID."},
			{image, strings.Replace(boot, image, "99999999-9999-4999-8999-999999999999", 1), "failed to get image 99999999-9999-4999-8999-999999999999."},
			{"", `{"source_type": "volume", "destination_type": "volume", "uuid": "v", "boot_index": 0}`, "Block Device Mapping is Invalid: failed to get volume v."},
			{"", `{"source_type": "snapshot", "destination_type": "volume", "uuid": "s", "boot_index": 0}`, "failed to get snapshot s."},
			{"", `{"source_type": "image", "destination_type": "volume", "uuid": "` + image + `", "boot_index": 0}`, "Images with destination_type 'volume' need to have a non-zero size specified"},
			{image, boot + `, {"source_type": "blank", "destination_type": "volume"}`, "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size"},
			{image, boot + `, {"source_type": "blank", "destination_type": "volume", "volume_size": 1}`, "there is no block storage service"},
			{image, boot + `, {"source_type": "blank", "destination_type": "volume", "volume_size": 1, "device_name": "/dev/vda"}`, "The volume cannot be assigned the same device name as the root device vda"},
			{image, boot + `, {"source_type": "blank", "disk_bus": "telepathy"}`, "Block Device Mapping is Invalid: The disk bus provided telepathy is not valid."},
			{image, boot + `, {"source_type": "blank", "device_type": "tape"}`, "Field value tape is invalid"},
			{image, boot + `, {"source_type": "blank", "destination_type": "local", "volume_type": "fast"}`, "Specifying a volume_type with destination_type=local is not supported."},
			{image, boot + `, {"source_type": "volume", "uuid": "v", "volume_type": "fast"}`, "Specifying volume type to existing volume is not supported."},
			{image, boot + `, {"source_type": "blank", "virtual_name": "ephemeral0"}`, "The following fields are invalid: virtual_name"},
			{image, boot + `, {"source_type": "blank", "volume_size": 0}`, "volume_size"},
			{image, boot + `, {"source_type": "blank", "device_name": "with space"}`, "device_name"},
			{image, boot + `, {"source_type": "moon"}`, "source_type"},
		} {
			body := `{"server": {"name": "x", "flavorRef": "roomy", "networks": "none", "imageRef": "` + x.imageRef + `", "block_device_mapping_v2": [` + x.devices + `]}}`
			if a := member.Post(base+"/servers", body); a.Code != 400 || !strings.Contains(string(a.Body), x.says) {
				t.Errorf("%s: %d %s, want 400 with %q", x.devices, a.Code, a.Body, x.says)
			}
		}
		refuse := func(more, says string) {
			t.Helper()
			member.Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "roomy", "networks": "none", "imageRef": "`+image+`", `+more+`}}`).Want(400).Says(says)
		}
		refuse(`"block_device_mapping": [{"virtual_name": "swap"}], "block_device_mapping_v2": [`+boot+`]`, "Using different block_device_mapping syntaxes is not allowed in the same request.")
		refuse(`"block_device_mapping": [{"device_name": "vdb"}]`, "Block Device Mapping is Invalid: Unrecognized legacy format.")
		refuse(`"block_device_mapping": [{"volume_id": "99999999-9999-4999-8999-999999999999", "device_name": "vdb"}]`, "failed to get volume 99999999-9999-4999-8999-999999999999.")
		refuse(`"block_device_mapping": [{"snapshot_id": "99999999-9999-4999-8999-999999999999", "device_name": "/dev/vda"}]`, "The volume cannot be assigned the same device name as the root device vda")
		refuse(`"min_count": 2, "block_device_mapping": [{"volume_id": "99999999-9999-4999-8999-999999999999", "device_name": "vdb"}]`, "Cannot attach one or more volumes to multiple instances")
		if n := len(c.Servers()); n != 0 {
			t.Errorf("%d servers came of refusals", n)
		}
	})
}

// What a server is asked for with reaches its host, in the form of today and in the old one.
func TestBlockDevicesReachTheHost(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		c.As("admin").Post(base+"/flavors", `{"flavor": {"id": "roomy", "name": "roomy", "ram": 512, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 3, "swap": 64}}`).Want(200)
		inside := func(more string) ([]driver.LocalDisk, driver.DiskDevice) {
			t.Helper()
			id := c.As("member").At("compute 2.90").Post(base+"/servers", `{"server": {"name": "x", "flavorRef": "roomy", "networks": "none", "imageRef": "`+image+`"`+more+`}}`).Want(202).Text("server.id")
			srv := c.Settled(id)
			g, err := c.Hosts[srv.Host].Inside(id)
			if err != nil {
				t.Fatal(err)
			}
			c.As("member").Delete(base + "/servers/" + id).Want(204)
			c.Settled(id)
			return g.Disks, g.Root
		}
		const boot = `{"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": "` + image + `", "tag": "system", "disk_bus": "scsi"}`
		for _, x := range []struct {
			more string
			want []driver.LocalDisk
			root driver.DiskDevice
		}{
			{"", []driver.LocalDisk{{SizeMB: 3 << 10}, {Swap: true, SizeMB: 64}}, driver.DiskDevice{}},
			{`, "block_device_mapping": [{"virtual_name": "ephemeral0", "volume_size": 2, "device_name": "/dev/vdb"}]`, []driver.LocalDisk{{SizeMB: 2 << 10}, {Swap: true, SizeMB: 64}}, driver.DiskDevice{Type: "disk"}},
			{`, "block_device_mapping_v2": [` + boot + `, {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": "32", "tag": "pages"},
				{"source_type": "blank", "destination_type": "local", "volume_size": 1, "guest_format": "vfat", "disk_bus": "sata", "boot_index": -1, "delete_on_termination": "yes"}]`, []driver.LocalDisk{
				{SizeMB: 1 << 10, Format: "vfat", DiskDevice: driver.DiskDevice{Bus: "sata"}}, {Swap: true, SizeMB: 32, DiskDevice: driver.DiskDevice{Tag: "pages"}},
			}, driver.DiskDevice{Bus: "scsi", Tag: "system"}},
		} {
			disks, root := inside(x.more)
			if len(disks) != len(x.want) || root != x.root {
				t.Fatalf("%s: %+v, root %+v", x.more, disks, root)
			}
			for i := range disks {
				if disks[i] != x.want[i] {
					t.Errorf("%s: disk %d is %+v, want %+v", x.more, i, disks[i], x.want[i])
				}
			}
		}
		var left int
		if err := c.DB.Read(t.Context()).NewRaw("SELECT COUNT(*) FROM nova_block_devices").Scan(t.Context(), &left); err != nil || left != 0 {
			t.Errorf("%d devices of servers that are gone, %v", left, err)
		}
	})
}
