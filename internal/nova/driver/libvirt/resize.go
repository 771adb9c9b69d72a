package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gostack/internal/nova/driver"
)

// asideSuffix is upstream's name for the directory that a resize may go back to.
const asideSuffix = "_resize"

// moveFile says which move has put a directory where it is. It lies in the directory, so hosts that share it see it: it is the probe by which a
// destination knows that it needs no copy through the network.
const moveFile = "move.json"

// moveMark is the content of moveFile.
type moveMark struct {
	Move string `json:"move"`
	To   string `json:"to,omitempty"`   // for which host a directory is aside
	From string `json:"from,omitempty"` // from which host it was adopted
}

func (d *Driver) asideDir(id string) string { return d.serverDir(id) + asideSuffix }

func readMove(dir string) (moveMark, error) {
	var m moveMark
	text, err := os.ReadFile(filepath.Join(dir, moveFile))
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

func writeMove(dir string, m moveMark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, moveFile), text, 0o600)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// files locks a server's files.
func (d *Driver) files(ctx context.Context, id string) (unlock func(), err error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return d.server.lock(ctx, id)
}

// SetAside powers the server off, removes its definition and renames its directory.
func (d *Driver) SetAside(ctx context.Context, id, move, to string, grace time.Duration) error {
	unlock, err := d.files(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	dir, aside := d.serverDir(id), d.asideDir(id)
	mark, err := readMove(aside)
	if err != nil {
		return err
	}
	if mark.Move == move && exists(dir) {
		return nil // a copy of this very move is here already
	}
	dom, err := d.owned(ctx, id)
	switch {
	case errors.Is(err, driver.ErrNotFound):
		if mark.Move == move {
			return nil
		}
		if !exists(dir) {
			return err
		}
	case err != nil:
		return err
	default:
		down, err := d.askDown(ctx, dom, grace)
		if err == nil && !down {
			err = d.cut(ctx, dom)
		}
		if err == nil {
			err = d.bringFirmware(ctx, id)
		}
		if err == nil {
			err = d.saveModule(ctx, id)
		}
		if err == nil {
			err = d.undefine(ctx, dom)
		}
		if err != nil {
			return err
		}
	}
	if mark.Move != "" { // of a move that is over
		if err := d.removeDir(aside); err != nil {
			return err
		}
	}
	if err := writeMove(dir, moveMark{Move: move, To: to}); err != nil {
		return full(err)
	}
	if err := os.Rename(dir, aside); err != nil {
		return err
	}
	return syncDir(d.Dir)
}

// Restore renames the directory back.
func (d *Driver) Restore(ctx context.Context, id, move string) error {
	unlock, err := d.files(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	dir, aside := d.serverDir(id), d.asideDir(id)
	mark, err := readMove(aside)
	if err != nil || mark.Move != move || move == "" {
		return err
	}
	if exists(dir) {
		return driver.Refuse(driver.CodeBadState, "Instance %s has a copy in the place of its own disks.", id)
	}
	if err := os.Rename(aside, dir); err != nil {
		return err
	}
	return errors.Join(os.Remove(filepath.Join(dir, moveFile)), syncDir(d.Dir))
}

// DropAside removes the directory that is aside.
func (d *Driver) DropAside(ctx context.Context, id string) error {
	unlock, err := d.files(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	return d.removeDir(d.asideDir(id))
}

// removeDir takes a directory away in one step and then empties it.
func (d *Driver) removeDir(path string) error {
	dying := filepath.Join(d.Dir, "."+filepath.Base(path)+dyingSuffix)
	if err := os.Rename(path, dying); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dying)
}

// AsideFor answers for whom the files of a move are aside.
func (d *Driver) AsideFor(_ context.Context, id, move string) (string, error) {
	if err := checkID(id); err != nil {
		return "", err
	}
	mark, err := readMove(d.asideDir(id))
	if err == nil && (mark.Move != move || move == "") {
		err = driver.Refuse(driver.CodeNotFound, "nothing of instance %s is aside", id)
	}
	return mark.To, err
}

// DropCopy removes domain and directory.
func (d *Driver) DropCopy(ctx context.Context, id string) error {
	unlock, err := d.files(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.forget(ctx, id); err != nil {
		return err
	}
	return d.removeFiles(id)
}

// forget removes the domain, if there is one.
func (d *Driver) forget(ctx context.Context, id string) error {
	dom, err := d.owned(ctx, id)
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.undefine(ctx, dom)
}

// AdoptDisks takes over the directory of a lost host, when it is here too.
func (d *Driver) AdoptDisks(ctx context.Context, id, move, from string) (bool, error) {
	unlock, err := d.files(ctx, id)
	if err != nil {
		return false, err
	}
	defer unlock()
	dir := d.serverDir(id)
	if !exists(dir) {
		return false, nil
	}
	mark, err := readMove(dir)
	if err != nil {
		return false, err
	}
	info, err := d.readInfo(id)
	switch {
	case err != nil:
		return false, err
	case mark.Move == move && mark.From == "":
		return false, nil
	case mark.Move == move:
		info.Host = d.Hostname
		return true, d.storeInfo(id, info)
	case info.Host == from && exists(filepath.Join(dir, rootFile)):
		// The mark first: who finds it knows to whom the files go back.
		if err := writeMove(dir, moveMark{Move: move, From: from}); err != nil {
			return false, err
		}
		info.Host = d.Hostname
		return true, d.storeInfo(id, info)
	case info.Host == d.Hostname || info.Host == from:
		if err := d.forget(ctx, id); err != nil {
			return false, err
		}
		return false, d.removeDir(dir)
	}
	return false, driver.Refuse(driver.CodeUnsupported, "the files of instance %s belong to host %q", id, info.Host)
}

// Abandon gives adopted files back and removes others.
func (d *Driver) Abandon(ctx context.Context, id, move string) error {
	unlock, err := d.files(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.forget(ctx, id); err != nil {
		return err
	}
	mark, err := readMove(d.serverDir(id))
	if err != nil {
		return err
	}
	if mark.Move != move || mark.From == "" {
		return d.removeFiles(id)
	}
	info, err := d.readInfo(id)
	if err != nil {
		return err
	}
	info.Host = mark.From
	return errors.Join(d.storeInfo(id, info), os.Remove(filepath.Join(d.serverDir(id), moveFile)))
}

// ExportDisks streams what is aside.
func (d *Driver) ExportDisks(ctx context.Context, id, move string, alone bool, to io.Writer) error {
	if _, err := d.AsideFor(ctx, id, move); err != nil {
		return err
	}
	e := export{d: d, dir: d.asideDir(id), to: to, alone: alone}
	if err := e.run(ctx); err != nil {
		return fmt.Errorf("disks of %s: %w", id, err)
	}
	return nil
}
