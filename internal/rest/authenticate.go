package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"gostack/internal/policy"
)

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
