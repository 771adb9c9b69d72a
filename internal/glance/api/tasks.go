package api

import (
	"encoding/json"
	"slices"
	"time"

	"gostack/internal/glance"
	"gostack/internal/rest"
)

func (a *api) imageTasks(r *rest.Request) (any, error) {
	list, err := a.service.ImageTasks(r.Context(), nil, loaded(r).ID)
	if err != nil {
		return nil, err
	}
	views := make([]map[string]any, len(list))
	for i := range list {
		t := &list[i]
		views[i] = map[string]any{
			"id": t.ID, "type": t.Type, "status": t.Status, "owner": t.Owner, "image_id": t.ImageID, "request_id": t.RequestID, "user_id": t.UserID,
			"input": raw(t.Input), "result": raw(t.Result), "message": t.Message, "deleted": false, "deleted_at": nil,
			"created_at": micro(t.CreatedAt), "updated_at": micro(t.UpdatedAt), "expires_at": nil,
		}
		if t.ExpiresAt != nil {
			views[i]["expires_at"] = micro(*t.ExpiresAt)
		}
	}
	return map[string]any{"tasks": views}, nil
}

// micro is a time as upstream writes rows that it does not format.
func micro(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// raw is a JSON document that a row holds as text; "" is null.
func raw(text string) any {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// shortTask is a task in a list.
func shortTask(t *glance.Task) map[string]any {
	v := map[string]any{
		"id": t.ID, "type": t.Type, "status": t.Status, "owner": t.Owner, "created_at": stamp(t.CreatedAt), "updated_at": stamp(t.UpdatedAt),
		"self": "/v2/tasks/" + t.ID, "schema": "/v2/schemas/task",
	}
	if t.ExpiresAt != nil {
		v["expires_at"] = stamp(*t.ExpiresAt)
	}
	return v
}

func taskView(t *glance.Task) map[string]any {
	v := shortTask(t)
	v["input"], v["result"], v["message"] = raw(t.Input), raw(t.Result), t.Message
	for name, value := range map[string]string{"image_id": t.ImageID, "request_id": t.RequestID, "user_id": t.UserID} {
		if value != "" {
			v[name] = value
		}
	}
	return v
}

func (a *api) listTasks(r *rest.Request) (any, error) {
	query := r.QueryValues()
	by := glance.Sort{Column: "created_at", Desc: true}
	if key := r.Query("sort_key"); key != "" {
		by.Column = key
	}
	if !slices.Contains(glance.TaskSortKeys, by.Column) {
		return nil, rest.BadRequest("Invalid sort key: %s", by.Column)
	}
	switch dir := r.Query("sort_dir"); dir {
	case "", "desc":
	case "asc":
		by.Desc = false
	default:
		return nil, rest.BadRequest("Invalid sort direction: %s", dir)
	}
	f := glance.TaskFilter{Status: r.Query("status"), Type: r.Query("type"), Owner: r.Query("owner"), ImageID: r.Query("image_id")}
	if f.Status != "" && !slices.Contains([]string{glance.TaskPending, glance.TaskProcessing, glance.TaskSuccess, glance.TaskFailure}, f.Status) {
		return nil, rest.BadRequest("Invalid status value: %s", f.Status)
	}
	if f.Type != "" && f.Type != glance.TaskImport {
		return nil, rest.BadRequest("Invalid type value: %s", f.Type)
	}
	marker := r.Query("marker")
	if marker != "" && !rest.IsUUID(marker) {
		return nil, rest.BadRequest("Invalid marker format")
	}
	limit, err := pageLimit(query)
	if err != nil {
		return nil, err
	}
	list, err := a.service.Tasks(r.Context(), r.Caller, f, by, marker, limit)
	if err != nil {
		return nil, err
	}
	views := make([]map[string]any, len(list))
	for i := range list {
		views[i] = shortTask(&list[i])
	}
	answer := map[string]any{"tasks": views, "schema": "/v2/schemas/tasks"}
	pageLinks(answer, "/v2/tasks", query, lastOf(list, limit, func(t *glance.Task) string { return t.ID }))
	return answer, nil
}

func (a *api) showTask(r *rest.Request) (any, error) {
	t, err := a.service.Task(r.Context(), r.Caller, r.Path("task_id"))
	if err != nil {
		return nil, err
	}
	return taskView(t), nil
}

func (a *api) createTask(r *rest.Request) (any, error) {
	doc, ok := r.Body.(map[string]any)
	if !ok {
		return nil, rest.BadRequest("Body expected in request.")
	}
	for _, name := range []string{"type", "input"} {
		if _, there := doc[name]; !there {
			return nil, rest.BadRequest("Task '%s' is required", name)
		}
	}
	if err := taskSchema.Validate(doc); err != nil {
		return nil, rest.BadRequest("Provided object does not match schema 'task': %s", message(err))
	}
	input, ok := doc["input"].(map[string]any)
	if !ok || doc["type"] != glance.TaskImport {
		return nil, rest.BadRequest("Provided object does not match schema 'task': only tasks of type import are made by clients")
	}
	draft := &glance.Image{Properties: map[string]string{}}
	if r.Caller.ProjectID != "" {
		draft.Owner = &r.Caller.ProjectID
	}
	properties, _ := input["image_properties"].(map[string]any)
	problem := writable(properties)
	if problem == nil {
		problem = validate(properties)
	}
	if problem == nil {
		for name, value := range properties {
			if problem = assign(draft, name, value); problem != nil {
				break
			}
		}
	}
	t, err := a.service.CreateTask(r.Context(), r.Caller, input, draft, problem)
	if err != nil {
		return nil, err
	}
	return rest.Reply(http201, taskView(t)).With("Location", r.BaseURL()+"/v2/tasks/"+t.ID), nil
}

const http201 = 201

// deleteTask refuses as upstream does: tasks go when they expire.
func deleteTask(*rest.Request) (any, error) {
	return nil, rest.Fail(405, "This operation is currently not permitted on Glance Tasks. They are auto deleted after reaching the time based on their expires_at property.").
		WithHeader("Allow", "GET")
}
