package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/notify"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// resource is everything the engine needs to serve one kind of resource. Views are attributes by name as they are shown,
// and with names that hold a colon and are in no table ("network:project_id") what only policies ask for.
type resource struct {
	*attr.Table
	Path string // of the collection
	// List returns the views of a page, as the caller may see them.
	List func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error)
	// Create makes one; within one transaction for a whole bulk.
	Create func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error)
	Update func(ctx context.Context, c *policy.Caller, id string, v attr.Values) (attr.Values, error) // nil: cannot
	Delete func(ctx context.Context, c *policy.Caller, id string) error
	// Absent is the answer to an id that is not there (for the caller).
	Absent func(id string) error
	// Parent adds to the target of a creation what its policies ask for; it may fail for a parent that is not there.
	Parent func(ctx context.Context, c *policy.Caller, v attr.Values) (policy.Target, error)
	// Filters are the filters that are no columns.
	Filters map[string]func(values []string) (db.Cond, error)
	// NoBulk: a list cannot be created at once.
	NoBulk bool
	// Actions are the PUTs below one resource.
	Actions []memberAction
	// Under is the path of the collection whose members this is below ("qos/policies"), UnderColumn the column with the member's id, and
	// Owner says whose that is. UpdateIn, DeleteIn and AbsentIn replace Update, Delete and Absent; their parent is "" outside of one.
	Under, UnderColumn string
	Owner              func(r *rest.Request) (policy.Target, error)
	UpdateIn           func(ctx context.Context, c *policy.Caller, parent, id string, v attr.Values) (attr.Values, error)
	DeleteIn           func(ctx context.Context, parent, id string) error
	AbsentIn           func(parent, id string) error
	// PolicyName replaces the resource's name in those of its policies.
	PolicyName string
	// Unowned: it has no project of its own.
	Unowned bool
	// OwnOnly: who may not change it is told that it is not there even if it is shared with him, for upstream asks get_<resource> about what its
	// API definition requires by policy, and for this one that is not "shared".
	OwnOnly bool
	// AskedOf prepares a list that an administrator narrows to a project.
	AskedOf func(ctx context.Context, project string) error
	// Single: there is no collection, only members.
	Single bool
}

// loaded is what a route's Target found out for its handler.
type loaded struct {
	view  attr.Values // the resource as it is; nil for a creation
	get   string      // the policy of seeing it
	own   bool        // resource.OwnOnly
	items []item      // what is to be created; one with the changes for an update
	bulk  bool
}

type item struct {
	values attr.Values
	named  []string
	target policy.Target
}

func (a *api) routes(res *resource) (routes []rest.Route) {
	one := res.policyName()
	for _, base := range spellings(res.Path) {
		for _, path := range []string{res.root(base), res.root(base) + ".json"} {
			if res.Single {
				break
			}
			routes = append(routes,
				rest.Route{Method: "GET", Path: path, Policy: rest.Authenticated, Handle: func(r *rest.Request) (any, error) { return a.list(r, res) }},
				rest.Route{
					Method: "POST", Path: path, Policy: "create_" + one, Body: anything, Status: http.StatusCreated,
					Target: func(r *rest.Request) (policy.Target, error) { return a.beforeCreate(r, res) },
					Handle: func(r *rest.Request) (any, error) { return a.create(r, res) },
				})
		}
		path := res.root(base) + "/{id}"
		target := func(r *rest.Request) (policy.Target, error) { return a.find(r, res) }
		routes = append(routes,
			rest.Route{Method: "GET", Path: path, Policy: "get_" + one, Target: target, Handle: func(r *rest.Request) (any, error) { return a.show(r, res) }},
			rest.Route{
				Method: "DELETE", Path: path, Policy: "delete_" + one, Target: target, Status: http.StatusNoContent,
				Handle: func(r *rest.Request) (any, error) { return a.remove(r, res) },
			})
		if res.Update != nil || res.UpdateIn != nil {
			routes = append(routes, rest.Route{
				Method: "PUT", Path: path, Policy: "update_" + one, Body: anything,
				Target: func(r *rest.Request) (policy.Target, error) { return a.beforeUpdate(r, res) },
				Handle: func(r *rest.Request) (any, error) { return a.update(r, res) },
			})
		}
	}
	return append(routes, a.actionRoutes(res)...)
}

// anything leaves the body to the tables of attributes, whose sentences are Neutron's.
var anything = rest.JSON(`true`)

// find loads the resource of the path as its view.
func (a *api) find(r *rest.Request, res *resource) (policy.Target, error) {
	if res.Under != "" {
		if _, err := res.Owner(r); err != nil {
			return nil, err
		}
	}
	views, err := res.List(r.Context(), r.Caller, res.within(r, db.Query{Where: []db.Cond{db.Where("t.id = ?", id(r))}}))
	if err != nil {
		return nil, err
	}
	if len(views) == 0 {
		return nil, res.absent(r)
	}
	r.Loaded = &loaded{view: views[0], get: "get_" + res.policyName(), own: res.OwnOnly}
	return policy.Target(views[0]), ifMatch(r, views[0])
}

// ifMatch refuses a change that was meant for another revision (extension revision-if-match).
func ifMatch(r *rest.Request, view attr.Values) error {
	want, ok := strings.CutPrefix(r.HTTP.Header.Get("If-Match"), "revision_number=")
	if !ok || r.HTTP.Method == http.MethodGet {
		return nil
	}
	if have := strconv.FormatInt(view.Int("revision_number"), 10); have != want {
		return rest.Fail(http.StatusPreconditionFailed, "Constrained to %s, but current revision is %s", want, have).
			WithType("RevisionNumberConstraintFailed")
	}
	return nil
}

// onRevision makes the transaction of a change look again, so that of two changes meant for one revision one is refused.
func onRevision(r *rest.Request) context.Context {
	want, ok := strings.CutPrefix(r.HTTP.Header.Get("If-Match"), "revision_number=")
	if n, err := strconv.ParseInt(want, 10, 64); ok && err == nil {
		return neutron.OnRevision(r.Context(), id(r), n)
	}
	return r.Context()
}

func (a *api) show(r *rest.Request, res *resource) (any, error) {
	l := r.Loaded.(*loaded) //nolint:forcetypeassert // find has set it
	return map[string]any{res.Resource: a.shape(r, res, l.view)}, nil
}

// beforeCreate reads the body; the target of the first item is the route's.
func (a *api) beforeCreate(r *rest.Request, res *resource) (policy.Target, error) {
	raw, bulk, err := res.Items(r.Body, !res.NoBulk)
	if err != nil {
		return nil, err
	}
	var owner policy.Target
	if res.Under != "" {
		if owner, err = res.Owner(r); err != nil {
			// Who could not even if the parent were his is told that, not whether it is there.
			mine := policy.Target{"ext_parent:project_id": r.Caller.ProjectID, "ext_parent:tenant_id": r.Caller.ProjectID}
			if denied := r.Enforce("create_"+res.policyName(), mine); denied != nil {
				err = denied
			}
			return nil, err
		}
	}
	l := &loaded{bulk: bulk}
	for _, body := range raw {
		if res.Unowned {
			delete(body, "project_id") // clients name it out of habit; it is the parent's
			delete(body, "tenant_id")
		} else if err := ownProject(r.Caller, body); err != nil {
			return nil, err
		}
		v, named, err := res.ForCreate(body)
		if err != nil {
			return nil, err
		}
		target := policy.Target{}
		for k, x := range v {
			target[k] = x
		}
		target["tenant_id"] = v["project_id"]
		for k, x := range owner {
			target[k] = x
		}
		if res.Under != "" {
			v[parentID] = r.Path("parent")
		}
		if res.Parent != nil {
			more, err := res.Parent(r.Context(), r.Caller, v)
			if err != nil {
				return nil, err
			}
			for k, x := range more {
				target[k] = x
			}
		}
		l.items = append(l.items, item{v, named, target})
	}
	r.Loaded = l
	return l.items[0].target, nil
}

// ownProject settles project_id and its old name tenant_id of a new resource (neutron-lib's populate_project_id).
func ownProject(c *policy.Caller, body map[string]any) error {
	project, given := body["project_id"]
	if tenant, ok := body["tenant_id"]; ok {
		if given && tenant != project {
			return attr.Bad("'project_id' and 'tenant_id' do not match")
		}
		project, given = tenant, true
		delete(body, "tenant_id")
	}
	if !given {
		project = c.ProjectID
	}
	if project != c.ProjectID && !c.IsAdmin() {
		return attr.Bad("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges")
	}
	body["project_id"] = project
	return nil
}

func (a *api) create(r *rest.Request, res *resource) (any, error) {
	l := r.Loaded.(*loaded) //nolint:forcetypeassert // beforeCreate has set it
	for i, it := range l.items {
		if i > 0 {
			if err := r.Enforce("create_"+res.policyName(), it.target); err != nil {
				return nil, err
			}
		}
		if err := a.guard(r, res, "create_", it); err != nil {
			return nil, err
		}
	}
	ctx := neutron.Track(r.Context())
	views := make([]attr.Values, len(l.items))
	err := a.n.Write(ctx, func(ctx context.Context) error {
		for i, it := range l.items {
			var err error
			if views[i], err = res.Create(ctx, r.Caller, it.values); err != nil {
				return err
			}
		}
		if s := notify.Sending(ctx); s != nil {
			return s.Emit(ctx, startEnd(s, res.Resource+".create", wanted(r, nil), a.created(r, res, l, views))...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.n.Await(ctx)
	return a.created(r, res, l, views), nil
}

// created is the answer to a creation.
func (a *api) created(r *rest.Request, res *resource, l *loaded, views []attr.Values) map[string]any {
	if !l.bulk {
		return map[string]any{res.Resource: a.shape(r, res, views[0])}
	}
	shown := make([]any, len(views))
	for i, v := range views {
		shown[i] = a.shape(r, res, v)
	}
	return map[string]any{res.Collection: shown}
}

func (a *api) beforeUpdate(r *rest.Request, res *resource) (policy.Target, error) {
	raw, _, err := res.Items(r.Body, false)
	if err != nil {
		return nil, err
	}
	v, named, err := res.ForUpdate(raw[0])
	if err != nil {
		return nil, err
	}
	if _, err := a.find(r, res); err != nil {
		return nil, err
	}
	l := r.Loaded.(*loaded) //nolint:forcetypeassert // find has set it
	target := policy.Target{}
	for k, x := range l.view {
		target[k] = x
	}
	for k, x := range v {
		target[k] = x
	}
	l.items = []item{{v, named, target}}
	return target, nil
}

func (a *api) update(r *rest.Request, res *resource) (any, error) {
	l := r.Loaded.(*loaded) //nolint:forcetypeassert // beforeUpdate has set it
	if err := a.guard(r, res, "update_", l.items[0]); err != nil {
		return nil, err
	}
	ctx := neutron.Track(onRevision(r))
	var view attr.Values
	err := a.told(ctx, func(ctx context.Context) (err error) {
		view, err = res.change(ctx, r, l.items[0].values)
		return err
	}, func(s *notify.Sender) []notify.Event {
		return startEnd(s, res.Resource+".update", wanted(r, map[string]any{"id": id(r)}), map[string]any{res.Resource: a.shape(r, res, view)})
	})
	if err != nil {
		return nil, err
	}
	a.n.Await(ctx)
	return map[string]any{res.Resource: a.shape(r, res, view)}, nil
}

func (a *api) remove(r *rest.Request, res *resource) (any, error) {
	ctx := neutron.Track(r.Context())
	err := a.told(ctx, func(ctx context.Context) error { return a.dropRevision(ctx, r, res) }, func(s *notify.Sender) []notify.Event {
		gone := map[string]any{res.Resource + "_id": id(r)}
		return startEnd(s, res.Resource+".delete", gone, map[string]any{
			res.Resource + "_id": id(r), res.Resource: a.shape(r, res, r.Loaded.(*loaded).view), //nolint:forcetypeassert // find has set it
		})
	})
	if err != nil {
		return nil, err
	}
	a.n.Await(ctx)
	return nil, nil
}

// dropRevision deletes a resource. With If-Match the transaction of the deletion looks at its revision again.
func (a *api) dropRevision(ctx context.Context, r *rest.Request, res *resource) error {
	if r.HTTP.Header.Get("If-Match") == "" {
		return res.drop(ctx, r)
	}
	return a.n.Write(ctx, func(ctx context.Context) error {
		views, err := res.List(ctx, r.Caller, res.within(r, db.Query{Where: []db.Cond{db.Where("t.id = ?", id(r))}}))
		if err != nil {
			return err
		}
		if len(views) == 0 {
			return res.absent(r)
		}
		if err := ifMatch(r, views[0]); err != nil {
			return err
		}
		return res.drop(ctx, r)
	})
}

// guard asks the policies of single attributes that the user named. In a creation the default value needs no right
// (neutron.policy _is_attribute_explicitly_set).
func (a *api) guard(r *rest.Request, res *resource, verb string, it item) error {
	for _, name := range it.named {
		at := res.Get(name)
		v := it.values[name]
		if verb == "create_" && isDefault(at, v) {
			continue
		}
		if rule := verb + res.policyName() + ":" + name; declared[rule] && !at.Free {
			if err := r.Enforce(rule, it.target); err != nil {
				return err
			}
		}
		for _, sub := range at.Sub {
			rule := verb + res.policyName() + ":" + name + ":" + sub
			if declared[rule] && mentions(v, sub) {
				if err := r.Enforce(rule, it.target); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func isDefault(at *attr.Attribute, v any) bool {
	switch v := v.(type) {
	case nil, bool, string, int64:
		return at.Default != nil && (at.Default == v || at.Default == attr.Null && v == nil)
	}
	return false
}

// mentions tells whether a (list of) sub-document(s) has a member.
func mentions(v any, sub string) bool {
	switch v := v.(type) {
	case attr.Values:
		return v.Has(sub)
	case []attr.Values:
		for _, d := range v {
			if d.Has(sub) {
				return true
			}
		}
	}
	return false
}

// declared holds the names of policies.
var declared = func() map[string]bool {
	m := map[string]bool{}
	for _, p := range Policies {
		m[p.Name] = true
	}
	return m
}()

// shape makes the answer of a view: the visible attributes that the caller may see and asked for.
func (a *api) shape(r *rest.Request, res *resource, view attr.Values) map[string]any {
	fields := r.QueryValues()["fields"]
	out := make(map[string]any, len(view))
	for i := range res.Attributes {
		at := &res.Attributes[i]
		v, ok := view[at.Name]
		if !ok || at.Hidden || len(fields) > 0 && !asked(fields, at.Name) {
			continue
		}
		if rule := "get_" + res.policyName() + ":" + at.Name; declared[rule] && !r.Can(rule, policy.Target(view)) {
			continue
		}
		out[at.Name] = v
	}
	return out
}

func asked(fields []string, name string) bool {
	for _, f := range fields {
		if f == name {
			return true
		}
	}
	return false
}

// refusedScope returns the error of a token whose scope a policy does not accept, nil otherwise.
func refusedScope(r *rest.Request, rule string) error {
	err := r.Enforce(rule, nil)
	var d *policy.Denied
	if errors.As(err, &d) && d.Scope {
		return err
	}
	return nil
}
