package glance

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gostack/internal/rest"
)

// Receive stores the data of an image that the cloud itself makes, such as a server's snapshot, and returns its SHA-512 in
// hexadecimal. It is Upload without a user: the data is inspected all the same, and owner, visibility and members are not
// looked at or changed. An image that has its data already is left as it is: the one who sends asks again when an answer was
// lost. A *rest.Error below 500 is final, except a conflict, which says that an earlier sender has not let go yet.
func (s *Service) Receive(ctx context.Context, id string, body io.Reader, size int64) (string, error) {
	img, err := s.Image(ctx, nil, id)
	if err != nil {
		return "", err
	}
	if img.Status != Active {
		err := s.Upload(ctx, img, body, size)
		if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
			return "", fmt.Errorf("image %s: %w", id, err)
		}
		if err != nil {
			return "", err
		}
		if img, err = s.Image(ctx, nil, id); err != nil {
			return "", err
		}
	}
	return deref(img.HashValue), nil
}

// Made returns the images of a project that have all the given properties, newest first.
func (s *Service) Made(ctx context.Context, project string, properties map[string]string) ([]Image, error) {
	f := Filter{Visibility: "all", In: map[string][]string{"owner": {project}}, Properties: properties}
	return s.List(ctx, nil, f, []Sort{{Column: "created_at", Desc: true}}, "", madeLimit)
}

// madeLimit is more than anybody keeps of one kind.
const madeLimit = 10_000

// Discard removes an image that the cloud made. One that is gone is no error, nor one that its owner protects: it stays.
func (s *Service) Discard(ctx context.Context, id string) error {
	err := s.Delete(ctx, nil, id)
	var refused *rest.Error
	if errors.As(err, &refused) && refused.Status < 500 {
		return nil
	}
	return err
}
