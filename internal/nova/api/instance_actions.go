package api

import (
	"time"

	"gostack/internal/nova"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const actionsPolicy = "os_compute_api:os-instance-actions:"

func (a *api) instanceActionRoutes() []rest.Route {
	var routes []rest.Route
	for _, w := range []struct {
		from, to rest.Version
		query    *rest.Schema
	}{
		{rest.V(2, 1), rest.V(2, 57), nil},
		{rest.V(2, 58), rest.V(2, 65), querySchema(true, "limit", "marker", "changes-since")},
		{rest.V(2, 66), rest.Version{}, querySchema(true, "limit", "marker", "changes-since", "changes-before")},
	} {
		routes = append(routes, rest.Route{
			Method: "GET", Path: "/servers/{server_id}/os-instance-actions", Policy: actionsPolicy + "list", Target: a.serverEvenDeleted, Min: w.from, Max: w.to, Query: w.query, Handle: a.listActions,
		})
	}
	return append(routes, rest.Route{Method: "GET", Path: "/servers/{server_id}/os-instance-actions/{request_id}", Policy: actionsPolicy + "show", Target: a.serverEvenDeleted, Handle: a.showAction})
}

// serverEvenDeleted is server, and from 2.21 on also finds servers that are gone.
func (a *api) serverEvenDeleted(r *rest.Request) (policy.Target, error) {
	t, err := a.server(r)
	if !rest.IsNotFound(err) || !r.Version.AtLeast(2, 21) {
		return t, err
	}
	s, err := a.nova.DeletedServerFor(r.Context(), r.Caller, r.Path("server_id"))
	if err != nil {
		return nil, err
	}
	r.Loaded = s
	return serverTarget(s), nil
}

func actionView(r *rest.Request, x *nova.Action) object {
	v := object{
		"action": x.Action, "instance_uuid": x.ServerID, "request_id": x.RequestID, "user_id": x.UserID, "project_id": x.ProjectID, "start_time": plainTime(&x.StartedAt), "message": x.Message,
	}
	if r.Version.AtLeast(2, 58) {
		v["updated_at"] = plainTime(&x.UpdatedAt)
	}
	return v
}

func (a *api) listActions(r *rest.Request) (any, error) {
	f := nova.ActionFilter{ServerID: loaded(r).ID}
	limit := 0
	if r.Version.AtLeast(2, 58) {
		var err error
		if limit, f.Marker, err = page(r); err != nil {
			return nil, err
		}
		f.Limit = limit + 1
		for name, to := range map[string]**time.Time{"changes-since": &f.ChangedSince, "changes-before": &f.ChangedBefore} {
			if s := r.Query(name); s != "" {
				t, err := rest.ParseTime(s)
				if err != nil {
					return nil, rest.BadRequest("Invalid input for query parameters %s. Value: %s. '%s' is not a 'date-time'", name, s, s)
				}
				*to = &t
			}
		}
		if f.ChangedSince != nil && f.ChangedBefore != nil && f.ChangedBefore.Before(*f.ChangedSince) {
			return nil, rest.BadRequest("The value of changes-since must be less than or equal to changes-before.")
		}
	}
	rows, err := a.nova.Actions(r.Context(), f)
	if err != nil {
		return nil, err
	}
	out := object{}
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
		out["links"] = nextLinks(r, true, rows[limit-1].RequestID)
	}
	views := make([]object, len(rows))
	for i, x := range rows {
		views[i] = actionView(r, x)
	}
	out["instanceActions"] = views
	return out, nil
}

func (a *api) showAction(r *rest.Request) (any, error) {
	s := loaded(r)
	x, events, err := a.nova.ActionOf(r.Context(), s.ID, r.Path("request_id"))
	if err != nil {
		return nil, err
	}
	v := actionView(r, x)
	full := r.Can(actionsPolicy+"events", serverTarget(s))
	if full || r.Version.AtLeast(2, 51) {
		details := r.Can(actionsPolicy+"events:details", serverTarget(s))
		views := make([]object, len(events))
		for i, e := range events {
			views[i] = a.eventView(r, s, e, full, details)
		}
		v["events"] = views
	}
	return object{"instanceAction": v}, nil
}

func (a *api) eventView(r *rest.Request, s *nova.Server, e *nova.ActionEvent, full, details bool) object {
	v := object{"event": e.Event, "start_time": plainTime(&e.StartedAt), "finish_time": plainTime(e.FinishedAt), "result": e.Result}
	if full {
		v["traceback"] = e.Traceback
	}
	if r.Version.AtLeast(2, 62) {
		v["hostId"] = nova.HostID(s.ProjectID, e.Host)
		if full {
			v["host"] = e.Host
		}
	}
	if r.Version.AtLeast(2, 84) && details {
		v["details"] = e.Details
	}
	return v
}
