package rpc

import "gostack/internal/nova/driver"

// The calls to a host that are about images of its servers.
const (
	Snapshot       = "snapshot"        // SnapshotArgs
	UploadSnapshot = "upload_snapshot" // SnapshotRef
	DropSnapshot   = "drop_snapshot"   // SnapshotRef: ends the other two
)

// SnapshotArgs takes a server's root disk into a file on the host, which has the image's id for a name.
type SnapshotArgs struct {
	ServerID string         `json:"server_id"`
	ImageID  string         `json:"image_id"`
	Quiesce  driver.Quiesce `json:"quiesce,omitempty"`
	StepID   string         `json:"step_id,omitempty"`
}

// SnapshotRef names a snapshot.
type SnapshotRef struct {
	ServerID string `json:"server_id"`
	ImageID  string `json:"image_id"`
	StepID   string `json:"step_id,omitempty"`
}
