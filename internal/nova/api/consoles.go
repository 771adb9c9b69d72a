package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

func (a *api) consoleRoutes() []rest.Route {
	old := func(key string, types string, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{
			Method: "POST", Path: "/servers/{server_id}/action", Action: key, Policy: "os_compute_api:os-remote-consoles", Target: a.server, Max: rest.V(2, 5), Handle: handle,
			Body: rest.JSON(fmt.Sprintf(`{"type": "object", "required": [%q], "additionalProperties": false, "properties": {%q: {
				"type": "object", "required": ["type"], "additionalProperties": false, "properties": {"type": {"type": "string", "enum": [%s]}}}}}`, key, key, types)),
		}
	}
	remote := func(protocols, types string) *rest.Schema {
		return rest.JSON(fmt.Sprintf(`{"type": "object", "required": ["remote_console"], "additionalProperties": false, "properties": {"remote_console": {
			"type": "object", "required": ["protocol", "type"], "additionalProperties": false, "properties": {"protocol": {"type": "string", "enum": [%s]}, "type": {"type": "string", "enum": [%s]}}}}}`, protocols, types))
	}
	const protocols, types = `"vnc", "spice", "rdp", "serial"`, `"novnc", "xvpvnc", "spice-html5", "rdp-html5", "serial"`
	routes := windows(rest.Route{Method: "POST", Path: "/servers/{server_id}/remote-consoles", Policy: "os_compute_api:os-remote-consoles", Target: a.server, Handle: a.remoteConsole},
		window{rest.V(2, 6), remote(protocols, types)}, window{rest.V(2, 8), remote(protocols+`, "mks"`, types+`, "webmks"`)},
		window{rest.V(2, 99), remote(protocols+`, "mks"`, types+`, "webmks", "spice-direct"`)})
	return append(routes,
		rest.Route{
			Method: "POST", Path: "/servers/{server_id}/action", Action: "os-getConsoleOutput", Policy: "os_compute_api:os-console-output", Target: a.server, Handle: a.consoleOutput,
			Body: rest.JSON(`{"type": "object", "required": ["os-getConsoleOutput"], "additionalProperties": false, "properties": {"os-getConsoleOutput": {"type": "object", "additionalProperties": false,
				"properties": {"length": {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1}}}}}`),
		},
		old("os-getVNCConsole", `"novnc", "xvpvnc"`, a.oldConsole("os-getVNCConsole")),
		old("os-getSPICEConsole", `"spice-html5"`, a.oldConsole("os-getSPICEConsole")),
		old("os-getSerialConsole", `"serial"`, a.oldConsole("os-getSerialConsole")),
		rest.Route{Method: "GET", Path: "/os-console-auth-tokens/{token}", Policy: "os_compute_api:os-console-auth-tokens", Handle: a.consoleToken},
	)
}

func (a *api) consoleOutput(r *rest.Request) (any, error) {
	var body struct {
		Ask struct{ Length json.RawMessage } `json:"os-getConsoleOutput"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	lines := -1
	if raw := string(body.Ask.Length); raw != "" && raw != "null" {
		var text any
		_ = json.Unmarshal(body.Ask.Length, &text)
		n, err := whole(text)
		if err != nil || n < -1 {
			return nil, rest.BadRequest("Invalid input for field/attribute length. Value: %s. %s is less than the minimum of -1", raw, raw)
		}
		lines = int(n)
	}
	text, err := a.nova.ConsoleOutput(r.Context(), loaded(r), lines)
	return object{"output": text}, err
}

// oldConsole answers an action that opens a console.
func (a *api) oldConsole(action string) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		var body map[string]struct{ Type string }
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		kind := body[action].Type
		url, err := a.nova.OpenConsole(r.Context(), loaded(r), kind)
		return object{"console": object{"type": kind, "url": url}}, err
	}
}

// consoleProtocols are the types of consoles by their protocol.
var consoleProtocols = map[string]string{nova.ConsoleNoVNC: "vnc", nova.ConsoleSPICE: "spice", nova.ConsoleSerial: "serial"}

func (a *api) remoteConsole(r *rest.Request) (any, error) {
	var body struct {
		Ask struct{ Protocol, Type string } `json:"remote_console"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	ask := body.Ask
	if consoleProtocols[ask.Type] != ask.Protocol {
		return nil, nova.ConsoleUnavailable(ask.Type)
	}
	url, err := a.nova.OpenConsole(r.Context(), loaded(r), ask.Type)
	return object{"remote_console": object{"protocol": ask.Protocol, "type": ask.Type, "url": url}}, err
}

func (a *api) consoleToken(r *rest.Request) (any, error) {
	if r.Version.AtLeast(2, 99) && len(r.QueryValues()) > 0 {
		return nil, rest.BadRequest("Additional properties are not allowed")
	}
	t, err := a.nova.ConsoleToken(r.Context(), r.Path("token"))
	if err != nil {
		return nil, err
	}
	if !r.Version.AtLeast(2, 31) && !slices.Contains([]string{"rdp-html5"}, t.Type) {
		return nil, rest.Fail(http.StatusUnauthorized, "The requested console type details are not accessible")
	}
	v := object{"instance_uuid": t.ServerID, "host": t.Address, "port": t.Port, "internal_access_path": nil}
	if t.Path != "" {
		v["internal_access_path"] = t.Path
	}
	if r.Version.AtLeast(2, 99) {
		v["tls_port"] = nil
	}
	return object{"console": v}, nil
}
