package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"gostack/internal/policy"
	"gostack/internal/store"
)

// Authenticator turns a token into its caller. An error that is an *Error is answered as it is; any other means the token is no good.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (*policy.Caller, error)
}

// Config is what a Server needs.
type Config struct {
	Services      []*Service
	Authenticator Authenticator
	PolicyFile    string // overrides; may be empty
	// PublicURL is scheme and host that clients use, without a path; empty: what the client wrote.
	PublicURL string
	// IdentityURL is shown to clients without a token (WWW-Authenticate).
	IdentityURL string
	Log         *slog.Logger
	// Root answers what lies below no prefix; nil: 404.
	Root http.Handler
}

// Server answers for a set of services on one address.
type Server struct {
	Config
	policies *policy.Engine
	prefixes []mounted // longest first
	metrics  *metrics

	// Probe, when set by a test, ends every request after the policy has spoken, without body, target or handler.
	Probe func(*Request) policy.Target
}

type mounted struct {
	prefix  string
	service *compiledService
}

// New compiles all services. It fails when a route lacks a policy, names an unknown one or collides with another.
func New(cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	tables := make([][]policy.Rule, len(cfg.Services))
	for i, s := range cfg.Services {
		tables[i] = s.Policies
	}
	policies, err := policy.New(tables...)
	if err != nil {
		return nil, err
	}
	if cfg.PolicyFile != "" {
		if err := policies.Override(cfg.PolicyFile); err != nil {
			return nil, err
		}
	}
	s := &Server{Config: cfg, policies: policies, metrics: newMetrics()}
	var errs []error
	for _, svc := range cfg.Services {
		c, err := compile(svc, policies)
		errs = append(errs, err)
		for _, p := range svc.Prefixes {
			s.prefixes = append(s.prefixes, mounted{strings.TrimSuffix(p, "/"), c})
		}
	}
	sort.SliceStable(s.prefixes, func(i, j int) bool { return len(s.prefixes[i].prefix) > len(s.prefixes[j].prefix) })
	for i := 1; i < len(s.prefixes); i++ {
		if s.prefixes[i].prefix == s.prefixes[i-1].prefix {
			errs = append(errs, fmt.Errorf("two services answer below %q", s.prefixes[i].prefix))
		}
	}
	return s, errors.Join(errs...)
}

// Policies returns the compiled rules.
func (s *Server) Policies() *policy.Engine { return s.policies }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	start := time.Now()
	r := &Request{HTTP: h, ID: requestID(), server: s, header: w.Header()}
	r.header.Set("X-Openstack-Request-Id", r.ID)
	rec := &recorder{ResponseWriter: w}
	r.Writer = rec
	dropIdentityHeaders(h.Header)
	ctx, count := store.Count(withRequestID(h.Context(), r.ID, globalID(h.Header)))
	r.HTTP = h.WithContext(ctx)
	defer func() { s.done(r, rec, start, count.Statements()) }()

	m, path := s.mountedAt(h.URL.EscapedPath())
	if m == nil {
		if s.Root != nil {
			s.Root.ServeHTTP(rec, r.HTTP)
		} else {
			http.NotFound(rec, r.HTTP)
		}
		return
	}
	r.Service, r.prefix = m.service.Service, m.prefix
	answer, err := s.serve(r, m.service, path)
	if err != nil {
		s.writeError(r, rec, err)
	} else {
		s.write(r, rec, answer)
	}
}

func (s *Server) mountedAt(path string) (*mounted, string) {
	for i := range s.prefixes {
		p := s.prefixes[i].prefix
		if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '/') {
			return &s.prefixes[i], rest
		}
	}
	return nil, ""
}

// serve walks a request through the kit: route, token, version, body, target, policy, handler.
func (s *Server) serve(r *Request, svc *compiledService, path string) (answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // the value net/http defines
				panic(p)
			}
			answer, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	segs, err := segments(path)
	if err != nil {
		return nil, NotFound("The resource could not be found.")
	}
	found, values := svc.tree.find(segs, nil)
	if found == nil && svc.OptionalProject && len(segs) > 1 && IsUUID(segs[0]) {
		r.pname = segs[0]
		found, values = svc.tree.find(segs[1:], nil)
	}
	if svc.ExactPaths && len(path) > 1 && strings.HasSuffix(path, "/") {
		found = nil
	}
	var routes []*compiledRoute
	if found != nil {
		routes = found.methods[r.HTTP.Method]
		if routes == nil && r.HTTP.Method == http.MethodHead {
			routes = found.methods[http.MethodGet]
		}
	}
	if err := s.authenticate(r, routes); err != nil {
		return nil, err
	}
	if r.pname != "" && r.Caller != nil && r.pname != r.Caller.ProjectID && !r.Caller.IsAdmin() {
		return nil, BadRequest("Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'", r.pname, r.Caller.ProjectID)
	}
	if svc.Microversions != nil {
		r.Version, err = svc.Microversions.negotiate(r.HTTP.Header)
		svc.Microversions.announce(r.header, r.Version)
		if err != nil && !(len(routes) > 0 && routes[0].Policy == Public) {
			return nil, err
		}
	}
	switch {
	case found == nil:
		return nil, NotFound("The resource could not be found.")
	case routes == nil:
		return nil, Fail(http.StatusMethodNotAllowed, "The method specified is not allowed for this resource.").WithHeader("Allow", allowed(found))
	}
	if r.query, err = url.ParseQuery(r.HTTP.URL.RawQuery); err != nil {
		return nil, BadRequest("The query does not parse.").Because(err)
	}
	for _, values := range r.query {
		if !storable(strings.Join(values, "\n")) {
			return nil, BadRequest("The query holds bytes that are no text in UTF-8.")
		}
	}
	route, err := s.choose(r, svc, routes)
	if err != nil {
		return nil, err
	}
	r.Route, r.params = &route.Route, params(route.Path, values)
	if s.Probe != nil {
		return nil, s.enforce(r, s.Probe(r))
	}
	return s.run(r, route)
}

// choose picks the route that exists at this version and, for actions, whose key the body has.
func (s *Server) choose(r *Request, svc *compiledService, routes []*compiledRoute) (*compiledRoute, error) {
	var live []*compiledRoute
	for _, c := range routes {
		if svc.Microversions == nil || c.in(r.Version) {
			live = append(live, c)
		}
	}
	if len(live) == 0 {
		return nil, NotFound("The resource could not be found.")
	}
	if live[0].Action == "" {
		return live[0], nil
	}
	if s.Probe != nil {
		for _, c := range live {
			if c.Action == r.HTTP.Header.Get("X-Probe-Action") {
				return c, nil
			}
		}
	}
	if err := r.readBody(); err != nil {
		return nil, err
	}
	find := func(among []*compiledRoute, key string) *compiledRoute {
		for _, c := range among {
			if c.Action == key {
				return c
			}
		}
		return nil
	}
	key, err := r.action(func(k string) bool { return find(live, k) != nil })
	if err != nil {
		return nil, err
	}
	if c := find(live, key); c != nil {
		return c, nil
	}
	if find(routes, key) != nil { // of another microversion
		return nil, NotFound("The resource could not be found.")
	}
	if svc.ActionNotFound != nil {
		return nil, svc.ActionNotFound(key)
	}
	return nil, BadRequest("There is no such action: %s", key)
}

func (s *Server) run(r *Request, c *compiledRoute) (any, error) {
	checkBody := func() error {
		if c.Query != nil {
			if err := c.Query.Validate(queryDocument(r.query)); err != nil {
				return err
			}
		}
		if c.Body == nil || c.Stream {
			return nil
		}
		if r.Raw == nil {
			if err := r.readBody(); err != nil {
				return err
			}
		}
		return c.Body.Validate(r.Body)
	}
	askPolicy := func() error {
		if c.Policy == Public || c.Policy == Authenticated {
			if c.Target != nil {
				_, err := c.Target(r)
				return err
			}
			return nil
		}
		target := OwnTarget(r.Caller)
		if c.Target != nil {
			var err error
			if target, err = c.Target(r); err != nil {
				return err
			}
		}
		return s.enforce(r, target)
	}
	order := []func() error{checkBody, askPolicy}
	if c.service.PolicyFirst {
		order = []func() error{askPolicy, checkBody}
	}
	for _, step := range order {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c.Handle(r)
}

func (s *Server) enforce(r *Request, t policy.Target) error {
	if r.Route.Policy == Public || r.Route.Policy == Authenticated {
		return nil
	}
	return r.Enforce(r.Route.Policy, t)
}

// authenticate demands a token unless every route here is public; a public route with a good token knows its caller all the same.
func (s *Server) authenticate(r *Request, routes []*compiledRoute) error {
	public := len(routes) > 0
	for _, c := range routes {
		public = public && c.Policy == Public
	}
	token := r.HTTP.Header.Get("X-Auth-Token")
	if token == "" || s.Authenticator == nil {
		if public {
			return nil
		}
		return s.unauthorized()
	}
	c, err := s.Authenticator.Authenticate(r.Context(), token)
	if err == nil && !mayAsk(r, c) {
		err = errors.New("the token's access rules do not name this request")
	}
	if err == nil {
		own := *c
		own.RequestID = r.ID
		r.Caller = &own
		r.HTTP = r.HTTP.WithContext(policy.WithCaller(r.HTTP.Context(), r.Caller))
		return nil
	}
	var e *Error
	if errors.As(err, &e) && e.Status >= 500 {
		return e
	}
	if public {
		return nil
	}
	return s.unauthorized().Because(err)
}

// mayAsk enforces the access rules of an application credential, as keystonemiddleware does (auth_token, "access rules"). Identity tells anybody
// about a token.
func mayAsk(r *Request, c *policy.Caller) bool {
	if c.AccessRules == nil {
		return true
	}
	method, path := r.HTTP.Method, r.HTTP.URL.Path
	if r.Service.Type == "identity" && method == http.MethodGet && strings.HasSuffix(path, "/v3/auth/tokens") {
		return true
	}
	mount := ""
	if i := strings.IndexByte(strings.TrimPrefix(r.prefix, "/"), '/'); i >= 0 {
		mount = r.prefix[:i+1]
	} else if !strings.HasPrefix(r.prefix, "/v") {
		mount = r.prefix
	}
	return c.AccessRules.Allow(r.Service.Type, method, path, strings.TrimPrefix(path, mount))
}

func (s *Server) unauthorized() *Error {
	return Unauthorized("The request you have made requires authentication.").
		WithHeader("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", s.IdentityURL))
}

func segments(path string) ([]string, error) {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil, nil
	}
	segs := strings.Split(path, "/")
	for i := range segs {
		var err error
		if segs[i], err = url.PathUnescape(segs[i]); err != nil {
			return nil, err
		}
		if !storable(segs[i]) {
			return nil, errors.New("the path holds bytes that are no text in UTF-8")
		}
	}
	return segs, nil
}

// storable tells whether a database can hold and compare a text: PostgreSQL takes UTF-8 without NUL only.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func allowed(n *node) string {
	methods := sortedKeys(n.methods)
	if n.methods[http.MethodGet] != nil && n.methods[http.MethodHead] == nil {
		methods = append(methods, http.MethodHead)
	}
	sort.Strings(methods)
	return strings.Join(methods, ", ")
}

func queryDocument(q url.Values) map[string]any {
	doc := make(map[string]any, len(q))
	for k, vs := range q {
		list := make([]any, len(vs))
		for i, v := range vs {
			list[i] = v
		}
		doc[k] = list
	}
	return doc
}

func (s *Server) write(r *Request, w *recorder, answer any) {
	status := http.StatusOK
	if r.Route != nil && r.Route.Status != 0 {
		status = r.Route.Status
	}
	resp, ok := answer.(*Response)
	if !ok {
		resp = &Response{Body: answer}
	}
	if resp.Status != 0 {
		status = resp.Status
	}
	for k, vs := range resp.Header {
		r.header[http.CanonicalHeaderKey(k)] = vs
	}
	if r.Service.Decorate != nil {
		r.Service.Decorate(r, r.header)
	}
	switch {
	case resp.Write != nil:
		w.WriteHeader(status)
		if err := resp.Write(w); err != nil {
			w.failed = err
			// The status is out: only a cut connection tells the client that the body is not whole.
			panic(http.ErrAbortHandler)
		}
	case resp.Body == nil:
		if status != http.StatusNoContent && status != http.StatusNotModified {
			r.header.Set("Content-Length", "0")
		}
		w.WriteHeader(status)
	default:
		writeJSON(w, status, resp.Body)
	}
}

func (s *Server) writeError(r *Request, w *recorder, err error) {
	var e *Error
	switch {
	case errors.As(err, &e):
	case store.IsFull(err):
		e = Fail(http.StatusServiceUnavailable, "The service has no room to store anything at the moment; nothing was changed. Please try again later.").WithHeader("Retry-After", "60").Because(err)
	case store.IsUnavailable(err):
		e = Fail(http.StatusServiceUnavailable, "The service cannot reach its database at the moment. Please try again.").WithHeader("Retry-After", "2").Because(err)
	default:
		e = &Error{Status: http.StatusInternalServerError, cause: err, Message: "Unexpected API Error. Please report the request id " + r.ID + " to your operator; gostack why " + r.ID + " shows what happened."}
	}
	w.failed = err
	for k, vs := range e.Header {
		r.header[http.CanonicalHeaderKey(k)] = vs
	}
	if r.Service.Decorate != nil {
		r.Service.Decorate(r, r.header)
	}
	if w.status != 0 { // the handler had begun to stream
		panic(http.ErrAbortHandler)
	}
	envelope := novaEnvelope
	if r.Service.Envelope != nil {
		envelope = r.Service.Envelope
	}
	body := envelope(r, e)
	if raw, ok := body.(RawBody); ok {
		r.header.Set("Content-Type", raw.Type)
		w.WriteHeader(e.Status)
		_, _ = w.Write(raw.Data)
		return
	}
	writeJSON(w, e.Status, body)
}

// RawBody is an error envelope that is not JSON.
type RawBody struct {
	Type string
	Data []byte
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	var err error
	b, ready := body.(RawJSON)
	if !ready {
		b, err = json.Marshal(body)
	}
	if err != nil {
		slog.Error("an answer cannot be written as JSON", "error", err)
		status, b = http.StatusInternalServerError, []byte(`{}`)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// novaEnvelope is {"itemNotFound": {"code": 404, "message": "…"}}, keyed by Nova's word for the status.
func novaEnvelope(_ *Request, e *Error) any {
	key, ok := map[int]string{
		400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod", 406: "notAcceptable",
		409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented", 503: "serviceUnavailable",
	}[e.Status]
	if !ok {
		key = "computeFault"
	}
	return map[string]any{key: map[string]any{"code": e.Status, "message": e.Message}}
}
