package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// imageActionRoutes are the actions that make images of servers.
func (a *api) imageActionRoutes() []rest.Route {
	return []rest.Route{
		{
			Method: "POST", Path: "/servers/{server_id}/action", Action: "createImage", Policy: serversPolicy + "create_image", Target: a.server, Status: 202, Handle: a.createImage,
			Body: rest.JSON(`{"type": "object", "required": ["createImage"], "additionalProperties": false, "properties": {"createImage": {"type": "object", "required": ["name"],
				"additionalProperties": false, "properties": {"name": ` + nameSchema + `, "metadata": ` + metadataSchema + `}}}}`),
		},
		{
			Method: "POST", Path: "/servers/{server_id}/action", Action: "createBackup", Policy: "os_compute_api:os-create-backup", Target: a.server, Status: 202, Handle: a.createBackup,
			Body: rest.JSON(`{"type": "object", "required": ["createBackup"], "additionalProperties": false, "properties": {"createBackup": {"type": "object",
				"required": ["name", "backup_type", "rotation"], "additionalProperties": false, "properties": {"name": ` + nameSchema + `, "backup_type": {"type": "string"},
				"rotation": ` + number(0) + `, "metadata": ` + metadataSchema + `}}}}`),
		},
	}
}

func (a *api) createImage(r *rest.Request) (any, error) {
	var body struct {
		Ask struct {
			Name     string
			Metadata map[string]string
		} `json:"createImage"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return a.madeImage(r, nova.ImageRequest{Name: strings.TrimSpace(body.Ask.Name), Properties: body.Ask.Metadata}, true)
}

func (a *api) createBackup(r *rest.Request) (any, error) {
	var body struct {
		Ask struct {
			Name     string
			Metadata map[string]string
			Type     string `json:"backup_type"`
			Rotation json.RawMessage
		} `json:"createBackup"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	rotation, err := strconv.Atoi(strings.Trim(string(body.Ask.Rotation), `"`))
	if err != nil {
		return nil, rest.BadRequest("Invalid input for field/attribute rotation. Value: %s. It is not a number.", body.Ask.Rotation)
	}
	return a.madeImage(r, nova.ImageRequest{
		Name: strings.TrimSpace(body.Ask.Name), Properties: body.Ask.Metadata, Backup: true, BackupType: body.Ask.Type, Rotation: rotation,
	}, rotation > 0)
}

// madeImage starts to make an image and says which: in the body from 2.45 on, before that by its address, if it is to stay.
func (a *api) madeImage(r *rest.Request, in nova.ImageRequest, stays bool) (any, error) {
	in.Bounded = !r.Version.AtLeast(2, 39)
	id, err := a.nova.CreateImage(r.Context(), r.Caller, r.Path("server_id"), in)
	if err != nil {
		return nil, err
	}
	if r.Version.AtLeast(2, 45) {
		return rest.Reply(http.StatusAccepted, object{"image_id": id}), nil
	}
	answer := &rest.Response{Status: http.StatusAccepted}
	if stays {
		answer = answer.With("Location", fmt.Sprintf("%s/image/v2/images/%s", r.RootURL(), id))
	}
	return answer, nil
}
