package nova

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/placement"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// attachTimeout is how long an attachment, which the API answers when it is done, may take.
const attachTimeout = 2 * time.Minute

// Interfaces returns the ports of a server.
func (s *Service) Interfaces(ctx context.Context, serverID string) ([]neutron.Port, error) {
	ports, err := s.Network.PortsOf(ctx, []string{serverID})
	return ports[serverID], err
}

// attachable are the states in which a server's interfaces may come and go.
var attachable = []string{Active, Paused, Stopped}

// AttachInterface gives a server a new interface and returns when it is plugged.
func (s *Service) AttachInterface(ctx context.Context, c *policy.Caller, id string, req neutron.NICRequest) (*neutron.Port, error) {
	srv, err := s.ServerFor(ctx, c, id)
	if err != nil {
		return nil, err
	}
	for _, refused := range []error{Unlocked(c, srv), Allowed(srv, "attach_interface", attachable...)} { // before the network is asked
		if refused != nil {
			return nil, refused
		}
	}
	plan, err := s.Network.PlanPorts(ctx, c, []neutron.NICRequest{req})
	if err != nil {
		return nil, notAttached(err)
	}
	if len(plan) != 1 {
		return nil, rest.BadRequest("No specific network was requested and none are available for project '%s'.", c.ProjectID)
	}
	have, err := s.Interfaces(ctx, id)
	if err != nil {
		return nil, err
	}
	before := map[string]bool{}
	for _, p := range have {
		before[p.ID] = true
	}
	if err := s.roomForPort(ctx, srv, plan[0]); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	var operation string
	err = s.afterOthers(ctx, func() (err error) {
		operation, err = s.startAttach(ctx, c, id, plan)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.Operations.Wait(ctx, operation); err != nil {
		return nil, rest.Fail(500, "Failed to attach network adapter device to %s", id).Because(err)
	}
	ports, err := s.Interfaces(ctx, id)
	if err != nil {
		return nil, err
	}
	for i := range ports {
		if ports[i].ID == plan[0].PortID || plan[0].PortID == "" && !before[ports[i].ID] {
			return &ports[i], nil
		}
	}
	return nil, rest.NotFound("Port id %s could not be found.", plan[0].PortID)
}

// notAttached is how an attachment is refused for what a creation is refused for: some of it with another status (nova/api/openstack/compute/
// attach_interfaces.py).
func notAttached(err error) error {
	var refused *rest.Error
	if !errors.As(err, &refused) {
		return err
	}
	for _, other := range []struct {
		begins, ends string
		status       int
	}{
		{"Port id ", " could not be found.", http.StatusNotFound},
		{"Network ", " could not be found.", http.StatusNotFound},
		{"Multiple possible networks found", "", http.StatusBadRequest},
		{"Fixed IP address ", "", http.StatusConflict},
	} {
		if strings.HasPrefix(refused.Message, other.begins) && strings.HasSuffix(refused.Message, other.ends) {
			return rest.Fail(other.status, "%s", refused.Message).Because(err)
		}
	}
	return err
}

// roomForPort refuses an interface whose port asks for what the server's host has not, and a network whose ports would ask: they would be made
// too late.
func (s *Service) roomForPort(ctx context.Context, srv *Server, nic neutron.NICPlan) error {
	if nic.Request == nil {
		return nil
	}
	if nic.PortID == "" {
		return rest.BadRequest("Using networks with QoS policy is not supported for instance %s. (Network ID is %s)", srv.ID, nic.NetworkID)
	}
	if srv.Host == "" { // what state it must have is asked later
		return nil
	}
	_, err := s.PortAllocation(ctx, srv, *nic.Request)
	if errors.Is(err, placement.ErrCapacity) {
		return rest.BadRequest("Failed to allocate additional resources to attach interface to instance %s", srv.ID)
	}
	return err
}

// StartAttach starts to give a server a new interface as planned, and does not wait.
func (s *Service) StartAttach(ctx context.Context, c *policy.Caller, id string, plan neutron.NICPlan) error {
	_, err := s.startAttach(ctx, c, id, []neutron.NICPlan{plan})
	return err
}

func (s *Service) startAttach(ctx context.Context, c *policy.Caller, id string, plan []neutron.NICPlan) (operation string, err error) {
	err = s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "attach_interface", attachable...); err != nil {
			return err
		}
		if srv.OperationID != nil {
			return otherInterface(srv)
		}
		err := s.beginOn(ctx, tx, c, srv, work{action: "attach_interface", kind: KindAttach, state: AttachState{ServerID: id, Plan: plan}})
		operation = deref(srv.OperationID)
		return err
	})
	return operation, err
}

// busyWith is an interface that comes or goes.
type busyWith struct{ operation string }

func (b busyWith) Error() string { return "operation " + b.operation + " goes on" }

func otherInterface(srv *Server) error {
	return rest.Conflict("Another interface is being attached to or detached from instance %s.", srv.ID).Because(busyWith{deref(srv.OperationID)})
}

// afterOthers starts what has to wait until another interface has come or gone: upstream's host does one after the other, so nobody is refused for
// coming second.
func (s *Service) afterOthers(ctx context.Context, start func() error) error {
	for {
		err := start()
		var busy busyWith
		if !errors.As(err, &busy) {
			return err
		}
		if _ = s.Operations.Wait(ctx, busy.operation); ctx.Err() != nil { // how the other one ended is not asked
			return err
		}
	}
}

// DetachInterface starts to take an interface from a server.
func (s *Service) DetachInterface(ctx context.Context, c *policy.Caller, id, portID string) error {
	ports, err := s.Interfaces(ctx, id)
	if err != nil {
		return err
	}
	found := false
	for _, p := range ports {
		found = found || p.ID == portID
	}
	start := func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "detach_interface", attachable...); err != nil {
			return err
		}
		if !found {
			return rest.NotFound("Port id %s could not be found.", portID)
		}
		if srv.OperationID != nil {
			return otherInterface(srv)
		}
		return s.beginOn(ctx, tx, c, srv, work{action: "detach_interface", kind: KindDetach, state: DetachState{ServerID: id, PortID: portID}})
	}
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	return s.afterOthers(ctx, func() error { return s.change(ctx, c, id, start) })
}
