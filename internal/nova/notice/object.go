// Package notice writes what Nova tells others: the payloads of its versioned notifications and of the unversioned ones before them.
//
// It turns rows into documents and does nothing else: no statement, no sending. Names, versions and fields of objects are those of upstream's
// nova/notifications/objects (docs/notifications.md lists them).
package notice

import (
	"time"
)

// Object is a versioned object as it is on the wire.
type Object struct {
	Name      string         `json:"nova_object.name"`
	Namespace string         `json:"nova_object.namespace"`
	Version   string         `json:"nova_object.version"`
	Data      map[string]any `json:"nova_object.data"`
}

func object(name string, data map[string]any) *Object {
	return &Object{name, "nova", Versions[name], data}
}

// Versions are the objects' versions of upstream's 2026 tree.
var Versions = map[string]string{
	"AggregateCachePayload":           "1.0",
	"AggregatePayload":                "1.1",
	"AuditPeriodPayload":              "1.0",
	"ComputeTaskPayload":              "1.0",
	"ExceptionPayload":                "1.1",
	"FlavorPayload":                   "1.4",
	"ImageMetaPayload":                "1.0",
	"ImageMetaPropsPayload":           "1.0",
	"InstanceActionPayload":           "1.9",
	"InstanceActionRebuildPayload":    "1.10",
	"InstanceActionRescuePayload":     "1.4",
	"InstanceActionResizePrepPayload": "1.4",
	"InstanceActionSnapshotPayload":   "1.10",
	"InstanceCreatePayload":           "1.13",
	"InstanceExistsPayload":           "2.1",
	"InstanceStateUpdatePayload":      "1.0",
	"InstanceUpdatePayload":           "2.1",
	"IpPayload":                       "1.0",
	"KeypairPayload":                  "1.0",
	"RequestSpecPayload":              "1.1",
	"ServerGroupPayload":              "1.1",
	"ServiceStatusPayload":            "1.1",
}

// text is a string, or nil when there is none.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func textOf(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func stampOf(t *time.Time) any {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

// list is a list that is written as one even when it is empty.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func dict(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
