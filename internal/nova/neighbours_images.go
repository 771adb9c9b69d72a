package nova

import (
	"context"
	"io"

	"gostack/internal/glance"
)

// MadeImages is where images that servers become go: the methods of glance.Service that Nova uses. Called within a transaction,
// Create and Discard belong to it.
type MadeImages interface {
	// Create adds an image without data.
	Create(ctx context.Context, draft *glance.Image) error
	// Discard removes an image; one that is gone or that its owner protects is no error.
	Discard(ctx context.Context, id string) error
	// Receive takes an image's data and returns its SHA-512. A *rest.Error below 500 that is no conflict is final.
	Receive(ctx context.Context, id string, body io.Reader, size int64) (sha512 string, err error)
	// Made returns a project's images with all of the properties, newest first.
	Made(ctx context.Context, project string, properties map[string]string) ([]glance.Image, error)
}
