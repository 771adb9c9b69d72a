// Package novatest holds pretend neighbours of Nova for its tests: a network, images and hosts that live in memory.
package novatest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// NetworkID is the one network there is, named "private".
const NetworkID = "6f70656e-7374-4163-ab20-342065766572"

// Network is a Neutron in memory with one network. A port is up once it is bound. It does not roll back with transactions;
// its methods are idempotent, so nothing is made twice.
type Network struct {
	mu    sync.Mutex
	ports map[string][]neutron.Port // by server
	last  int
	// migrating is where each port may go, by its id.
	migrating map[string]string
	failOn    map[string]error // by method
	asked     []neutron.RequestGroup

	// Room, when set before anything is asked, is how many more ports a project may have.
	Room *int
}

var (
	_ nova.Network        = (*Network)(nil)
	_ nova.SecurityGroups = (*Network)(nil)
)

// NewNetwork makes an empty network.
func NewNetwork() *Network {
	return &Network{ports: map[string][]neutron.Port{}, failOn: map[string]error{}}
}

func (n *Network) lock(method string) (func(), error) {
	n.mu.Lock()
	return n.mu.Unlock, n.failOn[method]
}

// Fail makes a method fail from now on; nil heals it.
func (n *Network) Fail(method string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failOn[method] = err
}

// Ports counts all ports.
func (n *Network) Ports() (total int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.ports {
		total += len(p)
	}
	return total
}

// PlanPorts implements nova.Network.
func (n *Network) PlanPorts(_ context.Context, _ *policy.Caller, reqs []neutron.NICRequest) ([]neutron.NICPlan, error) {
	unlock, err := n.lock("PlanPorts")
	defer unlock()
	if err != nil {
		return nil, err
	}
	if len(reqs) == 0 {
		reqs = []neutron.NICRequest{{}}
	}
	var plan []neutron.NICPlan
	for i, r := range reqs {
		switch {
		case r.Mode == neutron.NICNone:
			return nil, nil
		case r.NetworkID != "" && r.NetworkID != NetworkID:
			return nil, rest.Fail(http.StatusBadRequest, "Network %s could not be found.", r.NetworkID)
		}
		plan = append(plan, neutron.NICPlan{Index: i, NetworkID: NetworkID, PortID: r.PortID, FixedIP: r.FixedIP, Tag: r.Tag})
	}
	return plan, nil
}

// PortRoom implements nova.Network.
func (n *Network) PortRoom(context.Context, string) (int, error) {
	if n.Room == nil {
		return -1, nil
	}
	return *n.Room, nil
}

// CreatePorts implements nova.Network.
func (n *Network) CreatePorts(_ context.Context, _ store.Tx, _ *policy.Caller, server neutron.ServerRef, plan []neutron.NICPlan) ([]neutron.Port, error) {
	unlock, err := n.lock("CreatePorts")
	defer unlock()
	if err != nil {
		return nil, err
	}
	for _, nic := range plan {
		if slices.ContainsFunc(n.ports[server.ID], func(p neutron.Port) bool { return p.Index == nic.Index }) {
			continue
		}
		n.last++
		p := neutron.Port{
			ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n.last), NetworkID: NetworkID, NetworkName: "private", ProjectID: server.Project,
			MAC: fmt.Sprintf("fa:16:3e:00:%02x:%02x", n.last/256, n.last%256), Status: "DOWN", Tag: nic.Tag, Index: nic.Index, NovaOwned: nic.PortID == "", DeviceID: server.ID,
			FixedIPs:       []neutron.FixedIP{{SubnetID: "subnet-1", Address: fmt.Sprintf("10.0.%d.%d", n.last/256, n.last%256), Version: 4}},
			SecurityGroups: []neutron.SecurityGroupRef{{ID: "sg-default", Name: "default"}},
		}
		if nic.PortID != "" {
			p.ID = nic.PortID
		}
		n.ports[server.ID] = append(n.ports[server.ID], p)
	}
	return slices.Clone(n.ports[server.ID]), nil
}

// BindPorts implements nova.Network.
func (n *Network) BindPorts(_ context.Context, portIDs []string, host string) ([]neutron.VIF, error) {
	unlock, err := n.lock("BindPorts")
	defer unlock()
	if err != nil {
		return nil, err
	}
	var vifs []neutron.VIF
	n.each(portIDs, func(p *neutron.Port) {
		p.Status, p.Host = "ACTIVE", host
		delete(n.migrating, p.ID)
		vifs = append(vifs, vif(p))
	})
	return vifs, nil
}

func vif(p *neutron.Port) neutron.VIF {
	return neutron.VIF{
		PortID: p.ID, NetworkID: p.NetworkID, NetworkName: p.NetworkName, MAC: p.MAC, MTU: 1442, Type: "ovs", Bridge: "br-int", Host: p.Host, Active: p.Host != "", Tag: p.Tag,
		Index: p.Index, Subnets: []neutron.VIFSubnet{{ID: "subnet-1", CIDR: "10.0.0.0/16", Version: 4, Gateway: "10.0.255.254", DHCP: true, Addresses: []string{p.FixedIPs[0].Address}}},
	}
}

func (n *Network) each(portIDs []string, f func(*neutron.Port)) {
	for _, ports := range n.ports {
		for i := range ports {
			if slices.Contains(portIDs, ports[i].ID) {
				f(&ports[i])
			}
		}
	}
}

// PrepareMigration implements nova.Network.
func (n *Network) PrepareMigration(_ context.Context, portIDs []string, host string) error {
	unlock, err := n.lock("PrepareMigration")
	defer unlock()
	if err != nil {
		return err
	}
	if n.migrating == nil {
		n.migrating = map[string]string{}
	}
	for _, id := range portIDs {
		if n.migrating[id] = host; host == "" {
			delete(n.migrating, id)
		}
	}
	return nil
}

// Migrating counts the ports that two hosts may have.
func (n *Network) Migrating() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.migrating)
}

// HostOf is where a server's first port is bound.
func (n *Network) HostOf(serverID string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.ports[serverID]) == 0 {
		return ""
	}
	return n.ports[serverID][0].Host
}

// UnbindPorts implements nova.Network.
func (n *Network) UnbindPorts(_ context.Context, portIDs []string) error {
	unlock, err := n.lock("UnbindPorts")
	defer unlock()
	n.each(portIDs, func(p *neutron.Port) { p.Status, p.Host = "DOWN", "" })
	return err
}

// DeletePorts implements nova.Network.
func (n *Network) DeletePorts(_ context.Context, _ store.Tx, serverID string) error {
	unlock, err := n.lock("DeletePorts")
	defer unlock()
	for _, p := range n.ports[serverID] {
		delete(n.migrating, p.ID)
	}
	delete(n.ports, serverID)
	return err
}

// DetachPort implements nova.Network.
func (n *Network) DetachPort(_ context.Context, _ store.Tx, serverID, portID string) error {
	unlock, err := n.lock("DetachPort")
	defer unlock()
	n.ports[serverID] = slices.DeleteFunc(n.ports[serverID], func(p neutron.Port) bool { return p.ID == portID })
	return err
}

// PortsReady implements nova.Network.
func (n *Network) PortsReady(_ context.Context, portIDs []string) (bool, error) {
	unlock, err := n.lock("PortsReady")
	defer unlock()
	ready := true
	n.each(portIDs, func(p *neutron.Port) { ready = ready && p.Host != "" })
	return ready, err
}

// PortsOf implements nova.Network.
func (n *Network) PortsOf(_ context.Context, serverIDs []string) (map[string][]neutron.Port, error) {
	unlock, err := n.lock("PortsOf")
	defer unlock()
	out := map[string][]neutron.Port{}
	for _, id := range serverIDs {
		out[id] = slices.Clone(n.ports[id])
	}
	return out, err
}

// NetworkInfo implements nova.Network.
func (n *Network) NetworkInfo(_ context.Context, serverID string) ([]neutron.VIF, error) {
	unlock, err := n.lock("NetworkInfo")
	defer unlock()
	var out []neutron.VIF
	for i := range n.ports[serverID] {
		out = append(out, vif(&n.ports[serverID][i]))
	}
	return out, err
}

// Ask lets a port ask for resources, or have them.
func (n *Network) Ask(g neutron.RequestGroup) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, g)
}

// PortRequests implements nova.Network: ports ask for what Ask said.
func (n *Network) PortRequests(_ context.Context, serverID string) ([]neutron.RequestGroup, error) {
	unlock, err := n.lock("PortRequests")
	defer unlock()
	var out []neutron.RequestGroup
	for _, g := range n.asked {
		if slices.ContainsFunc(n.ports[serverID], func(p neutron.Port) bool { return p.ID == g.ID }) {
			out = append(out, g)
		}
	}
	return out, err
}

// PortByAddress implements nova.Network.
func (n *Network) PortByAddress(_ context.Context, networkID, address string) (*neutron.Port, error) {
	unlock, err := n.lock("PortByAddress")
	defer unlock()
	for _, ports := range n.ports {
		for _, p := range ports {
			if p.NetworkID == networkID && p.FixedIPs[0].Address == address {
				return &p, err
			}
		}
	}
	return nil, rest.NotFound("There is no port with the address %s.", address)
}

// ServersByAddress implements nova.SecurityGroups.
func (n *Network) ServersByAddress(_ context.Context, _, fragment string, v6 bool) ([]string, error) {
	unlock, err := n.lock("ServersByAddress")
	defer unlock()
	var out []string
	for server, ports := range n.ports {
		for _, p := range ports {
			for _, ip := range p.FixedIPs {
				if (ip.Version == 6) == v6 && strings.Contains(ip.Address, fragment) {
					out = append(out, server)
				}
			}
		}
	}
	return out, err
}

// Change implements nova.SecurityGroups.
func (n *Network) Change(_ context.Context, _ *policy.Caller, serverID, group string, add bool) error {
	unlock, err := n.lock("Change")
	defer unlock()
	for i := range n.ports[serverID] {
		p := &n.ports[serverID][i]
		p.SecurityGroups = slices.DeleteFunc(slices.Clone(p.SecurityGroups), func(g neutron.SecurityGroupRef) bool { return g.Name == group })
		if add {
			p.SecurityGroups = append(p.SecurityGroups, neutron.SecurityGroupRef{ID: "sg-" + group, Name: group})
		}
	}
	return err
}

// Of implements nova.SecurityGroups.
func (n *Network) Of(_ context.Context, _ *policy.Caller, serverID string) ([]nova.SecurityGroup, error) {
	unlock, err := n.lock("Of")
	defer unlock()
	var out []nova.SecurityGroup
	for _, p := range n.ports[serverID] {
		for _, g := range p.SecurityGroups {
			out = append(out, nova.SecurityGroup{ID: g.ID, Name: g.Name, ProjectID: p.ProjectID, Rules: []nova.GroupRule{}})
		}
	}
	return out, err
}
