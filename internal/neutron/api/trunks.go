package api

import (
	"context"
	"fmt"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

var subPorts = distinct(attr.ListOf(attr.Doc(
	attr.Member{Name: "port_id", Required: true, Check: attr.UUID},
	attr.Member{Name: "segmentation_type", Check: attr.String(36)},
	attr.Member{Name: "segmentation_id", Check: attr.Integer(-1<<31, 1<<31-1)},
)))

// distinct refuses a port or a segment that is named twice (neutron-lib's validate_subports).
func distinct(check attr.Check) attr.Check {
	return func(v any) (any, string) {
		if _, ok := v.([]any); !ok && v != nil {
			return nil, "Invalid data format for subports: '" + attr.Show(v) + "' is not a list"
		}
		list, reason := check(v)
		if reason != "" {
			return nil, reason
		}
		ports, segments := map[string]bool{}, map[string]bool{}
		for _, x := range list.([]attr.Values) { //nolint:forcetypeassert // ListOf gives nothing else
			if id := x.String("port_id"); ports[id] {
				return nil, fmt.Sprintf("port ID '%s' already in use", id)
			}
			ports[x.String("port_id")] = true
			segment := fmt.Sprintf("%s %d", x.String("segmentation_type"), x.Int("segmentation_id"))
			if x.Has("segmentation_id") && segments[segment] {
				return nil, fmt.Sprintf("segmentation type '%s' and ID '%d' already in use", x.String("segmentation_type"), x.Int("segmentation_id"))
			}
			segments[segment] = true
		}
		return list, ""
	}
}

// trunks are parent ports with the ports inside their VLANs.
func (a *api) trunks() *resource {
	return &resource{
		Table: attr.NewTable("trunk", "trunks", standard(), named(), []attr.Attribute{
			{Name: "admin_state_up", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.admin_state_up", Kind: attr.Bool},
			{Name: "port_id", Post: true, Required: true, Check: attr.UUID, Column: "t.port_id"},
			{Name: "status", Column: "(SELECT " + db.TrunkStatus + " FROM neutron_ports p WHERE p.id = t.port_id)"},
			{Name: "sub_ports", Post: true, Default: []attr.Values{}, Check: subPorts},
		}),
		Path: "trunks",
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.Trunks(ctx, c, q)
			return viewed(rows, err, trunkView)
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			t, err := a.n.CreateTrunk(ctx, c, v)
			return one(t, err, trunkView)
		},
		Update: func(ctx context.Context, _ *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			t, err := a.n.UpdateTrunk(ctx, id, v)
			return one(t, err, trunkView)
		},
		Delete: func(ctx context.Context, _ *policy.Caller, id string) error { return a.n.DeleteTrunk(ctx, id) },
		Absent: neutron.TrunkNotFound,
	}
}

func trunkView(t *db.Trunk) attr.Values {
	v := base(&t.Standard)
	v["name"], v["admin_state_up"], v["port_id"], v["status"] = t.Name, t.AdminStateUp, t.PortID, t.PortStatus
	v["sub_ports"] = subPortViews(t.SubPorts, false)
	return v
}

func subPortViews(list []db.SubPort, mac bool) []map[string]any {
	out := make([]map[string]any, len(list))
	for i, s := range list {
		out[i] = map[string]any{"port_id": s.PortID, "segmentation_type": s.SegmentationType, "segmentation_id": s.SegmentationID}
		if mac {
			out[i]["mac_address"] = s.MACAddress
		}
	}
	return out
}

// trunkActions list, add and remove subports. Their answers have no envelope.
func (a *api) trunkActions(res *resource) []rest.Route {
	target := func(r *rest.Request) (policy.Target, error) { return a.find(r, res) }
	list := rest.Route{
		Method: "GET", Path: "/v2.0/trunks/{id}/get_subports", Policy: "get_subports", Target: target,
		Handle: func(r *rest.Request) (any, error) {
			return map[string]any{"sub_ports": r.Loaded.(*loaded).view["sub_ports"]}, nil //nolint:forcetypeassert // find has set it
		},
	}
	change := func(name string, do func(ctx context.Context, c *policy.Caller, id string, list []attr.Values) (*db.Trunk, error)) rest.Route {
		return rest.Route{
			Method: "PUT", Path: "/v2.0/trunks/{id}/" + name, Policy: name, Body: anything, Target: target,
			Handle: func(r *rest.Request) (any, error) {
				doc, _ := r.Body.(map[string]any)
				if len(doc) != 1 || doc["sub_ports"] == nil {
					return nil, rest.BadRequest("Invalid input for operation: Invalid data format for subports: '%s' is not a list.", attr.Show(doc["sub_ports"])).WithType("InvalidInput")
				}
				list, reason := subPorts(doc["sub_ports"])
				if reason != "" {
					return nil, rest.BadRequest("Invalid input for operation: %s.", reason).WithType("InvalidInput")
				}
				ctx := neutron.Track(r.Context())
				t, err := do(ctx, r.Caller, id(r), list.([]attr.Values)) //nolint:forcetypeassert // ListOf gives nothing else
				if err != nil {
					return nil, err
				}
				a.n.Await(ctx)
				return a.shape(r, res, trunkView(t)), nil
			},
		}
	}
	return []rest.Route{list, change("add_subports", a.n.AddSubPorts), change("remove_subports",
		func(ctx context.Context, _ *policy.Caller, id string, list []attr.Values) (*db.Trunk, error) {
			return a.n.RemoveSubPorts(ctx, id, list)
		})}
}
