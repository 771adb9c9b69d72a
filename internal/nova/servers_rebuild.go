package nova

import (
	"context"

	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// KindRebuild is the operation that gives a server a new root disk; it begins with a RebuildState.
const KindRebuild = "nova.server.rebuild"

// RebuildState is what a rebuild begins with; the rest is in the server's row.
type RebuildState struct {
	ServerID      string `json:"server_id"`
	KeepEphemeral bool   `json:"keep_ephemeral,omitempty"`
	Stopped       bool   `json:"stopped,omitempty"`   // it was off, and shall be
	NewImage      bool   `json:"new_image,omitempty"` // another one than before
	// The image before, which the server has again when nothing has been touched.
	OldImageID string    `json:"old_image_id"`
	OldImage   ImageCopy `json:"old_image"`
	// Touched says that the old disks may be gone.
	Touched bool `json:"touched,omitempty"`
}

// RebuildRequest is what a server shall be built from anew; nil leaves something as it is. What may be null has a Set beside it.
type RebuildRequest struct {
	ImageID, AdminPass                                  string
	Name, DiskConfig, AccessIPv4, AccessIPv6, Hostname  *string
	Description, KeyName, UserData                      *string
	SetDescription, SetKeyName, SetUserData, UnsetCerts bool
	Metadata                                            map[string]string // all of it
	Files                                               []db.File
	PreserveEphemeral                                   bool
}

var rebuildable = []string{Active, Stopped, InError}

// Rebuild starts to build a server anew on the host where it is, from an image, with its ports and its address.
func (s *Service) Rebuild(ctx context.Context, c *policy.Caller, id string, in RebuildRequest) (*Server, error) {
	srv, err := s.ServerFor(ctx, c, id)
	if err != nil {
		return nil, err
	}
	for _, refused := range []error{notWithTPM("rebuild")(srv), Unlocked(c, srv), onItsHost(srv, "rebuild", rebuildable...)} { // before the image is looked for, as upstream does
		if refused != nil {
			return nil, refused
		}
	}
	image, err := s.Images.Image(ctx, c, in.ImageID)
	if rest.IsNotFound(err) {
		return nil, rest.BadRequest("Cannot find image for rebuild")
	}
	if err != nil {
		return nil, err
	}
	if err := s.bootable(ctx, c, image); err != nil {
		return nil, err
	}
	var key *KeyPair
	if in.KeyName != nil {
		if key, err = s.bootKey(ctx, c, *in.KeyName); err != nil {
			return nil, err
		}
	}
	if err := s.metadataFits(ctx, c, in.Metadata, in.Files); err != nil {
		return nil, err
	}
	err = s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, found *Server) error {
		srv = found
		if err := onItsHost(srv, "rebuild", rebuildable...); err != nil {
			return err
		}
		if err := imageFits(image, srv.MemoryMB, srv.RootGB); err != nil {
			return err
		}
		diskConfig := deref(in.DiskConfig)
		if err := diskConfigFits(image.ID, image.Properties, &diskConfig); err != nil {
			return err
		}
		if err := rebuildFits(srv, image.ID, imageCopy(image)); err != nil {
			return err
		}
		state := RebuildState{
			ServerID: id, KeepEphemeral: in.PreserveEphemeral, Stopped: srv.VMState == Stopped, NewImage: image.ID != srv.ImageID, OldImageID: srv.ImageID, OldImage: srv.Image,
		}
		srv.ImageID, srv.Image, srv.Progress = image.ID, imageCopy(image), 0
		for _, f := range []struct{ from, to *string }{
			{in.Name, &srv.Name}, {&diskConfig, &srv.DiskConfig}, {in.AccessIPv4, &srv.AccessIPv4}, {in.AccessIPv6, &srv.AccessIPv6}, {in.Hostname, &srv.Hostname},
		} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		srv.AccessIPv6 = shortIPv6(srv.AccessIPv6)
		if in.SetDescription {
			srv.Description = in.Description
		}
		if in.SetUserData {
			srv.UserData = in.UserData
		}
		if in.SetKeyName {
			srv.KeyName, srv.KeyData = nil, db.KeyCopy{}
			if key != nil {
				srv.KeyName, srv.KeyData = &key.Name, db.KeyCopy{Type: key.Type, PublicKey: key.PublicKey}
			}
		}
		if in.UnsetCerts {
			srv.TrustedCerts = nil
		}
		if in.Metadata != nil {
			srv.Metadata = in.Metadata
		}
		srv.Requested.Files, srv.Requested.Password = in.Files, ""
		if srv.ConfigDrive {
			srv.Requested.AdminPass = in.AdminPass
		}
		if err := s.begin(ctx, tx, c, srv, work{action: "rebuild", task: "rebuilding", kind: KindRebuild, state: state}); err != nil {
			return err
		}
		return db.UpdateServer(ctx, tx, srv, "image_id", "image", "progress", "name", "disk_config", "access_ip_v4", "access_ip_v6", "hostname", "description", "user_data", "key_name", "key_data",
			"trusted_certs", "metadata", "requested", "operation_id", "task_state", "updated_at")
	}, notWithTPM("rebuild"))
	return srv, err
}

// onItsHost is Allowed for what also wants a server that is on a host.
func onItsHost(srv *Server, action string, vmStates ...string) error {
	if err := Allowed(srv, action, vmStates...); err != nil {
		return err
	}
	if srv.Host == "" {
		return rest.Conflict("Instance %s is not ready", srv.ID)
	}
	return nil
}

// metadataFits refuses more metadata and files than the quota allows.
func (s *Service) metadataFits(ctx context.Context, c *policy.Caller, metadata map[string]string, files []db.File) error {
	limits, err := s.limits(ctx, s.DB.Read(ctx), c.ProjectID, c.UserID)
	if err != nil {
		return err
	}
	if most := limits["metadata_items"]; most >= 0 && int64(len(metadata)) > most {
		return s.over("metadata_items", most, 0, int64(len(metadata)), "Maximum number of metadata items exceeds %d", most)
	}
	return s.filesFit(limits, files)
}

// filesFit refuses files to be put into a guest that are too many, too large, or have too long a path.
func (s *Service) filesFit(limits Limits, files []db.File) error {
	beyond := func(resource string, n int) bool { return limits[resource] >= 0 && int64(n) > limits[resource] }
	refusal := func(resource string, n int, text string, args ...any) error {
		return s.over(resource, limits[resource], 0, int64(n), text, args...)
	}
	if beyond("injected_files", len(files)) {
		return refusal("injected_files", len(files), "Personality file limit exceeded")
	}
	for _, file := range files {
		if beyond("injected_file_path_bytes", len(file.Path)) {
			return refusal("injected_file_path_bytes", len(file.Path), "Personality file path exceeds maximum %d", limits["injected_file_path_bytes"])
		}
		if beyond("injected_file_content_bytes", len(file.Data)) {
			return refusal("injected_file_content_bytes", len(file.Data), "Personality file content exceeds maximum %d", limits["injected_file_content_bytes"])
		}
	}
	return nil
}

// RunsNow tells whether the hypervisor said last that a server runs or is held in memory.
func RunsNow(srv *Server) bool {
	p := driver.PowerState(srv.PowerState)
	return p == driver.Running || p == driver.Paused
}
