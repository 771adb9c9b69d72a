package fernet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// DefaultMaxActiveKeys is upstream's [fernet_tokens] max_active_keys: the staged key, the primary and one older.
const DefaultMaxActiveKeys = 3

// Repository is the directory of keys. Files are named by whole numbers: 0 is the staged key, which becomes the primary at the
// next rotation; the highest is the primary, which encrypts; the others only decrypt. It may be shared by several processes and
// changed by hand: a change is seen at the next use.
type Repository struct {
	dir       string
	maxActive int

	mu      sync.Mutex
	stamp   stamp
	keys    []Key
	changes uint64
}

// stamp tells one state of the directory from another without reading the files.
type stamp struct {
	modified time.Time
	inode    uint64
}

// OpenRepository uses the keys below dir, of which a rotation keeps maxActive (at least 1; 0 means DefaultMaxActiveKeys).
// It reads nothing yet: a missing directory shows at the first use, or is made by Setup.
func OpenRepository(dir string, maxActive int) *Repository {
	if maxActive <= 0 {
		maxActive = DefaultMaxActiveKeys
	}
	return &Repository{dir: dir, maxActive: maxActive}
}

// Setup creates the directory (mode 0700) with a staged and a primary key (mode 0600) if it has no keys yet, and reports whether
// it did. Two processes that do it at once agree on the keys: a key file is linked into place and never replaced.
func (r *Repository) Setup() (created bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return false, fmt.Errorf("create key repository: %w", err)
	}
	numbers, err := r.list()
	if err != nil {
		return false, err
	}
	if len(numbers) > 0 {
		return false, r.tighten(numbers)
	}
	for _, n := range []int{1, 0} {
		if err := r.writeNew(n); err != nil && !errors.Is(err, fs.ErrExist) {
			return false, err
		}
	}
	r.stamp = stamp{}
	return true, nil
}

// Rotate makes the staged key the primary, stages a new one, and removes the oldest keys above the number to keep.
// What the removed keys encrypted can no longer be opened.
func (r *Repository) Rotate() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	numbers, err := r.list()
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		return fmt.Errorf("rotate %s: no keys, run the setup first", r.dir)
	}
	primary := numbers[len(numbers)-1]
	if numbers[0] == 0 {
		if err := os.Rename(r.path(0), r.path(primary+1)); err != nil {
			return fmt.Errorf("promote staged key: %w", err)
		}
	}
	if err := r.writeNew(0); err != nil {
		return fmt.Errorf("stage new key: %w", err)
	}
	if numbers, err = r.list(); err != nil {
		return err
	}
	for len(numbers) > r.maxActive && len(numbers) > 1 {
		oldest := 1 // numbers[0] is the staged key
		if oldest == len(numbers)-1 {
			break // never the primary
		}
		if err := os.Remove(r.path(numbers[oldest])); err != nil {
			return fmt.Errorf("remove old key: %w", err)
		}
		numbers = slices.Delete(numbers, oldest, oldest+1)
	}
	r.stamp = stamp{}
	return syncDir(r.dir)
}

// Keys returns the keys to decrypt with, the primary first, and a number that grows whenever the directory changed.
// An unreadable or empty repository is an error.
func (r *Repository) Keys() (keys []Key, generation uint64, err error) {
	info, err := os.Stat(r.dir)
	if err != nil {
		return nil, 0, fmt.Errorf("key repository: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := stamp{modified: info.ModTime(), inode: inode(info)}
	if len(r.keys) > 0 && now == r.stamp {
		return r.keys, r.changes, nil
	}
	numbers, err := r.list()
	if err != nil {
		return nil, 0, err
	}
	slices.Reverse(numbers)
	for _, n := range numbers {
		text, err := os.ReadFile(r.path(n))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a rotation by another process is under way
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read key %d: %w", n, err)
		}
		key, err := ParseKey(string(text))
		if err != nil {
			return nil, 0, fmt.Errorf("read key %d: %w", n, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, 0, fmt.Errorf("key repository %s holds no keys", r.dir)
	}
	if !slices.Equal(keys, r.keys) {
		r.changes++
	}
	r.keys, r.stamp = keys, now
	return r.keys, r.changes, nil
}

// Numbered returns the keys by number, from the directory itself. A missing directory has none.
func (r *Repository) Numbered() (map[int]Key, error) {
	keys := map[int]Key{}
	numbers, err := r.list()
	if errors.Is(err, fs.ErrNotExist) {
		return keys, nil
	}
	for _, n := range numbers {
		text, err := os.ReadFile(r.path(n))
		if err != nil {
			return nil, fmt.Errorf("read key %d: %w", n, err)
		}
		if keys[n], err = ParseKey(string(text)); err != nil {
			return nil, fmt.Errorf("read key %d: %w", n, err)
		}
	}
	return keys, err
}

// Rotated returns keys as they are after a rotation: the staged one (0) is the primary, fresh is staged, and of the others so many are left that
// maxActive are there.
func Rotated(keys map[int]Key, fresh Key, maxActive int) map[int]Key {
	out := map[int]Key{}
	primary := 0
	for n, k := range keys {
		primary = max(primary, n)
		if n != 0 {
			out[n] = k
		}
	}
	if staged, ok := keys[0]; ok {
		primary++
		out[primary] = staged
	}
	for n := 1; n < primary && len(out)+1 > maxActive; n++ {
		delete(out, n)
	}
	out[0] = fresh
	return out
}

// list returns the numbers of the key files in rising order. Other files are ignored, as upstream does.
func (r *Repository) list() ([]int, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("list key repository: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n >= 0 && e.Type().IsRegular() && strconv.Itoa(n) == e.Name() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// tighten takes away the rights of group and others from an existing repository.
func (r *Repository) tighten(numbers []int) error {
	if err := os.Chmod(r.dir, 0o700); err != nil {
		return fmt.Errorf("protect key repository: %w", err)
	}
	for _, n := range numbers {
		if err := os.Chmod(r.path(n), 0o600); err != nil {
			return fmt.Errorf("protect key %d: %w", n, err)
		}
	}
	return nil
}

// writeNew stores a new key as number n, whole or not at all. It fails with fs.ErrExist if there is one.
func (r *Repository) writeNew(n int) error {
	key, err := NewKey()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(r.dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.WriteString(key.Encode()); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), r.path(n)); err != nil {
		return err
	}
	return syncDir(r.dir)
}

func (r *Repository) path(n int) string { return filepath.Join(r.dir, strconv.Itoa(n)) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
