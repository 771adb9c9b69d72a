package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/uuid"
)

// libvirtConfig is the operator's, if there is one.
const libvirtConfig = "/etc/libvirt/libvirtd.conf"

// hostUUID finds a host_uuid that is set.
var hostUUID = regexp.MustCompile(`(?m)^[ \t]*host_uuid[ \t]*=[ \t]*"[^"]+"`)

// prepareLibvirtConfig writes the configuration with which libvirtd is started here: the operator's, and a host UUID of this machine's own where the
// operator has set none. libvirt takes the firmware's, which machines in namespaces share and cheap boards repeat; two hosts with the same one
// refuse to move servers to each other ("Attempt to migrate guest to the same host").
func (h *Host) prepareLibvirtConfig(context.Context) error {
	theirs, err := os.ReadFile(libvirtConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	path := h.dir("libvirtd.conf")
	if !hostUUID.Match(theirs) {
		line := []byte(`host_uuid = "` + uuid.NewString() + `"`)
		if ours, err := os.ReadFile(path); err == nil {
			if kept := hostUUID.Find(ours); kept != nil {
				line = kept
			}
		}
		theirs = append(append(theirs, '\n'), append(line, '\n')...)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, theirs, 0o600)
}
