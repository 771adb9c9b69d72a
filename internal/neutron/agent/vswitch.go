package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/vswitch"
)

// ownerKey marks our ports in external_ids; the value is the network.
const ownerKey = "gostack:metadata"

// integrationBridge finds br-int.
func (a *Agent) integrationBridge(ctx context.Context) (*vswitch.Bridge, error) {
	bridges, err := ovsdb.Find(ctx, a.vs, &vswitch.Bridge{Name: "br-int"})
	if err != nil {
		return nil, err
	}
	if len(bridges) == 0 {
		return nil, errors.New("bridge br-int does not exist yet")
	}
	return bridges[0], nil
}

// plug puts the outer end of the network's veth pair into the integration bridge as the localport.
func (a *Agent) plug(ctx context.Context, n network) error {
	bridge, err := a.integrationBridge(ctx)
	if err != nil {
		return err
	}
	name := outerName(n.id)
	ids := map[string]string{"iface-id": n.port, ownerKey: n.id}
	have, err := ovsdb.Find(ctx, a.vs, &vswitch.Interface{Name: name})
	if err != nil {
		return err
	}
	if len(have) == 1 {
		iface := have[0]
		if iface.ExternalIDs["iface-id"] == n.port && iface.ExternalIDs[ownerKey] == n.id {
			return nil
		}
		iface.ExternalIDs = ids
		ops, err := a.vs.Update(ctx, iface, "external_ids")
		if err != nil {
			return err
		}
		return a.vs.Transact(ctx, ops...)
	}
	iface := &vswitch.Interface{UUID: uuid.NewString(), Name: name, ExternalIDs: ids}
	ops, err := a.vs.Insert(ctx, iface)
	if err != nil {
		return err
	}
	port := &vswitch.Port{UUID: uuid.NewString(), Name: name, Interfaces: []string{iface.UUID}, ExternalIDs: map[string]string{ownerKey: n.id}}
	more, err := a.vs.Insert(ctx, port)
	if err != nil {
		return err
	}
	ops = append(append(ops, more...), ovsdb.AddRefs("Bridge", bridge.UUID, "ports", port.UUID))
	if err := a.vs.Transact(ctx, ops...); err != nil {
		return fmt.Errorf("plug metadata port of network %s: %w", n.id, err)
	}
	return nil
}

// unplug takes the network's port out of the bridge.
func (a *Agent) unplug(ctx context.Context, id string) error {
	ports, err := ovsdb.List(ctx, a.vs, func(p *vswitch.Port) bool { return p.ExternalIDs[ownerKey] == id })
	if err != nil || len(ports) == 0 {
		return err
	}
	bridge, err := a.integrationBridge(ctx)
	if err != nil {
		return err
	}
	var refs []string
	for _, p := range ports {
		refs = append(refs, p.UUID)
	}
	return a.vs.Transact(ctx, ovsdb.RemoveRefs("Bridge", bridge.UUID, "ports", refs...))
}

// plugged lists the networks that have a port of ours.
func (a *Agent) plugged(ctx context.Context) ([]string, error) {
	ports, err := ovsdb.List(ctx, a.vs, func(p *vswitch.Port) bool { return p.ExternalIDs[ownerKey] != "" })
	var out []string
	for _, p := range ports {
		out = append(out, p.ExternalIDs[ownerKey])
	}
	return out, err
}
