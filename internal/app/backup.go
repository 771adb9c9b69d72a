package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"gostack/internal/clock"
	"gostack/internal/config"
	"gostack/internal/dump"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// BackupOptions say what goes into a backup, and where it is.
type BackupOptions struct {
	Config     *config.Config
	ConfigFile string
	File       string
	Passphrase secret.String
	Images     bool // the data of images too
	Progress   func(format string, args ...any)
}

// savedFiles are the files beside the database that a control process cannot do without, by their names in the archive.
func savedFiles(c *config.Config, configFile string) map[string]string {
	files := map[string]string{
		"config/gostack.yaml":     configFile,
		"keystone/admin-password": AdminPasswordFile(c),
	}
	for name, path := range map[string]string{
		"tls_cert": c.TLSCert, "tls_key": c.TLSKey, "policy_file": c.Policy, "bus_ca": c.BusCA, "bus_cert": c.BusCert, "bus_key": c.BusKey,
	} {
		if path != "" {
			files["config/"+name] = path
		}
	}
	for _, option := range c.Glance.Options {
		if path, ok := strings.CutPrefix(option, "property_protection_file="); ok {
			files["config/property_protection_file"] = path
		}
	}
	return files
}

// imageDir is where the data of images is.
func imageDir(c *config.Config) string { return filepath.Join(c.StateDir, "images") }

// Backup writes the control plane into one file: the database as it is at one moment, with the keys of tokens and the cloud's authority, and the configuration. gostack may run
// meanwhile. The file appears whole or not at all, readable by its owner only.
func Backup(ctx context.Context, o BackupOptions) (*dump.Manifest, error) {
	if err := store.Exists(o.Config.Database); err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, o.Config.Database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	versions, err := dump.Versions(ctx, db.Read(ctx), db.Kind())
	if err != nil {
		return nil, err
	}
	snapshot, err := dump.Open(ctx, db)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	f, err := os.CreateTemp(filepath.Dir(o.File), "."+filepath.Base(o.File)+"-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	w, err := dump.NewWriter(f, o.Passphrase, dump.Manifest{
		Version: Version, CreatedAt: clock.System.Now(), Host: o.Config.Host, Region: o.Config.Region, Database: string(db.Kind()), Schema: versions, Images: o.Images,
	})
	if err != nil {
		return nil, err
	}
	if err := w.Database(ctx, snapshot, func(table string, s dump.Sum) { o.Progress("%s: %d rows", table, s.Rows) }); err != nil {
		return nil, err
	}
	if err := saveFiles(w, savedFiles(o.Config, o.ConfigFile)); err != nil {
		return nil, err
	}
	if o.Images {
		if err := saveImages(ctx, w, imageDir(o.Config), o.Progress); err != nil {
			return nil, err
		}
	}
	m, err := w.Close()
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return nil, err
	}
	return &m, os.Rename(f.Name(), o.File)
}

func saveFiles(w *dump.Writer, files map[string]string) error {
	names := make([]string, 0, len(files))
	for n := range maps.Keys(files) {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		b, err := os.ReadFile(files[n])
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := w.File(n, int64(len(b)), strings.NewReader(string(b))); err != nil {
			return err
		}
	}
	return nil
}

// saveImages adds the data of images. Rows were read before, so an image that is uploaded now is missing in both, and one that is deleted now is found by the audit.
func saveImages(ctx context.Context, w *dump.Writer, dir string, progress func(string, ...any)) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !e.Type().IsRegular() || strings.HasSuffix(e.Name(), ".part") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			err = w.File("images/"+e.Name(), info.Size(), f)
		}
		_ = f.Close()
		if err != nil {
			return err
		}
		progress("image data %s: %d bytes", e.Name(), info.Size())
	}
	return err
}

// RestoreOptions say where a backup goes.
type RestoreOptions struct {
	BackupOptions
	// Force replaces what is in the database, and files that differ.
	Force bool
}

// Restored tells what Restore did.
type Restored struct {
	Manifest *dump.Manifest `json:"manifest"`
	Written  []string       `json:"written"` // files
	Kept     []string       `json:"kept"`    // files that are there already and differ
}

// Restore reads a backup through and then writes it: the database in one transaction, and the files that are missing. The cloud must not run. What has happened since the
// backup (servers made or deleted, networks changed) is not in it: the audit tells the differences to the engines.
func Restore(ctx context.Context, o RestoreOptions) (*Restored, error) {
	open := func() (io.ReadCloser, error) { return os.Open(o.File) }
	f, err := open()
	if err != nil {
		return nil, err
	}
	m, err := dump.Read(f, o.Passphrase, dump.Visitor{})
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.File, err)
	}
	o.Progress("%s is whole: %s, gostack %s, %d tables", o.File, m.CreatedAt.Format("2006-01-02 15:04:05 MST"), m.Version, len(m.Tables))
	if err := nobodyRuns(ctx, o.Config, o.Config.Database, nil); err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, o.Config.Database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	if err := nobodyRuns(ctx, nil, "", db); err != nil {
		return nil, err
	}
	if err := db.MigrateTo(ctx, m.Schema, Migrations()...); err != nil {
		return nil, err
	}
	archived := &dump.Archived{Manifest: m, Passphrase: o.Passphrase, Reopen: open}
	_, err = dump.Load(ctx, db, archived, o.Force, func(table string, s dump.Sum) { o.Progress("%s: %d rows", table, s.Rows) })
	if errors.Is(err, dump.ErrNotEmpty) {
		return nil, fmt.Errorf("%w; --force replaces that cloud by the one in the backup", err)
	}
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, Migrations()...); err != nil {
		return nil, err
	}
	out := &Restored{Manifest: m}
	return out, out.files(o, open)
}

// files writes the files of an archive that are missing here.
func (out *Restored) files(o RestoreOptions, open func() (io.ReadCloser, error)) error {
	places := savedFiles(o.Config, o.ConfigFile)
	f, err := open()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = dump.Read(f, o.Passphrase, dump.Visitor{File: func(name string, _ int64, body io.Reader) error {
		place := places[name]
		if key, ok := strings.CutPrefix(name, "images/"); ok && !strings.Contains(key, "/") {
			place = filepath.Join(imageDir(o.Config), key)
		}
		if place == "" { // a file that this configuration does not name
			out.Kept = append(out.Kept, name)
			return nil
		}
		wrote, err := placeFile(place, body, o.Force)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", place, err)
		case wrote:
			out.Written = append(out.Written, place)
		default:
			out.Kept = append(out.Kept, place)
		}
		return nil
	}})
	return err
}

// placeFile writes a file of mode 0600, whole or not at all, unless there is one and force is not set.
func placeFile(path string, body io.Reader, force bool) (bool, error) {
	if _, err := os.Stat(path); err == nil && !force {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".restored-*")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = io.Copy(f, body)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return false, err
	}
	return true, os.Rename(f.Name(), path)
}
