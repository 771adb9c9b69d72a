package api

import (
	"time"

	"gostack/internal/glance"
)

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// view is an image as the API shows it: custom properties are members beside the others.
func view(img *glance.Image) map[string]any {
	v := make(map[string]any, 24+len(img.Properties))
	for name, value := range img.Properties {
		v[name] = value
	}
	path := "/v2/images/" + img.ID
	v["id"] = img.ID
	v["name"] = img.Name
	v["status"] = img.Status
	v["visibility"] = img.Visibility
	v["owner"] = img.Owner
	v["disk_format"] = img.DiskFormat
	v["container_format"] = img.ContainerFormat
	v["size"] = img.Size
	v["virtual_size"] = img.VirtualSize
	v["checksum"] = img.Checksum
	v["os_hash_algo"] = img.HashAlgo
	v["os_hash_value"] = img.HashValue
	v["min_disk"] = img.MinDisk
	v["min_ram"] = img.MinRAM
	v["protected"] = img.Protected
	v["os_hidden"] = img.Hidden
	v["tags"] = img.Tags
	v["created_at"] = stamp(img.CreatedAt)
	v["updated_at"] = stamp(img.UpdatedAt)
	v["self"] = path
	v["file"] = path + "/file"
	v["schema"] = "/v2/schemas/image"
	return v
}

func memberView(m *glance.Member) map[string]any {
	return map[string]any{
		"image_id": m.ImageID, "member_id": m.MemberID, "status": m.Status,
		"created_at": stamp(m.CreatedAt), "updated_at": stamp(m.UpdatedAt), "schema": "/v2/schemas/member",
	}
}
