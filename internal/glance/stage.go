package glance

import (
	"context"
	"io"

	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/store"
)

// Stage keeps the data of a queued image for its import, which will look at it. Any failure leaves the image queued, as it was.
func (s *Service) Stage(ctx context.Context, img *Image, body io.Reader, size int64) error {
	if err := s.enforce(ctx, img, StageTotal, 0); err != nil {
		return err
	}
	var n int64
	return s.accept(ctx, img, size, intake{
		status: Uploading, faults: "glance-stage", files: s.staging,
		receive: func(key string, w *filestore.Writer) (err error) {
			n, err = s.spool(ctx, img.ID, key, w, body, size)
			return err
		},
		end: func(ctx context.Context, tx store.Tx, key string) (bool, error) {
			return db.EndStage(ctx, tx, img.ID, key, n, s.clock.Now())
		},
	})
}

// spool writes a stream to w as it is and makes that durable. It renews the lease of the upload meanwhile.
func (s *Service) spool(ctx context.Context, id, key string, w *filestore.Writer, body io.Reader, size int64) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go s.renew(ctx, cancel, id, key)
	n, err := pour(ctx, w, body, s.cap)
	switch {
	case err != nil:
		return n, err
	case size > 0 && n != size:
		return n, errInterrupted
	}
	return n, w.Commit()
}

// pour copies at most limit bytes in pieces, until ctx ends.
func pour(ctx context.Context, w io.Writer, r io.Reader, limit int64) (total int64, err error) {
	buf := make([]byte, chunkSize)
	for {
		if ctx.Err() != nil {
			return total, context.Cause(ctx)
		}
		n, err := fill(r, buf)
		if total += int64(n); total > limit {
			return total, errTooLong
		}
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return total, err
			}
		}
		switch {
		case err == io.EOF: //nolint:errorlint // fill keeps it as it is
			return total, nil
		case err != nil:
			return total, interrupted(err)
		}
	}
}
