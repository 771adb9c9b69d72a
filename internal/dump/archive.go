package dump

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"filippo.io/age"

	"gostack/internal/secret"
)

// Format is the version of the archive. A program reads those up to its own.
const Format = 1

// Manifest says what an archive must hold. It is the archive's last entry, so that it can tell of everything before it.
type Manifest struct {
	Format    int               `json:"format"`
	Version   string            `json:"gostack"` // of the program that wrote it
	CreatedAt time.Time         `json:"created_at"`
	Host      string            `json:"host"`
	Region    string            `json:"region"`
	Database  string            `json:"database"` // kind it was taken from; it can be restored into either
	Schema    map[string]int64  `json:"schema"`
	Tables    []ArchivedTable   `json:"tables"`
	Files     map[string]string `json:"files"` // SHA-256 by name
	Images    bool              `json:"images"`
}

// ArchivedTable is a table in an archive.
type ArchivedTable struct {
	Table
	Next int64 `json:"next,omitempty"`
	Sum  Sum   `json:"sum"`
}

const (
	manifestName = "manifest.json"
	tableDir     = "database/"
	fileDir      = "files/"
	// chunkBytes is how much of a table is kept in memory: a tar's entry says its length before its content.
	chunkBytes = 4 << 20
)

// Writer writes an archive: a compressed tar, encrypted when there is a passphrase (in age's format, so that the tool age reads it too).
type Writer struct {
	manifest Manifest
	tar      *tar.Writer
	closers  []io.Closer
}

// NewWriter begins an archive on w.
func NewWriter(w io.Writer, passphrase secret.String, m Manifest) (*Writer, error) {
	m.Format, m.Files = Format, map[string]string{}
	out := &Writer{manifest: m}
	if !passphrase.Empty() {
		to, err := age.NewScryptRecipient(passphrase.Reveal())
		if err != nil {
			return nil, err
		}
		sealed, err := age.Encrypt(w, to)
		if err != nil {
			return nil, err
		}
		out.closers, w = append(out.closers, sealed), sealed
	}
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	out.tar = tar.NewWriter(zip)
	out.closers = append([]io.Closer{out.tar, zip}, out.closers...)
	return out, nil
}

func (w *Writer) entry(name string, size int64, body io.Reader) (digest string, err error) {
	if err := w.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: w.manifest.CreatedAt, Format: tar.FormatPAX}); err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(w.tar, h), body)
	return hex.EncodeToString(h.Sum(nil)), err
}

// Database adds all rows of a snapshot.
func (w *Writer) Database(ctx context.Context, s *Snapshot, progress Progress) error {
	return s.Each(ctx, func(t *Table, next int64, rows func(func(Row) error) (Sum, error)) error {
		var chunk bytes.Buffer
		n := 0
		flush := func() error {
			if chunk.Len() == 0 {
				return nil
			}
			n++
			_, err := w.entry(fmt.Sprintf("%s%s/%05d.ndjson", tableDir, t.Name, n), int64(chunk.Len()), &chunk)
			chunk.Reset()
			return err
		}
		sum, err := rows(func(r Row) error {
			line, err := encode(r)
			if err != nil {
				return err
			}
			chunk.Write(line)
			chunk.WriteByte('\n')
			if chunk.Len() >= chunkBytes {
				return flush()
			}
			return nil
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		w.manifest.Tables = append(w.manifest.Tables, ArchivedTable{Table: *t, Next: next, Sum: sum})
		progress(t.Name, sum)
		return nil
	})
}

// File adds a file under a name with slashes. The body must have exactly size bytes.
func (w *Writer) File(name string, size int64, body io.Reader) error {
	if !validName(name) {
		return fmt.Errorf("%q is no name of a file in an archive", name)
	}
	digest, err := w.entry(fileDir+name, size, body)
	w.manifest.Files[name] = digest
	return err
}

// validName refuses names that would leave the directory they are unpacked into.
func validName(name string) bool {
	return name != "" && path.Clean("/"+name) == "/"+name && !strings.Contains(name, "\\")
}

// Close writes the manifest and ends the archive.
func (w *Writer) Close() (Manifest, error) {
	b, err := json.MarshalIndent(w.manifest, "", " ")
	if err != nil {
		return w.manifest, err
	}
	if _, err := w.entry(manifestName, int64(len(b)), bytes.NewReader(b)); err != nil {
		return w.manifest, err
	}
	for _, c := range w.closers {
		if err := c.Close(); err != nil {
			return w.manifest, err
		}
	}
	return w.manifest, nil
}

// Errors of archives.
var (
	ErrPassphrase = errors.New("the archive is encrypted, and this is not its passphrase")
	ErrDamaged    = errors.New("the archive is damaged")
)

// Visitor is called with the parts of an archive in their order. A nil function skips.
type Visitor struct {
	Row  func(table string, line []byte) error
	File func(name string, size int64, body io.Reader) error
}

// Read goes through an archive and returns its manifest, after having compared what came with what it says. Whoever acts in the visitor must undo that when Read fails.
func Read(r io.Reader, passphrase secret.String, v Visitor) (*Manifest, error) {
	plain, err := decrypted(bufio.NewReaderSize(r, 1<<20), passphrase)
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: it is no backup of gostack (%w)", ErrDamaged, err)
	}
	t := tar.NewReader(zip)
	files, lines := map[string]string{}, map[string]int64{}
	for {
		h, err := t.Next()
		if err != nil {
			return nil, fmt.Errorf("%w: it ends too early (%w)", ErrDamaged, err)
		}
		switch {
		case h.Name == manifestName:
			m := &Manifest{}
			if err := json.NewDecoder(t).Decode(m); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			if _, err := io.Copy(io.Discard, zip); err != nil { // the checksum of everything
				return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			return m, m.compare(files, lines)
		case strings.HasPrefix(h.Name, tableDir):
			table, _, _ := strings.Cut(strings.TrimPrefix(h.Name, tableDir), "/")
			n, err := eachLine(t, func(line []byte) error {
				if v.Row == nil {
					return nil
				}
				return v.Row(table, line)
			})
			if lines[table] += n; err != nil {
				return nil, err
			}
		case strings.HasPrefix(h.Name, fileDir):
			name := strings.TrimPrefix(h.Name, fileDir)
			if !validName(name) || h.Typeflag != tar.TypeReg {
				return nil, fmt.Errorf("%w: it holds %q", ErrDamaged, h.Name)
			}
			sum := sha256.New()
			body := io.TeeReader(t, sum)
			if v.File != nil {
				if err := v.File(name, h.Size, body); err != nil {
					return nil, err
				}
			}
			if _, err := io.Copy(io.Discard, body); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			files[name] = hex.EncodeToString(sum.Sum(nil))
		default:
			return nil, fmt.Errorf("%w: it holds %q", ErrDamaged, h.Name)
		}
	}
}

func decrypted(r *bufio.Reader, passphrase secret.String) (io.Reader, error) {
	head, _ := r.Peek(len("age-encryption.org/"))
	if string(head) != "age-encryption.org/" {
		return r, nil
	}
	if passphrase.Empty() {
		return nil, fmt.Errorf("%w: none was given", ErrPassphrase)
	}
	identity, err := age.NewScryptIdentity(passphrase.Reveal())
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(r, identity)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	return plain, nil
}

func eachLine(r io.Reader, fn func([]byte) error) (n int64, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := b.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		n++
		if err := fn(line); err != nil {
			return n, err
		}
	}
}

func (m *Manifest) compare(files map[string]string, lines map[string]int64) error {
	if m.Format > Format {
		return fmt.Errorf("the archive has format %d, made by gostack %s; this gostack reads formats up to %d", m.Format, m.Version, Format)
	}
	for _, t := range m.Tables {
		if lines[t.Name] != t.Sum.Rows {
			return fmt.Errorf("%w: table %s has %d rows of %d", ErrDamaged, t.Name, lines[t.Name], t.Sum.Rows)
		}
		delete(lines, t.Name)
	}
	for name, digest := range m.Files {
		if files[name] != digest {
			return fmt.Errorf("%w: file %s is not what was saved", ErrDamaged, name)
		}
		delete(files, name)
	}
	if len(lines)+len(files) > 0 {
		return fmt.Errorf("%w: it holds what its manifest does not know", ErrDamaged)
	}
	return nil
}
