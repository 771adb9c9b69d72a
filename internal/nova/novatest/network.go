// Package novatest holds pretend neighbours of Nova for its tests: a network, images, a placement and hosts that live in memory.
package novatest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Network is a Neutron in memory with one network "net-1" named "private". A port is up once it is bound. It does not roll
// back with transactions; its methods are idempotent, so nothing is made twice.
type Network struct {
	mu     sync.Mutex
	ports  map[string][]nova.Port // by server
	bound  map[string]string      // port to host
	last   int
	FailOn map[string]error // by method
}

var _ nova.Network = (*Network)(nil)

// NewNetwork makes an empty network.
func NewNetwork() *Network {
	return &Network{ports: map[string][]nova.Port{}, bound: map[string]string{}, FailOn: map[string]error{}}
}

func (n *Network) lock(method string) (func(), error) {
	n.mu.Lock()
	return n.mu.Unlock, n.FailOn[method]
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

// Bound counts the ports bound to a host.
func (n *Network) Bound() int { n.mu.Lock(); defer n.mu.Unlock(); return len(n.bound) }

// PlanPorts implements nova.Network.
func (n *Network) PlanPorts(_ context.Context, _ *policy.Caller, ask nova.NetworkAsk) (nova.PortPlan, error) {
	unlock, err := n.lock("PlanPorts")
	defer unlock()
	if err != nil {
		return nova.PortPlan{}, err
	}
	nics := ask.NICs
	switch {
	case ask.Mode == "none":
		nics = nil
	case len(nics) == 0:
		nics = []nova.NICAsk{{NetworkID: "net-1"}}
	}
	for _, nic := range nics {
		if nic.NetworkID != "" && nic.NetworkID != "net-1" && nic.NetworkID != "6f70656e-7374-4163-ab20-342065766572" {
			return nova.PortPlan{}, rest.Fail(http.StatusBadRequest, "Network %s could not be found.", nic.NetworkID)
		}
	}
	plan, err := json.Marshal(nics)
	return nova.PortPlan{Ports: len(nics), Plan: plan}, err
}

// CreatePorts implements nova.Network.
func (n *Network) CreatePorts(_ context.Context, _ store.Tx, _ *policy.Caller, server nova.NetworkServer, plan nova.PortPlan) ([]nova.Port, error) {
	unlock, err := n.lock("CreatePorts")
	defer unlock()
	if err != nil || len(n.ports[server.ID]) >= plan.Ports && plan.Ports > 0 && plan.Plan != nil && len(n.ports[server.ID]) > 0 && !strings.Contains(string(plan.Plan), "attach") {
		return slices.Clone(n.ports[server.ID]), err
	}
	var nics []nova.NICAsk
	if len(plan.Plan) > 0 {
		if err := json.Unmarshal(plan.Plan, &nics); err != nil {
			return nil, err
		}
	}
	var made []nova.Port
	for _, nic := range nics {
		n.last++
		p := nova.Port{
			ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n.last), NetworkID: "net-1", NetworkName: "private", MAC: fmt.Sprintf("fa:16:3e:00:00:%02x", n.last%256),
			Status: "DOWN", Tag: nic.Tag, FixedIPs: []nova.FixedIP{{SubnetID: "subnet-1", Address: fmt.Sprintf("10.0.%d.%d", n.last/256, n.last%256), Version: 4}},
			SecurityGroups: []string{"default"},
		}
		if nic.PortID != "" {
			p.ID = nic.PortID
		}
		made = append(made, p)
	}
	n.ports[server.ID] = append(n.ports[server.ID], made...)
	return made, nil
}

// BindPorts implements nova.Network.
func (n *Network) BindPorts(_ context.Context, portIDs []string, host string) ([]nova.VIF, error) {
	unlock, err := n.lock("BindPorts")
	defer unlock()
	if err != nil {
		return nil, err
	}
	vifs := make([]nova.VIF, 0, len(portIDs))
	for _, id := range portIDs {
		n.bound[id] = host
		n.each(id, func(p *nova.Port) {
			p.Status, p.Host = "ACTIVE", host
			vifs = append(vifs, vif(p))
		})
	}
	return vifs, nil
}

func vif(p *nova.Port) nova.VIF {
	return nova.VIF{NIC: driver.NIC{PortID: p.ID, MAC: p.MAC, MTU: 1442, Bridge: "br-int"}, NetworkID: p.NetworkID, NetworkName: p.NetworkName, Tag: p.Tag}
}

func (n *Network) each(portID string, f func(*nova.Port)) {
	for _, ports := range n.ports {
		for i := range ports {
			if ports[i].ID == portID {
				f(&ports[i])
			}
		}
	}
}

// UnbindPorts implements nova.Network.
func (n *Network) UnbindPorts(_ context.Context, portIDs []string) error {
	unlock, err := n.lock("UnbindPorts")
	defer unlock()
	for _, id := range portIDs {
		delete(n.bound, id)
		n.each(id, func(p *nova.Port) { p.Status, p.Host = "DOWN", "" })
	}
	return err
}

// DeletePorts implements nova.Network.
func (n *Network) DeletePorts(_ context.Context, _ store.Tx, serverID string, portIDs ...string) error {
	unlock, err := n.lock("DeletePorts")
	defer unlock()
	n.ports[serverID] = slices.DeleteFunc(n.ports[serverID], func(p nova.Port) bool {
		gone := len(portIDs) == 0 || slices.Contains(portIDs, p.ID)
		if gone {
			delete(n.bound, p.ID)
		}
		return gone
	})
	return err
}

// PortsReady implements nova.Network.
func (n *Network) PortsReady(_ context.Context, portIDs []string) (bool, error) {
	unlock, err := n.lock("PortsReady")
	defer unlock()
	for _, id := range portIDs {
		if n.bound[id] == "" {
			return false, err
		}
	}
	return true, err
}

// PortsOf implements nova.Network.
func (n *Network) PortsOf(_ context.Context, serverIDs []string) (map[string][]nova.Port, error) {
	unlock, err := n.lock("PortsOf")
	defer unlock()
	out := map[string][]nova.Port{}
	for _, id := range serverIDs {
		out[id] = slices.Clone(n.ports[id])
	}
	return out, err
}

// NetworkInfo implements nova.Network.
func (n *Network) NetworkInfo(_ context.Context, serverID string) ([]nova.VIF, error) {
	unlock, err := n.lock("NetworkInfo")
	defer unlock()
	var out []nova.VIF
	for i := range n.ports[serverID] {
		out = append(out, vif(&n.ports[serverID][i]))
	}
	return out, err
}

// ServersByAddress implements nova.Network.
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

// ChangeSecurityGroup implements nova.Network.
func (n *Network) ChangeSecurityGroup(_ context.Context, _ *policy.Caller, serverID, group string, add bool) error {
	unlock, err := n.lock("ChangeSecurityGroup")
	defer unlock()
	for i := range n.ports[serverID] {
		p := &n.ports[serverID][i]
		p.SecurityGroups = slices.DeleteFunc(slices.Clone(p.SecurityGroups), func(g string) bool { return g == group })
		if add {
			p.SecurityGroups = append(p.SecurityGroups, group)
		}
	}
	return err
}

// SecurityGroups implements nova.Network.
func (n *Network) SecurityGroups(_ context.Context, _ *policy.Caller, serverID string) ([]nova.SecurityGroup, error) {
	unlock, err := n.lock("SecurityGroups")
	defer unlock()
	var out []nova.SecurityGroup
	for _, p := range n.ports[serverID] {
		for _, g := range p.SecurityGroups {
			out = append(out, nova.SecurityGroup{ID: "sg-" + g, Name: g, ProjectID: "project-1", Rules: []any{}})
		}
	}
	return out, err
}

// ServerAt implements nova.Network.
func (n *Network) ServerAt(_ context.Context, networkID, addr string) (server, host string, err error) {
	unlock, err := n.lock("ServerAt")
	defer unlock()
	for server, ports := range n.ports {
		for _, p := range ports {
			for _, ip := range p.FixedIPs {
				if p.NetworkID == networkID && ip.Address == addr {
					return server, n.bound[p.ID], err
				}
			}
		}
	}
	return "", "", err
}
