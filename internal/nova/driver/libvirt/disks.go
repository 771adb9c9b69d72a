package libvirt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/imageformat"
	"gostack/internal/iso9660"
	"gostack/internal/nova/driver"
)

const gib = int64(1) << 30

// dyingSuffix marks a directory that is being removed.
const dyingSuffix = ".gone"

// Names of the files in a server's directory, as upstream's.
const (
	rootFile    = "disk"
	swapFile    = "disk.swap"
	configFile  = "disk.config"
	infoFile    = "disk.info"
	consoleFile = "console.log"
)

// ephFile is the file of the n-th ephemeral disk.
func ephFile(n int) string { return "disk.eph" + strconv.Itoa(n) }

// ephFiles finds the ephemeral disks in a directory.
func ephFiles(dir string) ([]string, error) {
	return filepath.Glob(filepath.Join(dir, "disk.eph*[0-9]"))
}

// diskInfo is what we must remember of a server's disks: never ask the disks.
type diskInfo struct {
	Image   string `json:"image,omitempty"` // id of the base
	Kernel  string `json:"kernel,omitempty"`
	Ramdisk string `json:"ramdisk,omitempty"`
	// Host is who may remove the files, where several hosts share the directory; empty: everybody.
	Host string `json:"host,omitempty"`
	// Alone says that the root disk stands on no image: it came from a host that had an image which is gone.
	Alone bool `json:"alone,omitempty"`
	// Rescue is the base of the disk that the server is rescued from.
	Rescue string `json:"rescue,omitempty"`
}

func (d *Driver) serverDir(id string) string   { return filepath.Join(d.Dir, id) }
func (d *Driver) consolePath(id string) string { return filepath.Join(d.Dir, id, consoleFile) }

func (d *Driver) tool() *qemuimg.Tool { return &tool }

// tool keeps what it learned about the host's fence.
var tool qemuimg.Tool

// PrepareDisks makes the server's disks; those that exist stay.
func (d *Driver) PrepareDisks(ctx context.Context, spec driver.GuestSpec) error {
	if err := checkID(spec.ID); err != nil {
		return err
	}
	unlock, err := d.server.lock(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.MkdirAll(d.serverDir(spec.ID), 0o711); err != nil {
		return full(err)
	}
	return d.makeDisks(ctx, spec)
}

// makeDisks makes the disks that are not there. The server is locked.
func (d *Driver) makeDisks(ctx context.Context, spec driver.GuestSpec) error {
	// Before the overlay, so that the base is known as used.
	if err := d.writeInfo(spec); err != nil {
		return full(err)
	}
	for _, disk := range d.disksOf(spec) {
		path := filepath.Join(d.serverDir(spec.ID), disk.file)
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		part := path + ".part"
		if err := os.RemoveAll(part); err != nil {
			return err
		}
		if err := disk.make(ctx, part); err != nil {
			_ = os.Remove(part)
			return full(err)
		}
		if err := publish(part, path); err != nil {
			return err
		}
	}
	return nil
}

// disk is one disk of a server: file, how QEMU reads it, how it is made.
type disk struct {
	file   string
	format imageformat.Format
	target string // suffix of the device name
	ro     bool
	tag    string // the owner's word
	size   int64  // bytes, of an ephemeral disk or swap
	make   func(ctx context.Context, path string) error

	// Of a disk that is not like the others: kind, bus and whether the server boots from it whatever the order.
	device, bus string
	boot        bool
}

func (d *Driver) disksOf(spec driver.GuestSpec) []disk {
	var all []disk
	var as []driver.DiskDevice
	add := func(k disk, on driver.DiskDevice) {
		if on.Bus != "" || on.Type != "" && on.Type != "disk" {
			k.device, k.bus = deviceKind(on.Type, on.Bus)
			on.Bus = k.bus
		}
		k.tag = on.Tag
		all, as = append(all, k), append(as, on)
	}
	if spec.Image != nil {
		add(disk{file: rootFile, format: imageformat.QCOW2, make: func(ctx context.Context, path string) error {
			return d.makeRoot(ctx, spec, path)
		}}, spec.Root)
	}
	ephemerals := 0
	for _, local := range spec.LocalDisks() {
		k := disk{file: swapFile, format: imageformat.Raw, size: local.SizeMB << 20, make: func(ctx context.Context, path string) error {
			return makeSwap(ctx, path, local.SizeMB<<20)
		}}
		if !local.Swap {
			n := ephemerals
			ephemerals++
			k.file = ephFile(n)
			k.make = func(ctx context.Context, path string) error {
				return makeEphemeral(ctx, path, local, n, spec.Image)
			}
		}
		add(k, local.DiskDevice)
	}
	for i, name := range driver.DiskNames(properties(spec)[driver.PropDiskBus], as) {
		all[i].target = name[2:]
	}
	if spec.ConfigDrive != nil {
		// Last, where a guest expects it least to shift its other disks.
		all = append(all, disk{file: configFile, format: imageformat.Raw, target: "z", ro: true, make: func(_ context.Context, path string) error {
			return makeConfigDrive(path, spec.ConfigDrive)
		}})
	}
	if spec.Rescue != nil {
		return d.rescueDisks(spec, all)
	}
	return all
}

// makeRoot makes an overlay of the flavor's size on the cached image.
func (d *Driver) makeRoot(ctx context.Context, spec driver.GuestSpec, path string) error {
	base := d.basePath(spec.Image.ID)
	fi, err := os.Stat(base)
	if errors.Is(err, os.ErrNotExist) {
		if err := d.EnsureImage(ctx, *spec.Image); err != nil {
			return err
		}
		fi, err = os.Stat(base)
	}
	if err != nil {
		return err
	}
	size := fi.Size()
	if spec.Flavor.RootGB > 0 {
		want := int64(spec.Flavor.RootGB) * gib
		if want < size {
			return driver.Refuse(driver.CodeDiskTooSmall,
				"Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", want, size)
		}
		size = want
	}
	size = (size + 511) &^ 511
	if spec.Image.Passing {
		return d.copyBase(ctx, base, fi.Size(), path, size)
	}
	return d.tool().CreateOverlay(ctx, path, qemuimg.Image{Path: base, Format: imageformat.Raw}, size)
}

// fileSystems are what an ephemeral disk can be formatted with, by the command that does it (nova/privsep/fs.py).
var fileSystems = map[string][]string{
	"ext2": {"mkfs.ext2", "-q", "-F", "-L"}, "ext3": {"mkfs.ext3", "-q", "-F", "-L"}, "ext4": {"mkfs.ext4", "-q", "-F", "-L"}, "xfs": {"mkfs.xfs", "-q", "-f", "-L"},
	"vfat": {"mkfs.vfat", "-n"}, "ntfs": {"mkfs.ntfs", "-q", "-F", "--fast", "-L"},
}

// makeEphemeral makes an empty disk with the file system asked for, or ext4; systems that cannot read that get it blank.
func makeEphemeral(ctx context.Context, path string, local driver.LocalDisk, n int, image *driver.Image) error {
	format := local.Format
	if format == "" {
		format = "ext4"
		if image != nil && image.Properties[driver.PropOSType] == "windows" {
			return sparseFile(path, local.SizeMB<<20)
		}
	}
	command, ok := fileSystems[format]
	if !ok {
		return driver.Refuse(driver.CodeUnsupported, "File system %q is not supported for ephemeral disks.", format)
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return driver.Refuse(driver.CodeUnsupported, "This host has no %s to format an ephemeral disk with.", command[0])
	}
	if err := sparseFile(path, local.SizeMB<<20); err != nil {
		return err
	}
	return run(ctx, command[0], append(slices.Clone(command[1:]), "ephemeral"+strconv.Itoa(n), path)...)
}

func makeSwap(ctx context.Context, path string, size int64) error {
	if err := sparseFile(path, size); err != nil {
		return err
	}
	return run(ctx, "mkswap", "-q", path)
}

func sparseFile(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func makeConfigDrive(path string, files []driver.File) error {
	var image bytes.Buffer
	list := make([]iso9660.File, len(files))
	for i, f := range files {
		list[i] = iso9660.File{Path: f.Path, Data: f.Data}
	}
	if err := iso9660.Write(&image, "config-2", list, time.Now()); err != nil {
		return fmt.Errorf("config drive: %w", err)
	}
	return os.WriteFile(path, image.Bytes(), 0o600)
}

// run runs a tool that formats an empty file of ours.
func run(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (d *Driver) writeInfo(spec driver.GuestSpec) error {
	info := diskInfo{Host: d.Hostname}
	if spec.Image != nil {
		info.Image = spec.Image.ID
		info.Kernel = spec.Image.Properties[driver.PropKernelID]
		info.Ramdisk = spec.Image.Properties[driver.PropRamdiskID]
	}
	old, err := d.readInfo(spec.ID)
	if err != nil {
		return err
	}
	if spec.Image != nil && spec.Image.Passing || old.Alone && exists(filepath.Join(d.serverDir(spec.ID), rootFile)) {
		info.Alone, info.Image = true, ""
	}
	if info.Rescue = old.Rescue; spec.Rescue != nil {
		info.Rescue = spec.Rescue.Image.ID
	}
	return d.storeInfo(spec.ID, info)
}

func (d *Driver) storeInfo(id string, info diskInfo) error {
	data, err := infoText(info)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(d.serverDir(id), infoFile), data, 0o600)
}

func infoText(info diskInfo) ([]byte, error) { return json.Marshal(info) }

// foreign tells that a server's files belong to another host, which sees the same directory.
func (d *Driver) foreign(id string) (bool, error) {
	info, err := d.readInfo(id)
	return info.Host != "" && info.Host != d.Hostname, err
}

func (d *Driver) readInfo(id string) (diskInfo, error) { return readInfoIn(d.serverDir(id)) }

func readInfoIn(dir string) (diskInfo, error) {
	var info diskInfo
	data, err := os.ReadFile(filepath.Join(dir, infoFile))
	if errors.Is(err, os.ErrNotExist) {
		return info, nil // killed before the first file, or just removed
	}
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(data, &info)
}

// replaceFile writes a file so that it is old or new, never half.
func replaceFile(path string, data []byte, mode os.FileMode) error {
	part := path + ".part"
	if err := os.WriteFile(part, data, mode); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// removeFiles takes a server's directory away in one step and then empties it. Files that another host runs the server from stay.
func (d *Driver) removeFiles(id string) error {
	if foreign, err := d.foreign(id); err != nil || foreign {
		return err
	}
	dying := filepath.Join(d.Dir, "."+id+dyingSuffix)
	if err := os.Rename(d.serverDir(id), dying); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dying)
}

// allDirs lists the directories of servers, and those that are aside.
func (d *Driver) allDirs() (ids, asides []string, err error) {
	entries, err := os.ReadDir(d.Dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		id, aside := strings.CutSuffix(e.Name(), asideSuffix)
		switch {
		case !e.IsDir() || checkID(id) != nil:
		case aside:
			asides = append(asides, e.Name())
		default:
			ids = append(ids, id)
		}
	}
	return ids, asides, nil
}

// Disks answers what has files here.
func (d *Driver) Disks(_ context.Context) ([]driver.DiskSet, error) {
	ids, asides, err := d.allDirs()
	if err != nil {
		return nil, err
	}
	var sets []driver.DiskSet
	for _, id := range slices.Concat(ids, asides) {
		info, err := readInfoIn(filepath.Join(d.Dir, id))
		if err != nil {
			return nil, err
		}
		if info.Host != "" && info.Host != d.Hostname {
			continue
		}
		set := driver.DiskSet{}
		set.ID, set.Aside = strings.CutSuffix(id, asideSuffix)
		err = filepath.WalkDir(filepath.Join(d.Dir, id), func(_ string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := e.Info()
			if err != nil {
				return err
			}
			if st, ok := fi.Sys().(*syscall.Stat_t); ok {
				set.Bytes += st.Blocks * 512
			}
			if fi.ModTime().After(set.Since) {
				set.Since = fi.ModTime().UTC()
			}
			return nil
		})
		if errors.Is(err, os.ErrNotExist) {
			continue // removed while we looked
		}
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}
