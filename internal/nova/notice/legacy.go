package notice

import (
	"maps"
	"time"
)

// Legacy is the payload of unversioned notifications about servers, compute.instance.* (nova/notifications/base.py, info_from_instance). With
// network it tells the addresses, as all but compute.instance.update do.
func (i *Instance) Legacy(network bool, more map[string]any) map[string]any {
	s, f := i.Server, i.Flavor
	d := map[string]any{
		"tenant_id": s.ProjectID, "user_id": s.UserID, "instance_id": s.ID, "display_name": s.Name, "reservation_id": s.ReservationID, "hostname": s.Hostname,
		"instance_type": f.Name, "instance_type_id": nil, "instance_flavor_id": s.FlavorID, "architecture": text(i.property("hw_architecture", "architecture")),
		"memory_mb": f.MemoryMB, "disk_gb": f.RootGB + f.EphemeralGB, "vcpus": f.VCPUs, "root_gb": f.RootGB, "ephemeral_gb": f.EphemeralGB,
		"host": text(s.Host), "node": text(s.Node), "availability_zone": text(s.AvailabilityZone), "cell_name": "",
		"created_at": s.CreatedAt.UTC().Format("2006-01-02 15:04:05-07:00"), "terminated_at": legacyTime(s.TerminatedAt), "deleted_at": legacyTime(s.DeletedAt),
		"launched_at": legacyTime(s.LaunchedAt), "image_ref_url": i.ImageURL + s.ImageID, "os_type": text(i.property("os_type")),
		"kernel_id": i.property("kernel_id"), "ramdisk_id": i.property("ramdisk_id"), "state": s.VMState, "state_description": s.TaskState,
		"progress": progress(s.Progress), "access_ip_v4": text(s.AccessIPv4), "access_ip_v6": text(s.AccessIPv6),
		"image_meta": i.imageMeta(), "metadata": dict(s.Metadata),
	}
	if network {
		d["fixed_ips"] = i.fixedIPs()
	}
	maps.Copy(d, more)
	return d
}

func progress(n int) any {
	if n == 0 {
		return ""
	}
	return n
}

func (i *Instance) imageMeta() map[string]any {
	m := map[string]any{}
	for name, v := range i.Image.Properties {
		m[name] = v
	}
	m["base_image_ref"], m["min_disk"], m["min_ram"] = i.ImageID, i.RootGB, i.Image.MinRAMMB
	if i.Image.DiskFormat != "" {
		m["disk_format"], m["container_format"] = i.Image.DiskFormat, "bare"
	}
	return m
}

func (i *Instance) fixedIPs() []map[string]any {
	out := []map[string]any{}
	for _, p := range i.Ports {
		for _, ip := range p.FixedIPs {
			floating := []map[string]any{}
			for _, f := range ip.FloatingIPs {
				floating = append(floating, map[string]any{"address": f, "type": "floating", "version": 4, "meta": map[string]any{}})
			}
			out = append(out, map[string]any{
				"address": ip.Address, "version": ip.Version, "type": "fixed", "meta": map[string]any{}, "floating_ips": floating, "label": p.NetworkName, "vif_mac": p.MAC,
			})
		}
	}
	return out
}

// LegacyStates are the members that compute.instance.update has beside the instance's.
func (i *Instance) LegacyStates(u Update) map[string]any {
	d := map[string]any{
		"old_state": u.OldState, "state": i.VMState, "old_task_state": text(u.OldTask), "new_task_state": text(i.TaskState), "bandwidth": map[string]any{},
		"audit_period_beginning": legacyTime(&u.From), "audit_period_ending": legacyTime(&u.To),
	}
	if u.OldName != "" {
		d["old_display_name"] = u.OldName
	}
	return d
}

// LegacyPeriod are the members that compute.instance.exists has beside the instance's.
func LegacyPeriod(from, to time.Time) map[string]any {
	form := "2006-01-02 15:04:05"
	return map[string]any{"audit_period_beginning": from.Format(form), "audit_period_ending": to.Format(form + ".000000"), "bandwidth": map[string]any{}}
}

// LegacyFault are the members that unversioned errors have beside the instance's.
func LegacyFault(message string) map[string]any {
	return map[string]any{"exception": message, "message": message, "code": 500}
}
