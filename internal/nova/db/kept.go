package db

import "time"

// Kept is what a server in an unusual state remembers.
type Kept struct {
	// SnapshotID is the image that the server is being made into; its host may send that image's data and no other's.
	SnapshotID string `json:"snapshot_id,omitempty"`

	// ShelvedImage is the image that a shelved server waits in, since ShelvedAt.
	ShelvedImage string     `json:"shelved_image,omitempty"`
	ShelvedAt    *time.Time `json:"shelved_at,omitempty"`

	// RescueImage is what a rescued server runs from.
	RescueImage string    `json:"rescue_image,omitempty"`
	Rescue      ImageCopy `json:"rescue,omitzero"`

	// DeletedAt is when a server was deleted that can still be restored.
	DeletedAt *time.Time `json:"deleted_at,omitempty"`
}
