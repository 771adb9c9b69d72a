package glance

import (
	"context"

	"gostack/internal/glance/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// CreateTask adds a task of type import: an image is made as draft says, of the data at an address. A task that cannot be done, because
// of problem or of its input, is added all the same, as a failure that says why: so upstream's clients expect it.
func (s *Service) CreateTask(ctx context.Context, c *policy.Caller, input map[string]any, draft *Image, problem error) (*Task, error) {
	task, err := s.newTask(ctx, c, TaskImport, "", input)
	if err != nil {
		return nil, err
	}
	from, _ := input["import_from"].(string)
	for _, key := range []string{"import_from", "import_from_format", "image_properties"} {
		if _, there := input[key]; !there && problem == nil {
			problem = rest.BadRequest("Input does not contain '%s' field", key)
		}
	}
	for name := range draft.Properties {
		if problem == nil {
			problem = s.MayProperty(c, CreateProperty, name)
		}
	}
	switch {
	case problem != nil:
	case s.ops == nil || s.web().Check(from) != nil:
		problem = rest.BadRequest("The address to import from does not pass filtering: %s", from)
	case deref(draft.DiskFormat) == "" || deref(draft.ContainerFormat) == "":
		problem = rest.BadRequest("Properties disk_format, container_format must be set prior to saving data.")
	case draft.Visibility == Public && !c.IsAdmin():
		problem = rest.Forbidden("You are not authorized to complete publicize_image action.")
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if problem == nil {
			if problem = s.Create(ctx, draft); problem == nil {
				task.ImageID = draft.ID
				in := ImportRequest{Import: Import{ImageID: draft.ID, TaskID: task.ID, Method: WebDownload, URI: from, Stores: []string{s.defaultStore().ID}, MustSucceed: true}}
				return s.startImport(ctx, tx, c, in, task)
			}
			if rest.StatusOf(problem) >= 500 {
				return problem
			}
		}
		if err := db.InsertTask(ctx, tx, task); err != nil {
			return err
		}
		return s.taskGoes(ctx, tx, task.ID, TaskFailure, tenantText(problem), nil)
	})
	if err != nil {
		return nil, err
	}
	return s.Task(ctx, c, task.ID)
}
