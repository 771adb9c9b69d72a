package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gostack/internal/neutron"
	neutronapi "gostack/internal/neutron/api"
	neutrondb "gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn"
	"gostack/internal/neutron/driver/simulated"
	"gostack/internal/store"
)

// neutronAPI is the network service with the realiser that makes OVN equal to the database.
var neutronAPI = Component{
	Name: "neutron-api", What: "Network API: networks, routers, floating IPs, security groups; keeps OVN equal to them",
	Needs: []string{"keystone-api", "placement-api"}, Control: true, Migrations: []store.Migrations{neutrondb.Migrations}, Build: buildNeutron,
}

func buildNeutron(_ context.Context, h *House) (Unit, error) {
	physnets, err := physicalNetworks(h.Config.Neutron.BridgeMappings, h.Config.Neutron.VLANRanges)
	if err != nil {
		return Unit{}, err
	}
	segments, err := segmentRanges(h.Config.Neutron.TunnelRanges)
	if err != nil {
		return Unit{}, err
	}
	backend, err := h.networkBackend()
	if err != nil {
		return Unit{}, err
	}
	service := neutron.New(neutron.Config{
		DB: h.DB, Backend: backend, Clock: h.Clock, Log: h.Log, Physnets: physnets, MTU: int64(h.Config.Neutron.GlobalMTU),
		DNSServers: h.Config.Neutron.DNSServers, AvailabilityZone: h.Config.Nova.AvailabilityZone, DistributedFloatingIPs: true,
		TenantNetworkTypes: h.Config.Neutron.NetworkTypes, SegmentRanges: segments,
		ScanEvery: h.scanEvery(), Lead: h.Replicas.Lead, Placement: h.Placement,
	})
	h.Neutron = service
	h.Serve(neutronapi.Service(service))
	h.Auditors = append(h.Auditors, Auditor{Area: "network", Audit: func(ctx context.Context, repair bool) ([]Finding, error) {
		differences, err := service.Audit(ctx, repair)
		findings := make([]Finding, len(differences))
		for i, d := range differences {
			findings[i] = Finding{ID: d.Kind + " " + d.ID, Problem: strings.TrimSpace(fmt.Sprintf("%s: %s %s", d.Row, d.Problem, d.Detail)), Repaired: d.Repaired}
		}
		return findings, err
	}})
	return worker{
		name: "neutron's realiser", log: h.Log, run: h.withSouthboundDoor(service.Run),
		ready: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			return backend.Ready(ctx)
		},
		stopped: func() { backend.Close() },
	}.unit(), nil
}

// scanEvery is how long a change may wait that a replica noted and did not live to carry out.
func (h *House) scanEvery() time.Duration {
	if h.Replicas.Shared() {
		return 4 * time.Second
	}
	return 30 * time.Second
}

// networkBackend is OVN; with simulated hosts, which have no network, it is simulated too.
func (h *House) networkBackend() (driver.Backend, error) {
	switch {
	case h.Config.Nova.Driver == "simulated" && h.Config.Nova.SimulatedNetwork != "":
		return simulated.Share(h.Config.Nova.SimulatedNetwork, h.Config.Host)
	case h.Config.Nova.Driver == "simulated":
		return simulated.New(h.Config.Host), nil
	}
	return ovn.Open(ovn.Config{
		Northbound: endpoints(h.Config.Neutron.OVNNorthbound), Southbound: endpoints(h.Config.Neutron.OVNSouthbound), Log: h.Log,
		NorthboundTLS: h.Hosts.NorthboundTLS(), SouthboundTLS: h.Hosts.SouthboundTLS(), ChassisTLS: h.Hosts.ChassisTLS,
	}), nil
}

// segmentRanges reads "gre:1:1000".
func segmentRanges(list []string) (map[string][][2]int64, error) {
	out := map[string][][2]int64{}
	for _, r := range list {
		parts := strings.Split(r, ":")
		if len(parts) != 3 {
			return nil, fmt.Errorf("tunnel_id_ranges: %q is not type:first:last", r)
		}
		first, err1 := strconv.ParseInt(parts[1], 10, 64)
		last, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("tunnel_id_ranges: %q is not type:first:last", r)
		}
		if err := neutron.CheckSegmentRange(parts[0], [2]int64{first, last}); err != nil {
			return nil, fmt.Errorf("tunnel_id_ranges: %w", err)
		}
		out[parts[0]] = append(out[parts[0]], [2]int64{first, last})
	}
	return out, nil
}

// physicalNetworks reads "physnet1:br-ex" and "physnet1:1000:1999".
func physicalNetworks(mappings, ranges []string) ([]neutron.Physnet, error) {
	var out []neutron.Physnet
	for _, m := range mappings {
		name, _, ok := strings.Cut(m, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("bridge_mappings: %q is not physical network:bridge", m)
		}
		out = append(out, neutron.Physnet{Name: name, Flat: true})
	}
	for _, r := range ranges {
		parts := strings.Split(r, ":")
		if len(parts) != 3 {
			return nil, fmt.Errorf("vlan_ranges: %q is not physical network:first:last", r)
		}
		first, err1 := strconv.ParseInt(parts[1], 10, 64)
		last, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err1 != nil || err2 != nil || first < 1 || last > 4094 || first > last {
			return nil, fmt.Errorf("vlan_ranges: %q: VLAN ids go from 1 to 4094", r)
		}
		found := false
		for i := range out {
			if out[i].Name == parts[0] {
				out[i].VLANs = append(out[i].VLANs, [2]int64{first, last})
				found = true
			}
		}
		if !found {
			out = append(out, neutron.Physnet{Name: parts[0], VLANs: [][2]int64{{first, last}}})
		}
	}
	return out, nil
}
