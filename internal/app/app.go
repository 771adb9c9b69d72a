// Package app puts the house together: components by name, what each needs, roles as sets of them.
//
// A component is built (its services made, its routes and sagas registered), started after what it needs, and stopped before it. The package
// owns no rule of any service; it is the only one that imports all of them.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
	"gostack/internal/clock"
	"gostack/internal/config"
	"gostack/internal/hostlink"
	"gostack/internal/hosts"
	"gostack/internal/hosts/member"
	"gostack/internal/notify"
	"gostack/internal/replica"
	"gostack/internal/rest"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// Component is a part of the cloud that runs by itself, under OpenStack's name of the process.
type Component struct {
	Name string
	What string // one line for `gostack run --help`
	// Needs are components that are built and started before, when they run in this process. With Control, all of Needs must.
	Needs []string
	// Control says that it works on the database: it runs where the control side is.
	Control bool
	// Migrations are the tables it brings.
	Migrations []store.Migrations
	// Build makes the component in the house. It starts nothing.
	Build func(ctx context.Context, h *House) (Unit, error)
}

// Unit is a built component. Any of its functions may be nil.
type Unit struct {
	Start func(ctx context.Context) error
	Stop  func(ctx context.Context) error
	// Ready is nil when it does its work, or says what is missing.
	Ready func(ctx context.Context) error
}

// House is what the components of a process share.
type House struct {
	Config *config.Config
	Log    *slog.Logger
	Clock  clock.Clock
	Bus    bus.Bus
	Link   *hostlink.Link // streams; handlers are added when components are built
	DB     *store.DB      // nil on a host without control components
	Saga   *saga.Engine   // likewise
	Hosts  *hosts.Service // likewise
	Member *member.Member // this host's certificate; nil on the control side and in a cloud of one process
	// BusAdmin gives hosts users on the broker; nil without bus_admin.
	BusAdmin *amqp.Admin
	// Replicas are the control processes of the cloud; work for one of them at a time is led. Nil like DB.
	Replicas *replica.Group
	// Notify sends notifications; nil like DB.
	Notify *notify.Sender

	// Authenticator is keystone's.
	Authenticator rest.Authenticator
	// Services answer on the listener; Auditors compare the database with the world.
	Services []*rest.Service
	Auditors []Auditor
	// Purgers remove what a component made outside the database, for `gostack down --purge`.
	Purgers []func(ctx context.Context) error
	// Root answers what no service does: version lists of services at their own paths are services; this is for pages.
	Root map[string]Page
	// RootSocket answers WebSockets at the root; nil: there are none.
	RootSocket http.Handler

	Neighbours

	Server *rest.Server
	Listen *rest.Listener

	mu      sync.Mutex
	started []built
	waiting *ComponentStatus // what the start waits for
	founded bool             // the foundations are there: before, who asks for the status leaves them alone
	begin   time.Time

	stopMembership   func() // nil unless this process is a member that is not control
	stopProvisioning func() // nil unless the broker is still to be set up

	stopNotifications func() // nil unless they run
}

type built struct {
	*Component
	Unit
	state string
}

// New makes a house without components.
func New(cfg *config.Config, log *slog.Logger) *House {
	return &House{Config: cfg, Log: log, Clock: clock.System, Root: map[string]Page{}}
}

// Serve adds services to the listener.
func (h *House) Serve(services ...*rest.Service) { h.Services = append(h.Services, services...) }

// Start builds and starts the components of a role list in order. On an error, what was started is stopped again.
func (h *House) Start(ctx context.Context, names ...string) (err error) {
	h.begin = time.Now()
	list, err := Resolve(names...)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			err = errors.Join(err, h.Stop(stopCtx))
		}
	}()
	if err := h.foundations(ctx, list); err != nil {
		return err
	}
	h.mu.Lock()
	h.founded = true
	h.mu.Unlock()
	for _, c := range list {
		u, err := c.Build(ctx, h)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		h.mu.Lock()
		h.started = append(h.started, built{c, u, "built"})
		h.mu.Unlock()
	}
	if h.Saga != nil {
		if err := h.patiently(ctx, h.Replicas.Start); err != nil {
			return err
		}
		if err := h.patiently(ctx, h.Saga.Run); err != nil {
			return err
		}
		h.runNotifications()
	}
	if err := h.Link.Start(ctx); err != nil {
		return err
	}
	h.keepMembership()
	for i := range h.started {
		if f := h.started[i].Unit.Start; f != nil {
			if err := h.patiently(ctx, f); err != nil {
				return fmt.Errorf("%s: %w", h.started[i].Name, err)
			}
		}
		h.setState(i, "started")
	}
	if err := h.listen(ctx); err != nil {
		return err
	}
	h.Log.Info("started", "components", len(list), "ms", time.Since(h.begin).Milliseconds())
	return nil
}

func (h *House) setState(i int, state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started[i].state = state
}

// foundations opens what components stand on.
func (h *House) foundations(ctx context.Context, list []*Component) error {
	host := slices.Contains(list, find("nova-compute"))
	control := slices.ContainsFunc(list, func(c *Component) bool { return c.Control })
	if err := h.openBus(ctx, control); err != nil {
		return err
	}
	if !control {
		return h.openHostLink()
	}
	if err := h.openDatabase(ctx); err != nil {
		return err
	}
	h.Notify = h.newNotifications()
	return h.openControlLink(host)
}

// Stop ends the listener, then the components in reverse order, then the foundations.
func (h *House) Stop(ctx context.Context) error {
	var errs []error
	if h.Listen != nil {
		errs = append(errs, h.Listen.Stop(ctx))
	}
	if h.Saga != nil {
		errs = append(errs, h.Saga.Stop(ctx))
	}
	for i := len(h.started) - 1; i >= 0; i-- {
		if f := h.started[i].Unit.Stop; f != nil && h.started[i].state == "started" {
			if err := f(ctx); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", h.started[i].Name, err))
			}
		}
		h.setState(i, "stopped")
	}
	if h.stopMembership != nil {
		h.stopMembership()
	}
	if h.Link != nil {
		h.Link.Stop()
	}
	if h.stopNotifications != nil {
		h.stopNotifications()
	}
	if h.Replicas != nil {
		errs = append(errs, h.Replicas.Stop(ctx))
	}
	errs = append(errs, h.closeBus())
	if h.DB != nil {
		errs = append(errs, h.DB.Close())
	}
	return errors.Join(errs...)
}

// Resolve turns names of roles and components into components in the order of their start.
func Resolve(names ...string) ([]*Component, error) {
	want := map[string]bool{}
	for _, n := range names {
		if set, ok := Roles[n]; ok {
			for _, c := range set {
				want[c] = true
			}
			continue
		}
		if find(n) == nil {
			return nil, fmt.Errorf("there is no role or component %q; there are %s", n, strings.Join(Names(), ", "))
		}
		want[n] = true
	}
	var list []*Component
	state := map[string]int{}
	var visit func(name string) error
	visit = func(name string) error {
		switch state[name] {
		case 1:
			return fmt.Errorf("component %s needs itself", name)
		case 2:
			return nil
		}
		state[name] = 1
		c := find(name)
		if c == nil {
			return fmt.Errorf("a component needs %q, which does not exist", name)
		}
		for _, n := range c.Needs {
			// A control component is built on its neighbours' code, wherever requests come in; an agent talks over the bus.
			if c.Control || want[n] {
				if err := visit(n); err != nil {
					return err
				}
			}
		}
		state[name] = 2
		list = append(list, c)
		return nil
	}
	for i := range Components {
		if want[Components[i].Name] {
			if err := visit(Components[i].Name); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

func find(name string) *Component {
	for i := range Components {
		if Components[i].Name == name {
			return &Components[i]
		}
	}
	return nil
}

// Names lists roles and components, for help and errors.
func Names() []string {
	var names []string
	for r := range Roles {
		names = append(names, r)
	}
	sort.Strings(names)
	for i := range Components {
		names = append(names, Components[i].Name)
	}
	return names
}

// ComponentStatus is how one component is.
type ComponentStatus struct {
	Name  string `json:"name"`
	State string `json:"state"` // built, started, ready, degraded, stopped; waiting for what is needed to start
	Why   string `json:"why,omitempty"`
}

// Status asks every component whether it does its work.
func (h *House) Status(ctx context.Context) []ComponentStatus {
	h.mu.Lock()
	list, waiting, founded := slices.Clone(h.started), h.waiting, h.founded
	h.mu.Unlock()
	out := make([]ComponentStatus, len(list))
	if waiting != nil {
		return append(out, *waiting)
	}
	if !founded {
		return out
	}
	for i, b := range list {
		out[i] = ComponentStatus{Name: b.Name, State: b.state}
		if b.state != "started" {
			continue
		}
		out[i].State = "ready"
		if b.Ready != nil {
			if err := b.Ready(ctx); err != nil {
				out[i].State, out[i].Why = "degraded", err.Error()
			}
		}
	}
	if h.DB != nil {
		out = append(out, h.databaseStatus(ctx))
	}
	return append(append(out, h.busStatus()...), h.memberStatus()...)
}
