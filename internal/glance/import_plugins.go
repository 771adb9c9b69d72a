package glance

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/glance/db"
	"gostack/internal/imageformat"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Plugins of imports, by upstream's names (image_import_opts.image_import_plugins).
const (
	Decompression  = "image_decompression"
	InjectMetadata = "inject_metadata"
	Conversion     = "image_conversion"
)

// inject gives an image that is being imported the properties of inject_metadata. Reserved ones are left out.
func (s *Service) inject(ctx context.Context, tx store.Tx, c *policy.Caller, img *Image, method string) error {
	if method == CopyImage || !slices.Contains(s.imports.Plugins, InjectMetadata) || len(s.imports.Inject) == 0 {
		return nil
	}
	if c != nil && slices.ContainsFunc(c.Roles, func(role string) bool { return slices.Contains(s.imports.IgnoreRoles, role) }) {
		return nil
	}
	maps.Copy(img.Properties, s.imports.Inject)
	if err := check(img); err != nil {
		return err
	}
	return db.Save(ctx, tx, img, true)
}

// ImportConvert lets the plugins work on what is staged. Each leaves the image as one that it has nothing to do with.
func (s *Service) ImportConvert(ctx context.Context, in *Import) error {
	if in.Method == CopyImage {
		return nil
	}
	for _, name := range s.imports.Plugins {
		img, err := s.held(ctx, s.db.Read(ctx), in)
		if err != nil {
			return err
		}
		switch {
		case name == Decompression && deref(img.ContainerFormat) == "compressed":
			err = s.decompress(ctx, in, img)
		case name == Conversion && s.convertible(img):
			err = s.convert(ctx, in, img)
		}
		if err != nil {
			return explain(img, err)
		}
	}
	return nil
}

// restage replaces what is staged by what fill makes, and changes the image along with it.
func (s *Service) restage(ctx context.Context, in *Import, img *Image, fill func(w stagedWriter) (int64, error), change func(img *Image)) error {
	key := s.newKey(img.ID)
	w, err := s.staging.Create(key, 0)
	if err != nil {
		return err
	}
	defer w.Close()
	n, err := fill(w)
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		return err
	}
	err = s.change(ctx, in, func(img *Image) (drop []string) {
		if img.StagedKey != "" {
			drop = append(drop, img.StagedKey)
		}
		img.StagedKey, img.StagedSize = key, n
		change(img)
		return drop
	})
	if errors.Is(err, errImportOver) {
		s.remove(key)
	}
	return err
}

// stagedWriter is a new file of the staging directory.
type stagedWriter interface {
	io.Writer
	Beside() string
	Replace() error
}

func setText(to **string, text string) { *to = &text }

// decompress takes the data out of a gzip stream or a zip archive of one file; what comes out is bounded as an upload is.
func (s *Service) decompress(ctx context.Context, in *Import, img *Image) error {
	source, size, _, err := s.importSource(ctx, img)
	if err != nil {
		return err
	}
	defer source.Close()
	plain, err := decompressor(source, size)
	if err != nil {
		return err
	}
	return s.restage(ctx, in, img, func(w stagedWriter) (int64, error) {
		return pour(ctx, w, plain, s.cap)
	}, func(img *Image) { setText(&img.ContainerFormat, "bare") })
}

func decompressor(source io.ReadSeeker, size int64) (io.Reader, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(source, head); err != nil {
		return nil, rest.BadRequest("The data is not compressed in a way that is known here.")
	}
	if _, err := source.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	unreadable := rest.BadRequest("The compressed data cannot be read.")
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(source)
		if err != nil {
			return nil, unreadable
		}
		return r, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		at, ok := source.(io.ReaderAt)
		if !ok {
			return nil, rest.BadRequest("A zip archive must be imported through the control node that has it.")
		}
		archive, err := zip.NewReader(at, size)
		if err != nil {
			return nil, unreadable
		}
		if len(archive.File) != 1 {
			return nil, rest.BadRequest("A zip archive must hold one file only.")
		}
		r, err := archive.File[0].Open()
		if err != nil {
			return nil, unreadable
		}
		return r, nil
	}
	return nil, rest.BadRequest("The data is not compressed in a way that is known here.")
}

// convertible tells whether conversion has something to do: CDs stay what they are, as upstream, and so do kernels and ramdisks.
func (s *Service) convertible(img *Image) bool {
	format := deref(img.DiskFormat)
	if !inspected(img) || s.imports.Convert == "" || format == string(s.imports.Convert) {
		return false
	}
	switch imageformat.Format(format) {
	case imageformat.ISO, "ami", "ari", "aki":
		return false
	}
	return true
}

// convert changes the disk format, after the data was inspected: qemu-img never sees what was not.
func (s *Service) convert(ctx context.Context, in *Import, img *Image) error {
	if s.imports.Tool == nil {
		return errors.New("image_conversion is switched on without qemu-img")
	}
	source, size, local, err := s.importSource(ctx, img)
	if err != nil {
		return err
	}
	defer source.Close()
	if !local {
		err := s.restage(ctx, in, img, func(w stagedWriter) (int64, error) { return pour(ctx, w, source, s.cap) }, func(*Image) {})
		if err != nil {
			return err
		}
		if img, err = s.held(ctx, s.db.Read(ctx), in); err != nil {
			return err
		}
		return s.convert(ctx, in, img)
	}
	data, err := s.take(ctx, img, io.Discard, source, size)
	if err != nil {
		return err
	}
	if s.imports.Convert == imageformat.Raw && data.VirtualSize > s.cap {
		return errTooLong
	}
	from, err := s.staging.Path(img.StagedKey)
	if err != nil {
		return err
	}
	return s.restage(ctx, in, img, func(w stagedWriter) (int64, error) {
		src := qemuimg.Image{Path: from, Format: imageformat.Format(deref(img.DiskFormat))}
		if err := s.imports.Tool.Convert(ctx, src, w.Beside(), s.imports.Convert, data.VirtualSize, qemuimg.ConvertOptions{}); err != nil {
			if ctx.Err() != nil {
				return 0, err
			}
			return 0, rest.BadRequest("The image could not be converted from %s to %s.", src.Format, s.imports.Convert).Because(err)
		}
		n, err := fileSize(w.Beside())
		if err == nil && n > s.cap {
			err = errTooLong
		}
		if err != nil {
			return 0, err
		}
		return n, w.Replace()
	}, func(img *Image) {
		setText(&img.DiskFormat, string(s.imports.Convert))
		setText(&img.ContainerFormat, "bare")
	})
}

// ParseInject reads properties as inject_metadata's option has them: name:value.
func ParseInject(list []string) (map[string]string, error) {
	properties := map[string]string{}
	for _, item := range list {
		name, value, ok := cut(item)
		if !ok || reservedName(name) {
			return nil, fmt.Errorf("%q is not a property and its value, as name:value", item)
		}
		properties[name] = value
	}
	return properties, nil
}
