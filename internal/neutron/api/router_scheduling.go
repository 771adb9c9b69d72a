package api

import (
	"context"
	"math"
	"net/http"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/notify"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// routerSchedulingRoutes are the extension l3_agent_scheduler with l3-agent-scheduler-ha-chassis-priority: on which chassis routers' gateways are.
func (a *api) routerSchedulingRoutes(routers *resource) []rest.Route {
	const hosting = "/v2.0/agents/{id}/l3-routers"
	return []rest.Route{
		{
			Method: "GET", Path: "/v2.0/routers/{id}/l3-agents", Policy: "get_l3-agents", Target: a.target(routers),
			Handle: func(r *rest.Request) (any, error) {
				agents, err := a.n.GatewayAgents(r.Context(), id(r))
				return map[string]any{"agents": agents}, err
			},
		},
		{
			Method: "GET", Path: hosting, Policy: "get_l3-routers", Target: nobody,
			Handle: func(r *rest.Request) (any, error) {
				if err := a.n.L3Agent(r.Context(), id(r)); err != nil {
					return nil, err
				}
				ids, err := a.n.AgentRouters(r.Context(), id(r))
				if err != nil {
					return nil, err
				}
				views, err := routers.List(r.Context(), r.Caller, db.Query{Where: []db.Cond{db.In("t.id", ids)}})
				shown := make([]any, len(views))
				for i, v := range views {
					shown[i] = a.shape(r, routers, v)
				}
				return map[string]any{"routers": shown}, err
			},
		},
		{
			Method: "POST", Path: hosting, Policy: "create_l3-router", Target: nobody, Body: anything, Status: http.StatusCreated,
			Handle: func(r *rest.Request) (any, error) {
				router, err := namedID(r, "router_id")
				if err != nil {
					return nil, err
				}
				priority, err := priorityOf(r)
				if err != nil {
					return nil, err
				}
				return null, a.scheduled(r, "add", router, func(ctx context.Context) error { return a.n.ScheduleRouter(ctx, id(r), router, priority) })
			},
		},
		{
			Method: "PUT", Path: hosting + "/{router_id}", Policy: "update_l3-router", Target: nobody, Body: anything,
			Handle: func(r *rest.Request) (any, error) {
				priority, err := priorityOf(r)
				if err != nil {
					return nil, err
				}
				ctx := neutron.Track(r.Context())
				err = a.n.RescheduleRouter(ctx, id(r), r.Path("router_id"), priority)
				a.n.Await(ctx)
				return null, err
			},
		},
		{
			Method: "DELETE", Path: hosting + "/{router_id}", Policy: "delete_l3-router", Target: nobody, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				router := r.Path("router_id")
				return nil, a.scheduled(r, "remove", router, func(ctx context.Context) error { return a.n.UnscheduleRouter(ctx, id(r), router) })
			},
		},
	}
}

// null is what upstream's older controllers answer where they have nothing to say. Clients read it as JSON.
var null = rest.RawJSON("null")

// scheduled does what an operator says of a router and an agent, tells of it as upstream does, and waits for the engine.
func (a *api) scheduled(r *rest.Request, verb, router string, do func(context.Context) error) error {
	ctx := neutron.Track(r.Context())
	err := a.told(ctx, do, func(s *notify.Sender) []notify.Event {
		e := neutron.Event(s, "l3_agent.router."+verb, map[string]any{"agent": map[string]any{"id": id(r), "router_id": router}})
		e.Publisher = "router." + s.Host
		return []notify.Event{e}
	})
	a.n.Await(ctx)
	return err
}

// priorityOf is a request's ha_chassis_priority; nil if it has none. Whether it is in the range is the service's to say.
func priorityOf(r *rest.Request) (*int64, error) {
	doc, _ := r.Body.(map[string]any)
	if doc["ha_chassis_priority"] == nil {
		return nil, nil
	}
	v, reason := attr.Integer(math.MinInt64, math.MaxInt64)(doc["ha_chassis_priority"])
	if reason != "" {
		return nil, attr.Bad("Invalid input for operation: %s.", reason)
	}
	n := v.(int64) //nolint:forcetypeassert // Integer gives nothing else
	return &n, nil
}

// namedID is an id that a request names.
func namedID(r *rest.Request, name string) (string, error) {
	doc, _ := r.Body.(map[string]any)
	v, reason := attr.UUID(doc[name])
	if reason != "" {
		return "", attr.Bad("Invalid input for %s. Reason: %s.", name, reason)
	}
	return v.(string), nil //nolint:forcetypeassert // UUID gives nothing else
}

// target loads the resource that a route is about.
func (a *api) target(res *resource) func(*rest.Request) (policy.Target, error) {
	return func(r *rest.Request) (policy.Target, error) { return a.find(r, res) }
}
