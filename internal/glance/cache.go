package glance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// CacheConfig says whether and where this process keeps copies of data that is elsewhere: at an address, or on another control replica.
type CacheConfig struct {
	Dir     string // "": it keeps none (upstream's image_cache_dir)
	MaxSize int64  // bytes; 0: DefaultCacheSize (image_cache_max_size)
	Node    string // what this process is called in answers (worker_self_reference_url)
}

// DefaultCacheSize is upstream's.
const DefaultCacheSize = 10 << 30

// CachedImage is an image that a node keeps, or is to keep.
type CachedImage = db.CachedImage

// cache keeps copies of image data. A file's name holds the hash of the data, so that one that has been overtaken by new data is never
// read. Files without rows, rows without files, and what goes over the limit, least recently used first, are removed by tend.
type cache struct {
	files *filestore.Store
	max   int64
	node  string
	wake  chan struct{}
	busy  sync.Mutex // one tends at a time

	mu   sync.Mutex
	hits map[string]hits // since they were last written down
	seen map[string]bool // images that have been queued from here, so that it is not done again and again
}

type hits struct {
	n  int64
	at time.Time
}

// openCache opens the cache in a directory of its own: taken are those of others.
func openCache(cfg CacheConfig, taken []string) (*cache, error) {
	if cfg.Dir == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	for _, dir := range taken {
		if filepath.Clean(cfg.Dir) == filepath.Clean(dir) {
			return nil, fmt.Errorf("image_cache_dir: %s is a directory of the images themselves", cfg.Dir)
		}
	}
	files, err := filestore.Open(cfg.Dir)
	if cfg.MaxSize == 0 {
		cfg.MaxSize = DefaultCacheSize
	}
	return &cache{files: files, max: cfg.MaxSize, node: cfg.Node, wake: make(chan struct{}, 1), hits: map[string]hits{}, seen: map[string]bool{}}, err
}

// Caches tells whether data that is elsewhere is kept here too.
func (s *Service) Caches() bool { return s.cache != nil }

// cacheKey names the copy of an image's data.
func cacheKey(img *Image) string {
	const enough = 16
	if h := deref(img.HashValue); len(h) >= enough {
		return img.ID + "-" + h[:enough]
	}
	return img.ID
}

// openCached opens the copy of an image; nil when there is none.
func (s *Service) openCached(img *Image) (io.ReadSeekCloser, int64) {
	if s.cache == nil {
		return nil, 0
	}
	f, size, err := s.cache.files.Read(cacheKey(img))
	if err != nil {
		return nil, 0
	}
	if img.Size != nil && *img.Size != size {
		f.Close()
		return nil, 0
	}
	s.cache.mu.Lock()
	s.cache.hits[img.ID] = hits{s.cache.hits[img.ID].n + 1, s.clock.Now()}
	s.cache.mu.Unlock()
	return f, size
}

// wantCached queues an image that has been read from elsewhere.
func (s *Service) wantCached(ctx context.Context, img *Image) {
	if s.cache == nil || img.Status != Active {
		return
	}
	s.cache.mu.Lock()
	seen := s.cache.seen[img.ID]
	s.cache.seen[img.ID] = true
	s.cache.mu.Unlock()
	if seen {
		return
	}
	if err := s.queueCached(ctx, img.ID); err != nil {
		s.log.Warn("an image cannot be queued for the cache", "image", img.ID, "error", err)
	}
}

// QueueCached queues an image for the cache of this node.
func (s *Service) QueueCached(ctx context.Context, img *Image) error {
	if img.Status != Active {
		return rest.BadRequest("Only images with status active can be targeted for queueing")
	}
	return s.queueCached(ctx, img.ID)
}

func (s *Service) queueCached(ctx context.Context, id string) error {
	now := s.clock.Now()
	return s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx store.Tx) error {
		store.AfterCommit(ctx, s.wakeCache)
		return db.QueueCached(ctx, tx, &CachedImage{Node: s.cache.node, ImageID: id, LastAccessed: now, LastModified: now})
	})
}

func (s *Service) wakeCache() {
	select {
	case s.cache.wake <- struct{}{}:
	default: // it is awake
	}
}

// Cached lists what this node keeps and what waits in its queue.
func (s *Service) Cached(ctx context.Context) (kept, queued []CachedImage, err error) {
	if err := s.countHits(ctx); err != nil {
		return nil, nil, err
	}
	list, err := db.CachedOn(ctx, s.db.Read(ctx), s.cache.node)
	for _, c := range list {
		if c.FileKey != "" {
			kept = append(kept, c)
		} else {
			queued = append(queued, c)
		}
	}
	return kept, queued, err
}

// CachingNodes lists the nodes that keep an image.
func (s *Service) CachingNodes(ctx context.Context, id string) ([]string, error) {
	return db.CachingNodes(ctx, s.db.Read(ctx), id)
}

// DropCached removes an image from this node's cache and queue. False: it was in neither.
func (s *Service) DropCached(ctx context.Context, id string) (bool, error) {
	list, err := db.CachedOn(ctx, s.db.Read(ctx), s.cache.node)
	for _, c := range list {
		if err == nil && c.ImageID == id {
			return true, s.dropCached(ctx, c)
		}
	}
	return false, err
}

// ClearCache removes what is kept, what is queued, or both.
func (s *Service) ClearCache(ctx context.Context, kept, queued bool) error {
	list, err := db.CachedOn(ctx, s.db.Read(ctx), s.cache.node)
	for _, c := range list {
		if (c.FileKey != "" && kept || c.FileKey == "" && queued) && err == nil {
			err = s.dropCached(ctx, c)
		}
	}
	return err
}

// dropCached forgets a copy and removes its file. Whoever reads it reads on.
func (s *Service) dropCached(ctx context.Context, c CachedImage) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := db.DropCached(ctx, tx, c.Node, c.ImageID)
		return err
	})
	s.cache.mu.Lock()
	delete(s.cache.hits, c.ImageID)
	delete(s.cache.seen, c.ImageID)
	s.cache.mu.Unlock()
	if err == nil && c.FileKey != "" {
		err = s.cache.files.Delete(c.FileKey)
	}
	return err
}

// countHits writes down how often copies have been read.
func (s *Service) countHits(ctx context.Context) error {
	s.cache.mu.Lock()
	counted := s.cache.hits
	s.cache.hits = map[string]hits{}
	s.cache.mu.Unlock()
	if len(counted) == 0 {
		return nil
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		for id, h := range counted {
			if err := db.HitCached(ctx, tx, s.cache.node, id, h.n, h.at); err != nil {
				return err
			}
		}
		return nil
	})
}

// PruneCache removes the least recently used copies until the rest is within the limit.
func (s *Service) PruneCache(ctx context.Context) (files, bytes int64, err error) {
	kept, _, err := s.Cached(ctx)
	var total int64
	for _, c := range kept {
		total += c.Size
	}
	for _, c := range kept {
		if err != nil || total <= s.cache.max {
			break
		}
		if err = s.dropCached(ctx, c); err == nil {
			files, bytes, total = files+1, bytes+c.Size, total-c.Size
		}
	}
	return files, bytes, err
}

// CleanCache removes what is of no use: copies of images that are gone, files that no row speaks of and that nobody writes, and rows
// without a file.
func (s *Service) CleanCache(ctx context.Context) error {
	s.cache.busy.Lock()
	defer s.cache.busy.Unlock()
	return s.cleanCache(ctx)
}

func (s *Service) cleanCache(ctx context.Context) error {
	entries, err := s.cache.files.List() // before the rows: a row is written after its file
	if err != nil {
		return err
	}
	list, err := db.CachedOn(ctx, s.db.Read(ctx), s.cache.node)
	if err != nil {
		return err
	}
	there, known := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		there[e.Key] = !e.Part
	}
	for _, c := range list {
		known[c.FileKey] = true
		if !c.Gone && (c.FileKey == "" || there[c.FileKey]) {
			continue
		}
		if err := s.dropCached(ctx, c); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if known[e.Key] || s.cache.files.Writing(e.Key) {
			continue
		}
		if err := errors.Join(s.cache.files.RemovePart(e.Key), s.cache.files.Delete(e.Key)); err != nil {
			return err
		}
	}
	return nil
}

// TendCache cleans, brings what is queued, and prunes. It runs when something is queued and on a timer.
func (s *Service) TendCache(ctx context.Context) error {
	if s.cache == nil {
		return nil
	}
	s.cache.busy.Lock()
	defer s.cache.busy.Unlock()
	if err := s.cleanCache(ctx); err != nil {
		return err
	}
	_, queued, err := s.Cached(ctx)
	if err != nil {
		return err
	}
	for _, c := range queued {
		problem := s.bring(ctx, c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if problem != nil {
			s.log.Warn("an image is not cached", "image", c.ImageID, "error", problem)
			if err := s.dropCached(ctx, c); err != nil {
				return err
			}
		}
		if _, _, err := s.PruneCache(ctx); err != nil {
			return err
		}
	}
	return nil
}

// bring makes the copy of a queued image. A file of ours on the same file system is linked, not copied.
func (s *Service) bring(ctx context.Context, c CachedImage) error {
	img, err := s.Image(ctx, nil, c.ImageID)
	if err != nil {
		return err
	}
	switch {
	case img.Status != Active:
		return fmt.Errorf("it is %s", img.Status)
	case img.Size != nil && *img.Size > s.cache.max:
		return fmt.Errorf("it has %d bytes, and the cache %d", *img.Size, s.cache.max)
	}
	key := cacheKey(img)
	w, err := s.copyToCache(ctx, img, key)
	if err != nil {
		return err
	}
	defer w.Close()
	path, err := s.cache.files.Path(key)
	if err != nil {
		return err
	}
	if c.Size, err = fileSize(path); err != nil {
		return err
	}
	c.FileKey, c.LastModified, c.LastAccessed = key, s.clock.Now(), s.clock.Now()
	kept := false
	err = s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx store.Tx) (err error) {
		kept, err = db.KeepCached(ctx, tx, &c)
		return err
	})
	if err != nil || !kept {
		return errors.Join(err, s.cache.files.Delete(key))
	}
	return nil
}

// copyToCache makes the file, whole and locked.
func (s *Service) copyToCache(ctx context.Context, img *Image, key string) (*filestore.Writer, error) {
	if err := s.cache.files.Delete(key); err != nil { // one that no row speaks of
		return nil, err
	}
	for _, at := range s.byPreference(img.Locations) {
		if st := s.store(at.Store); at.Key != "" && st != nil && st.files != nil {
			w, err := s.cache.files.Adopt(st.files, at.Key, key)
			if err == nil {
				return w, nil
			}
			if !errors.Is(err, filestore.ErrAbsent) && !filestore.Elsewhere(err) && !errors.Is(err, os.ErrExist) {
				return nil, err
			}
		}
	}
	source, size, err := s.openOriginal(ctx, img)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	w, _, err := s.write(ctx, img, s.cache.files, key, source, size)
	return w, err
}
