package app

import (
	"context"
	"encoding/json"
	"net/http"

	"gostack/internal/rest"
)

// Page answers one exact path, or all below it when the path ends in a slash.
type Page = http.Handler

// listen opens the one address of all services, when there are any.
func (h *House) listen(ctx context.Context) error {
	if len(h.Services) == 0 && len(h.Root) == 0 {
		return nil
	}
	root := http.NewServeMux()
	for path, page := range h.Root {
		root.Handle(path, page)
	}
	root.HandleFunc("GET /healthcheck", h.health)
	authenticator, err := h.authenticator()
	if err != nil {
		return err
	}
	server, err := rest.New(rest.Config{
		Services: h.Services, Authenticator: authenticator, PolicyFile: h.Config.Policy, Root: root, Log: h.Log,
		PublicURL: h.Config.PublicURL, IdentityURL: h.Config.PublicURL + "/identity",
	})
	if err != nil {
		return err
	}
	h.Server = server
	h.Listen = &rest.Listener{Address: h.Config.Listen, CertFile: h.Config.TLSCert, KeyFile: h.Config.TLSKey, Handler: server}
	return h.Listen.Start(ctx)
}

// health is for load balancers: 200 when every component here does its work, else 503 with the reasons' names only.
func (h *House) health(w http.ResponseWriter, r *http.Request) {
	code, answer := http.StatusOK, map[string]any{"status": "ok"}
	var bad []string
	for _, c := range h.Status(r.Context()) {
		if c.State != "ready" {
			bad = append(bad, c.Name)
		}
	}
	if len(bad) > 0 {
		code, answer = http.StatusServiceUnavailable, map[string]any{"status": "degraded", "components": bad}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}
