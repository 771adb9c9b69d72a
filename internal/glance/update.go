package glance

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"gostack/internal/glance/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Update changes an image as change says, which may ask policies about the image it gets, and may be run more than once.
func (s *Service) Update(ctx context.Context, c *policy.Caller, id string, change func(img *Image) error) (*Image, error) {
	var img *Image
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if img, err = s.image(ctx, tx, c, id); err != nil {
			return err
		}
		hidden := s.conceal(c, img)
		saw := maps.Clone(img.Properties)
		if err := change(img); err != nil {
			return err
		}
		if err := s.protect(c, img, saw, hidden); err != nil {
			return err
		}
		if err := check(img); err != nil {
			return err
		}
		img.UpdatedAt = s.clock.Now()
		return db.Save(ctx, tx, img, true)
	})
	if err == nil {
		s.conceal(c, img)
	}
	return img, err
}

// AllOrNothing makes one change of several: when fn fails, none of them has happened.
func (s *Service) AllOrNothing(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.db.Write(ctx, func(ctx context.Context, _ store.Tx) error { return fn(ctx) })
}

// AddTag tags an image. A tag that is there already is no error.
func (s *Service) AddTag(ctx context.Context, c *policy.Caller, id, tag string) error {
	_, err := s.Update(ctx, c, id, func(img *Image) error {
		if !slices.Contains(img.Tags, tag) {
			img.Tags = append(img.Tags, tag)
		}
		if n := len(img.Tags); n > tagQuota {
			return rest.TooLarge("Image tag limit exceeded for image %s: The limit has been exceeded on the number of allowed image tags. Attempted: %d, Maximum: %d:", id, n, tagQuota)
		}
		return nil
	})
	return err
}

// RemoveTag takes a tag off an image; a 404 when it has none such.
func (s *Service) RemoveTag(ctx context.Context, c *policy.Caller, id, tag string) error {
	_, err := s.Update(ctx, c, id, func(img *Image) error {
		n := slices.Index(img.Tags, tag)
		if n < 0 {
			return rest.NotFound("The resource could not be found.")
		}
		img.Tags = slices.Delete(img.Tags, n, n+1)
		return nil
	})
	return err
}

// Deactivate makes an active image's data unavailable to all but administrators; Reactivate takes that back. Doing either
// twice is no error.
func (s *Service) Deactivate(ctx context.Context, c *policy.Caller, id string) error {
	return s.flip(ctx, c, id, "deactivate", Active, Deactivated)
}

// Reactivate makes a deactivated image active again.
func (s *Service) Reactivate(ctx context.Context, c *policy.Caller, id string) error {
	return s.flip(ctx, c, id, "reactivate", Deactivated, Active)
}

func (s *Service) flip(ctx context.Context, c *policy.Caller, id, verb, from, to string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		img, err := s.image(ctx, tx, c, id)
		if err != nil {
			return err
		}
		switch img.Status {
		case to:
			return nil
		case from:
			img.Status, img.UpdatedAt = to, s.clock.Now()
			return db.Save(ctx, tx, img, false)
		}
		return rest.Fail(http.StatusForbidden, "Not allowed to %s image in status '%s'", verb, img.Status)
	})
}

// Delete removes an image and its data. A download or boot that has opened the data reads on to its end; an upload under
// way finds its image gone and cleans up after itself.
func (s *Service) Delete(ctx context.Context, c *policy.Caller, id string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		img, err := db.Get(ctx, tx, scope(c), id)
		switch {
		case store.IsNotFound(err):
			return rest.NotFound("Failed to find image %s to delete", id)
		case err != nil:
			return err
		case img.Protected:
			return rest.Forbidden("Image %s is protected and cannot be deleted.", id)
		}
		if err := db.Delete(ctx, tx, id, s.clock.Now()); err != nil {
			return err
		}
		if s.ops != nil {
			if err := s.ops.Cancel(ctx, tx, id); err != nil {
				return err
			}
		}
		if s.cache != nil {
			store.AfterCommit(ctx, s.wakeCache) // it sees that the image is gone
		}
		for _, key := range keysOf(img) {
			store.AfterCommit(ctx, func() { s.remove(key) })
		}
		return nil
	})
}

// keysOf are the files of an image.
func keysOf(img *Image) (keys []string) {
	for _, at := range img.Locations {
		if at.Key != "" {
			keys = append(keys, at.Key)
		}
	}
	if img.StagedKey != "" {
		keys = append(keys, img.StagedKey)
	}
	return keys
}
