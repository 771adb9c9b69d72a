// Package rest is the HTTP kit: every OpenStack API here is a table of routes that this package runs.
//
// A Service declares its prefixes, microversions, error envelope, policies and routes. A Route declares method, path, policy,
// microversion window, body schema and success status; its handler turns a Request into a value that is written as JSON. A
// route without a policy, or two routes that claim the same request, stop the program at start.
//
// The kit owns request ids, authentication (through an Authenticator), microversion negotiation, limits, decoding, policy, error
// envelopes, access log and metrics. It never imports a service.
package rest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"gostack/internal/policy"
)

// The words for routes without a policy of their own.
const (
	Public        = "(public)"        // no token needed
	Authenticated = "(authenticated)" // any valid token; for routes that have no policy upstream
)

// Route is one operation.
type Route struct {
	Method string
	// Path below the service's prefix: literal segments and {parameters}; a last {parameter...} takes the rest.
	Path string
	// Policy is the rule's name, or Public or Authenticated.
	Policy string
	// Action is the key of the body that selects this route among those of the same method and path ("os-stop").
	Action string
	// Min and Max bound the microversions in which the route exists; zero is open.
	Min, Max Version
	// Body is the JSON schema of the request's body. nil: the body is not read. AnyJSON: any JSON object.
	Body *Schema
	// Query is the JSON schema of the query: an object of arrays of strings. nil: not checked.
	Query *Schema
	// Status of success; 0 is 200.
	Status int
	// Target loads what the request is about and says so to the policy. nil: the caller's own project and user.
	Target func(*Request) (policy.Target, error)
	// Handle does it. The result is written as JSON; nil writes no body; *Response has its own headers, status or stream.
	Handle func(*Request) (any, error)
	// Stream leaves the body unread for the handler, without the service's size limit.
	Stream bool
}

// Service is one OpenStack API.
type Service struct {
	Name     string   // for logs and metrics: "nova"
	Type     string   // in the catalogue: "compute"; access rules of application credentials name it
	Prefixes []string // where it answers: "/compute/v2.1"
	Routes   []Route
	Policies []policy.Rule

	Microversions *Microversions

	// Envelope makes the body of an error answer; nil gives Nova's {"itemNotFound": {"code": 404, "message": "…"}}.
	Envelope func(r *Request, e *Error) any
	// Deny makes the answer to a policy's refusal; nil gives Nova's.
	Deny func(r *Request, d *policy.Denied) *Error
	// Refuse makes the answer to a "query" or "body" that its schema does not allow, and to the "syntax" of a body that is no JSON; nil gives Nova's.
	Refuse func(part string, v *Violation) *Error
	// PolicyFirst asks the policy before the body is read (Placement); otherwise after it was checked (Nova).
	PolicyFirst bool
	// SchemaLast asks the policy when the body has been read, and before it is checked against its schema (Keystone): who may not do a
	// thing hears that, and not how to ask for it properly.
	SchemaLast bool
	// MaxBody in bytes; 0 is 114688, oslo.middleware's default.
	MaxBody int64
	// OptionalProject lets clients write the project's id before the path (Nova, Cinder).
	OptionalProject bool
	// ActionNotFound is the answer to an unknown action key; nil gives Nova's.
	ActionNotFound func(action string) *Error
	// ContentTypes that bodies may have besides application/json.
	ContentTypes []string
	// UnsupportedType is the status for any other content type: 415 (default) or 400.
	UnsupportedType int
	// ExactPaths keeps "/images/" from being "/images" (the services whose upstream routes with Routes: Nova, Glance).
	ExactPaths bool
	// Decorate may add headers to each answer, errors too.
	Decorate func(r *Request, h http.Header)
}

// compiledRoute is a route with its service and compiled path.
type compiledRoute struct {
	Route
	service *compiledService
}

// compiledService is a service ready to answer.
type compiledService struct {
	*Service
	tree node
}

func compile(s *Service, e *policy.Engine) (*compiledService, error) {
	c := &compiledService{Service: s}
	var errs []error
	for i := range s.Routes {
		r := &compiledRoute{Route: s.Routes[i], service: c}
		if err := r.verify(e); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s %s %s: %w", s.Name, r.Method, r.Path, r.Action, err))
			continue
		}
		n := c.tree.insert(r.Path)
		if n.methods == nil {
			n.methods = map[string][]*compiledRoute{}
		}
		for _, other := range n.methods[r.Method] {
			if overlap(&other.Route, &r.Route) {
				errs = append(errs, fmt.Errorf("%s: %s %s %s: declared twice", s.Name, r.Method, r.Path, r.Action))
			}
		}
		n.methods[r.Method] = append(n.methods[r.Method], r)
	}
	return c, errors.Join(errs...)
}

func (r *compiledRoute) verify(e *policy.Engine) error {
	switch {
	case r.Policy == "":
		return errors.New("has no policy")
	case r.Policy != Public && r.Policy != Authenticated && !e.Has(r.Policy):
		return fmt.Errorf("has the undeclared policy %s", r.Policy)
	case r.Handle == nil:
		return errors.New("has no handler")
	case !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, r.Method):
		return errors.New("has an unknown method")
	}
	return r.Body.compileError()
}

// overlap tells whether two routes of the same method and path claim the same request.
func overlap(a, b *Route) bool {
	if a.Action != b.Action {
		return false
	}
	return (a.Max.IsZero() || !a.Max.Less(b.Min)) && (b.Max.IsZero() || !b.Max.Less(a.Min))
}

// in tells whether the route exists at version v.
func (r *Route) in(v Version) bool {
	return !v.Less(r.Min) && (r.Max.IsZero() || !r.Max.Less(v))
}
