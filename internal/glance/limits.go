package glance

import (
	"context"
	"errors"

	"gostack/internal/glance/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Resources that Keystone may limit (https://docs.openstack.org/glance/latest/admin/quotas.html). Sizes are in MiB. An image counts for the
// project that owns it, whoever acts.
const (
	SizeTotal      = "image_size_total"      // of data in stores, each copy
	StageTotal     = "image_stage_total"     // of data that waits for its import
	CountTotal     = "image_count_total"     // of images
	CountUploading = "image_count_uploading" // of images whose data is coming, or being copied
)

// LimitedResources are all of them.
var LimitedResources = []string{SizeTotal, StageTotal, CountTotal, CountUploading}

// Usage tells how much some projects have of some resources, by project and resource.
type Usage = func(ctx context.Context, projects, resources []string) (map[string]map[string]int64, error)

// Limits are Keystone's of the image service.
type Limits interface {
	// Enforce refuses, with an OverLimitError, so much more of resources than a project may have.
	Enforce(ctx context.Context, project string, deltas map[string]int64, usage Usage) error
	// Of is what a project may have; what nobody registered is not in it.
	Of(ctx context.Context, project string) (map[string]int64, error)
}

// OverLimitError says which limits would be passed, in oslo.limit's words.
type OverLimitError struct{ Text string }

func (e OverLimitError) Error() string { return e.Text }

// enforce refuses so much more of a resource than the owner of img may have. Within a transaction it counts what that has changed.
func (s *Service) enforce(ctx context.Context, img *Image, resource string, delta int64) error {
	project := deref(img.Owner)
	if s.limits == nil || project == "" {
		return nil
	}
	err := s.limits.Enforce(ctx, project, map[string]int64{resource: delta}, s.usage)
	var over OverLimitError
	if errors.As(err, &over) {
		return rest.TooLarge("The request returned a 413 Request Entity Too Large. This generally means that rate limiting or a quota threshold was breached.\n\nThe response body:\n%s", over.Text)
	}
	return err
}

// EnforceSize refuses data for a project that has too much already.
func (s *Service) EnforceSize(ctx context.Context, img *Image) error {
	return s.enforce(ctx, img, SizeTotal, 0)
}

func (s *Service) usage(ctx context.Context, projects, _ []string) (map[string]map[string]int64, error) {
	used, err := db.UsageOf(ctx, s.db.Read(ctx), projects)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]int64{}
	for _, p := range projects {
		u := used[p]
		out[p] = map[string]int64{SizeTotal: u.Stored >> 20, StageTotal: u.Staged >> 20, CountTotal: u.Images, CountUploading: u.Uploading}
	}
	return out, nil
}

// UsageAndLimit is how much of a resource a project has and may have; a limit of -1 is none.
type UsageAndLimit struct {
	Usage int64 `json:"usage"`
	Limit int64 `json:"limit"`
}

// UsageOf is what a project has and may have, by resource; empty when Keystone's limits are not used.
func (s *Service) UsageOf(ctx context.Context, project string) (map[string]UsageAndLimit, error) {
	out := map[string]UsageAndLimit{}
	if s.limits == nil || project == "" {
		return out, nil
	}
	limits, err := s.limits.Of(ctx, project)
	if err != nil {
		return nil, err
	}
	used, err := s.usage(ctx, []string{project}, nil)
	for _, name := range LimitedResources {
		out[name] = UsageAndLimit{used[project][name], limits[name]}
	}
	return out, err
}

// enforceImport refuses an import that goes over a limit. It is asked after the client was answered, as upstream does, so the task tells.
func (s *Service) enforceImport(ctx context.Context, in *Import) error {
	if s.limits == nil {
		return nil
	}
	img, err := s.held(ctx, s.db.Read(ctx), in)
	if err != nil {
		return err
	}
	if in.Method == GlanceDirect {
		return s.enforce(ctx, img, SizeTotal, img.StagedSize>>20)
	}
	var size int64
	if img.Size != nil {
		size = *img.Size
	}
	if err := s.enforce(ctx, img, StageTotal, size>>20); err != nil {
		return err
	}
	return s.enforce(ctx, img, CountUploading, 0)
}

// enforceNew refuses one image more.
func (s *Service) enforceNew(ctx context.Context, img *Image) error {
	return s.enforce(ctx, img, CountTotal, 1)
}

// enforceBegun refuses an upload that has just begun, in its own transaction.
func (s *Service) enforceBegun(ctx context.Context, tx store.Tx, id string) error {
	if s.limits == nil {
		return nil
	}
	img, err := db.Get(ctx, tx, db.Scope{All: true}, id)
	if err != nil {
		return err
	}
	return s.enforce(ctx, img, CountUploading, 0)
}
