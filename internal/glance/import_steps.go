package glance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gostack/internal/faultpoint"
	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/glance/webfetch"
	"gostack/internal/rest"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// The steps of an import. Each may be called again after a crash: it looks at the image's row for what has been done. A file
// belongs to the import when the row speaks of it, and is locked until then; the reconciler removes what no row speaks of.

// errImportOver says that the image, or this import's hold of it, is gone.
var errImportOver = saga.Permanent(errors.New("the image was deleted during the import"))

// held loads the image of an import that still has its lock.
func (s *Service) held(ctx context.Context, idb store.Tx, in *Import) (*Image, error) {
	img, err := db.Get(ctx, idb, db.Scope{All: true}, in.ImageID)
	if store.IsNotFound(err) || err == nil && img.Reserved[ImportTask] != in.TaskID {
		return nil, errImportOver
	}
	return img, err
}

// change alters the image of an import. What change says is gone is removed when that is committed.
func (s *Service) change(ctx context.Context, in *Import, change func(img *Image) (drop []string)) error {
	return s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx store.Tx) error {
		img, err := s.held(ctx, tx, in)
		if err != nil {
			return err
		}
		return s.changeIn(ctx, tx, img, change)
	})
}

func (s *Service) changeIn(ctx context.Context, tx store.Tx, img *Image, change func(img *Image) (drop []string)) error {
	drop := change(img)
	img.UpdatedAt = s.clock.Now()
	if err := db.SaveData(ctx, tx, img); err != nil {
		return err
	}
	for _, key := range drop {
		store.AfterCommit(ctx, func() { s.remove(key) })
	}
	return nil
}

// ImportBegins says that the task is being worked on.
func (s *Service) ImportBegins(ctx context.Context, tx store.Tx, in *Import) error {
	return s.taskGoes(ctx, tx, in.TaskID, TaskProcessing, "", nil)
}

// ImportFetch brings the data of an address to the staging directory.
func (s *Service) ImportFetch(ctx context.Context, in *Import) error {
	if err := s.enforceImport(ctx, in); err != nil {
		return err
	}
	if in.Method != WebDownload {
		return nil
	}
	img, err := s.held(ctx, s.db.Read(ctx), in)
	if err != nil || img.StagedKey != "" {
		return err
	}
	body, size, err := s.web().Open(ctx, in.URI, 0)
	if err != nil {
		return fetchFailed(in.URI, err)
	}
	defer body.Close()
	if size > s.cap {
		return tooLarge()
	}
	key := s.newKey(img.ID)
	w, err := s.staging.Create(key, max(0, size))
	if err != nil {
		return explain(img, err)
	}
	defer w.Close()
	n, err := pour(ctx, w, body, s.cap)
	if err == nil && size >= 0 && n != size {
		err = errInterrupted
	}
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		return explain(img, err)
	}
	faultpoint.Hit("glance-import-fetched")
	return s.keepStaged(ctx, in, key, n)
}

// keepStaged writes down what is staged, in the place of what was; a file that nobody wants any more is removed.
func (s *Service) keepStaged(ctx context.Context, in *Import, key string, size int64) error {
	err := s.change(ctx, in, func(img *Image) (drop []string) {
		if img.StagedKey != "" {
			drop = append(drop, img.StagedKey)
		}
		img.StagedKey, img.StagedSize = key, size
		return drop
	})
	if errors.Is(err, errImportOver) {
		s.remove(key)
	}
	return err
}

func fetchFailed(uri string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, webfetch.ErrRefused) {
		return rest.BadRequest("URI for web-download does not pass filtering: %s", uri)
	}
	return rest.BadRequest("The data could not be read from %s.", uri).Because(err)
}

// DropStaged removes what an import has staged.
func (s *Service) DropStaged(ctx context.Context, in *Import) error {
	err := s.change(ctx, in, func(img *Image) (drop []string) {
		if img.StagedKey != "" {
			drop = []string{img.StagedKey}
		}
		img.StagedKey, img.StagedSize = "", 0
		return drop
	})
	if errors.Is(err, errImportOver) {
		return nil
	}
	return err
}

// ImportStore puts the data into the stores of the import that do not have it yet. One that fails fails the import, or is
// noted when the client did not insist on it.
func (s *Service) ImportStore(ctx context.Context, in *Import) error {
	for _, id := range in.Stores {
		err := s.importTo(ctx, in, id)
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled), errors.Is(err, errImportOver):
			return err
		default:
			s.log.Warn("an image could not be imported to a store", "image", in.ImageID, "store", id, "error", err)
			if noted := s.change(ctx, in, func(img *Image) []string {
				merge(img, FailedImport, []string{id}, true)
				merge(img, ImportingToStores, []string{id}, false)
				return nil
			}); noted != nil {
				return noted
			}
			if in.MustSucceed {
				return err
			}
		}
	}
	img, err := s.held(ctx, s.db.Read(ctx), in)
	if err == nil && len(img.Locations) == 0 {
		return rest.BadRequest("None of the uploads finished!")
	}
	return err
}

// importTo puts the data into one store, unless the import has done so.
func (s *Service) importTo(ctx context.Context, in *Import, id string) error {
	img, err := s.held(ctx, s.db.Read(ctx), in)
	if err != nil {
		return err
	}
	to := s.store(id)
	if to == nil || to.ReadOnly() {
		return rest.BadRequest("Store for identifier %s not found", id)
	}
	if slices.ContainsFunc(img.Locations, func(at Location) bool { return at.Task == in.TaskID && at.Store == to.ID }) {
		return nil
	}
	key := s.newKey(img.ID)
	w, data, err := s.place(ctx, img, to, key)
	if err != nil {
		return explain(img, err)
	}
	defer w.Close()
	faultpoint.Hit("glance-import-stored")
	err = s.change(ctx, in, func(img *Image) []string {
		img.Locations = append(img.Locations, Location{Store: to.ID, Key: key, Task: in.TaskID})
		merge(img, ImportingToStores, []string{to.ID}, false)
		setData(img, data)
		if !in.MustSucceed && in.Method != CopyImage {
			img.Status = Active
		}
		return nil
	})
	if errors.Is(err, errImportOver) {
		s.remove(key)
	}
	return err
}

func setData(img *Image, data db.Data) {
	img.Size, img.VirtualSize = &data.Size, &data.VirtualSize
	img.Checksum, img.HashAlgo, img.HashValue = &data.Checksum, &data.HashAlgo, &data.HashValue
}

// place makes the file of key in a store, whole and locked, of an image's staged data or else of its other locations. Staged data on
// the store's own file system is linked, not copied.
func (s *Service) place(ctx context.Context, img *Image, to *Store, key string) (*filestore.Writer, db.Data, error) {
	source, size, local, err := s.importSource(ctx, img)
	if err != nil {
		return nil, db.Data{}, err
	}
	defer source.Close()
	if local {
		data, err := s.take(ctx, img, io.Discard, source, size)
		if err == nil {
			err = same(img, data)
		}
		if err != nil {
			return nil, data, err
		}
		w, err := to.files.Adopt(s.staging, img.StagedKey, key)
		if !filestore.Elsewhere(err) {
			return w, data, err
		}
		if _, err := source.Seek(0, io.SeekStart); err != nil {
			return nil, data, err
		}
	}
	return s.write(ctx, img, to.files, key, source, size)
}

// write makes a file of data that is the image's, whole and locked, and says what it is.
func (s *Service) write(ctx context.Context, img *Image, files *filestore.Store, key string, source io.Reader, size int64) (*filestore.Writer, db.Data, error) {
	w, err := files.Create(key, size)
	if err != nil {
		return nil, db.Data{}, err
	}
	data, err := s.take(ctx, img, w, source, size)
	if err == nil {
		err = same(img, data)
	}
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		w.Close()
		return nil, data, err
	}
	return w, data, nil
}

// same refuses data that is not what the image is known to have.
func same(img *Image, data db.Data) error {
	if v := deref(img.HashValue); v != "" && deref(img.HashAlgo) == data.HashAlgo && v != data.HashValue {
		return fmt.Errorf("image %s: the data is not what its hash says", img.ID)
	}
	return nil
}

// importSource opens what is to be imported. local says that it is a file of this process's staging directory.
func (s *Service) importSource(ctx context.Context, img *Image) (source io.ReadSeekCloser, size int64, local bool, err error) {
	if img.StagedKey == "" {
		source, size, err = s.Open(ctx, img)
		return source, size, false, err
	}
	f, size, err := s.staging.Read(img.StagedKey)
	switch {
	case err == nil && size == img.StagedSize:
		return f, size, true, nil
	case err == nil:
		f.Close()
		return nil, 0, false, fmt.Errorf("image %s: what was staged has %d bytes, which is not what was received", img.ID, size)
	case errors.Is(err, filestore.ErrAbsent) && s.remote != nil && !s.ours(img.StagedKey):
		return s.remoteFile(ctx, img.StagedKey, img.StagedSize), img.StagedSize, false, nil
	}
	return nil, 0, false, fmt.Errorf("image %s: what was staged is lost: %w", img.ID, err)
}

// UnstoreImport takes the image's data out of the stores that the import put it into.
func (s *Service) UnstoreImport(ctx context.Context, in *Import) error {
	err := s.change(ctx, in, func(img *Image) (drop []string) {
		img.Locations = slices.DeleteFunc(img.Locations, func(at Location) bool {
			if at.Task == in.TaskID {
				drop = append(drop, at.Key)
			}
			return at.Task == in.TaskID
		})
		if len(img.Locations) == 0 {
			img.Size, img.VirtualSize, img.Checksum, img.HashAlgo, img.HashValue = nil, nil, nil, nil, nil
		}
		return drop
	})
	if errors.Is(err, errImportOver) {
		return nil
	}
	return err
}

// ImportDone ends an import: the image is active, its task a success.
func (s *Service) ImportDone(ctx context.Context, tx store.Tx, in *Import) error {
	img, err := s.held(ctx, tx, in)
	if err != nil {
		return err
	}
	err = s.changeIn(ctx, tx, img, func(img *Image) (drop []string) {
		if img.StagedKey != "" {
			drop = []string{img.StagedKey}
		}
		img.StagedKey, img.StagedSize = "", 0
		if in.Method != CopyImage {
			img.Status = Active
		}
		release(img, in)
		return drop
	})
	if err != nil {
		return err
	}
	return s.taskGoes(ctx, tx, in.TaskID, TaskSuccess, "", map[string]any{"image_id": in.ImageID})
}

// release lets go of the image.
func release(img *Image, in *Import) {
	delete(img.Reserved, ImportTask)
	merge(img, ImportingToStores, in.Stores, false)
}

// ImportFailed says in the task why an import fails, before it is undone.
func (s *Service) ImportFailed(ctx context.Context, in *Import, cause error) {
	err := s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx store.Tx) error {
		return s.taskGoes(ctx, tx, in.TaskID, TaskProcessing, tenantText(cause), nil)
	})
	if err != nil {
		s.log.Warn("a task does not say why it fails", "task", in.TaskID, "error", err)
	}
}

// tenantText is what a task tells of an error.
func tenantText(err error) string {
	var refused *rest.Error
	switch {
	case errors.As(err, &refused):
		return refused.Message
	case errors.Is(err, errImportOver):
		return "Image has been deleted, aborting import."
	}
	return "Task failed due to Internal Error"
}

// ImportUndone ends an import that failed: the image is as it was, without what was staged.
func (s *Service) ImportUndone(ctx context.Context, tx store.Tx, in *Import) error {
	img, err := s.held(ctx, tx, in)
	switch {
	case err == nil:
		err = s.changeIn(ctx, tx, img, func(img *Image) (drop []string) {
			if in.Method != CopyImage {
				img.Status = Queued
			}
			if img.StagedKey != "" {
				drop = []string{img.StagedKey}
			}
			img.StagedKey, img.StagedSize = "", 0
			if waiting := strings.Split(img.Reserved[ImportingToStores], ","); in.Method == WebDownload && len(waiting) == len(in.Stores) {
				merge(img, FailedImport, in.Stores, true) // no store was tried (glance/async_/flows/_internal_plugins, revert)
			}
			release(img, in)
			return drop
		})
	case errors.Is(err, errImportOver):
		err = nil
	}
	if err != nil {
		return err
	}
	task, err := db.GetTask(ctx, tx, db.Scope{All: true}, in.TaskID)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	message := ""
	if task.Message == "" {
		message = "Task failed due to Internal Error"
	}
	return s.taskGoes(ctx, tx, in.TaskID, TaskFailure, message, nil)
}
