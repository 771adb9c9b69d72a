package keystone

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// MaxTags is how many tags a project can have.
const MaxTags = 80

// SetProjectTags replaces the tags of a project.
func (s *Service) SetProjectTags(ctx context.Context, id string, tags []any) ([]string, error) {
	return s.changeTags(ctx, id, "update", func([]string) ([]string, error) { return tagsOf(tags), nil })
}

// AddProjectTag adds one tag, which the project must not have yet.
func (s *Service) AddProjectTag(ctx context.Context, id, tag string) error {
	_, err := s.changeTags(ctx, id, "create", func(have []string) ([]string, error) {
		tag = strings.TrimSpace(tag)
		switch {
		case slices.Contains(have, tag):
			return nil, rest.BadRequest("Invalid input for field 'tags': the project has the tag %s already", tag)
		case len(have) >= MaxTags:
			return nil, rest.BadRequest("Invalid input for field 'tags': a project can have %d tags at most", MaxTags)
		}
		return append(have, tag), nil
	})
	return err
}

// RemoveProjectTag removes one tag.
func (s *Service) RemoveProjectTag(ctx context.Context, id, tag string) error {
	_, err := s.changeTags(ctx, id, "delete", func(have []string) ([]string, error) {
		i := slices.Index(have, tag)
		if i < 0 {
			return nil, rest.NotFound("Could not find project tag: %s.", tag)
		}
		return slices.Delete(have, i, i+1), nil
	})
	return err
}

func (s *Service) changeTags(ctx context.Context, id, verb string, fn func(have []string) ([]string, error)) (tags []string, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		p, err := db.GetProject(ctx, tx, id)
		if err != nil {
			return found(err, "project", id)
		}
		if on, _ := p.Options[immutable].(bool); on {
			return rest.Forbidden("Cannot %s project tags for %s, project is immutable. Set \"immutable\" option to false before creating "+
				"project tags.", verb, id)
		}
		if tags, err = fn(p.Tags()); err != nil {
			return err
		}
		p.SetTags(tags)
		return db.Update(ctx, tx, p)
	})
	return tags, err
}
