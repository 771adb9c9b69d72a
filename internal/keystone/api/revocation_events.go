package api

import (
	"net/http"
	"time"

	"gostack/internal/rest"
)

// revocationEvents are the routes of what services once read to know which tokens are good no more, and of certificates of a token format that
// is long gone.
func (a *api) revocationEvents() []rest.Route {
	gone := func(*rest.Request) (any, error) {
		return nil, rest.Fail(http.StatusGone, "This API is no longer available due to the removal of support for PKI tokens.")
	}
	return []rest.Route{
		{Method: "GET", Path: "/OS-REVOKE/events", Policy: "identity:list_revoke_events", Handle: a.listRevocations},
		{Method: "GET", Path: "/OS-SIMPLE-CERT/ca", Policy: rest.Public, Handle: gone},
		{Method: "GET", Path: "/OS-SIMPLE-CERT/certificates", Policy: rest.Public, Handle: gone},
	}
}

func (a *api) listRevocations(r *rest.Request) (any, error) {
	var since time.Time
	if text := r.Query("since"); text != "" {
		at, err := rest.ParseTime(text)
		if err != nil {
			return nil, rest.BadRequest("invalidate date format %s", text)
		}
		since = at
	}
	list, err := a.Revocations(r.Context(), since)
	events := []any{}
	for _, v := range list {
		e := map[string]any{"issued_before": v.IssuedBefore.UTC().Format(tokenTime), "revoked_at": v.RevokedAt.UTC().Format(tokenTime)}
		for key, id := range map[string]string{"audit_id": v.AuditID, "audit_chain_id": v.AuditChainID, "user_id": v.UserID} {
			if id != "" {
				e[key] = id
			}
		}
		events = append(events, e)
	}
	return map[string]any{"events": events, "links": map[string]any{"next": nil, "self": selfURL(r), "previous": nil}}, err
}
