package nova

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"gostack/internal/glance"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// KindSnapshot is the operation that makes an image of a server; it begins with a SnapshotState.
const KindSnapshot = "nova.server.snapshot"

// SnapshotState is what the making of an image begins with.
type SnapshotState struct {
	ServerID string `json:"server_id"`
	ImageID  string `json:"image_id"`
	// Of the backups of a type the newest Rotation stay.
	Backup     bool   `json:"backup,omitempty"`
	BackupType string `json:"backup_type,omitempty"`
	Rotation   int    `json:"rotation,omitempty"`
	Project    string `json:"project,omitempty"` // that owns the backups
}

// ImageRequest is an image to be made of a server.
type ImageRequest struct {
	Name       string
	Properties map[string]string
	Backup     bool
	BackupType string
	Rotation   int
	// Bounded holds the properties to the quota of metadata (up to 2.38).
	Bounded bool
}

// Types of images made of servers, as their property image_type.
const (
	imageSnapshot = "snapshot"
	imageBackup   = "backup"
)

// imageable are the states in which an image can be made of a server.
var imageable = []string{Active, Stopped, Paused, Suspended}

// CreateImage starts to make an image of a server and returns the image's id. A lock does not forbid it, as it changes nothing of the
// server (nova/compute/api.py, snapshot).
func (s *Service) CreateImage(ctx context.Context, c *policy.Caller, id string, in ImageRequest) (string, error) {
	if in.Bounded {
		if err := s.imageProperties(ctx, c, in.Properties); err != nil {
			return "", err
		}
	}
	var image string
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, err := s.serverFor(ctx, tx, c, id)
		if err != nil {
			return err
		}
		w := work{action: "createImage", task: "image_snapshot_pending", kind: KindSnapshot}
		kind := imageSnapshot
		extra := maps.Clone(in.Properties)
		if in.Backup {
			w.action, w.task, kind = "createBackup", "image_backup", imageBackup
			if extra == nil {
				extra = map[string]string{}
			}
			extra["backup_type"] = in.BackupType
		}
		if err := Allowed(srv, w.action, imageable...); err != nil {
			return err
		}
		if image, err = s.imageOf(ctx, c, srv, in.Name, kind, extra); err != nil {
			return err
		}
		w.state = SnapshotState{ServerID: id, ImageID: image, Backup: in.Backup, BackupType: in.BackupType, Rotation: in.Rotation, Project: c.ProjectID}
		return s.beginImage(ctx, tx, c, srv, image, w)
	})
	return image, err
}

// beginImage is beginOn for an operation that makes an image.
func (s *Service) beginImage(ctx context.Context, tx store.Tx, c *policy.Caller, srv *Server, image string, w work) error {
	if err := s.begin(ctx, tx, c, srv, w); err != nil {
		return err
	}
	srv.Kept.SnapshotID = image
	return db.UpdateServer(ctx, tx, srv, "operation_id", "task_state", "updated_at", "kept")
}

// imageProperties refuses more properties than the quota of metadata allows.
func (s *Service) imageProperties(ctx context.Context, c *policy.Caller, properties map[string]string) error {
	limits, err := s.limits(ctx, s.DB.Read(ctx), c.ProjectID, c.UserID)
	if err != nil {
		return err
	}
	if most := limits["metadata_items"]; most >= 0 && int64(len(properties)) > most {
		return rest.Forbidden("Image metadata limit exceeded")
	}
	return nil
}

// notInherited are properties that belong to one image and not to those made from it (nova/compute/utils.py and the default of
// non_inheritable_image_properties).
var notInherited = []string{
	"cinder_encryption_key_id", "cinder_encryption_key_deletion_policy", "img_signature", "img_signature_hash_method", "img_signature_key_type",
	"img_signature_certificate_uuid", "cache_in_nova", "bittorrent",
}

// imageOf adds an image without data that a server shall become, in the transaction of ctx. It belongs to the caller's project;
// the server's own project may see it.
func (s *Service) imageOf(ctx context.Context, c *policy.Caller, srv *Server, name, kind string, extra map[string]string) (string, error) {
	properties := maps.Clone(srv.Image.Properties)
	if properties == nil {
		properties = map[string]string{}
	}
	maps.DeleteFunc(properties, func(k, _ string) bool { return slices.Contains(notInherited, k) })
	maps.Copy(properties, map[string]string{
		"base_image_ref": srv.ImageID, "owner_id": srv.ProjectID, "image_location": "snapshot", "image_state": "available",
		"owner_user_name": c.UserName, "owner_project_name": c.ProjectName, "boot_roles": strings.Join(c.Roles, ","),
		"instance_uuid": srv.ID, "user_id": c.UserID, "image_type": kind,
	})
	visibility := glance.Private
	if c.ProjectID != srv.ProjectID {
		visibility = glance.Shared
		properties["instance_owner"] = srv.ProjectID
	}
	maps.Copy(properties, extra)
	draft := &glance.Image{
		ID: s.newID(), Name: &name, Visibility: visibility, Owner: &c.ProjectID, ContainerFormat: ptr("bare"), DiskFormat: ptr("qcow2"),
		MinDisk: max(srv.Image.MinDiskGB, srv.RootGB), MinRAM: srv.Image.MinRAMMB, Properties: properties, Tags: []string{},
	}
	return draft.ID, s.Made.Create(ctx, draft)
}

// QuiesceOf says how a server's guest is asked to be quiet while its disk is taken.
func QuiesceOf(srv *Server) driver.Quiesce {
	p := srv.Image.Properties
	switch {
	case yes(p[driver.PropQuiesce]):
		return driver.QuiesceMust
	case yes(p[driver.PropQGA]):
		return driver.QuiesceTry
	}
	return driver.QuiesceNot
}

// yes reads a property as oslo's bool_from_string does.
func yes(v string) bool {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "1", "t", "true", "on", "y", "yes":
		return true
	}
	return false
}

// ReceiveSnapshot takes the data of the image that a server is being made into, from the server's own host and nobody else. The answer is
// the SHA-512 of what is stored. Refusals are *driver.Fault.
func (s *Service) ReceiveSnapshot(ctx context.Context, host, serverID, imageID string, size int64, body io.Reader) (string, error) {
	srv, err := db.GetServer(ctx, s.DB.Read(ctx), serverID)
	if err != nil && !store.IsNotFound(err) {
		return "", err
	}
	if err != nil || srv.Host != host || srv.OperationID == nil || srv.Kept.SnapshotID != imageID {
		return "", driver.Refuse(driver.CodeNotFound, "No image %s is expected of instance %s.", imageID, serverID)
	}
	sum, err := s.Made.Receive(ctx, imageID, body, size)
	var refused *rest.Error
	if errors.As(err, &refused) && refused.Status < 500 {
		code := driver.CodeBadImage
		switch refused.Status {
		case 404, 410:
			code = driver.CodeNotFound
		case 409: // an earlier sender's lease has not run out
			code = driver.CodeBusy
		}
		return "", &driver.Fault{Code: code, Message: refused.Message, Cause: err}
	}
	return sum, err
}
