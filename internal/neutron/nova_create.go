package neutron

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

const ownerComputePrefix = "compute:"

// CreatePorts gives a server the ports of a plan, in the caller's transaction: it makes new ones and takes the user's. A NIC
// (by Index) that the server has already is left as it is, so a saga may repeat it. c may be nil.
func (s *Service) CreatePorts(ctx context.Context, tx store.Tx, c *policy.Caller, server ServerRef, plan []NICPlan) ([]Port, error) {
	if len(plan) == 0 {
		return nil, nil
	}
	err := s.write(ctx, func(ctx context.Context, u *unit) error {
		have, err := u.serverPorts(ctx, server.ID)
		if err != nil {
			return err
		}
		for _, nic := range plan {
			if have[nic.Index] {
				continue
			}
			if nic.PortID != "" {
				err = u.takePort(ctx, server, nic)
			} else {
				err = u.makePort(ctx, c, server, nic)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all, err := portsOf(ctx, tx, []string{server.ID})
	return all[server.ID], err
}

// serverPorts tells which NICs a server has.
func (u *unit) serverPorts(ctx context.Context, server string) (map[int]bool, error) {
	rows, err := db.Find[db.Port](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Column("id", "nova_index").Where("t.nova_server = ?", server)
	})
	have := map[int]bool{}
	for _, p := range rows {
		have[int(p.NovaIndex)] = true
	}
	return have, err
}

func (u *unit) makePort(ctx context.Context, c *policy.Caller, server ServerRef, nic NICPlan) error {
	p := &db.Port{
		NetworkID: nic.NetworkID, AdminStateUp: true, Status: statusDown, DeviceID: server.ID, DeviceOwner: ownerComputePrefix + server.AZ,
		DNSName: dnsNameOf(server.Name), NovaServer: server.ID, NovaOwned: true, NovaIndex: int64(nic.Index), NovaTag: nic.Tag,
	}
	p.ProjectID = server.Project
	req := portRequest{row: p, caller: c}
	if nic.FixedIP != "" {
		req.given, req.asks = true, []fixedAsk{{ip: parseAddr(nic.FixedIP)}}
	}
	n, err := u.network(ctx, nic.NetworkID, server.Project)
	if err != nil {
		return err
	}
	for _, g := range nic.SecurityGroups {
		if g == "" { // the default group, which did not exist when the plan was made
			if g, err = u.defaultGroup(ctx, server.Project); err != nil {
				return err
			}
		}
		if !slices.Contains(req.groups, g) {
			req.groups = append(req.groups, g)
		}
	}
	req.network = n
	if !n.PortSecurityEnabled {
		req.groups = nil // as Nova: groups cannot be asked of a network without port security
	}
	if err := u.createPort(ctx, req, nil); err != nil {
		return err
	}
	if len(p.MinKbps) > 0 && n.PhysicalNetwork != "" { // it comes too late for the choice of a host
		return rest.BadRequest("Using networks with QoS policy is not supported for instance %s. (Network ID is %s)", server.ID, n.ID)
	}
	return u.tellPorts(ctx, "create", p.ID)
}

// takePort attaches a port of the user's to a server.
func (u *unit) takePort(ctx context.Context, server ServerRef, nic NICPlan) error {
	p, err := u.port(ctx, nic.PortID)
	if err != nil {
		return err
	}
	if p.DeviceID != "" || p.NovaServer != "" || p.DeviceOwner == ownerSubPort {
		return conflict("PortInUse", "Port %s is still in use.", p.ID)
	}
	p.DeviceID, p.NovaServer, p.DeviceOwner, p.NovaIndex, p.NovaTag = server.ID, server.ID, ownerComputePrefix+server.AZ, int64(nic.Index), nic.Tag
	if p.DNSName == "" {
		p.DNSName = dnsNameOf(server.Name)
	}
	u.changed(kindPort, p.ID)
	if err := u.update(ctx, p); err != nil {
		return err
	}
	return u.tellPorts(ctx, "update", p.ID)
}

// NextIndex returns the place of a server's next NIC.
func (s *Service) NextIndex(ctx context.Context, serverID string) (int, error) {
	var last int
	err := s.DB.Read(ctx).NewSelect().Model((*db.Port)(nil)).ColumnExpr("COALESCE(MAX(t.nova_index), -1)").
		Where("t.nova_server = ?", serverID).Scan(ctx, &last)
	return last + 1, err
}

// DeletePorts takes all ports from a server, in the caller's transaction: those that Nova made are deleted, the user's are
// given back.
func (s *Service) DeletePorts(ctx context.Context, _ store.Tx, serverID string) error {
	return s.release(ctx, serverID, "")
}

// DetachPort does the same with one port. A port that is not (any more) the server's is no error.
func (s *Service) DetachPort(ctx context.Context, _ store.Tx, serverID, portID string) error {
	return s.release(ctx, serverID, portID)
}

func (s *Service) release(ctx context.Context, serverID, portID string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		rows, err := db.Find[db.Port](ctx, u.tx, func(q *bun.SelectQuery) {
			q.Where("t.nova_server = ?", serverID)
			if portID != "" {
				q.Where("t.id = ?", portID)
			}
		})
		if err != nil {
			return err
		}
		parents, err := u.trunkParents(ctx, rows)
		if err != nil {
			return err
		}
		var own []string
		for _, p := range rows {
			if p.NovaOwned && !parents[p.ID] { // a trunk keeps its parent port, as upstream's refusal to delete it does
				own = append(own, p.ID)
				continue
			}
			p.DeviceID, p.NovaServer, p.DeviceOwner, p.Host, p.Status, p.NovaIndex, p.NovaTag = "", "", "", "", statusDown, -1, ""
			p.MigratingTo, p.NovaOwned = "", false
			setAllocation(p, "")
			u.changed(kindPort, p.ID)
			if err := u.update(ctx, p); err != nil {
				return err
			}
			if err := u.tellPorts(ctx, "update", p.ID); err != nil {
				return err
			}
			if parents[p.ID] {
				if err := u.followParent(ctx, p); err != nil {
					return err
				}
			}
		}
		if err := u.tellPorts(ctx, "delete", own...); err != nil {
			return err
		}
		return u.removePorts(ctx, own)
	})
}

// BindPorts says on which host ports are plugged, waits until the engine knows, and returns what the hypervisor needs. It
// may be repeated.
func (s *Service) BindPorts(ctx context.Context, portIDs []string, host string) ([]VIF, error) {
	if err := s.setHost(ctx, portIDs, host); err != nil {
		return nil, err
	}
	return s.vifs(ctx, db.In("t.id", portIDs))
}

// UnbindPorts says that ports are plugged nowhere.
func (s *Service) UnbindPorts(ctx context.Context, portIDs []string) error {
	return s.setHost(ctx, portIDs, "")
}

// PrepareMigration says that the server of bound ports is about to move, running, to another host, which may have the ports too from now on,
// and waits until the engine knows. Bound to that host the move is over; "" takes it back. It may be repeated.
func (s *Service) PrepareMigration(ctx context.Context, portIDs []string, host string) error {
	return s.place(ctx, portIDs, host != "", func(p *db.Port) (changed bool) {
		changed = p.MigratingTo != host
		p.MigratingTo = host
		return changed
	}, "to migrate to host "+host)
}

func (s *Service) setHost(ctx context.Context, portIDs []string, host string) error {
	allocations, err := s.allocationsOn(ctx, portIDs, host)
	if err != nil {
		return err
	}
	return s.place(ctx, portIDs, host != "", func(p *db.Port) (changed bool) {
		if p.Host == host && p.MigratingTo == "" && allocatedFrom(p) == allocations[p.ID] {
			return false
		}
		setAllocation(p, allocations[p.ID])
		if p.Host != host && p.MigratingTo != host || host == "" {
			p.Status = statusDown
		}
		p.Host, p.MigratingTo = host, ""
		return true
	}, "on host "+host)
}

// place changes where ports are and waits until the engine has it.
func (s *Service) place(ctx context.Context, portIDs []string, all bool, change func(*db.Port) (changed bool), what string) error {
	if len(portIDs) == 0 {
		return nil
	}
	track := ctx
	if !store.InWrite(ctx) {
		track = context.WithValue(ctx, trackerKey{}, &tracker{})
	}
	err := s.write(track, func(ctx context.Context, u *unit) error {
		rows, err := db.Find[db.Port](ctx, u.tx, func(q *bun.SelectQuery) { q.Where("t.id IN (?)", bun.List(portIDs)) })
		if err != nil {
			return err
		}
		if len(rows) < len(portIDs) && all {
			return PortNotFound(fmt.Sprint(portIDs))
		}
		routed, err := u.routedAmong(ctx, rows)
		if err != nil {
			return err
		}
		for _, p := range rows {
			if !change(p) {
				// A change that is still on its way is waited for.
				if pending, err := db.GetPending(ctx, u.tx, kindPort, p.ID); err == nil {
					u.changed(kindPort, pending.ResourceID)
				} else if !store.IsNotFound(err) {
					return err
				}
				continue
			}
			if routed[p.NetworkID] {
				if err := u.arrive(ctx, p, cmp.Or(p.MigratingTo, p.Host)); err != nil {
					return err
				}
			}
			u.changed(kindPort, p.ID)
			if err := u.update(ctx, p); err != nil {
				return err
			}
			if err := u.tellPorts(ctx, "update", p.ID); err != nil {
				return err
			}
			if err := u.followParent(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || store.InWrite(ctx) {
		return err
	}
	if !s.Await(track) {
		return fmt.Errorf("the network engine has not taken the binding of ports %v %s yet", portIDs, what)
	}
	return nil
}
