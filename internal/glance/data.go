package glance

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/store"
)

// ErrNoData says that an image has no data yet.
var ErrNoData = errors.New("the image has no data")

// Data opens an image's data and says how many bytes it has. It stays readable when the image is deleted meanwhile. The
// caller has asked whether its user may read it; deactivated images are given too. ErrNoData when there is none yet.
func (s *Service) Data(ctx context.Context, id string) (io.ReadSeekCloser, int64, error) {
	img, err := db.Get(ctx, s.db.Read(ctx), db.Scope{All: true}, id)
	if store.IsNotFound(err) {
		return nil, 0, notFound(id)
	}
	if err != nil {
		return nil, 0, err
	}
	return s.Open(ctx, img)
}

// Open is Data of an image that was read already. ctx must live as long as the reader: the data may come from another control
// replica or from an address. Of several locations the preferred one that has the data is taken.
func (s *Service) Open(ctx context.Context, img *Image) (io.ReadSeekCloser, int64, error) {
	return s.open(ctx, img, true)
}

// openOriginal is Open without the cache: for what reads data in order to know it.
func (s *Service) openOriginal(ctx context.Context, img *Image) (io.ReadSeekCloser, int64, error) {
	return s.open(ctx, img, false)
}

// open opens the data at the preferred location that has it. What is elsewhere is looked for in the cache first, and wanted there from then on.
func (s *Service) open(ctx context.Context, img *Image, cached bool) (io.ReadSeekCloser, int64, error) {
	if len(img.Locations) == 0 {
		return nil, 0, ErrNoData
	}
	var errs []error
	for _, at := range s.byPreference(img.Locations) {
		f, size, err := s.openHere(img, at)
		if err == nil {
			return f, size, nil
		}
		if errors.Is(err, filestore.ErrAbsent) {
			if cached {
				if f, size := s.openCached(img); f != nil {
					return f, size, nil
				}
			}
			var far io.ReadSeekCloser
			if far, size, err = s.openFar(ctx, img, at); err == nil {
				if cached {
					s.wantCached(ctx, img)
				}
				return far, size, nil
			}
		}
		errs = append(errs, err)
	}
	return nil, 0, errors.Join(errs...)
}

// openFar opens data at an address or on another control replica.
func (s *Service) openFar(ctx context.Context, img *Image, at Location) (io.ReadSeekCloser, int64, error) {
	if at.Key == "" {
		return s.openAddress(ctx, img, at)
	}
	return s.openRemote(ctx, img, at.Key)
}

// openHere opens the data at one of the image's locations if it is a file that this process has; else filestore.ErrAbsent.
func (s *Service) openHere(img *Image, at Location) (io.ReadSeekCloser, int64, error) {
	if at.Key == "" {
		return nil, 0, filestore.ErrAbsent
	}
	st := s.store(at.Store)
	if st == nil || st.files == nil {
		return nil, 0, fmt.Errorf("image %s: its store %s is not configured", img.ID, at.Store)
	}
	f, size, err := st.files.Read(at.Key)
	switch {
	case err != nil:
		return nil, 0, err
	case img.Size == nil || *img.Size != size:
		f.Close()
		return nil, 0, fmt.Errorf("image %s: its data has %d bytes, which is not what was uploaded", img.ID, size)
	}
	return f, size, nil
}
