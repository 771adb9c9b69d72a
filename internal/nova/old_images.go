package nova

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// OldImage returns an image that the caller may see.
func (s *Service) OldImage(ctx context.Context, c *policy.Caller, id string) (*glance.Image, error) {
	i, err := s.OldImages.Image(ctx, c, id)
	if rest.IsNotFound(err) {
		return nil, rest.NotFound("Image not found.").Because(err)
	}
	return i, err
}

// ListOldImages returns a page of the images that the caller sees, newest first. Filters are the words of the compute API: name, status,
// changes-since, server (an id or address), type, minRam, minDisk and property-…; others are ignored.
func (s *Service) ListOldImages(ctx context.Context, c *policy.Caller, filters map[string]string, marker string, limit int) ([]glance.Image, error) {
	f := glance.Filter{In: map[string][]string{}, Equal: map[string]int64{}, Properties: map[string]string{}}
	for name, value := range filters {
		switch name {
		case "name":
			f.In["name"] = []string{value}
		case "status":
			f.In["status"] = []string{strings.ToLower(value)}
		case "server":
			f.Properties["instance_uuid"] = value[strings.LastIndexByte(value, '/')+1:]
		case "type":
			f.Properties["image_type"] = value
		case "minRam", "minDisk":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return nil, rest.BadRequest("%s param must be an integer", name)
			}
			f.Equal[map[string]string{"minRam": "min_ram", "minDisk": "min_disk"}[name]] = n
		case "changes-since":
			t, err := rest.ParseTime(value)
			if err != nil {
				return nil, rest.BadRequest("Invalid changes-since value: %s", value).Because(err)
			}
			f.Times = append(f.Times, glance.TimeFilter{Column: "updated_at", Op: "gte", Time: t})
		default:
			if p, ok := strings.CutPrefix(name, "property-"); ok {
				f.Properties[p] = value
			}
		}
	}
	return s.OldImages.List(ctx, c, f, []glance.Sort{{Column: "created_at", Desc: true}, {Column: "id", Desc: true}}, marker, limit)
}

// ownImage refuses images that the caller sees and may not change.
func (s *Service) ownImage(ctx context.Context, c *policy.Caller, id, refusal string) error {
	i, err := s.OldImage(ctx, c, id)
	if err != nil {
		return err
	}
	if !c.IsAdmin() && (i.Owner == nil || *i.Owner != c.ProjectID || !c.HasRole("member")) {
		return rest.Forbidden("%s", refusal)
	}
	return nil
}

// DeleteOldImage removes an image of the caller's.
func (s *Service) DeleteOldImage(ctx context.Context, c *policy.Caller, id string) error {
	const refusal = "You are not allowed to delete the image."
	if err := s.ownImage(ctx, c, id, refusal); err != nil {
		return err
	}
	err := s.OldImages.Delete(ctx, c, id)
	if rest.StatusOf(err) == 403 && err != nil { // a protected one
		return rest.Forbidden(refusal).Because(err)
	}
	return err
}

// ChangeImageMetadata changes the properties of an image of the caller's and returns them. Its number is bounded as that of servers.
func (s *Service) ChangeImageMetadata(ctx context.Context, c *policy.Caller, id string, change func(map[string]string) error) (map[string]string, error) {
	if err := s.ownImage(ctx, c, id, "Not authorized for image "+id+"."); err != nil {
		return nil, err
	}
	limits, err := s.Limits(ctx, c.ProjectID, "")
	if err != nil {
		return nil, err
	}
	items := map[string]string{}
	_, err = s.OldImages.Update(ctx, c, id, func(i *glance.Image) error {
		items = map[string]string{}
		maps.Copy(items, i.Properties)
		if err := change(items); err != nil {
			return err
		}
		if most := limits["metadata_items"]; most >= 0 && int64(len(items)) > most {
			return rest.Forbidden("Image metadata limit exceeded")
		}
		i.Properties = items
		return nil
	})
	return items, err
}
