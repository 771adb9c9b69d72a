package api

import "gostack/internal/rest"

// Neither import methods nor several stores are configured: these answer as upstream does then.

func importMethods(*rest.Request) (any, error) {
	return map[string]any{"import-methods": map[string]any{
		"description": "Import methods available.", "type": "array", "value": []string{},
	}}, nil
}

func noStores(*rest.Request) (any, error) {
	return nil, rest.NotFound("Multi backend is not supported at this site.")
}

// usage is empty because no quota is kept in Keystone (use_keystone_limits off).
func usage(*rest.Request) (any, error) { return map[string]any{"usage": map[string]any{}}, nil }

// importImage refuses every method, since none is enabled.
func importImage(r *rest.Request) (any, error) {
	doc, ok := r.Body.(map[string]any)
	if !ok {
		return nil, rest.BadRequest("Body expected in request.")
	}
	method, ok := doc["method"].(map[string]any)
	if !ok {
		return nil, rest.BadRequest("Import request requires a 'method' field.")
	}
	name, ok := method["name"]
	if !ok {
		return nil, rest.BadRequest("Import request requires a 'name' field.")
	}
	return nil, rest.BadRequest("Unknown import method name '%v'.", name)
}

// Tasks come from imports only, so there are none.

func noTasks(*rest.Request) (any, error) { return map[string]any{"tasks": []any{}}, nil }

func listTasks(*rest.Request) (any, error) {
	return map[string]any{"tasks": []any{}, "first": "/v2/tasks", "schema": "/v2/schemas/tasks"}, nil
}

func showTask(r *rest.Request) (any, error) {
	return nil, rest.NotFound("Task not found with ID %s", r.Path("task_id"))
}
