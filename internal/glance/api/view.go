package api

import (
	"strings"
	"time"

	"gostack/internal/glance"
	"gostack/internal/rest"
)

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// view is an image as the API shows it: custom properties are members beside the others.
func (a *api) view(r *rest.Request, img *glance.Image) map[string]any {
	v := make(map[string]any, 24+len(img.Properties))
	for name, value := range img.Properties {
		v[name] = value
	}
	for name, value := range img.Reserved {
		if a.service.Readable(r.Caller, name) {
			v[name] = value
		}
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
	if img.Size == nil && img.StagedKey != "" {
		v["size"] = img.StagedSize
	}
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
	a.showLocations(r, img, v)
	return v
}

// showLocations adds where the data is, as far as that is shown at all and to this caller.
func (a *api) showLocations(r *rest.Request, img *glance.Image, v map[string]any) {
	all, direct := a.service.Shown()
	if !all && !direct && !a.service.Multi() {
		return
	}
	list := img.Locations
	if !r.Can("get_image_location", target(r.Caller, img)) {
		list = nil
	}
	if all {
		v["locations"] = a.locationViews(list)
	}
	if len(list) == 0 {
		return
	}
	if direct {
		v["direct_url"] = a.service.URLOf(a.service.Preferred(img)[0])
	}
	var ids []string
	for _, at := range list {
		if id := a.service.StoreOf(at); id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		v["stores"] = strings.Join(ids, ",")
	}
}

func memberView(m *glance.Member) map[string]any {
	return map[string]any{
		"image_id": m.ImageID, "member_id": m.MemberID, "status": m.Status,
		"created_at": stamp(m.CreatedAt), "updated_at": stamp(m.UpdatedAt), "schema": "/v2/schemas/member",
	}
}
