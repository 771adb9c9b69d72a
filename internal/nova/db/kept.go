package db

import "time"

// Kept is what a server in an unusual state remembers.
type Kept struct {
	// SnapshotID is the image that the server is being made into; its host may send that image's data and no other's.
	SnapshotID string `json:"snapshot_id,omitempty"`

	// ShelvedImage is the image that a shelved server waits in, since ShelvedAt. Shelved is what was known of it when the server
	// began to come back.
	ShelvedImage string     `json:"shelved_image,omitempty"`
	ShelvedAt    *time.Time `json:"shelved_at,omitempty"`
	Shelved      *ImageCopy `json:"shelved,omitempty"`

	// RescueImage is what a rescued server runs from.
	RescueImage string `json:"rescue_image,omitempty"`

	// DeletedAt is when a server was deleted that can still be restored.
	DeletedAt *time.Time `json:"deleted_at,omitempty"`
}
