package glance

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"gostack/internal/faultpoint"
	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/glance/signature"
	"gostack/internal/imageformat"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// An upload holds the lock of its file and a lease on its image, which it renews while data flows. When its process dies,
// the reconciler of the same host sees the free lock and puts the image back to queued at once; other hosts, which may
// not see each other's locks, do so when the lease has run out.
const (
	uploadLease = 60 * time.Second
	renewEvery  = 20 * time.Second
)

// Upload streams the data of a queued image in. size is what the client announced, or 0. Any failure leaves the image
// queued, as it was, and no data behind.
//
// The file exists and is locked before the row speaks of it, and is let go after the row has spoken its last: so a saving
// image without a locked file has lost its writer.
func (s *Service) Upload(ctx context.Context, img *Image, body io.Reader, size int64) error {
	return s.UploadTo(ctx, s.defaultStore(), img, body, size)
}

// UploadTo is Upload into a store that takes images.
func (s *Service) UploadTo(ctx context.Context, to *Store, img *Image, body io.Reader, size int64) error {
	if err := s.EnforceSize(ctx, img); err != nil {
		return err
	}
	var data db.Data
	return s.accept(ctx, img, size, intake{
		status: Saving, faults: "glance-upload", files: to.files,
		receive: func(key string, w *filestore.Writer) (err error) {
			data, err = s.receive(ctx, img, key, w, body, size)
			return err
		},
		end: func(ctx context.Context, tx store.Tx, key string) (bool, error) {
			return db.EndUpload(ctx, tx, img.ID, Location{Store: to.ID, Key: key}, data, s.clock.Now())
		},
	})
}

// intake is one way to take the data of a queued image in.
type intake struct {
	status  string // of the image meanwhile
	faults  string // what its fault points begin with
	files   *filestore.Store
	receive func(key string, w *filestore.Writer) error
	// end gives the image its data; false when the image is no longer there for it.
	end func(ctx context.Context, tx store.Tx, key string) (kept bool, err error)
}

// accept runs an intake of size bytes, or 0 when nobody said. Whatever fails, the image is queued again and the file is gone.
func (s *Service) accept(ctx context.Context, img *Image, size int64, how intake) error {
	if err := ready(img, how.status); err != nil {
		return err
	}
	if size > s.cap {
		return tooLarge()
	}
	key := s.newKey(img.ID)
	w, err := how.files.Create(key, size)
	if err != nil {
		return explain(img, err)
	}
	defer w.Close()
	faultpoint.Hit(how.faults + "-created")
	// Not cut short by a client that goes away: a write that was given up may be committed all the same.
	if err := s.begin(context.WithoutCancel(ctx), img, key, how.status); err != nil {
		return err
	}
	faultpoint.Hit(how.faults + "-began")
	if err := how.receive(key, w); err != nil {
		w.Close()
		s.drop(ctx, img.ID, key)
		return explain(img, err)
	}
	faultpoint.Hit(how.faults + "-stored")
	kept := false
	err = s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx store.Tx) (err error) {
		kept, err = how.end(ctx, tx, key)
		return err
	})
	if err != nil {
		s.drop(ctx, img.ID, key)
		return err
	}
	if !kept {
		s.remove(key)
		return gone(img)
	}
	return nil
}

// newKey names the file of an upload: image, upload, and the host that writes it.
func (s *Service) newKey(id string) string { return id + "-" + uuid.NewString()[:8] + "-" + s.host }

// HostTag is a short form of a host's name that fits into a key.
func HostTag(name string) string {
	sum := sha512.Sum512([]byte(name))
	return hex.EncodeToString(sum[:4])
}

// ready checks that an image can take data: upstream's state machine allows it from queued only, with its formats set.
func ready(img *Image, to string) error {
	if img.Status != Queued {
		return rest.Conflict("Image status transition from %s to %s is not allowed", img.Status, to)
	}
	if to == Uploading { // staging asks for nothing more
		return nil
	}
	var missing []string
	if deref(img.DiskFormat) == "" {
		missing = append(missing, "disk_format")
	}
	if deref(img.ContainerFormat) == "" {
		missing = append(missing, "container_format")
	}
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return rest.BadRequest("Property %s must be set prior to saving data.", missing[0])
	}
	return rest.BadRequest("Properties %s must be set prior to saving data.", strings.Join(missing, ", "))
}

func (s *Service) begin(ctx context.Context, img *Image, key, status string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		now := s.clock.Now()
		ok, err := db.BeginUpload(ctx, tx, img.ID, key, status, now.Add(uploadLease), now)
		if err == nil && ok {
			return s.enforceBegun(ctx, tx, img.ID)
		}
		if err != nil {
			return err
		}
		again, err := db.Get(ctx, tx, db.Scope{All: true}, img.ID)
		if store.IsNotFound(err) {
			return notFound(img.ID)
		}
		if err != nil {
			return err
		}
		return rest.Conflict("Image status transition from %s to %s is not allowed", again.Status, status)
	})
}

// receive writes the stream to w, makes that durable and says what it is.
func (s *Service) receive(ctx context.Context, img *Image, key string, w *filestore.Writer, body io.Reader, size int64) (db.Data, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go s.renew(ctx, cancel, img.ID, key)
	data, err := s.take(ctx, img, w, body, size)
	if err != nil {
		return data, err
	}
	faultpoint.Hit("glance-upload-received")
	return data, w.Commit()
}

// take writes the stream to w, inspecting and hashing it on the way, and says what it is. Of a signed image, the signature is verified.
func (s *Service) take(ctx context.Context, img *Image, w io.Writer, body io.Reader, size int64) (db.Data, error) {
	verifier, err := s.verifier(ctx, img)
	if err != nil {
		return db.Data{}, err
	}
	if verifier != nil {
		w = io.MultiWriter(w, verifier)
	}
	inspector, declared := imageformat.New(), imageformat.Format(deref(img.DiskFormat))
	check := func() error { return nil }
	if inspected(img) {
		check = func() error { return inspector.Early(declared) }
	}
	got, err := ingest(ctx, body, io.MultiWriter(inspector, w), s.cap, check)
	if err != nil {
		return db.Data{}, err
	}
	if size > 0 && got.Size != size {
		return db.Data{}, fmt.Errorf("%d bytes announced, %d received: %w", size, got.Size, errInterrupted)
	}
	if verifier != nil {
		if err := verifier.Verify(); err != nil {
			return db.Data{}, err
		}
	}
	report := inspector.Report()
	data := db.Data{Size: got.Size, VirtualSize: got.Size, Checksum: got.MD5, HashAlgo: "sha512", HashValue: got.SHA512}
	if inspected(img) {
		if err := report.Check(declared); err != nil {
			return db.Data{}, err
		}
		data.VirtualSize = report.VirtualSize
	}
	return data, nil
}

// verifier judges the data of a signed image; nil of others.
func (s *Service) verifier(ctx context.Context, img *Image) (*signature.Verifier, error) {
	if s.protections != nil { // the image may be one that somebody sees without these properties
		var err error
		if img, err = s.Image(ctx, nil, img.ID); err != nil {
			return nil, err
		}
	}
	return signature.New(img.Properties, s.certificates, s.clock.Now())
}

// inspected tells whether the data is a disk: inside other containers (ova, docker, compressed, …) it is an archive, which
// no host of ours opens.
func inspected(img *Image) bool {
	switch deref(img.ContainerFormat) {
	case "bare", "ami", "ari", "aki", "ovf":
		return true
	}
	return false
}

// renew keeps the lease until ctx ends. When the upload is not wanted any more (the image was deleted) it cancels it.
func (s *Service) renew(ctx context.Context, cancel context.CancelCauseFunc, id, key string) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		wanted := true
		err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
			wanted, err = db.RenewUpload(ctx, tx, id, key, s.clock.Now().Add(uploadLease))
			return err
		})
		if err != nil {
			s.log.Warn("cannot renew the lease of an upload", "image", id, "error", err)
		}
		if !wanted {
			cancel(errGone)
			return
		}
	}
}

var errGone = errors.New("the image was deleted during the upload")

// drop puts the image back to queued and removes what was stored, even when the client is gone.
func (s *Service) drop(ctx context.Context, id, key string) {
	err := s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx store.Tx) error {
		_, err := db.DropUpload(ctx, tx, id, key, s.clock.Now())
		return err
	})
	if err != nil {
		s.log.Error("an image stays saving until its lease has run out", "image", id, "error", err)
	}
	s.remove(key)
}

// remove deletes data. What cannot be removed now is left to the reconciler.
func (s *Service) remove(key string) {
	if s.remote != nil && !s.ours(key) {
		s.db.Announce(context.Background(), topic, key) // its replica removes it at once, or when it reconciles
	}
	for _, files := range s.directories() {
		if err := files.Delete(key); err != nil {
			s.log.Error("image data could not be removed", "key", key, "error", err)
		}
	}
}

func gone(img *Image) *rest.Error {
	return rest.Fail(http.StatusGone, "Image %s could not be found after upload. The image may have been deleted during the upload, cleaning up the chunks uploaded.", img.ID)
}

func tooLarge() *rest.Error {
	return rest.TooLarge("The incoming image is too large: The provided image is too large.")
}

func badSignature(img *Image, err *signature.Error) error {
	return rest.BadRequest("Signature verification failed for image %s: %s", img.ID, err.Reason)
}

// explain turns a failure of the stream into upstream's answer.
func explain(img *Image, err error) error {
	var refused *imageformat.RefusedError
	var unsigned *signature.Error
	switch {
	case errors.As(err, &unsigned):
		return badSignature(img, unsigned)
	case errors.As(err, &refused):
		return rest.BadRequest("%s", refused.Detail).Because(fmt.Errorf("check %s", refused.Check))
	case errors.Is(err, errTooLong):
		return tooLarge()
	case errors.Is(err, errGone):
		return gone(img)
	case errors.Is(err, filestore.ErrFull):
		return rest.TooLarge("Image storage media is full: There is not enough disk space on the image storage media.").Because(err)
	case errors.Is(err, filestore.ErrDenied):
		return rest.Fail(http.StatusServiceUnavailable, "Insufficient permissions on image storage media: Permission to write image storage media denied.").Because(err)
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return rest.BadRequest("The upload was interrupted before all data had arrived; the image is queued again.").Because(err)
	}
	return err
}
