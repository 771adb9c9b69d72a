package glance

import (
	"context"

	"gostack/internal/glance/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Statuses of a member.
const (
	Pending  = "pending"
	Accepted = "accepted"
	Rejected = "rejected"
)

// shareable refuses images whose visibility says everything.
func shareable(img *Image) error {
	if img.Visibility != Shared {
		return rest.Forbidden("Error fetching members of image %s: Only shared images have members.", img.ID)
	}
	return nil
}

// owns tells whether c sees all members of an image: its owner and administrators do, a member sees itself.
func owns(c *policy.Caller, img *Image) bool {
	return c.IsAdmin() || img.Owner != nil && *img.Owner == c.ProjectID
}

// Members lists those members of a shared image that c may see.
func (s *Service) Members(ctx context.Context, c *policy.Caller, img *Image) ([]Member, error) {
	if err := shareable(img); err != nil {
		return nil, err
	}
	only := ""
	if !owns(c, img) {
		only = c.ProjectID
	}
	return db.Members(ctx, s.db.Read(ctx), img.ID, only)
}

// Member returns one member of a shared image, if c may see it.
func (s *Service) Member(ctx context.Context, c *policy.Caller, img *Image, memberID string) (*Member, error) {
	if err := shareable(img); err != nil {
		return nil, rest.NotFound("Error fetching members of image %s: Only shared images have members.", img.ID)
	}
	absent := rest.NotFound("%s not found in the member list of the image %s.", memberID, img.ID)
	if !owns(c, img) && memberID != c.ProjectID {
		return nil, absent
	}
	m, err := db.GetMember(ctx, s.db.Read(ctx), img.ID, memberID)
	if store.IsNotFound(err) {
		return nil, absent
	}
	return m, err
}

// AddMember shares an image with a project, which is pending until it accepts.
func (s *Service) AddMember(ctx context.Context, img *Image, memberID string) (*Member, error) {
	if err := shareable(img); err != nil {
		return nil, err
	}
	now := s.clock.Now()
	m := &Member{ImageID: img.ID, MemberID: memberID, Status: Pending, CreatedAt: now, UpdatedAt: now}
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		n, err := db.CountMembers(ctx, tx, img.ID)
		if err != nil {
			return err
		}
		if n >= memberQuota {
			return rest.TooLarge("Image member limit exceeded for image %s: The limit has been exceeded on the number of allowed image members for this image. Attempted: %d, Maximum: %d:", img.ID, n+1, memberQuota)
		}
		return db.AddMember(ctx, tx, m)
	})
	switch {
	case store.IsUnique(err):
		return nil, rest.Conflict("Member %s is duplicated for image %s", memberID, img.ID)
	case store.IsForeignKey(err): // deleted meanwhile
		return nil, rest.NotFound("Image %s not found.", img.ID)
	}
	return m, err
}

// SetMember changes what a member answered to the sharing.
func (s *Service) SetMember(ctx context.Context, m *Member, status string) error {
	switch status {
	case Pending, Accepted, Rejected:
	default:
		return rest.BadRequest(`Incorrect request: Status must be "pending", "accepted" or "rejected".`)
	}
	m.Status, m.UpdatedAt = status, s.clock.Now()
	return s.touchMember(ctx, m, db.SaveMember)
}

// RemoveMember ends the sharing with a project.
func (s *Service) RemoveMember(ctx context.Context, m *Member) error {
	return s.touchMember(ctx, m, func(ctx context.Context, tx store.Tx, m *Member) (bool, error) {
		return db.RemoveMember(ctx, tx, m.ImageID, m.MemberID)
	})
}

func (s *Service) touchMember(ctx context.Context, m *Member, do func(context.Context, store.Tx, *Member) (bool, error)) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		ok, err := do(ctx, tx, m)
		if err == nil && !ok {
			return rest.NotFound("%s not found in the member list of the image %s.", m.MemberID, m.ImageID)
		}
		return err
	})
}
