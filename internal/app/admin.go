package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gostack/internal/replica"
	"gostack/internal/saga"
)

// Auditor compares the database with what exists outside it.
type Auditor struct {
	Area string
	// Audit lists what differs. With repair it mends what it can and says so.
	Audit func(ctx context.Context, repair bool) ([]Finding, error)
}

// Finding is a difference between the database and the world.
type Finding struct {
	Area     string `json:"area"`
	ID       string `json:"id"`
	Problem  string `json:"problem"`
	Repaired bool   `json:"repaired,omitempty"`
}

// Audit runs all auditors, and looks for operations past their deadline.
func (h *House) Audit(ctx context.Context, repair bool) ([]Finding, error) {
	var all []Finding
	var errs []error
	if h.Saga != nil {
		late, err := h.Saga.Overdue(ctx)
		errs = append(errs, err)
		for _, s := range late {
			all = append(all, Finding{Area: "operations", ID: s.ResourceID, Problem: fmt.Sprintf("%s is past its deadline of %s", s.Kind, s.Deadline.Format(time.RFC3339))})
		}
	}
	for _, a := range h.Auditors {
		list, err := a.Audit(ctx, repair)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.Area, err))
		}
		for _, f := range list {
			f.Area = a.Area
			all = append(all, f)
		}
	}
	return all, errors.Join(errs...)
}

// StatusReport is the answer of the admin socket's /status.
type StatusReport struct {
	Host       string            `json:"host"`
	PID        int               `json:"pid"`
	Since      time.Time         `json:"since"`
	Components []ComponentStatus `json:"components"`
	Operations int               `json:"live_operations"`
	// Replicas are the control processes of the cloud, this one too.
	Replicas []replica.Member `json:"replicas,omitempty"`
	// Conflicts is how often a write was run again because of other writes; Rescued how many operations were taken over from silent replicas.
	Conflicts int64 `json:"database_conflicts"`
	Rescued   int64 `json:"operations_rescued"`
}

// AuditReport is the answer of the admin socket's /audit.
type AuditReport struct {
	Findings []Finding `json:"findings"`
	Error    string    `json:"error,omitempty"`
}

// AdminSocket is where a running gostack answers its own command line: only root (or the user it runs as) can open it.
func AdminSocket(runDir string) string { return filepath.Join(runDir, "admin.sock") }

// AskAdmin makes a request to the gostack that runs on this machine and decodes its answer.
func AskAdmin(ctx context.Context, runDir, method, path string, answer any) error {
	body, err := openAdmin(ctx, runDir, method, path)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return json.NewDecoder(body).Decode(answer)
}

// openAdmin makes a request and returns the body of its answer.
func openAdmin(ctx context.Context, runDir, method, path string) (io.ReadCloser, error) {
	socket := AdminSocket(runDir)
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://gostack"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("gostack does not run here (%s does not answer); start it with gostack up or gostack run", socket)
	}
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		_ = resp.Body.Close()
		return nil, errors.New(strings.TrimSpace(string(b)))
	}
	return resp.Body, nil
}

// alone returns when no other gostack answers on the admin socket. One that was killed a moment ago may still hold it, without answering.
func (h *House) alone(ctx context.Context) error {
	path := AdminSocket(h.Config.RunDir)
	for end := time.Now().Add(30 * time.Second); ; {
		c, err := net.DialTimeout("unix", path, time.Second)
		if err != nil {
			return nil
		}
		_ = c.Close()
		asking, cancel := context.WithTimeout(ctx, 5*time.Second)
		body, err := openAdmin(asking, h.Config.RunDir, http.MethodGet, "/status")
		late := asking.Err() != nil || time.Now().After(end)
		cancel()
		if err == nil {
			_ = body.Close()
		}
		if err == nil || late {
			return fmt.Errorf("gostack runs already: %s answers; see gostack status", path)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ServeAdmin opens the admin socket until ctx ends.
func (h *House) ServeAdmin(ctx context.Context) error {
	path := AdminSocket(h.Config.RunDir)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := h.alone(ctx); err != nil {
		return err
	}
	_ = os.Remove(path)
	ln, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", h.adminStatus)
	mux.HandleFunc("GET /why/{id}", h.adminWhy)
	mux.HandleFunc("POST /audit", h.adminAudit)
	mux.HandleFunc("POST /purge", h.adminPurge)
	h.hostRoutes(mux)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if h.Server != nil {
			h.Server.Metrics().ServeHTTP(w, r)
		}
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	go func() { _ = s.Serve(ln) }()
	return nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (h *House) adminStatus(w http.ResponseWriter, r *http.Request) {
	rep := StatusReport{Host: h.Config.Host, PID: os.Getpid(), Since: h.begin, Components: h.Status(r.Context())}
	h.mu.Lock()
	founded := h.founded
	h.mu.Unlock()
	if founded && h.Saga != nil {
		rep.Operations, _ = h.Saga.Live(r.Context())
		rep.Conflicts, rep.Rescued = h.DB.Conflicts(), h.Saga.Rescued()
		if h.Replicas != nil && h.Replicas.Shared() {
			rep.Replicas, _ = h.Replicas.Members(r.Context())
		}
	}
	reply(w, rep)
}

// onlyControl answers on a host what only the control side knows.
func (h *House) onlyControl(w http.ResponseWriter, what string) bool {
	if h.DB != nil {
		return true
	}
	answer := "this machine is a host of the cloud and keeps no database: ask on a control machine: " + what
	if len(h.Config.Control) > 0 {
		answer += " (control is at " + strings.Join(h.Config.Control, ", ") + ")"
	}
	http.Error(w, answer, http.StatusConflict)
	return false
}

func (h *House) adminWhy(w http.ResponseWriter, r *http.Request) {
	if !h.onlyControl(w, "gostack why "+r.PathValue("id")) {
		return
	}
	stories := []saga.Story{}
	if h.Saga != nil {
		found, err := h.Saga.Stories(r.Context(), r.PathValue("id"), 50)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		stories = append(stories, found...)
	}
	if h.Nova != nil && h.Saga != nil { // servers of one request found their hosts together
		if reservation, err := h.Nova.ReservationOf(r.Context(), r.PathValue("id")); err == nil && reservation != "" {
			found, err := h.Saga.Stories(r.Context(), reservation, 1)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			stories = append(found, stories...)
		}
	}
	reply(w, stories)
}

func (h *House) adminAudit(w http.ResponseWriter, r *http.Request) {
	if !h.onlyControl(w, "gostack audit") {
		return
	}
	var findings []Finding
	repair := r.URL.Query().Get("repair") == "true"
	audit := func(ctx context.Context) (err error) {
		findings, err = h.Audit(ctx, repair)
		return err
	}
	var err error
	if repair && h.Replicas != nil { // two that repair at once would tell of each other's repairs
		err = h.Replicas.Alone(r.Context(), "audit", audit)
	} else {
		err = audit(r.Context())
	}
	rep := AuditReport{Findings: findings}
	if err != nil {
		rep.Error = err.Error()
	}
	reply(w, rep)
}

// adminPurge removes guests, ports and whatever else lives outside the database. The process is about to end for good.
func (h *House) adminPurge(w http.ResponseWriter, r *http.Request) {
	var errs []error
	if h.Saga != nil {
		errs = append(errs, h.Saga.Stop(r.Context())) // nothing is to come back meanwhile
	}
	for i := len(h.Purgers) - 1; i >= 0; i-- {
		errs = append(errs, h.Purgers[i](r.Context()))
	}
	rep := AuditReport{}
	if err := errors.Join(errs...); err != nil {
		rep.Error = err.Error()
	}
	reply(w, rep)
}
