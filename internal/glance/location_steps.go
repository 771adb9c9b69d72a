package glance

import (
	"context"
	"crypto/md5"  //nolint:gosec // clients may name it
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"

	"gostack/internal/glance/db"
	"gostack/internal/glance/signature"
	"gostack/internal/imageformat"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// asImport is the hold that a location's import has of its image.
func (in *LocationImport) asImport() *Import { return &Import{ImageID: in.ImageID, TaskID: in.TaskID} }

// LocationPlace gives the image its location. Without a hash to compare with it is active at once.
func (s *Service) LocationPlace(ctx context.Context, tx store.Tx, in *LocationImport, at Location, size int64) error {
	if err := s.taskGoes(ctx, tx, in.TaskID, TaskProcessing, "", nil); err != nil {
		return err
	}
	img, err := s.held(ctx, tx, in.asImport())
	if err != nil {
		return err
	}
	return s.changeIn(ctx, tx, img, func(img *Image) []string {
		at.Task = in.TaskID
		img.Locations = append(img.Locations, at)
		if size >= 0 {
			img.Size = &size
		}
		img.Status = Active
		if in.HashValue != "" && !s.locations.NoHash {
			img.Status = Importing
		}
		return nil
	})
}

func newHash(algo string) hash.Hash {
	switch algo {
	case "md5":
		return md5.New() //nolint:gosec // see above
	case "sha1":
		return sha1.New() //nolint:gosec // see above
	case "sha224":
		return sha256.New224()
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	}
	return sha512.New()
}

// LocationHash reads the data, inspects and hashes it. Data that cannot be read is no failure unless the client has said what it is.
func (s *Service) LocationHash(ctx context.Context, in *LocationImport) error {
	if s.locations.NoHash {
		return nil
	}
	img, err := s.held(ctx, s.db.Read(ctx), in.asImport())
	if err != nil {
		return err
	}
	algo := in.HashAlgo
	if algo == "" {
		algo = "sha512"
	}
	sum := newHash(algo)
	data, err := s.readLocation(ctx, img, sum)
	var refused *imageformat.RefusedError
	var unsigned *signature.Error
	switch {
	case err == nil:
	case errors.As(err, &unsigned):
		return badSignature(img, unsigned)
	case errors.As(err, &refused):
		return rest.BadRequest("%s", refused.Detail)
	case in.HashValue == "" && ctx.Err() == nil:
		s.log.Warn("an image's location cannot be hashed", "image", img.ID, "error", err)
		return nil
	default:
		return err
	}
	value := hex.EncodeToString(sum.Sum(nil))
	if in.HashValue != "" && !strings.EqualFold(value, in.HashValue) {
		return rest.BadRequest("os_hash_value: (%s) not matched with actual os_hash_value: (%s)", in.HashValue, value)
	}
	data.HashAlgo, data.HashValue = algo, value
	return s.change(ctx, in.asImport(), func(img *Image) []string {
		setData(img, data)
		return nil
	})
}

func (s *Service) readLocation(ctx context.Context, img *Image, sum io.Writer) (db.Data, error) {
	source, size, err := s.openOriginal(ctx, img)
	if err != nil {
		return db.Data{}, err
	}
	defer source.Close()
	return s.take(ctx, img, sum, source, size)
}

// LocationDone ends the import of a location: the image is active.
func (s *Service) LocationDone(ctx context.Context, tx store.Tx, in *LocationImport) error {
	img, err := s.held(ctx, tx, in.asImport())
	if err != nil {
		return err
	}
	err = s.changeIn(ctx, tx, img, func(img *Image) []string {
		img.Status = Active
		delete(img.Reserved, ImportTask)
		if s.locations.NoHash && in.HashValue != "" {
			img.HashAlgo, img.HashValue = &in.HashAlgo, &in.HashValue
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.taskGoes(ctx, tx, in.TaskID, TaskSuccess, "", map[string]any{"image_id": in.ImageID})
}

// LocationUndone ends one that failed: the image is queued, as it was.
func (s *Service) LocationUndone(ctx context.Context, tx store.Tx, in *LocationImport, message string) error {
	img, err := s.held(ctx, tx, in.asImport())
	switch {
	case err == nil:
		err = s.changeIn(ctx, tx, img, func(img *Image) []string {
			img.Locations = slices.DeleteFunc(img.Locations, func(at Location) bool { return at.Task == in.TaskID })
			img.Status, img.Size, img.VirtualSize, img.Checksum, img.HashAlgo, img.HashValue = Queued, nil, nil, nil, nil, nil
			delete(img.Reserved, ImportTask)
			return nil
		})
	case errors.Is(err, errImportOver):
		err = nil
	}
	if err != nil {
		return err
	}
	return s.taskGoes(ctx, tx, in.TaskID, TaskFailure, message, nil)
}

// TaskText is what a task tells its owner of an error.
func TaskText(err error) string { return tenantText(err) }
