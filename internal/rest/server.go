package rest

import (
	"context"
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
		if err != nil && (svc.Microversions.OfPublic || len(routes) == 0 || routes[0].Policy != Public) {
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
	hasBody := c.Body != nil && !c.Stream
	readBody := func() error {
		if !hasBody || r.Raw != nil {
			return nil
		}
		return r.readBody()
	}
	checkBody := func() error {
		if c.Query != nil {
			if err := c.Query.Validate(queryDocument(r.query)); err != nil {
				return r.refuseInput("query", err)
			}
		}
		if !hasBody {
			return nil
		}
		if err := readBody(); err != nil {
			return err
		}
		return r.refuseInput("body", c.Body.Validate(r.Body))
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
	switch {
	case c.service.PolicyFirst:
		order = []func() error{askPolicy, checkBody}
	case c.service.SchemaLast:
		order = []func() error{readBody, askPolicy, checkBody}
	}
	for _, step := range order {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c.Handle(r)
}

// refuseInput lets the service say in its own words what is wrong with a query or a body.
func (r *Request) refuseInput(part string, err error) error {
	if v, ok := err.(*Violation); ok && r.Service.Refuse != nil { //nolint:errorlint // Validate returns it as it is
		return r.Service.Refuse(part, v)
	}
	return err
}

func (s *Server) enforce(r *Request, t policy.Target) error {
	if r.Route.Policy == Public || r.Route.Policy == Authenticated {
		return nil
	}
	return r.Enforce(r.Route.Policy, t)
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
