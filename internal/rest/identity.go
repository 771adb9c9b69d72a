package rest

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

func requestID() string { return "req-" + uuid.NewString() }

var requestIDForm = regexp.MustCompile(`^req-[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// globalID is the request id that the client brought, if it has the form (oslo.middleware's request_id).
func globalID(h http.Header) string {
	if id := h.Get("X-Openstack-Request-Id"); requestIDForm.MatchString(id) {
		return id
	}
	return ""
}

type requestIDKey struct{}

type requestIDs struct{ own, global string }

func withRequestID(ctx context.Context, own, global string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, requestIDs{own, global})
}

// RequestID returns the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	ids, _ := ctx.Value(requestIDKey{}).(requestIDs)
	return ids.own
}

// GlobalRequestID returns the id that the client brought, or "".
func GlobalRequestID(ctx context.Context) string {
	ids, _ := ctx.Value(requestIDKey{}).(requestIDs)
	return ids.global
}

// dropIdentityHeaders removes what only a trusted proxy may say; nothing here believes it anyway (OSSA-2026-001).
func dropIdentityHeaders(h http.Header) {
	for k := range h {
		switch {
		case strings.HasPrefix(k, "X-User-"), strings.HasPrefix(k, "X-Project-"), strings.HasPrefix(k, "X-Domain-"),
			strings.HasPrefix(k, "X-Tenant-"), strings.HasPrefix(k, "X-Service-") && k != "X-Service-Token",
			k == "X-Roles", k == "X-Role", k == "X-User", k == "X-Tenant", k == "X-Identity-Status", k == "X-Is-Admin-Project",
			k == "X-Service-Catalog", k == "X-Key-Manager-Url", strings.HasPrefix(k, "Openstack-System-Scope"):
			h.Del(k)
		}
	}
}
