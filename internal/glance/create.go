package glance

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"gostack/internal/glance/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Create adds a queued image. draft holds what the client gave; an empty id, visibility or times are filled in.
func (s *Service) Create(ctx context.Context, draft *Image) error {
	if draft.ID == "" {
		draft.ID = uuid.NewString()
	}
	if draft.Visibility == "" {
		draft.Visibility = Shared
	}
	draft.Status = Queued
	draft.CreatedAt = s.clock.Now()
	draft.UpdatedAt = draft.CreatedAt
	if err := check(draft); err != nil {
		return err
	}
	duplicate := rest.Conflict("Image ID %s already exists!", draft.ID)
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		gone, err := db.WasDeleted(ctx, tx, draft.ID)
		if err != nil {
			return err
		}
		if gone {
			return duplicate
		}
		if err := s.enforceNew(ctx, draft); err != nil {
			return err
		}
		return db.Insert(ctx, tx, draft)
	})
	if store.IsUnique(err) {
		return duplicate
	}
	return err
}

// check holds an image to the limits that no schema states, and puts tags in order.
func check(img *Image) error {
	for param, value := range map[string]int64{"min_disk": img.MinDisk, "min_ram": img.MinRAM} {
		switch {
		case value < 0:
			return rest.BadRequest("Invalid value '%d' for parameter '%s': Cannot be a negative value", value, param)
		case value > math.MaxInt32:
			return rest.BadRequest("Invalid value '%d' for parameter '%s': Cannot be greater than %d", value, param, math.MaxInt32)
		}
	}
	if img.Properties == nil {
		img.Properties = map[string]string{}
	}
	if img.Reserved == nil {
		img.Reserved = map[string]string{}
	}
	if img.Locations == nil {
		img.Locations = []Location{}
	}
	if n := len(img.Properties); n > propertyQuota {
		return limitExceeded("image properties", n, propertyQuota)
	}
	slices.Sort(img.Tags)
	img.Tags = slices.Compact(img.Tags)
	if img.Tags == nil {
		img.Tags = []string{}
	}
	if n := len(img.Tags); n > tagQuota {
		return limitExceeded("image tags", n, tagQuota)
	}
	texts := append([]string{deref(img.Name), deref(img.Owner)}, img.Tags...)
	for name, value := range img.Properties {
		texts = append(texts, name, value)
	}
	for _, text := range texts {
		if strings.ContainsRune(text, 0) {
			return rest.BadRequest("Image attributes may not hold NUL characters.")
		}
	}
	return nil
}

func limitExceeded(what string, attempted, maximum int) error {
	return rest.Fail(http.StatusRequestEntityTooLarge, "The limit has been exceeded on the number of allowed %s. Attempted: %d, Maximum: %d", what, attempted, maximum)
}
