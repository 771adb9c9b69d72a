package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// Diagnostics answers counters of a running server.
func (d *Driver) Diagnostics(ctx context.Context, id string) (driver.Diagnostics, error) {
	var out driver.Diagnostics
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return out, err
	}
	s, err := d.stateOf(ctx, dom)
	if err != nil {
		return out, err
	}
	if s.PowerState != driver.Running && s.PowerState != driver.Paused {
		return out, driver.Refuse(driver.CodeBadState, "Instance %s is not running.", id)
	}
	caps, err := d.capabilities(ctx)
	if err != nil {
		return out, err
	}
	def, err := d.definition(ctx, dom, 0)
	if err != nil {
		return out, err
	}
	out = driver.Diagnostics{
		State: s.PowerState.String(), Driver: "libvirt", Hypervisor: caps.virtType, HypervisorOS: "linux",
		MemoryMaxMB: memoryMB(def),
	}
	if _, err := os.Stat(filepath.Join(d.serverDir(id), configFile)); err == nil {
		out.ConfigDrive = true
	}
	if def.VCPU != nil {
		out.NumCPUs = int(def.VCPU.Value)
	}
	records, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) ([]rpc.DomainStatsRecord, error) {
		want := rpc.DomainStatsVCPU | rpc.DomainStatsBlock | rpc.DomainStatsInterface | rpc.DomainStatsBalloon | rpc.DomainStatsCPUTotal
		return l.ConnectGetAllDomainStats([]rpc.Domain{dom}, uint32(want), 0)
	})
	if err != nil {
		return out, err
	}
	if len(records) == 0 {
		return out, errors.New("libvirtd has no numbers of the domain")
	}
	fill(&out, def, numbers(records[0].Params))
	return out, nil
}

// numbers reads libvirt's typed parameters as integers by name.
func numbers(params []rpc.TypedParam) map[string]int64 {
	m := map[string]int64{}
	for _, p := range params {
		switch v := p.Value.I.(type) {
		case int32:
			m[p.Field] = int64(v)
		case uint32:
			m[p.Field] = int64(v)
		case int64:
			m[p.Field] = v
		case uint64:
			m[p.Field] = int64(v)
		}
	}
	return m
}

// name is the name of the i-th device's number, as "net.0.rx.bytes".
func name(kind string, i int, what string) string {
	return kind + "." + strconv.Itoa(i) + "." + what
}

func fill(out *driver.Diagnostics, def *libvirtxml.Domain, n map[string]int64) {
	out.MemoryUsedMB = int(n["balloon.current"]-n["balloon.unused"]) >> 10
	for i := range out.NumCPUs {
		out.CPUs = append(out.CPUs, driver.CPUDiagnostics{ID: i, TimeNS: n[name("vcpu", i, "time")]})
	}
	if def.Devices == nil {
		return
	}
	for i := range def.Devices.Interfaces {
		nic := &def.Devices.Interfaces[i]
		v := driver.NICDiagnostics{
			RxOctets: n[name("net", i, "rx.bytes")], RxPackets: n[name("net", i, "rx.pkts")],
			RxErrors: n[name("net", i, "rx.errs")], RxDrop: n[name("net", i, "rx.drop")],
			TxOctets: n[name("net", i, "tx.bytes")], TxPackets: n[name("net", i, "tx.pkts")],
			TxErrors: n[name("net", i, "tx.errs")], TxDrop: n[name("net", i, "tx.drop")],
		}
		if nic.MAC != nil {
			v.MAC = strings.ToLower(nic.MAC.Address)
		}
		out.NICs = append(out.NICs, v)
	}
	for i := range def.Devices.Disks {
		v := driver.DiskDiagnostics{
			ReadBytes: n[name("block", i, "rd.bytes")], ReadRequests: n[name("block", i, "rd.reqs")],
			WriteBytes: n[name("block", i, "wr.bytes")], WriteRequests: n[name("block", i, "wr.reqs")],
			Errors: n[name("block", i, "errors")],
		}
		if t := def.Devices.Disks[i].Target; t != nil {
			v.Device = t.Dev
		}
		out.Disks = append(out.Disks, v)
	}
	out.NumNICs, out.NumDisks = len(out.NICs), len(out.Disks)
}
