package nova

import (
	"context"

	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// The operations of a rescue; they begin with a RescueState and an UnrescueState.
const (
	KindRescue   = "nova.server.rescue"
	KindUnrescue = "nova.server.unrescue"
)

// RescueState is what a rescue begins with.
type RescueState struct {
	ServerID  string    `json:"server_id"`
	ImageID   string    `json:"image_id"`
	Image     ImageCopy `json:"image"`
	AdminPass string    `json:"admin_pass,omitempty"` // for the config drive; forgotten at the end
	Running   bool      `json:"running"`              // it ran before
}

// UnrescueState is what the end of a rescue begins with.
type UnrescueState struct {
	ServerID string `json:"server_id"`
	Started  bool   `json:"started,omitempty"` // it runs from its own disk again
}

// Rescue starts to rescue a server: it boots from another image, with its own root disk beside. imageID "" takes the image that the server
// was made from.
func (s *Service) Rescue(ctx context.Context, c *policy.Caller, id, imageID, password string) error {
	srv, err := s.ServerFor(ctx, c, id)
	if err != nil {
		return err
	}
	if imageID == "" {
		imageID = srv.ImageID
	}
	image, err := s.Images.Image(ctx, c, imageID)
	if err != nil && !rest.IsNotFound(err) {
		return err
	}
	usable := err == nil && image.Status == "active" && image.Properties["block_device_mapping"] == ""
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := onItsHost(srv, "rescue", Active, Stopped, InError); err != nil {
			return err
		}
		if !usable {
			return rest.BadRequest("Requested rescue image '%s' is not supported", imageID)
		}
		state := RescueState{ServerID: id, ImageID: image.ID, Image: imageCopy(image), Running: RunsNow(srv)}
		if srv.ConfigDrive { // the only way by which a guest hears of it
			state.AdminPass = password
		}
		return s.beginOn(ctx, tx, c, srv, work{action: "rescue", task: "rescuing", kind: KindRescue, state: state})
	}, notWithTPM("rescue"))
}

// Unrescue starts to boot a rescued server from its own disk again.
func (s *Service) Unrescue(ctx context.Context, c *policy.Caller, id string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "unrescue", Rescued); err != nil {
			return err
		}
		return s.beginOn(ctx, tx, c, srv, work{action: "unrescue", task: "unrescuing", kind: KindUnrescue, state: UnrescueState{ServerID: id}})
	})
}
