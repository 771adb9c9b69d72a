package rpc

import "gostack/internal/nova/driver"

// The calls to a host that are about images of its servers.
const (
	Snapshot       = "snapshot"        // SnapshotArgs
	UploadSnapshot = "upload_snapshot" // SnapshotRef
	DropSnapshot   = "drop_snapshot"   // SnapshotRef: ends the other two
	RenewDisks     = "renew_disks"     // RenewArgs
	DropRescue     = "drop_rescue"     // ServerRef
	SetPassword    = "set_password"    // PasswordArgs
	InjectNMI      = "inject_nmi"      // ServerRef
)

// RenewArgs makes a server's disks anew.
type RenewArgs struct {
	Guest
	KeepEphemeral bool `json:"keep_ephemeral,omitempty"`
}

// WithTickets implements NeedsImages.
func (r RenewArgs) WithTickets(issue func(image string) (string, error)) (any, error) {
	g, err := r.Guest.WithTickets(issue)
	if err == nil {
		r.Guest = g.(Guest)
	}
	return r, err
}

// PasswordArgs changes a user's password in a guest.
type PasswordArgs struct {
	ServerID string `json:"server_id"`
	User     string `json:"user"`
	Password string `json:"password"`
	StepID   string `json:"step_id,omitempty"`
}

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
