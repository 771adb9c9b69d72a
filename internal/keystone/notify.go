package keystone

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"gostack/internal/keystone/db"
	"gostack/internal/notify"
	"gostack/internal/policy"
)

// Notifications says what is told to others, by upstream's names.
type Notifications struct {
	Format string   // notification_format: cadf (empty) or basic
	OptOut []string // notification_opt_out: event types, of authentications with their outcome
}

// cadfTypes are the resources' names in CADF's taxonomy (keystone/notifications.py, CADF_TYPE_MAP).
var cadfTypes = map[string]string{
	"group": "data/security/group", "project": "data/security/project", "role": "data/security/role", "user": "data/security/account/user",
	"domain": "data/security/domain", "region": "data/security/region", "endpoint": "data/security/endpoint", "service": "data/security/service",
	"policy": "data/security/policy", "OS-TRUST:trust": "data/security/trust",
}

// resourceOf is what upstream calls a row, and its id; "" is nothing that is told.
func resourceOf(row any) (resource, id string) {
	switch r := row.(type) {
	case *User:
		return "user", r.ID
	case *Project:
		if r.IsDomain {
			return "domain", r.ID
		}
		return "project", r.ID
	case *Group:
		return "group", r.ID
	case *Role:
		return "role", r.ID
	case *Region:
		return "region", r.ID
	case *CatalogService:
		return "service", r.ID
	case *Endpoint:
		return "endpoint", r.ID
	case *db.Trust:
		return "OS-TRUST:trust", r.ID
	case *db.ApplicationCredential:
		return "application_credential", r.ID
	case *db.Credential:
		return "credential", r.ID
	}
	return "", ""
}

// tell turns a changed row into identity.RESOURCE.VERB. It is a db.Watcher: a new resource costs a line of resourceOf.
func (s *Service) tell(ctx context.Context, verb string, row any) error {
	if notify.Sending(ctx) == nil {
		return nil
	}
	switch r := row.(type) {
	case *db.Assignment:
		if s.notifications.Format == "basic" {
			return nil // upstream tells of role assignments in CADF only
		}
		more := map[string]any{r.ActorType: r.ActorID, "role": r.RoleID, "inherited_to_projects": r.Inherited}
		if r.TargetType != db.TargetSystem {
			more[r.TargetType] = r.TargetID
		}
		return s.emit(ctx, "identity.role_assignment."+verb, s.cadf(ctx, verb+".role_assignment", "success", cadfResource("service/security/account/user", ""), more))
	case *db.Membership:
		operation := map[string]string{"created": "added", "deleted": "removed"}[verb]
		return s.tellOf(ctx, "updated", "group", r.GroupID, map[string]any{"actor_id": r.UserID, "actor_type": "user", "actor_operation": operation})
	}
	resource, id := resourceOf(row)
	if resource == "" || verb == "updated" && (resource == "OS-TRUST:trust" || resource == "application_credential") { // uses are counted, no more
		return nil
	}
	return s.tellOf(ctx, verb, resource, id, nil)
}

// tellOf tells of a resource; actor is told by the basic format only, as upstream does.
func (s *Service) tellOf(ctx context.Context, verb, resource, id string, actor map[string]any) error {
	payload := map[string]any{"resource_info": id}
	if s.notifications.Format != "basic" {
		typ := cadfTypes[resource]
		if typ == "" {
			typ = "unknown"
		}
		payload = s.cadf(ctx, verb+"."+resource, "success", cadfResource(typ, id), payload)
	} else {
		for name, v := range actor {
			payload[name] = v
		}
	}
	return s.emit(ctx, "identity."+resource+"."+verb, payload)
}

// Authenticated tells that somebody asked to be let in, and what came of it (identity.authenticate, always CADF). userID may be unknown.
func (s *Service) Authenticated(ctx context.Context, userID, projectID string, failed bool) {
	outcome, optOut := "success", "success"
	if failed {
		outcome, optOut = "failure", "failed"
	}
	if notify.Of(s.db) == nil || slices.Contains(s.notifications.OptOut, "identity.authenticate."+optOut) {
		return
	}
	ctx = policy.WithCaller(ctx, &policy.Caller{UserID: userID, ProjectID: projectID})
	// A login is not refused because nobody can be told.
	_ = s.emit(ctx, "identity.authenticate", s.cadf(ctx, "authenticate", outcome, cadfResource("service/security/account/user", ""), nil))
}

func (s *Service) emit(ctx context.Context, typ string, payload any) error {
	sender := notify.Sending(ctx)
	if sender == nil {
		sender = notify.Of(s.db)
	}
	if sender == nil || slices.Contains(s.notifications.OptOut, typ) {
		return nil
	}
	return sender.Emit(ctx, notify.Event{Service: "keystone", Type: typ, Publisher: "identity." + sender.Host, Payload: payload})
}

func cadfResource(typ, id string) map[string]any {
	if id == "" {
		id = uuid.NewString()
	}
	return map[string]any{"typeURI": typ, "id": id}
}

// cadf is an event of DMTF's Cloud Auditing Data Federation (DSP0262) as pycadf writes it.
func (s *Service) cadf(ctx context.Context, action, outcome string, target map[string]any, more map[string]any) map[string]any {
	initiator := cadfResource("service/security/account/user", "")
	if c := policy.CallerOf(ctx); c != nil && c.UserID != "" {
		initiator["id"], initiator["user_id"] = c.UserID, c.UserID
		for name, v := range map[string]string{"username": c.UserName, "project_id": c.ProjectID, "domain_id": c.DomainID, "request_id": c.RequestID} {
			if v != "" {
				initiator[name] = v
			}
		}
	}
	e := map[string]any{
		"typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event", "eventType": "activity", "id": uuid.NewString(), "eventTime": s.clock.Now().UTC().Format("2006-01-02T15:04:05.000000+0000"), "action": action,
		"outcome": outcome, "initiator": initiator, "target": target, "observer": cadfResource("service/security", ""),
	}
	for name, v := range more {
		e[name] = v
	}
	return e
}
