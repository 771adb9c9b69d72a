// Package glance is the image service: images, who may see them, and their data.
//
// It owns the rows of package db and the files of package filestore, and keeps the two true to one another: a row says
// active only when its file is whole and durable, and a file that no row speaks of is removed. Data is inspected while it
// streams in (package imageformat); what it really is decides, not what its owner says.
//
// Other services call Image and Data. It calls no other service.
package glance

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"

	"gostack/internal/clock"
	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/glance/webfetch"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Upstream's default limits (glance-api.conf: image_size_cap, image_property_quota, image_tag_quota, image_member_quota, image_location_quota).
const (
	DefaultSizeCap = 1 << 40 // bytes
	propertyQuota  = 128
	tagQuota       = 128
	memberQuota    = 128
	locationQuota  = 10
)

// DefaultCertificates is where the certificates are that images are signed with.
const DefaultCertificates = "/etc/gostack/image-certificates"

// Image statuses (https://docs.openstack.org/glance/latest/user/statuses.html).
const (
	Queued      = "queued"
	Saving      = "saving"
	Uploading   = "uploading"
	Importing   = "importing"
	Active      = "active"
	Deactivated = "deactivated"
)

// Visibilities of an image.
const (
	Public    = "public"
	Community = "community"
	Shared    = "shared"
	Private   = "private"
)

// Image is an image as its row has it.
type Image = db.Image

// Member is a project that an image is shared with.
type Member = db.Member

// Config is what the service needs to know.
type Config struct {
	Dir          string        // of the image data
	Stores       []StoreConfig // several stores; none: one in Dir
	Staging      string        // directory of data that waits for its import; "": beside Dir
	Import       ImportConfig
	Locations    LocationConfig
	Properties   PropertyConfig
	Cache        CacheConfig
	Certificates string // directory of those that images are signed with, as UUID.pem; "": there are none
	Limits       Limits // Keystone's
	UseLimits    bool   // whether they hold (use_keystone_limits)
	Host         string // name of this host; several that share Dir have different ones
	Remote       Remote // of other replicas; nil: there are none, or all share Dir
	SizeCap      int64  // most bytes of one image; 0: DefaultSizeCap
	Clock        clock.Clock
	Log          *slog.Logger
	// Silent are notifications that are not sent, by their type or the beginning of it (disabled_notifications).
	Silent []string
}

// Service holds the rules of the image service. Safe for concurrent use.
type Service struct {
	db           *store.DB
	dir          string
	stores       []*Store
	multi        bool
	staging      *filestore.Store
	imports      ImportConfig
	locations    LocationConfig
	cache        *cache       // nil: there is none
	certificates string       // directory
	limits       Limits       // nil: none hold
	protections  *Protections // of custom properties; nil: none
	ops          Operations   // nil: nothing can be imported
	remote       Remote
	host         string // its tag in keys
	cap          int64
	clock        clock.Clock
	log          *slog.Logger

	told    sync.Map           // findings that nobody can repair and that have been logged
	stop    context.CancelFunc // ends the reconciler
	stopped chan struct{}
	silent  []string // notifications
}

// Migrations are the image service's tables.
var Migrations = db.Migrations

// New opens the image directory and returns the service.
func New(database *store.DB, cfg Config) (*Service, error) {
	cfg.Dir = filepath.Clean(cfg.Dir)
	stores, multi, err := openStores(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Staging == "" {
		cfg.Staging = cfg.Dir + "-staging"
	}
	staging, err := filestore.Open(cfg.Staging)
	if err != nil {
		return nil, err
	}
	s := &Service{db: database, dir: cfg.Dir, stores: stores, multi: multi, staging: staging, certificates: cfg.Certificates, imports: cfg.Import, locations: cfg.Locations, remote: cfg.Remote, host: HostTag(cfg.Host), cap: cfg.SizeCap, clock: cfg.Clock, log: cfg.Log, silent: cfg.Silent}
	if cfg.Cache.Node == "" {
		cfg.Cache.Node = cfg.Host
	}
	var taken []string
	for _, files := range s.directories() {
		taken = append(taken, files.Dir())
	}
	if s.cache, err = openCache(cfg.Cache, taken); err != nil {
		return nil, err
	}
	if cfg.UseLimits {
		if s.limits = cfg.Limits; s.limits == nil {
			return nil, errors.New("use_keystone_limits is switched on without Keystone")
		}
	}
	if s.protections, err = cfg.Properties.read(); err != nil {
		return nil, err
	}
	if s.imports.Web == nil {
		s.imports.Web = webfetch.New(webfetch.Default())
	}
	if s.cap == 0 {
		s.cap = DefaultSizeCap
	}
	if s.clock == nil {
		s.clock = clock.System
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	db.Watch(database, &watch{s})
	if s.remote != nil {
		database.Hear(topic, func(key string) { go s.dropUnwanted(context.Background(), key) })
	}
	return s, nil
}

// scope says what c may see: nil is the cloud itself.
func scope(c *policy.Caller) db.Scope {
	if c == nil {
		return db.Scope{All: true}
	}
	return db.Scope{Project: c.ProjectID, All: c.IsAdmin()}
}

// Image returns the image if c may see it, with the properties that c may see; c nil is the cloud itself. A 404 otherwise.
func (s *Service) Image(ctx context.Context, c *policy.Caller, id string) (*Image, error) {
	img, err := s.image(ctx, s.db.Read(ctx), c, id)
	if err == nil {
		s.conceal(c, img)
	}
	return img, err
}

func (s *Service) image(ctx context.Context, idb store.Tx, c *policy.Caller, id string) (*Image, error) {
	img, err := db.Get(ctx, idb, scope(c), id)
	if store.IsNotFound(err) {
		return nil, notFound(id)
	}
	return img, err
}

func notFound(id string) error { return rest.NotFound("No image found with ID %s", id) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
