package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/imageformat"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/diskstream"
)

// incomingSuffix marks a directory that is being filled; sweep removes what a killed process left.
const incomingSuffix = ".incoming" + dyingSuffix

// movedFiles are the files that go with a server, besides its ephemeral disks. Its console log stays behind, as with upstream.
var movedFiles = append([]string{rootFile, swapFile, configFile, firmwareFile}, moduleFiles()...)

func moduleFiles() (names []string) {
	for _, t := range modules {
		names = append(names, moduleFile(t))
	}
	return names
}

// export is one copy on its way out.
type export struct {
	d     *Driver
	dir   string
	to    io.Writer
	alone bool
}

func (e *export) run(ctx context.Context) error {
	info, err := readInfoIn(e.dir)
	if err != nil {
		return err
	}
	ephemeral, err := ephFiles(e.dir)
	if err != nil {
		return err
	}
	names := slices.Clone(movedFiles)
	for _, path := range ephemeral {
		names = append(names, filepath.Base(path))
	}
	for _, name := range names {
		path := filepath.Join(e.dir, name)
		if !exists(path) {
			continue
		}
		alone := name == rootFile && info.Alone
		if name == rootFile && e.alone && !info.Alone {
			if path, err = e.flatten(ctx, path, info); err != nil {
				return err
			}
			defer os.Remove(path)
			alone = true
		}
		if err := e.file(ctx, diskstream.Head{Name: name, Alone: alone}, path); err != nil {
			return err
		}
	}
	return diskstream.End(e.to)
}

// flatten makes a disk that needs no image below it.
func (e *export) flatten(ctx context.Context, path string, info diskInfo) (string, error) {
	src := qemuimg.Image{Path: path, Format: imageformat.QCOW2, Backing: &qemuimg.Image{Path: e.d.basePath(info.Image), Format: imageformat.Raw}}
	about, err := e.d.tool().Info(ctx, qemuimg.Image{Path: path, Format: imageformat.QCOW2})
	if err != nil {
		return "", err
	}
	flat := path + ".flat"
	if err := os.RemoveAll(flat); err != nil {
		return "", err
	}
	return flat, full(e.d.tool().Convert(ctx, src, flat, imageformat.QCOW2, about.VirtualSize, qemuimg.ConvertOptions{}))
}

func (e *export) file(ctx context.Context, h diskstream.Head, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	h.Size = fi.Size()
	return diskstream.Write(&bounded{ctx, e.to}, h, f)
}

// bounded stops writing when its context has ended.
type bounded struct {
	ctx context.Context
	w   io.Writer
}

func (b *bounded) Write(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.w.Write(p)
}

// ImportDisks fills a directory from a stream, grows the disks and gives it the server's name in one step.
func (d *Driver) ImportDisks(ctx context.Context, spec driver.GuestSpec, move string, open func(context.Context) (io.ReadCloser, error)) error {
	unlock, err := d.files(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer unlock()
	dir := d.serverDir(spec.ID)
	mark, err := readMove(dir)
	if err != nil || mark.Move == move {
		return err
	}
	if exists(dir) { // what an earlier stay has left
		if err := d.forget(ctx, spec.ID); err != nil {
			return err
		}
		if err := d.removeFiles(spec.ID); err != nil {
			return err
		}
	}
	part := filepath.Join(d.Dir, "."+spec.ID+incomingSuffix)
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.Mkdir(part, 0o711); err != nil {
		return full(err)
	}
	if err := d.fill(ctx, spec, part, move, open); err != nil {
		return errors.Join(full(err), os.RemoveAll(part))
	}
	if err := os.Rename(part, dir); err != nil {
		return err
	}
	return syncDir(d.Dir)
}

// fill reads the stream into a directory.
func (d *Driver) fill(ctx context.Context, spec driver.GuestSpec, part, move string, open func(context.Context) (io.ReadCloser, error)) error {
	r, err := open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	wanted := map[string]disk{firmwareFile: {}}
	for _, name := range moduleFiles() {
		wanted[name] = disk{}
	}
	for _, k := range d.disksOf(spec) {
		wanted[k.file] = k
	}
	info := diskInfo{Host: d.Hostname}
	if spec.Image != nil {
		info.Image, info.Kernel, info.Ramdisk = spec.Image.ID, spec.Image.Properties[driver.PropKernelID], spec.Image.Properties[driver.PropRamdiskID]
	}
	for {
		h, err := diskstream.Next(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if slices.Contains(moduleFiles(), h.Name) && h.Size > maxModule {
			return driver.Refuse(driver.CodeBadImage, "the state of a trusted platform module that came has %d bytes", h.Size)
		}
		// A swap disk of another size is made anew, as is what the new flavor has and the old one had not.
		if k, ok := wanted[h.Name]; !ok || h.Name == swapFile && h.Size != k.size {
			if err := diskstream.Skip(r, h); err != nil {
				return err
			}
			continue
		}
		if err := readFile(r, h, filepath.Join(part, h.Name)); err != nil {
			return err
		}
		if h.Name == rootFile {
			if h.Alone {
				info.Alone, info.Image = true, ""
			}
			if err := d.checkRoot(ctx, filepath.Join(part, h.Name), h.Alone); err != nil {
				return err
			}
		}
	}
	if err := d.grow(ctx, spec, part); err != nil {
		return err
	}
	for name := range wanted {
		if path := filepath.Join(part, name); exists(path) {
			if err := publish(path, path); err != nil { // to the disk, before the directory has its name
				return err
			}
		}
	}
	text, err := infoText(info)
	if err != nil {
		return err
	}
	return errors.Join(replaceFile(filepath.Join(part, infoFile), text, 0o600), writeMove(part, moveMark{Move: move}), syncDir(part))
}

func readFile(r io.Reader, h diskstream.Head, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(diskstream.Read(r, h, f), f.Close())
}

// checkRoot refuses a disk that refers to files of this host: it came from another machine, which may be in other hands. What it stands on
// is written into the domain, so its own word for that does not count.
func (d *Driver) checkRoot(_ context.Context, path string, alone bool) error {
	report, err := imageformat.InspectFile(path)
	if err != nil {
		return err
	}
	if report.Format() != imageformat.QCOW2 {
		return driver.Refuse(driver.CodeBadImage, "the disk that came is %s, not qcow2", report.Format())
	}
	for _, p := range report.Problems {
		if p.Check != "backing_file" || alone {
			return driver.Refuse(driver.CodeBadImage, "the disk that came is refused: %s", p.Detail)
		}
	}
	return nil
}

// grow makes disks as large as the flavor says. None is ever made smaller.
func (d *Driver) grow(ctx context.Context, spec driver.GuestSpec, dir string) error {
	root := filepath.Join(dir, rootFile)
	if want := int64(spec.Flavor.RootGB) * gib; want > 0 && exists(root) {
		img := qemuimg.Image{Path: root, Format: imageformat.QCOW2}
		about, err := d.tool().Info(ctx, img)
		if err != nil {
			return err
		}
		switch {
		case about.VirtualSize > want:
			return driver.Refuse(driver.CodeDiskTooSmall, "Unable to resize disk down.")
		case about.VirtualSize < want:
			if err := d.tool().Resize(ctx, img, want, false); err != nil {
				return fmt.Errorf("grow disk: %w", err)
			}
		}
	}
	for _, k := range d.disksOf(spec) {
		if k.size == 0 || k.file == swapFile {
			continue
		}
		path := filepath.Join(dir, k.file)
		fi, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil && fi.Size() < k.size {
			err = os.Truncate(path, k.size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
