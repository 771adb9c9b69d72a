package rest

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	failed error
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController and WebSockets reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gostack_request_duration_seconds", Help: "Time to answer, by service, method, route and status.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10},
		}, []string{"service", "method", "route", "status"}),
	}
	m.registry.MustRegister(m.requests, prometheus.NewGoCollector(), prometheus.NewProcessCollector(prometheus.ProcessCollectorOpts{})) //nolint:staticcheck // the plain collectors suffice
	return m
}

// Metrics is the page for Prometheus.
func (s *Server) Metrics() http.Handler {
	return promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
}

// Registry lets components add collectors of their own.
func (s *Server) Registry() *prometheus.Registry { return s.metrics.registry }

// done writes the access log and counts. Labels come from the route table, never from the request, so they are bounded
// whatever clients send (OSSA-2021-006).
func (s *Server) done(r *Request, w *recorder, start time.Time, statements int) {
	service, route, method := "root", "none", "other"
	if r.Service != nil {
		service = r.Service.Name
	}
	if r.Route != nil {
		route, method = r.Route.Path, r.Route.Method
		if r.Route.Action != "" {
			route += "#" + r.Route.Action
		}
	}
	took := time.Since(start)
	s.metrics.requests.WithLabelValues(service, method, route, strconv.Itoa(w.status)).Observe(took.Seconds())
	attrs := []any{
		"service", service, "method", r.HTTP.Method, "path", r.HTTP.URL.EscapedPath(), "status", w.status, "bytes", w.bytes,
		"ms", float64(took.Microseconds()) / 1000, "sql", statements, "request_id", r.ID,
	}
	if q := redact(r.HTTP.URL.RawQuery); q != "" {
		attrs = append(attrs, "query", q)
	}
	if g := GlobalRequestID(r.HTTP.Context()); g != "" {
		attrs = append(attrs, "global_request_id", g)
	}
	if r.Caller != nil {
		attrs = append(attrs, "user", r.Caller.UserID, "project", r.Caller.ProjectID)
	}
	level := slog.LevelInfo
	if w.failed != nil {
		attrs = append(attrs, "error", w.failed.Error())
		if w.status >= 500 || w.status == 0 {
			level = slog.LevelError
		}
	}
	s.Log.Log(r.HTTP.Context(), level, "request", attrs...)
}

// redact hides values of query parameters that name secrets, or that are an address whose query does: the console page
// gets "path=?token=..." (OSSA-2020-001).
func redact(raw string) string {
	if raw == "" {
		return ""
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return "(does not parse)"
	}
	for k, values := range q {
		if namesSecret(k) || slices.ContainsFunc(values, carriesSecret) {
			q[k] = []string{"***"}
		}
	}
	return q.Encode()
}

// carriesSecret tells whether a value has a "name=value" in it whose name is a secret's, however often it is escaped.
func carriesSecret(value string) bool {
	for range 4 {
		for _, part := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune("?&;#/, ", r) }) {
			if name, _, ok := strings.Cut(part, "="); ok && namesSecret(name) {
				return true
			}
		}
		plain, err := url.QueryUnescape(value)
		if err != nil || plain == value {
			return false
		}
		value = plain
	}
	return true // nobody escapes this often with good in mind
}

// namesSecret tells whether what a query parameter or a member of a body of that name holds must not be written down.
func namesSecret(name string) bool {
	low := strings.ToLower(name)
	switch low {
	case "sort_key", "sort_keys", "key_name", "public_key":
		return false
	}
	for _, word := range []string{"token", "password", "adminpass", "admin_pass", "secret", "signature", "credential", "key"} {
		if strings.Contains(low, word) {
			return true
		}
	}
	return false
}
