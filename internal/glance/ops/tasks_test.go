package ops_test

import (
	"fmt"
	"testing"
	"time"
)

func TestTasks(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		const tasks = "/image/v2/tasks"
		w.As("member").Get(tasks).Want(403)
		w.As("member").Post(tasks, `{}`).Want(403)
		for body, says := range map[string]string{
			`{"type": "import"}`:                       "Task 'input' is required",
			`{"input": {}}`:                            "Task 'type' is required",
			`{"type": "odd", "input": {}}`:             "Provided object does not match schema 'task'",
			`{"type": "import", "input": "x"}`:         "Provided object does not match schema 'task'",
			`{"type": "location_import", "input": {}}`: "Provided object does not match schema 'task'",
		} {
			w.As("admin").Post(tasks, body).Want(400).Says(says)
		}
		w.As("admin").Post(tasks, `{"type": "import", "input": {}}`).Want(201).Has("status", "failure").Has("message", "Input does not contain 'import_from' field")
		input := `{"type": "import", "input": {"import_from": %q, "import_from_format": "raw", "image_properties": {"name": "made", "disk_format": "raw", "container_format": "bare"}}}`
		w.As("admin").Post(tasks, fmt.Sprintf(input, "file:///etc/passwd")).Want(201).Has("status", "failure")
		w.clock.Advance(time.Second)
		a := w.As("admin").Post(tasks, fmt.Sprintf(input, w.web.URL+"/data")).Want(201).Has("type", "import").Has("input.import_from", w.web.URL+"/data").Has("schema", "/v2/schemas/task")
		id, image := a.Text("id"), a.Text("image_id")
		w.API = w.As("admin")
		settled(t, w)
		w.As("admin").Get(images+"/"+image).Want(200).Has("status", "active").Has("name", "made").Has("size", 100_000)
		w.As("admin").Get(tasks+"/"+id).Want(200).Has("status", "success").Has("result.image_id", image).Has("expires_at", "2026-11-24T10:00:01Z")
		w.As("admin").Get(tasks+"?status=success").Want(200).Has("tasks.0.id", id).Has("tasks.0.input", nil)
		page := w.As("admin").Get(tasks+"?limit=2").Want(200).Has("tasks.0.id", id)
		if page.At("next") == nil || page.Len("tasks") != 2 {
			t.Errorf("the page is %s", page.Body)
		}
		if n := w.As("admin").Get("/image" + page.Text("next")).Want(200).Len("tasks"); n != 1 {
			t.Errorf("%d tasks follow", n)
		}
		for query, says := range map[string]string{
			"status=x": "Invalid status value: x", "type=x": "Invalid type value: x", "sort_dir=x": "Invalid sort direction: x", "limit=x": "limit param must be an integer",
			"limit=-1": "limit param must be positive", "marker=x": "Invalid marker format", "sort_key=x": "Invalid sort key",
		} {
			w.As("admin").Get(tasks + "?" + query).Want(400).Says(says)
		}
		w.As("admin").Get(tasks + "/" + image).Want(404).Says("Task not found with ID " + image)
		gone := w.As("admin").Delete(tasks + "/" + id).Want(405)
		if gone.Header.Get("Allow") != "GET" {
			t.Errorf("headers %v", gone.Header)
		}
		w.clock.Advance(49 * time.Hour)
		w.As("admin").Get(tasks + "/" + id).Want(404)
		if n := w.As("admin").Get(tasks).Want(200).Len("tasks"); n != 0 {
			t.Errorf("%d tasks have outlived their time", n)
		}
	})
}
