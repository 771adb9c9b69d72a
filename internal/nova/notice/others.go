package notice

import (
	"strconv"
	"time"

	"gostack/internal/nova/db"
)

// Flavor is the payload of flavor.create, update and delete; projects are those with access to a private one, nil where it is not known.
func Flavor(f *db.Flavor, projects []string) *Object {
	var with any
	if projects != nil {
		with = projects
	}
	return object("FlavorPayload", map[string]any{
		"flavorid": f.ID, "name": f.Name, "memory_mb": f.MemoryMB, "vcpus": f.VCPUs, "root_gb": f.RootGB, "ephemeral_gb": f.EphemeralGB, "swap": f.SwapMB,
		"rxtx_factor": f.RxTxFactor, "vcpu_weight": 0, "disabled": f.Disabled, "is_public": f.IsPublic, "extra_specs": dict(f.ExtraSpecs), "projects": with,
		"description": textOf(f.Description),
	})
}

// CopiedFlavor is the flavor of a server, as it was when the server got it.
func CopiedFlavor(id string, f db.FlavorCopy) *Object {
	return Flavor(&db.Flavor{
		ID: id, Name: f.Name, MemoryMB: f.MemoryMB, VCPUs: f.VCPUs, RootGB: f.RootGB, EphemeralGB: f.EphemeralGB, SwapMB: f.SwapMB,
		RxTxFactor: f.RxTxFactor, IsPublic: true, ExtraSpecs: f.ExtraSpecs,
	}, nil)
}

// KeyPair is the payload of keypair.create, import and delete.
func KeyPair(k *db.KeyPair) *Object {
	return object("KeypairPayload", map[string]any{"user_id": k.UserID, "name": k.Name, "fingerprint": k.Fingerprint, "public_key": text(k.PublicKey), "type": k.Type})
}

// ServerGroup is the payload of server_group.create, delete and add_member.
func ServerGroup(g *db.ServerGroup) *Object {
	rules := map[string]string{}
	for name, n := range g.Rules {
		rules[name] = strconv.Itoa(n)
	}
	return object("ServerGroupPayload", map[string]any{
		"uuid": g.ID, "name": text(g.Name), "user_id": text(g.UserID), "project_id": text(g.ProjectID), "policies": []string{g.Policy}, "policy": g.Policy,
		"rules": rules, "members": list(g.Members), "hosts": nil,
	})
}

// Aggregate is the payload of aggregate.*.
func Aggregate(a *db.Aggregate) *Object {
	return object("AggregatePayload", map[string]any{"id": a.ID, "uuid": a.UUID, "name": a.Name, "hosts": list(a.Hosts), "metadata": dict(a.Metadata)})
}

// CacheProgress is the payload of aggregate.cache_images.progress.
type CacheProgress struct {
	Host           string
	Index, Total   int
	Cached, Failed []string
}

// AggregateCache is its object.
func AggregateCache(a *db.Aggregate, p CacheProgress) *Object {
	return object("AggregateCachePayload", map[string]any{
		"id": a.ID, "uuid": a.UUID, "name": a.Name, "host": p.Host, "index": p.Index, "total": p.Total, "images_cached": list(p.Cached), "images_failed": list(p.Failed),
	})
}

// serviceVersion is the compute service's version that upstream's 2026.1 has (nova/objects/service.py).
const serviceVersion = 70

// Service is the payload of service.create, update and delete.
func Service(s *db.Service, zone string) *Object {
	topics := map[string]string{"nova-compute": "compute", "nova-conductor": "conductor", "nova-scheduler": "scheduler"}
	return object("ServiceStatusPayload", map[string]any{
		"uuid": s.ID, "host": s.Host, "binary": s.Binary, "topic": text(topics[s.Binary]), "report_count": 0, "disabled": s.Disabled,
		"disabled_reason": textOf(s.DisabledReason), "availability_zone": text(zone), "last_seen_up": stampOf(s.LastSeenAt), "forced_down": s.ForcedDown,
		"version": serviceVersion,
	})
}

// Fault is why something failed.
func Fault(exception, message, where string) *Object {
	return object("ExceptionPayload", map[string]any{
		"module_name": "gostack", "function_name": where, "exception": exception, "exception_message": message, "traceback": message,
	})
}

// Task is the payload of compute_task.*.error: work that found no host.
func Task(server string, reason, request *Object) *Object {
	return object("ComputeTaskPayload", map[string]any{"instance_uuid": server, "state": "error", "reason": reason, "request_spec": request})
}

// Request is what the scheduler is asked for.
func Request(s *db.Server) *Object {
	hints := map[string][]string{}
	for name, v := range s.SchedulerHints {
		switch v := v.(type) {
		case string:
			hints[name] = []string{v}
		case []any:
			for _, e := range v {
				if t, ok := e.(string); ok {
					hints[name] = append(hints[name], t)
				}
			}
		}
	}
	return object("RequestSpecPayload", map[string]any{
		"instance_uuid": s.ID, "user_id": text(s.UserID), "project_id": text(s.ProjectID), "availability_zone": textOf(s.PinnedZone), "flavor": CopiedFlavor(s.FlavorID, s.Flavor),
		"image": imageMeta(s), "num_instances": 1, "security_groups": list(s.Requested.SecurityGroups), "scheduler_hints": hints, "force_hosts": forced(s), "force_nodes": nil,
		"ignore_hosts": nil, "instance_group": nil, "numa_topology": nil, "pci_requests": nil, "requested_destination": nil, "retry": nil,
	})
}

func forced(s *db.Server) any {
	if !s.Requested.ForceHost || s.Requested.Host == "" {
		return nil
	}
	return []string{s.Requested.Host}
}

func imageMeta(s *db.Server) *Object {
	i := s.Image
	return object("ImageMetaPayload", map[string]any{
		"id": text(s.ImageID), "name": text(i.Name), "status": nil, "visibility": nil, "protected": nil, "checksum": nil, "owner": nil, "size": i.Size,
		"virtual_size": nil, "container_format": nil, "disk_format": text(i.DiskFormat), "created_at": nil, "updated_at": nil, "tags": []string{},
		"direct_url": nil, "min_ram": i.MinRAMMB, "min_disk": i.MinDiskGB,
		"properties": object("ImageMetaPropsPayload", properties(i.Properties)),
	})
}

func properties(props map[string]string) map[string]any {
	d := map[string]any{}
	for name, v := range props {
		d[name] = v
	}
	return d
}

// legacyTime is how unversioned payloads write times (nova.utils.strtime); "" is none.
func legacyTime(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000")
}
