// Package filestore keeps image data as files in one directory.
//
// A file has its final name only when it is whole and durable: it is written under a name that ends in ".part", flushed,
// renamed, and the directory is flushed. While it is written its writer holds a lock on it, so that a part file without a
// lock is the leaving of a dead process, on whatever host. The package knows keys, not images, and never reads content.
package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Errors that callers tell apart.
var (
	ErrFull   = errors.New("no space left for image data")
	ErrDenied = errors.New("image data may not be written here")
	ErrAbsent = errors.New("there is no such image data")
)

const (
	partSuffix = ".part"
	// besideSuffix is added to a part's name for what another program makes in its place. It goes when the part goes.
	besideSuffix = ".new"
	// flushEvery is how many bytes may wait in the page cache before the kernel is asked to write them, so that the final
	// flush of a large file is short.
	flushEvery = 32 << 20
)

var keyForm = regexp.MustCompile(`^[0-9a-zA-Z][0-9a-zA-Z_-]{0,120}$`)

// Store is a directory of files. Safe for concurrent use, also by several processes.
type Store struct{ dir string }

// Open returns the store at dir, which is made if it is missing, readable by us alone.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("image directory: %w", err)
	}
	return &Store{dir}, nil
}

// Dir is where the files are.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path(key string) (string, error) {
	if !keyForm.MatchString(key) {
		return "", fmt.Errorf("image data: %q is not a key", key)
	}
	return filepath.Join(s.dir, key), nil
}

// Writer is a file being written. Close ends it, and removes what Commit has not made final. Until then the file is
// locked, also under its final name.
type Writer struct {
	store     *Store
	f         *os.File
	path      string // final
	written   int64
	unflushed int64
}

// Create begins a file. size is how long it will be, or 0 when nobody knows: a file system without that much room is
// noticed now. It is an error if key is being written already.
func (s *Store) Create(key string, size int64) (*Writer, error) {
	path, err := s.path(key)
	if err != nil {
		return nil, err
	}
	f, err := createLocked(path + partSuffix)
	if err != nil {
		return nil, classify(err)
	}
	w := &Writer{store: s, f: f, path: path}
	if size > 0 {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
			w.Close()
			return nil, classify(err)
		}
	}
	return w, nil
}

// createLocked makes a new file and locks it. In the moment between the two a reconciler may look at its lock, or take the
// file for a dead writer's and remove it; then it is made again.
func createLocked(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX) // whoever looks lets go at once
		if err == nil {
			err = unix.Fstat(int(f.Fd()), &st)
		}
		switch {
		case err != nil:
			os.Remove(path)
			f.Close()
			return nil, fmt.Errorf("image data: cannot lock %s: %w", path, err)
		case st.Nlink > 0:
			return f, nil
		}
		f.Close()
	}
}

// Adopt makes a whole file of another store one of this store too, under its own key, without copying: both directories are on one
// file system that links, or it is an error of which Elsewhere is true. The file is durable, and locked until Close.
func (s *Store) Adopt(from *Store, fromKey, key string) (*Writer, error) {
	source, err := from.path(fromKey)
	if err != nil {
		return nil, err
	}
	path, err := s.path(key)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(source, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, classify(err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX) // whoever looks lets go at once
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Link(source, path)
	}
	if err == nil {
		err = s.flush()
	}
	if err != nil {
		f.Close()
		return nil, classify(err)
	}
	return &Writer{store: s, f: f}, nil
}

// Elsewhere says of Adopt's error that the file must be copied: it is on another file system, or its own does not link, or not once more (link(2)).
func Elsewhere(err error) bool {
	return errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EMLINK)
}

// Write appends.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if err != nil {
		return n, classify(err)
	}
	w.unflushed += int64(n)
	if w.unflushed >= flushEvery {
		_ = unix.SyncFileRange(int(w.f.Fd()), w.written, w.unflushed, unix.SYNC_FILE_RANGE_WRITE) // a hint only
		w.written += w.unflushed
		w.unflushed = 0
	}
	return n, nil
}

// Beside is the path of a file that another program may make in the place of what is written; Replace takes it then.
func (w *Writer) Beside() string { return w.path + partSuffix + besideSuffix }

// Replace takes the file at Beside as the writer's own.
func (w *Writer) Replace() error {
	f, err := os.OpenFile(w.Beside(), os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return classify(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return err
	}
	if err := os.Rename(w.Beside(), w.path+partSuffix); err != nil {
		f.Close()
		return classify(err)
	}
	w.f.Close()
	w.f = f
	return nil
}

// Commit makes the file durable under its name. It stays locked until Close.
func (w *Writer) Commit() error {
	if err := w.f.Sync(); err != nil {
		return classify(err)
	}
	if err := os.Rename(w.path+partSuffix, w.path); err != nil {
		return classify(err)
	}
	w.path = ""
	return w.store.flush()
}

// Close lets go of the file, and removes it unless it was committed.
func (w *Writer) Close() {
	if w.path != "" {
		os.Remove(w.Beside())
		os.Remove(w.path + partSuffix)
		w.path = ""
	}
	w.f.Close()
}

// flush makes renames and removals in the directory durable.
func (s *Store) flush() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Path is where a whole file is.
func (s *Store) Path(key string) (string, error) { return s.path(key) }

// Read opens a file and says how long it is. What was opened stays readable when the file is deleted meanwhile.
func (s *Store) Read(key string) (*os.File, int64, error) {
	path, err := s.path(key)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, classify(err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// Delete removes a file. Removing what is not there is no error.
func (s *Store) Delete(key string) error {
	path, err := s.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return s.flush()
}

// Entry is a file in the store.
type Entry struct {
	Key     string
	Size    int64
	Changed time.Time
	Part    bool // not whole: being written, or left by a dead writer
}

// List returns all files of the store, whole and partial. Other files in the directory are not ours and not listed.
func (s *Store) List() ([]Entry, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, file := range files {
		key, part := strings.CutSuffix(file.Name(), partSuffix)
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) || !keyForm.MatchString(key) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{Key: key, Size: info.Size(), Changed: info.ModTime(), Part: part})
	}
	return entries, nil
}

// Writing tells whether a process holds the file of key, part or whole, as its writer. Without a file nobody does. Locks
// are seen across hosts only where the file system carries them.
func (s *Store) Writing(key string) bool {
	path, err := s.path(key)
	if err != nil {
		return false
	}
	// The part first: it becomes the whole file, never the other way.
	for _, name := range []string{path + partSuffix, path} {
		f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
		f.Close()
		if err != nil {
			return true
		}
	}
	return false
}

// RemovePart removes a part file that a dead writer left. One that is still being written stays.
func (s *Store) RemovePart(key string) error {
	path, err := s.path(key)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+partSuffix, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil
	}
	for _, name := range []string{path + partSuffix + besideSuffix, path + partSuffix} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// classify gives an error of the operating system the meaning that the API tells apart.
func classify(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	return err
}

// Free returns how many bytes can still be written.
func (s *Store) Free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}
