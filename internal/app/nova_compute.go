package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"gostack/internal/config"
	engine "gostack/internal/engine/libvirt"
	"gostack/internal/hostlink"
	"gostack/internal/nova/agent"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/libvirt"
	"gostack/internal/nova/driver/simulated"
	"gostack/internal/nova/hardware"
	"gostack/internal/nova/imagelink"
)

// novaCompute runs servers on this host.
var novaCompute = Component{
	Name: "nova-compute", What: "Runs servers on this host, with libvirt (or simulated)",
	Needs: []string{"glance-api"}, Build: buildNovaCompute,
}

func buildNovaCompute(_ context.Context, h *House) (Unit, error) {
	var hosts []computeHost
	var err error
	switch h.Config.Nova.Driver {
	case "libvirt":
		hosts, err = h.libvirtHost()
	case "simulated":
		hosts, err = h.simulatedHosts()
	default:
		err = fmt.Errorf("there is no compute driver %q; there are libvirt and simulated", h.Config.Nova.Driver)
	}
	if err != nil {
		return Unit{}, err
	}
	for i := range hosts {
		hosts[i].Options.Images = h.imageSink(hosts[i].Host)
		hosts[i].Options.Resume = h.Config.Nova.ResumeGuests
		hosts[i].Options.Streams = streams{h, hosts}
		hosts[i].Options.Link, hosts[i].Options.LinkAddress, hosts[i].Options.MembersChanged = h.Link, h.Config.LinkAddress(), h.membersChanged
		if hosts[i].agent, err = agent.New(hosts[i].Options); err != nil {
			return Unit{}, err
		}
	}
	find := func(name string) *agent.Agent {
		for _, host := range hosts {
			if host.Host == name {
				return host.agent
			}
		}
		return nil
	}
	h.Link.Handle(driver.DisksService, agent.DisksHandler(find))
	h.Link.Handle(driver.LiveService, agent.LiveHandler(find))
	return Unit{
		Start: func(ctx context.Context) error {
			for i, host := range hosts {
				if err := host.agent.Start(ctx); err != nil {
					for _, started := range hosts[:i] {
						started.agent.Stop()
					}
					return err
				}
			}
			return nil
		},
		Stop: func(context.Context) error {
			var errs []error
			for _, host := range hosts {
				host.agent.Stop()
				if host.close != nil {
					errs = append(errs, host.close())
				}
			}
			return errors.Join(errs...)
		},
		Ready: func(context.Context) error {
			for _, host := range hosts {
				if err := host.agent.Ready(); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}

// streams reach other hosts; simulated ones share this process and its link.
type streams struct {
	house *House
	hosts []computeHost
}

// Dial implements agent.Streams.
func (s streams) Dial(ctx context.Context, to hostlink.Peer, service string, header any) (net.Conn, error) {
	for _, host := range s.hosts {
		if host.Host == to.Identity.Host {
			to.Identity = s.house.Link.Self
		}
	}
	return s.house.Link.Dial(ctx, to, service, header)
}

// computeHost is one agent and what ends with it.
type computeHost struct {
	agent.Options
	agent *agent.Agent
	close func() error
}

// libvirtHost is this machine.
func (h *House) libvirtHost() ([]computeHost, error) {
	cfg := h.Config.Nova
	virtType := cfg.VirtType
	if virtType == "auto" {
		virtType = ""
	}
	shared, dedicated, err := cpuSets(cfg)
	if err != nil {
		return nil, err
	}
	devices, err := hardware.ParsePCISpecs(cfg.PCIOptions("device_spec"))
	if err != nil {
		return nil, fmt.Errorf("nova.pci: %w", err)
	}
	client := engine.New(cfg.LibvirtSocket)
	dir := filepath.Join(h.Config.StateDir, "instances")
	d, err := libvirt.New(libvirt.Options{
		Client: client, Dir: dir, Owner: "gostack/" + h.Config.Region, Images: imagelink.Source(h.Link),
		VirtType: virtType, Hostname: h.Config.Host, HostIP: h.Config.HostIP, Log: h.Log,
		CPUShared: shared, CPUDedicated: dedicated, PCI: devices,
		Serial: cfg.HasConsole("serial"), SerialDir: filepath.Join(h.Config.RunDir, "serial"),
		Spice: cfg.HasConsole("spice-html5"),
	})
	if err != nil {
		return nil, err
	}
	h.Purgers = append(h.Purgers, func(ctx context.Context) error { return purgeServers(ctx, d, dir) })
	return []computeHost{{
		Options: agent.Options{Host: h.Config.Host, Bus: h.Bus, Driver: d, Log: h.Log, StepsFile: filepath.Join(dir, "steps")},
		close:   func() error { client.Close(); return nil },
	}}, nil
}

// cpuSets reads which processors servers share and which they have for themselves; none can be both.
func cpuSets(cfg config.Nova) (shared, dedicated hardware.CPUSet, err error) {
	if shared, err = hardware.ParseCPUSet(cfg.CPUShared); err != nil {
		return nil, nil, fmt.Errorf("nova.cpu_shared_set: %w", err)
	}
	if dedicated, err = hardware.ParseCPUSet(cfg.CPUDedicated); err != nil {
		return nil, nil, fmt.Errorf("nova.cpu_dedicated_set: %w", err)
	}
	if both := shared.And(dedicated); len(both) > 0 {
		return nil, nil, fmt.Errorf("nova.cpu_shared_set and nova.cpu_dedicated_set both name processor %s", both)
	}
	return shared, dedicated, nil
}

// purgeServers removes every server of this cloud from the host.
func purgeServers(ctx context.Context, d driver.Driver, dir string) error {
	guests, err := d.List(ctx)
	if err != nil {
		return err
	}
	for _, g := range guests {
		if err := d.Destroy(ctx, g.ID); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// manyHosts is when heartbeats of simulated hosts become rarer.
const manyHosts = 100

// simulatedHosts are hosts of nothing but memory, for tests of scale. One takes
// this machine's name.
func (h *House) simulatedHosts() ([]computeHost, error) {
	dir := filepath.Join(h.Config.StateDir, "simulated")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	n := max(1, h.Config.Nova.SimulatedHosts)
	var heartbeat, report time.Duration
	if n > manyHosts {
		heartbeat, report = 30*time.Second, 10*time.Minute
	}
	hosts := make([]computeHost, n)
	for i := range hosts {
		name := h.Config.Host
		if n > 1 {
			name = fmt.Sprintf("simulated-%04d", i+1)
		}
		o := simulated.Options{Hostname: name}
		if n <= manyHosts {
			o.StateFile = filepath.Join(dir, name)
		}
		d, err := simulated.New(o)
		if err != nil {
			return nil, err
		}
		hosts[i] = computeHost{
			Options: agent.Options{Host: name, Bus: h.Bus, Driver: d, Log: h.Log, Heartbeat: heartbeat, Report: report},
			close:   d.Close,
		}
	}
	h.Purgers = append(h.Purgers, func(context.Context) error { return os.RemoveAll(dir) })
	return hosts, nil
}
