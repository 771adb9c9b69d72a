package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"gostack/internal/bus"
	"gostack/internal/config"
	"gostack/internal/nova"
	novaapi "gostack/internal/nova/api"
	"gostack/internal/nova/console"
	"gostack/internal/nova/hardware"
	"gostack/internal/nova/ops"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/scheduler"
	"gostack/internal/nova/snapshotlink"
	"gostack/internal/store"
)

// The control side of Nova. What the processes of upstream do apart is one service here; each component adds the part that its name says.
var (
	novaConductor = Component{
		Name: "nova-conductor", What: "Carries out operations on servers, hears what hosts report",
		Needs:   []string{"keystone-api", "glance-api", "placement-api", "neutron-api"},
		Control: true, Migrations: []store.Migrations{nova.Migrations}, Build: buildNovaConductor,
	}
	novaScheduler = Component{
		Name: "nova-scheduler", What: "Picks hosts for servers (inside nova-conductor's operations)",
		Needs: []string{"nova-conductor"}, Control: true,
		Build: func(_ context.Context, h *House) (Unit, error) { return h.novaService("nova-scheduler"), nil },
	}
	novaAPI = Component{
		Name: "nova-api", What: "Compute API: servers, flavors, key pairs, hosts",
		Needs: []string{"nova-conductor"}, Control: true,
		Build: func(_ context.Context, h *House) (Unit, error) {
			h.Serve(novaapi.New(h.Nova)...)
			return Unit{}, nil
		},
	}
	novaMetadata = Component{
		Name: "nova-metadata", What: "Tells guests about themselves, through the hosts' neutron-metadata-agent",
		Needs: []string{"nova-conductor"}, Control: true, Build: buildNovaMetadata,
	}
	novaNoVNCProxy = Component{
		Name: "nova-novncproxy", What: "Shows servers' screens in a browser",
		Needs: []string{"nova-conductor"}, Control: true, Build: consoleProxy(nova.ConsoleNoVNC, novncPrefix, nil),
	}
	novaSerialProxy = Component{
		Name: "nova-serialproxy", What: "Joins WebSockets with servers' serial consoles",
		Needs: []string{"nova-conductor"}, Control: true, Build: consoleProxy(nova.ConsoleSerial, serialPrefix, func(o *console.Options) { o.Bare = true }),
	}
	novaSpiceProxy = Component{
		Name: "nova-spicehtml5proxy", What: "Shows servers' SPICE screens in a browser",
		Needs: []string{"nova-conductor"}, Control: true, Build: consoleProxy(nova.ConsoleSPICE, spicePrefix, func(o *console.Options) { o.Pages = os.DirFS(spicePages) }),
	}
)

// set returns a configured ratio, or 0 for the default, which leaves the ratio to placement.
func set(ratio, absent float64) float64 {
	if ratio == absent {
		return 0
	}
	return ratio
}

func liveConfig(cfg config.Nova) nova.LiveConfig {
	timeout := time.Duration(cfg.LiveTimeout) * time.Second
	if timeout == 0 {
		timeout = -1 // no end
	}
	return nova.LiveConfig{CompletionTimeout: timeout, ForceComplete: cfg.LiveTimeoutAction == "force_complete", PostCopy: cfg.LiveForce == "post_copy", Concurrent: cfg.LiveConcurrent}
}

func buildNovaConductor(_ context.Context, h *House) (Unit, error) {
	cfg := h.Config.Nova
	aliases, err := hardware.ParsePCIAliases(cfg.PCIOptions("alias"))
	if err != nil {
		return Unit{}, fmt.Errorf("nova.pci: %w", err)
	}
	unified, err := nova.ConfigureQuota(cfg.Quota, h.Keystone, h.Config.Region)
	if err != nil {
		return Unit{}, fmt.Errorf("nova.quota: %w", err)
	}
	service := &nova.Service{
		DB: h.DB, Clock: h.Clock, Log: h.Log,
		Config: nova.Config{
			DefaultZone: cfg.AvailabilityZone, ConsoleURL: consoleURL(h.Config.PublicURL, novncPrefix), SpiceURL: consoleURL(h.Config.PublicURL, spicePrefix),
			SerialURL: consoleURL(strings.Replace(h.Config.PublicURL, "http", "ws", 1), serialPrefix),
			CPURatio:  set(cfg.CPUAllocationRatio, nova.InitialCPURatio), RAMRatio: set(cfg.RAMAllocationRatio, nova.InitialRAMRatio),
			DiskRatio:        set(cfg.DiskAllocationRatio, nova.InitialDiskRatio),
			ReservedMemoryMB: cfg.ReservedHostMemoryMB, ReservedDiskMB: cfg.ReservedHostDiskMB,
			PCIAliases:       aliases,
			ResizeToSameHost: cfg.ResizeToSameHost, ResizeConfirmWindow: cfg.ResizeConfirmWindow,
			Live:               liveConfig(cfg),
			ShelvedOffloadTime: cfg.ShelvedOffloadTime, ReclaimInterval: cfg.ReclaimInterval,
			Notifications: nova.Notifications{
				Format: h.Config.Notifications.Format, States: h.Config.Notifications.NotifyOnState, ImageURL: strings.TrimRight(h.Config.PublicURL, "/") + "/image/images/",
			},
		},
		Images: novaImages{h.Glance}, Made: h.Glance, Network: h.Neutron, Groups: novaGroups{h.Neutron}, OldNetwork: novaProxied{h.Neutron}, OldImages: h.Glance, Placement: nova.WithNUMA(h.Placement),
		Projects: novaProjects{h.Keystone}, Unified: unified, Hosts: ops.BusHosts{Bus: h.Bus, Tickets: h.Hosts}, Tickets: h.Hosts, Link: h.Link,
	}
	scheduling := scheduler.DefaultConfig()
	if err := scheduling.Configure(cfg.Scheduler); err != nil {
		return Unit{}, fmt.Errorf("nova.scheduler: %w", err)
	}
	ops.New(service, h.Saga, scheduling)
	h.Nova = service
	h.Link.Handle(snapshotlink.Service, snapshotlink.Handler(service.ReceiveSnapshot))
	h.Auditors = append(h.Auditors, Auditor{Area: "servers", Audit: func(ctx context.Context, repair bool) ([]Finding, error) {
		found, err := service.Audit(ctx, repair)
		findings := make([]Finding, len(found))
		for i, f := range found {
			findings[i] = Finding{ID: f.ID, Problem: f.Problem, Repaired: f.Repaired}
		}
		return findings, err
	}})
	unit := h.novaService("nova-conductor")
	beat, rest := unit.Start, unit.Stop
	keeping, done := context.WithCancel(context.Background())
	var keeper sync.WaitGroup
	var stop, unwatch func()
	unit.Start = func(ctx context.Context) error {
		keeper.Go(func() { service.KeepServers(keeping) })
		var err error
		if stop, err = h.Bus.Serve(bus.To{Topic: rpc.ConductorTopic, Host: h.Config.Host}, service.ConductorHandlers()); err != nil {
			return err
		}
		unwatch = h.watchHosts()
		return beat(ctx)
	}
	unit.Stop = func(ctx context.Context) error {
		done()
		keeper.Wait()
		unwatch()
		stop()
		return rest(ctx)
	}
	return unit, nil
}

// serviceBeat is how often a process of the control side says that it lives (upstream's report_interval).
const serviceBeat = 10 * time.Second

// novaService keeps the row of a process of the control side in the list of services.
func (h *House) novaService(binary string) Unit {
	ctx, cancel := context.WithCancel(context.Background())
	var beats sync.WaitGroup
	return Unit{
		Start: func(start context.Context) error {
			if err := h.Nova.EnsureService(start, binary, h.Config.Host); err != nil {
				return err
			}
			beats.Go(func() {
				tick := time.NewTicker(serviceBeat)
				defer tick.Stop()
				for {
					select {
					case <-ctx.Done():
						return
					case <-tick.C:
					}
					if err := h.Nova.Heartbeat(ctx, binary, h.Config.Host); err != nil && ctx.Err() == nil {
						h.Log.Warn("heartbeat is not kept", "component", binary, "error", err)
					}
				}
			})
			return nil
		},
		Stop: func(context.Context) error {
			cancel()
			beats.Wait()
			return nil
		},
	}
}
