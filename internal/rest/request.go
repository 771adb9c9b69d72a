package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"gostack/internal/policy"
)

// Request is what a handler gets: the caller, the version in force, the path's parameters and the decoded body.
type Request struct {
	HTTP    *http.Request
	Writer  http.ResponseWriter // for streams only
	Caller  *policy.Caller      // nil on public routes without a token
	Version Version
	ID      string // req-…
	Route   *Route
	Service *Service
	// Body is the decoded document (numbers as json.Number), Raw its bytes. For an action route they are the whole body.
	Body any
	Raw  []byte
	// Loaded is what Target found, for Handle.
	Loaded any

	server *Server
	params map[string]string
	header http.Header
	query  url.Values
	prefix string // below which it came in
	pname  string // the path's project, when the client wrote one
}

// Context is the request's context.
func (r *Request) Context() context.Context { return r.HTTP.Context() }

// Path returns a parameter of the path.
func (r *Request) Path(name string) string { return r.params[name] }

// Header returns the answer's headers.
func (r *Request) Header() http.Header { return r.header }

// QueryValues returns the query.
func (r *Request) QueryValues() url.Values { return r.query }

// Query returns the first value of a query parameter, or "".
func (r *Request) Query(name string) string { return r.query.Get(name) }

// QueryInt reads a query parameter as a number that is not negative; absent gives absent.
func (r *Request) QueryInt(name string, absent int) (int, error) {
	s := r.query.Get(name)
	if s == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return 0, BadRequest("%s param must be an integer", name)
	case n < 0:
		return 0, BadRequest("%s param must be positive", name)
	}
	return n, nil
}

// Decode reads the body into v; members that v lacks are ignored (the schema has judged them).
func (r *Request) Decode(v any) error {
	if err := json.Unmarshal(r.Raw, v); err != nil {
		return BadRequest("Malformed request body").Because(err)
	}
	return nil
}

// Can asks a policy about a target; nil is the caller's own project.
func (r *Request) Can(rule string, t policy.Target) bool { return r.check(rule, t) == nil }

// Enforce asks a policy about a target and returns the service's refusal.
func (r *Request) Enforce(rule string, t policy.Target) error {
	if d := r.check(rule, t); d != nil {
		return r.deny(d)
	}
	return nil
}

func (r *Request) check(rule string, t policy.Target) *policy.Denied {
	if t == nil {
		t = OwnTarget(r.Caller)
	}
	err := r.server.policies.Check(rule, r.Caller, t)
	if err == nil {
		return nil
	}
	d, _ := err.(*policy.Denied) //nolint:errorlint // Check returns nothing else
	return d
}

func (r *Request) deny(d *policy.Denied) error {
	if r.Service.Deny != nil {
		return r.Service.Deny(r, d).Because(d)
	}
	return Forbidden("Policy doesn't allow %s to be performed.", d.Rule).Because(d)
}

// OwnTarget is the target of things that belong to the caller, or will.
func OwnTarget(c *policy.Caller) policy.Target {
	if c == nil {
		return policy.Target{}
	}
	return policy.Target{"project_id": c.ProjectID, "tenant_id": c.ProjectID, "user_id": c.UserID, "domain_id": c.DomainID}
}

// BaseURL is where the client reached the service: scheme, host and prefix, for links. A configured public URL wins over the
// Host header, which anybody can write (OSSN-0103).
func (r *Request) BaseURL() string { return r.RootURL() + r.prefix }

// RootURL is scheme and host as BaseURL has them.
func (r *Request) RootURL() string {
	if r.server.PublicURL != "" {
		return r.server.PublicURL
	}
	scheme := "http"
	if r.HTTP.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.HTTP.Host
}

// Prefix is the service prefix the request came in by, as "/compute/v2.1".
func (r *Request) Prefix() string { return r.prefix }

// URLProject is the project's id that the client wrote in the path, or "".
func (r *Request) URLProject() string { return r.pname }

// Response is an answer with its own status, headers or body.
type Response struct {
	Status int // 0: the route's
	Header http.Header
	Body   any // written as JSON; nil: none
	// Write writes the body itself; the status and headers have been sent before.
	Write func(w http.ResponseWriter) error
}

// Reply makes a Response with a status and a body.
func Reply(status int, body any) *Response { return &Response{Status: status, Body: body} }

// With adds a header.
func (p *Response) With(key, value string) *Response {
	if p.Header == nil {
		p.Header = http.Header{}
	}
	p.Header.Add(key, value)
	return p
}
