package glance

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"gostack/internal/glance/db"
	"gostack/internal/glance/filestore"
	"gostack/internal/rest"
)

// Location is a place where an image's data is.
type Location = db.Location

// Types of stores.
const (
	FileStore = "file"
	HTTPStore = "http" // read only: what others serve
)

// StoreConfig declares one of several stores (upstream's enabled_backends).
type StoreConfig struct {
	ID, Type    string
	Dir         string // of a file store
	Description string
	Default     bool
	Weight      int // the heavier store is read first
}

// Store is a place for image data.
type Store struct {
	StoreConfig
	files *filestore.Store // nil: not a file store
}

// ReadOnly tells whether images cannot be put there.
func (s *Store) ReadOnly() bool { return s.files == nil }

// reservedStores is how the ids of upstream's own stores begin; no operator may use it.
const reservedStores = "os_glance_"

// openStores opens the stores of a configuration. Without any there is one, which has no name.
func openStores(cfg Config) (stores []*Store, multi bool, err error) {
	if len(cfg.Stores) == 0 {
		files, err := filestore.Open(cfg.Dir)
		return []*Store{{StoreConfig: StoreConfig{Type: FileStore, Dir: cfg.Dir, Default: true}, files: files}}, false, err
	}
	defaults := 0
	for _, c := range cfg.Stores {
		s := &Store{StoreConfig: c}
		switch {
		case c.ID == "" || strings.HasPrefix(c.ID, reservedStores) || strings.ContainsAny(c.ID, ",/ "):
			return nil, false, fmt.Errorf("image stores: %q is no name for a store", c.ID)
		case slices.ContainsFunc(stores, func(o *Store) bool { return o.ID == c.ID || c.Dir != "" && o.Dir == c.Dir }):
			return nil, false, fmt.Errorf("image stores: %s is there twice, or its directory", c.ID)
		case c.Type == FileStore && c.Dir != "":
			if s.files, err = filestore.Open(c.Dir); err != nil {
				return nil, false, err
			}
		case c.Type == HTTPStore && !c.Default:
		default:
			return nil, false, fmt.Errorf("image stores: %s must be a file store with a directory, or an http store that is not the default", c.ID)
		}
		if c.Default {
			defaults++
		}
		stores = append(stores, s)
	}
	if defaults != 1 {
		return nil, false, errors.New("image stores: one of them, and only one, is the default")
	}
	// Images from before there were several stores are in the one directory that had no name.
	if !slices.ContainsFunc(stores, func(s *Store) bool { return s.Dir == cfg.Dir }) {
		files, err := filestore.Open(cfg.Dir)
		if err != nil {
			return nil, false, err
		}
		stores = append(stores, &Store{StoreConfig: StoreConfig{Type: FileStore, Dir: cfg.Dir}, files: files})
	}
	return stores, true, nil
}

// Stores lists the stores that have names; none when the service has one store only.
func (s *Service) Stores() (list []*Store) {
	for _, st := range s.stores {
		if st.ID != "" {
			list = append(list, st)
		}
	}
	return list
}

// Multi tells whether there are several stores.
func (s *Service) Multi() bool { return s.multi }

// store finds a store by the id that a location has; nil when it is not configured any more.
func (s *Service) store(id string) *Store {
	for _, st := range s.stores {
		if st.ID == id {
			return st
		}
	}
	if id == "" { // the directory without a name has got one
		for _, st := range s.stores {
			if st.Dir == s.dir {
				return st
			}
		}
	}
	return nil
}

// defaultStore takes what names no store.
func (s *Service) defaultStore() *Store {
	for _, st := range s.stores {
		if st.Default {
			return st
		}
	}
	return s.stores[0]
}

// StoreNamed returns the store that an upload asks for, "" being the default; a 400 when there is none such, a 410 when it
// takes no images, both as upstream.
func (s *Service) StoreNamed(id string) (*Store, error) {
	if id == "" || !s.multi {
		return s.defaultStore(), nil
	}
	st := s.store(id)
	switch {
	case st == nil:
		return nil, rest.BadRequest("Store for identifier %s not found", id)
	case st.ReadOnly():
		return nil, rest.Fail(410, "Error in store configuration. Adding images to store is disabled.")
	}
	return st, nil
}

// StoreOf is the name of the store that a location is in, "" when the service has no named stores.
func (s *Service) StoreOf(at Location) string {
	if !s.multi {
		return ""
	}
	if st := s.store(at.Store); st != nil {
		return st.ID
	}
	return at.Store
}

// URLOf is a location's address.
func (s *Service) URLOf(at Location) string {
	if at.Key == "" {
		return at.URL
	}
	dir := s.dir
	if st := s.store(at.Store); st != nil {
		dir = st.Dir
	}
	return "file://" + filepath.Join(dir, at.Key)
}

// byPreference orders locations as they are to be read: files before addresses, heavier stores first.
func (s *Service) byPreference(list []Location) []Location {
	list = slices.Clone(list)
	rank := func(at Location) int {
		st := s.store(at.Store)
		if st == nil {
			return -1
		}
		if at.Key == "" {
			return st.Weight
		}
		return st.Weight + 1<<20
	}
	sort.SliceStable(list, func(i, j int) bool { return rank(list[i]) > rank(list[j]) })
	return list
}
