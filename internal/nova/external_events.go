package nova

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// ExternalEvent is what another service says of a server.
type ExternalEvent struct {
	ServerID string
	Name     string // network-changed, power-update, …
	Tag      string // the port, the volume or the power state that it is about; "" for none
}

// aboutSomething are the events that must say with their tag what they are about.
var aboutSomething = []string{"volume-extended", "power-update", "accelerator-request-bound", "volume-reimaged"}

// ExternalEvents takes what other services say of servers, and returns a status for each: 200 accepted, 400 without what it is about, 404 no
// such server, 422 the server is on no host (nova/api/openstack/compute/server_external_events.py).
//
// An event is the reason to look, never the truth: what has changed is asked of those who know it.
func (s *Service) ExternalEvents(ctx context.Context, c *policy.Caller, events []ExternalEvent) ([]int, error) {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ServerID
	}
	servers, err := db.ListServers(ctx, s.DB.Read(ctx), ServerFilter{IDs: ids})
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*Server, len(servers))
	for _, srv := range servers {
		byID[srv.ID] = srv
	}
	codes := make([]int, len(events))
	var errs []error
	for i, e := range events {
		srv := byID[e.ServerID]
		switch {
		case srv == nil:
			codes[i] = http.StatusNotFound
		case e.Tag == "" && slices.Contains(aboutSomething, e.Name):
			codes[i] = http.StatusBadRequest
		case srv.Host == "":
			codes[i] = http.StatusUnprocessableEntity
		default:
			codes[i] = http.StatusOK
			errs = append(errs, s.externalEvent(ctx, c, srv, e))
		}
	}
	return codes, errors.Join(errs...)
}

// externalEvent acts on an event. Volumes and accelerators are of services that the cloud has not, so nothing of a server can be meant.
func (s *Service) externalEvent(ctx context.Context, c *policy.Caller, srv *Server, e ExternalEvent) error {
	switch e.Name {
	case "network-changed", "network-vif-plugged", "network-vif-unplugged":
		return s.Operations.Kick(ctx, srv.ID) // who waits for a port looks again; nothing else is remembered of the network
	case "network-vif-deleted":
		return s.vifDeleted(ctx, c, srv, e.Tag)
	case "power-update":
		return s.powerUpdate(ctx, c, srv.ID, strings.ToUpper(e.Tag))
	}
	return nil
}

// vifDeleted unplugs the NIC of a port that is no port of the server any more.
func (s *Service) vifDeleted(ctx context.Context, c *policy.Caller, srv *Server, port string) error {
	ports, err := s.Interfaces(ctx, srv.ID)
	if err != nil || port == "" {
		return err
	}
	for i := range ports {
		if ports[i].ID == port {
			return nil // the network still has it for this server
		}
	}
	return s.unheld(ctx, srv.ID, func(ctx context.Context, tx store.Tx, srv *Server) error {
		return s.beginOn(ctx, tx, c, srv, work{action: "detach_interface", kind: KindDetach, state: DetachState{ServerID: srv.ID, PortID: port}})
	})
}

// powerUpdate starts or stops a server because somebody has switched the machine under it. What does not fit the server's state is
// left, as upstream does (nova/compute/manager.py, power_update).
func (s *Service) powerUpdate(ctx context.Context, c *policy.Caller, id, target string) error {
	return s.unheld(ctx, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		action := ActStart
		switch {
		case target == "POWER_ON" && srv.VMState == Stopped:
		case target == "POWER_OFF" && srv.VMState == Active && srv.PowerState != int(driver.Shutdown):
			action = ActStop
		default:
			return nil
		}
		return s.beginOn(ctx, tx, c, srv, work{action: string(action), task: powerRules[action].task, kind: KindPower, state: PowerState{ServerID: id, Action: action}})
	})
}

// unheld runs fn on a server that no operation holds; one that is gone or held is left alone.
func (s *Service) unheld(ctx context.Context, id string, fn func(ctx context.Context, tx store.Tx, srv *Server) error) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, err := db.GetServer(ctx, tx, id)
		if store.IsNotFound(err) {
			return nil
		}
		if err != nil || srv.OperationID != nil {
			return err
		}
		return fn(ctx, tx, srv)
	})
}
