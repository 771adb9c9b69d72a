package glance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/rest"
)

// Remote reaches the image data of other control replicas, where each keeps its own. A key tells by its tag who wrote it.
type Remote interface {
	// Open reads a file from offset on. ErrAbsent when its replica does not have it, ErrAway when the replica cannot be asked.
	Open(ctx context.Context, tag, key string, offset int64) (io.ReadCloser, error)
	// Size says how long a file is, with the same errors.
	Size(ctx context.Context, tag, key string) (int64, error)
}

// Errors of a Remote.
var (
	ErrAbsent = errors.New("the replica has no such image data")
	ErrAway   = errors.New("the control replica that has the image data does not answer")
)

// topic is announced with the key of data that its replica may remove.
const topic = "glance"

// tagOf is the part of a key that says which replica wrote it.
func tagOf(key string) string { return key[len(key)-tagLength:] }

// tagLength is how long a tag is, see HostTag.
const tagLength = 8

// openRemote opens data that is not in this replica's directory.
func (s *Service) openRemote(ctx context.Context, img *Image, key string) (io.ReadSeekCloser, int64, error) {
	if s.remote == nil || s.ours(key) || img.Size == nil {
		return nil, 0, fmt.Errorf("image %s: its data is lost", img.ID)
	}
	size, err := s.remote.Size(ctx, tagOf(key), key)
	switch {
	case errors.Is(err, ErrAbsent):
		return nil, 0, fmt.Errorf("image %s: its data is lost: %w", img.ID, err)
	case err != nil:
		return nil, 0, rest.Fail(http.StatusServiceUnavailable, "The data of image %s is on a control node that does not answer at the moment. Please try again.", img.ID).
			WithHeader("Retry-After", "10").Because(err)
	case size != *img.Size:
		return nil, 0, fmt.Errorf("image %s: its data has %d bytes, which is not what was uploaded", img.ID, size)
	}
	return s.remoteFile(ctx, key, size), size, nil
}

func (s *Service) remoteFile(ctx context.Context, key string, size int64) *farFile {
	return &farFile{ctx: ctx, size: size, open: func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return s.remote.Open(ctx, tagOf(key), key, offset)
	}}
}

// farFile reads a file that is elsewhere. It opens it at the first read after a seek, and again where it broke.
type farFile struct {
	ctx   context.Context
	open  func(ctx context.Context, offset int64) (io.ReadCloser, error)
	size  int64
	at    int64
	body  io.ReadCloser
	tries int
}

// remoteTries is how often in a row a read may fail before it is given up.
const remoteTries = 4

// Read implements io.Reader.
func (r *farFile) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	for {
		if r.body == nil {
			body, err := r.open(r.ctx, r.at)
			if err != nil {
				if again := r.again(err); again != nil {
					return 0, again
				}
				continue
			}
			r.body = body
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.size-r.at)])
		r.at += int64(n)
		if n > 0 {
			r.tries = 0
			return n, nil
		}
		if err != nil {
			_ = r.body.Close()
			r.body = nil
			if again := r.again(err); again != nil {
				return 0, again
			}
		}
	}
}

// again waits before another try, or gives up with the error.
func (r *farFile) again(err error) error {
	r.tries++
	if r.tries >= remoteTries || errors.Is(err, ErrAbsent) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	select {
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-time.After(time.Duration(r.tries) * 200 * time.Millisecond):
		return nil
	}
}

// Seek implements io.Seeker.
func (r *farFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return r.at, errors.New("seek before the beginning")
	}
	if offset != r.at && r.body != nil {
		_ = r.body.Close()
		r.body = nil
	}
	r.at = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *farFile) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

// auditRemote looks for data that another replica should have.
func (s *Service) auditRemote(ctx context.Context, key string) (size int64, there bool, problem string) {
	if s.remote == nil || s.ours(key) {
		return 0, false, ""
	}
	size, err := s.remote.Size(ctx, tagOf(key), key)
	if errors.Is(err, ErrAway) {
		return 0, false, "its data is on a control replica that does not answer"
	}
	return size, err == nil, ""
}

// Own opens a file of this replica's directory for another replica. ErrAbsent when it is not here.
func (s *Service) Own(key string) (io.ReadSeekCloser, int64, error) {
	err := filestore.ErrAbsent
	for _, files := range s.directories() {
		var f *os.File
		var size int64
		if f, size, err = files.Read(key); err == nil {
			return f, size, nil
		}
	}
	return nil, 0, fmt.Errorf("%w: %w", ErrAbsent, err)
}

// directories are all that this process keeps files in.
func (s *Service) directories() []*filestore.Store {
	list := []*filestore.Store{}
	for _, st := range s.stores {
		if st.files != nil {
			list = append(list, st.files)
		}
	}
	return append(list, s.staging)
}

// writing tells whether a process holds the file of key as its writer.
func (s *Service) writing(key string) bool {
	for _, files := range s.directories() {
		if files.Writing(key) {
			return true
		}
	}
	return false
}

// dropUnwanted removes a file of this replica that another replica has told to be nobody's, if so.
func (s *Service) dropUnwanted(ctx context.Context, key string) {
	if key == "" || !s.ours(key) || s.writing(key) {
		return
	}
	wanted, err := db.HasKey(ctx, s.db.Read(ctx), key)
	if err == nil && !wanted {
		s.remove(key)
	}
}
