package api

import (
	"fmt"

	"gostack/internal/nova/driver"
	"gostack/internal/rest"
)

// otherRoutes are small resources.
func (a *api) otherRoutes() []rest.Route {
	return append(a.externalEventRoutes(), []rest.Route{
		{Method: "GET", Path: "/servers/{server_id}/diagnostics", Policy: "os_compute_api:os-server-diagnostics", Target: a.server, Handle: a.diagnostics},
		{Method: "GET", Path: "/servers/{server_id}/os-server-password", Policy: "os_compute_api:os-server-password:show", Target: a.server, Handle: func(r *rest.Request) (any, error) {
			return object{"password": loaded(r).Requested.Password}, nil
		}},
		{Method: "DELETE", Path: "/servers/{server_id}/os-server-password", Policy: "os_compute_api:os-server-password:clear", Target: a.server, Status: 204, Handle: func(r *rest.Request) (any, error) {
			return nil, a.nova.ClearPassword(r.Context(), r.Caller, r.Path("server_id"))
		}},
		{Method: "GET", Path: "/servers/{server_id}/topology", Policy: "compute:server:topology:index", Target: a.server, Min: rest.V(2, 78), Handle: a.topology},
	}...)
}

func (a *api) diagnostics(r *rest.Request) (any, error) {
	d, err := a.nova.Diagnostics(r.Context(), loaded(r))
	if err != nil {
		return nil, err
	}
	if r.Version.AtLeast(2, 48) {
		return standardDiagnostics(d), nil
	}
	out := object{"memory": d.MemoryMaxMB * 1024, "memory-actual": d.MemoryMaxMB * 1024, "memory-rss": d.MemoryUsedMB * 1024}
	for _, c := range d.CPUs {
		out[fmt.Sprintf("cpu%d_time", c.ID)] = c.TimeNS
	}
	for _, k := range d.Disks {
		out[k.Device+"_read"], out[k.Device+"_read_req"], out[k.Device+"_write"] = k.ReadBytes, k.ReadRequests, k.WriteBytes
		out[k.Device+"_write_req"], out[k.Device+"_errors"] = k.WriteRequests, k.Errors
	}
	for i, n := range d.NICs {
		name := fmt.Sprintf("vnet%d", i)
		out[name+"_rx"], out[name+"_rx_drop"], out[name+"_rx_errors"], out[name+"_rx_packets"] = n.RxOctets, n.RxDrop, n.RxErrors, n.RxPackets
		out[name+"_tx"], out[name+"_tx_drop"], out[name+"_tx_errors"], out[name+"_tx_packets"] = n.TxOctets, n.TxDrop, n.TxErrors, n.TxPackets
	}
	return out, nil
}

// standardDiagnostics is the form that 2.48 gave every hypervisor.
func standardDiagnostics(d *driver.Diagnostics) object {
	cpus, nics, disks := []object{}, []object{}, []object{}
	for _, c := range d.CPUs {
		cpus = append(cpus, object{"id": c.ID, "time": c.TimeNS, "utilisation": nil})
	}
	for _, n := range d.NICs {
		nics = append(nics, object{
			"mac_address": n.MAC, "rx_octets": n.RxOctets, "rx_errors": n.RxErrors, "rx_drop": n.RxDrop, "rx_packets": n.RxPackets, "rx_rate": nil,
			"tx_octets": n.TxOctets, "tx_errors": n.TxErrors, "tx_drop": n.TxDrop, "tx_packets": n.TxPackets, "tx_rate": nil,
		})
	}
	for _, k := range d.Disks {
		disks = append(disks, object{"read_bytes": k.ReadBytes, "read_requests": k.ReadRequests, "write_bytes": k.WriteBytes, "write_requests": k.WriteRequests, "errors_count": k.Errors})
	}
	return object{
		"state": d.State, "driver": d.Driver, "hypervisor": d.Hypervisor, "hypervisor_os": d.HypervisorOS, "uptime": d.Uptime, "config_drive": d.ConfigDrive, "num_cpus": d.NumCPUs,
		"num_nics": d.NumNICs, "num_disks": d.NumDisks, "memory_details": object{"maximum": d.MemoryMaxMB, "used": d.MemoryUsedMB}, "cpu_details": cpus, "nic_details": nics, "disk_details": disks,
	}
}
