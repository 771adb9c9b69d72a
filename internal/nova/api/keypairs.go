package api

import (
	"fmt"

	"gostack/internal/nova"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const keyPairsPolicy = "os_compute_api:os-keypairs:"

func (a *api) keyPairRoutes() []rest.Route {
	target := func(r *rest.Request) (policy.Target, error) { return policy.Target{"user_id": keyOwner(r)}, nil }
	routes := windows(rest.Route{Method: "POST", Path: "/os-keypairs", Policy: keyPairsPolicy + "create", Handle: a.createKeyPair, Target: func(r *rest.Request) (policy.Target, error) {
		user := r.Caller.UserID
		if doc, ok := r.Body.(map[string]any); ok {
			if k, ok := doc["keypair"].(map[string]any); ok {
				if u, ok := k["user_id"].(string); ok && r.Version.AtLeast(2, 10) {
					user = u
				}
			}
		}
		return policy.Target{"user_id": user}, nil
	}},
		window{rest.V(2, 1), keyPairSchema("", false, false)}, window{rest.V(2, 2), keyPairSchema(keyTypeSchema, false, false)},
		window{rest.V(2, 10), keyPairSchema(keyTypeSchema+keyUserSchema, false, false)}, window{rest.V(2, 92), keyPairSchema(keyTypeSchema+keyUserSchema, true, true)})
	deleted := func(r *rest.Request) (any, error) {
		if err := a.nova.DeleteKeyPair(r.Context(), keyOwner(r), r.Path("name")); err != nil {
			return nil, err
		}
		if r.Version.AtLeast(2, 2) {
			return rest.Reply(204, nil), nil
		}
		return nil, nil
	}
	for _, q := range []struct {
		from, to rest.Version
		list     *rest.Schema
		one      *rest.Schema
	}{
		{rest.V(2, 1), rest.V(2, 9), nil, nil},
		{rest.V(2, 10), rest.V(2, 34), querySchema(false, "user_id"), querySchema(false, "user_id")},
		{rest.V(2, 35), rest.V(2, 74), querySchema(false, "user_id", "limit", "marker"), querySchema(false, "user_id")},
		{rest.V(2, 75), rest.Version{}, querySchema(true, "user_id", "limit", "marker"), querySchema(true, "user_id")},
	} {
		routes = append(routes,
			rest.Route{Method: "GET", Path: "/os-keypairs", Policy: keyPairsPolicy + "index", Min: q.from, Max: q.to, Query: q.list, Target: target, Handle: a.listKeyPairs},
			rest.Route{Method: "GET", Path: "/os-keypairs/{name}", Policy: keyPairsPolicy + "show", Min: q.from, Max: q.to, Query: q.one, Target: target, Handle: a.showKeyPair},
			rest.Route{Method: "DELETE", Path: "/os-keypairs/{name}", Policy: keyPairsPolicy + "delete", Min: q.from, Max: q.to, Query: q.one, Target: target, Status: 202, Handle: deleted})
	}
	return routes
}

const (
	keyTypeSchema = `, "type": {"type": "string", "enum": ["ssh", "x509"]}`
	keyUserSchema = `, "user_id": {"type": "string", "minLength": 1, "maxLength": 255}`
)

func keyPairSchema(more string, importOnly, wideNames bool) *rest.Schema {
	required, name := `["name"]`, `"^[a-zA-Z0-9_-]([a-zA-Z0-9 _-]*[a-zA-Z0-9_-])?$"`
	if importOnly {
		required = `["name", "public_key"]`
	}
	if wideNames {
		name = `"^[a-zA-Z0-9@._-]([a-zA-Z0-9 @._-]*[a-zA-Z0-9@._-])?$"`
	}
	return rest.JSON(fmt.Sprintf(`{"type": "object", "required": ["keypair"], "additionalProperties": false, "properties": {"keypair": {
		"type": "object", "required": %s, "additionalProperties": false, "properties": {
			"name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": %s}, "public_key": {"type": "string"}%s}}}}`, required, name, more))
}

// keyOwner is whose key pairs are meant: the caller's, or from 2.10 on those of user_id.
func keyOwner(r *rest.Request) string {
	if u := r.Query("user_id"); u != "" && r.Version.AtLeast(2, 10) {
		return u
	}
	return r.Caller.UserID
}

func keyPairView(r *rest.Request, k *nova.KeyPair) object {
	v := object{"name": k.Name, "public_key": k.PublicKey, "fingerprint": k.Fingerprint}
	if r.Version.AtLeast(2, 2) {
		v["type"] = k.Type
	}
	return v
}

func (a *api) listKeyPairs(r *rest.Request) (any, error) {
	limit, marker := 0, ""
	if r.Version.AtLeast(2, 35) {
		var err error
		if limit, marker, err = page(r); err != nil {
			return nil, err
		}
		limit++
	}
	rows, err := a.nova.KeyPairs(r.Context(), keyOwner(r), marker, limit)
	if err != nil {
		return nil, err
	}
	out := object{}
	if limit > 0 && len(rows) == limit {
		rows = rows[:limit-1]
		if len(rows) > 0 {
			out["keypairs_links"] = nextLinks(r, true, rows[len(rows)-1].Name)
		}
	}
	views := make([]object, len(rows))
	for i, k := range rows {
		views[i] = object{"keypair": keyPairView(r, k)}
	}
	out["keypairs"] = views
	return out, nil
}

func (a *api) showKeyPair(r *rest.Request) (any, error) {
	k, err := a.nova.KeyPair(r.Context(), keyOwner(r), r.Path("name"))
	if err != nil {
		return nil, err
	}
	v := keyPairView(r, k)
	v["user_id"], v["id"], v["created_at"] = k.UserID, k.Seq, plainTime(&k.CreatedAt)
	v["deleted"], v["deleted_at"], v["updated_at"] = false, nil, nil
	return object{"keypair": v}, nil
}

func (a *api) createKeyPair(r *rest.Request) (any, error) {
	var body struct {
		KeyPair struct {
			Name      string
			PublicKey *string `json:"public_key"`
			Type      string
			UserID    string `json:"user_id"`
		}
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	in := body.KeyPair
	k := &nova.KeyPair{Name: in.Name, Type: in.Type, UserID: in.UserID}
	if k.Type == "" {
		k.Type = nova.KeySSH
	}
	if k.UserID == "" {
		k.UserID = r.Caller.UserID
	}
	var private string
	if in.PublicKey != nil {
		k.PublicKey = *in.PublicKey
		if err := a.nova.ImportKeyPair(r.Context(), r.Caller, k); err != nil {
			return nil, err
		}
	} else {
		key, err := a.nova.GenerateKeyPair(r.Context(), r.Caller, k)
		if err != nil {
			return nil, err
		}
		private = key.Reveal()
	}
	v := keyPairView(r, k)
	v["user_id"] = k.UserID
	if private != "" {
		v["private_key"] = private
	}
	status := 200
	if r.Version.AtLeast(2, 2) {
		status = 201
	}
	return rest.Reply(status, object{"keypair": v}), nil
}
