package notice

import (
	"maps"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/nova/db"
	"gostack/internal/policy"
)

// Instance is a server at the moment that a notification tells of.
type Instance struct {
	*db.Server
	Ports  []neutron.Port
	Caller *policy.Caller // who made it happen; nil is the cloud itself
	// ImageURL is where image ids are appended for unversioned payloads.
	ImageURL string
}

// powerStates are upstream's names of power states (nova/objects/fields.py, InstancePowerState).
var powerStates = map[int]string{0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}

// data are the fields of InstancePayload.
func (i *Instance) data() map[string]any {
	s := i.Server
	d := map[string]any{
		"uuid": s.ID, "user_id": text(s.UserID), "tenant_id": text(s.ProjectID), "reservation_id": text(s.ReservationID), "display_name": s.Name,
		"display_description": textOf(s.Description), "host_name": text(s.Hostname), "host": text(s.Host), "node": text(s.Node),
		"os_type": text(i.property("os_type")), "architecture": text(i.property("hw_architecture", "architecture")),
		"availability_zone": text(s.AvailabilityZone), "flavor": CopiedFlavor(s.FlavorID, s.Flavor), "image_uuid": s.ImageID, "key_name": textOf(s.KeyName),
		"kernel_id": i.property("kernel_id"), "ramdisk_id": i.property("ramdisk_id"),
		"created_at": stamp(s.CreatedAt), "launched_at": stampOf(s.LaunchedAt), "terminated_at": stampOf(s.TerminatedAt), "deleted_at": stampOf(s.DeletedAt),
		"updated_at": stamp(s.UpdatedAt), "state": s.VMState, "power_state": powerStates[s.PowerState], "task_state": text(s.TaskState),
		"progress": s.Progress, "ip_addresses": i.addresses(),
		// Volumes are told only where bdms_in_notifications is on, and there are no shares.
		"block_devices": nil, "shares": []any{},
		"metadata": dict(s.Metadata), "locked": s.LockedBy != "", "locked_reason": textOf(s.LockedReason), "auto_disk_config": s.DiskConfig,
		"request_id": nil, "action_initiator_user": nil, "action_initiator_project": nil,
	}
	if c := i.Caller; c != nil {
		d["action_initiator_user"], d["action_initiator_project"] = text(c.UserID), text(c.ProjectID)
		if c.UserID != "" && c.ProjectID != "" {
			d["request_id"] = text(c.RequestID)
		}
	}
	return d
}

func (i *Instance) property(names ...string) string {
	for _, n := range names {
		if v := i.Image.Properties[n]; v != "" {
			return v
		}
	}
	return ""
}

func (i *Instance) addresses() []*Object {
	out := []*Object{}
	for _, p := range i.Ports {
		for _, ip := range p.FixedIPs {
			out = append(out, object("IpPayload", map[string]any{
				"label": p.NetworkName, "mac": p.MAC, "meta": map[string]string{}, "port_uuid": p.ID, "version": ip.Version, "address": ip.Address,
				"device_name": "tap" + p.ID[:min(len(p.ID), 11)],
			}))
		}
	}
	return out
}

func (i *Instance) payload(name string, more map[string]any) *Object {
	d := i.data()
	maps.Copy(d, more)
	return object(name, d)
}

// Action is the payload of most notifications about servers; fault is nil unless it failed.
func (i *Instance) Action(fault *Object) *Object {
	return i.payload("InstanceActionPayload", map[string]any{"fault": fault})
}

// Create is that of instance.create.
func (i *Instance) Create(fault *Object, keyFingerprint string) *Object {
	keys := []*Object{}
	if i.KeyName != nil {
		keys = append(keys, KeyPair(&db.KeyPair{UserID: i.UserID, Name: *i.KeyName, Type: i.KeyData.Type, PublicKey: i.KeyData.PublicKey, Fingerprint: keyFingerprint}))
	}
	return i.payload("InstanceCreatePayload", map[string]any{
		"fault": fault, "keypairs": keys, "tags": list(i.Tags), "trusted_image_certificates": certificates(i.TrustedCerts), "instance_name": "instance-" + i.ID,
	})
}

func certificates(ids []string) any {
	if len(ids) == 0 {
		return nil
	}
	return ids
}

// Rebuild is that of instance.rebuild and rebuild_scheduled.
func (i *Instance) Rebuild(fault *Object) *Object {
	return i.payload("InstanceActionRebuildPayload", map[string]any{"fault": fault, "trusted_image_certificates": certificates(i.TrustedCerts)})
}

// ResizePrep is that of instance.resize_prep.
func (i *Instance) ResizePrep(flavor *Object) *Object {
	return i.payload("InstanceActionResizePrepPayload", map[string]any{"fault": nil, "new_flavor": flavor})
}

// Rescue is that of instance.rescue.
func (i *Instance) Rescue(image string) *Object {
	return i.payload("InstanceActionRescuePayload", map[string]any{"fault": nil, "rescue_image_ref": text(image)})
}

// Snapshot is that of instance.snapshot.
func (i *Instance) Snapshot(image string) *Object {
	return i.payload("InstanceActionSnapshotPayload", map[string]any{"fault": nil, "snapshot_image_id": image})
}

// Update is that of instance.update: what was, beside what is.
type Update struct {
	OldState, OldTask string
	OldName           string // "" when it has not changed
	From, To          time.Time
}

// Updated is the payload of instance.update.
func (i *Instance) Updated(u Update) *Object {
	return i.payload("InstanceUpdatePayload", map[string]any{
		"state_update": object("InstanceStateUpdatePayload", map[string]any{
			"old_state": u.OldState, "state": i.VMState, "old_task_state": text(u.OldTask), "new_task_state": text(i.TaskState),
		}),
		"audit_period": period(u.From, u.To), "old_display_name": text(u.OldName), "tags": list(i.Tags),
	})
}

// Exists is the payload of instance.exists.
func (i *Instance) Exists(from, to time.Time) *Object {
	return i.payload("InstanceExistsPayload", map[string]any{"audit_period": period(from, to)})
}

func period(from, to time.Time) *Object {
	return object("AuditPeriodPayload", map[string]any{"audit_period_beginning": stamp(from), "audit_period_ending": stamp(to)})
}

// Month is the present audit period (instance_usage_audit_period's default), up to now.
func Month(now time.Time) (from, to time.Time) {
	now = now.UTC()
	return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC), now
}
