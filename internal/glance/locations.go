package glance

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"gostack/internal/glance/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// LocationConfig says what clients see and change of where image data is.
type LocationConfig struct {
	Show      bool // locations are shown, and changed by PATCH (upstream's show_multiple_locations)
	DirectURL bool // the preferred one is shown (show_image_direct_url)
	NoHash    bool // what is added by address is not read (do_secure_hash off)
}

// Shown tells whether locations are shown, and whether the preferred one is.
func (s *Service) Shown() (all, direct bool) { return s.locations.Show, s.locations.DirectURL }

// Preferred returns an image's locations in the order in which they are read.
func (s *Service) Preferred(img *Image) []Location { return s.byPreference(img.Locations) }

// reservedName tells whether a property belongs to the service itself.
func reservedName(name string) bool { return strings.HasPrefix(name, "os_glance") }

func cut(item string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(item, ":")
	return strings.TrimSpace(name), strings.TrimSpace(value), ok && strings.TrimSpace(name) != ""
}

func fileSize(path string) (int64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// openAddress opens data that others serve. It is read anew from where a connection broke.
func (s *Service) openAddress(ctx context.Context, img *Image, at Location) (io.ReadSeekCloser, int64, error) {
	var size int64
	if img.Size != nil {
		size = *img.Size
	} else {
		var err error
		if size, err = s.web().Size(ctx, at.URL); err != nil {
			return nil, 0, unreachable(img, err)
		}
	}
	if size < 0 {
		return nil, 0, unreachable(img, errors.New("the server of the address does not say how long the data is"))
	}
	// Opened now, so that what cannot be read is known before an answer has begun.
	body, _, err := s.web().Open(ctx, at.URL, 0)
	if err != nil {
		return nil, 0, unreachable(img, err)
	}
	return &farFile{ctx: ctx, size: size, body: body, open: func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		body, _, err := s.web().Open(ctx, at.URL, offset)
		return body, err
	}}, size, nil
}

func unreachable(img *Image, err error) error {
	return rest.Fail(http.StatusServiceUnavailable, "The data of image %s cannot be read from its location at the moment.", img.ID).Because(err)
}

// CheckLocation refuses addresses that an image cannot be at: only what others serve over HTTP, and what passes the filter of
// imports. Files of ours, or of any other store, are never named by clients (OSSA-2014-041, OSSA-2015-019).
func (s *Service) CheckLocation(url string) error {
	bad := rest.BadRequest("Invalid location: %s", url)
	scheme, _, _ := strings.Cut(url, ":")
	switch strings.ToLower(scheme) {
	case "http", "https":
	case "file", "filesystem", "swift+config":
		return rest.BadRequest("It's not allowed to use the %s scheme for external image locations.", strings.ToLower(scheme))
	default:
		return bad
	}
	if s.multi && s.httpStore() == nil || s.web().Check(url) != nil {
		return bad
	}
	return nil
}

func (s *Service) httpStore() *Store {
	for _, st := range s.stores {
		if st.Type == HTTPStore {
			return st
		}
	}
	return nil
}

// NewLocation makes a location of an address, and asks it how long the data is.
func (s *Service) NewLocation(ctx context.Context, url string, metadata map[string]string) (Location, int64, error) {
	if err := s.CheckLocation(url); err != nil {
		return Location{}, 0, err
	}
	size, err := s.web().Size(ctx, url)
	if err != nil {
		return Location{}, 0, rest.BadRequest("Invalid location: %s", url).Because(err)
	}
	at := Location{URL: url, Metadata: metadata}
	if st := s.httpStore(); st != nil {
		at.Store = st.ID
	}
	return at, size, nil
}

// Validation is what a client says of data that it names by address.
type Validation struct{ Checksum, HashAlgo, HashValue string }

// hashBytes is how long the hashes of the known algorithms are.
var hashBytes = map[string]int{"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}

// CheckHash refuses a hash that cannot be one.
func CheckHash(algo, value string) error {
	want, known := hashBytes[algo]
	if !known {
		return rest.BadRequest("os_hash_algo %s is not known", algo)
	}
	raw, err := hex.DecodeString(value)
	switch {
	case err != nil:
		return rest.BadRequest("os_hash_value (%s) is not a valid hexadecimal value", value)
	case len(raw) != want:
		return rest.BadRequest("os_hash_value (%s) is not the correct size for %s (should be %d bytes)", value, algo, want)
	}
	return nil
}

// ChangeLocations alters an image's locations as PATCH does; change gets the list and says the new one. Files of ours that are not in
// it any more are removed.
func (s *Service) ChangeLocations(ctx context.Context, c *policy.Caller, id string, change func(img *Image) ([]Location, error)) (*Image, error) {
	var img *Image
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if img, err = s.image(ctx, tx, c, id); err != nil {
			return err
		}
		had := img.Locations
		if img.Locations, err = change(img); err != nil {
			return err
		}
		if n := len(img.Locations); n > locationQuota && n > len(had) {
			return limitExceeded("image locations", n, locationQuota)
		}
		for _, at := range had {
			if at.Key != "" && !slices.ContainsFunc(img.Locations, func(o Location) bool { return o.Key == at.Key }) {
				store.AfterCommit(ctx, func() { s.remove(at.Key) })
			}
		}
		if img.Status == Queued && len(img.Locations) > 0 {
			img.Status = Active
		}
		img.UpdatedAt = s.clock.Now()
		return db.SaveData(ctx, tx, img)
	})
	return img, err
}

// DeleteFromStore removes an image's data from one of several stores.
func (s *Service) DeleteFromStore(ctx context.Context, c *policy.Caller, id, storeID string) error {
	_, err := s.ChangeLocations(ctx, c, id, func(img *Image) ([]Location, error) {
		switch {
		case img.Status != Active:
			return nil, rest.Conflict("It's not allowed to remove image data from store if image status is not 'active'")
		case len(img.Locations) == 1:
			return nil, rest.Forbidden("Cannot delete image data from the only store containing it. Consider deleting the image instead.")
		}
		n := slices.IndexFunc(img.Locations, func(at Location) bool { return s.StoreOf(at) == storeID })
		if n < 0 {
			return nil, rest.NotFound("Image %s is not stored in store %s.", id, storeID)
		}
		return slices.Delete(slices.Clone(img.Locations), n, n+1), nil
	})
	return err
}

// LocationImport is a location that is being added.
type LocationImport struct {
	ImageID, TaskID, URL string
	HashAlgo, HashValue  string // that the client says the data has; "" when it says nothing
}

// AddLocation starts adding a location to a queued image (API 2.17). The data is read and hashed afterwards; when the client says
// what its hash is, the image becomes active only if that is so.
func (s *Service) AddLocation(ctx context.Context, c *policy.Caller, img *Image, in LocationImport) error {
	if s.ops == nil {
		return rest.BadRequest("Invalid location: %s", in.URL)
	}
	task, err := s.newTask(ctx, c, TaskLocationImport, img.ID, map[string]any{"image_id": img.ID, "loc_url": in.URL, "validation_data": map[string]any{}})
	if err != nil {
		return err
	}
	in.ImageID, in.TaskID = img.ID, task.ID
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		img, err := s.image(ctx, tx, nil, in.ImageID) // c's right was asked for by policy
		if err != nil {
			return err
		}
		if img.Status != Queued {
			return rest.Conflict("It's not allowed to add locations if image status is %s.", img.Status)
		}
		if img.Reserved[ImportTask] != "" {
			return rest.Conflict("Image has active task")
		}
		img.Reserved[ImportTask] = task.ID
		if err := db.SaveData(ctx, tx, img); err != nil {
			return err
		}
		if err := db.InsertTask(ctx, tx, task); err != nil {
			return err
		}
		_, err = s.ops.Start(ctx, tx, saga.Intent{
			Kind: KindLocation, Resource: saga.Resource{Type: ImageResource, ID: img.ID}, State: in, Caller: c, RequestID: task.RequestID,
		})
		return err
	})
}
