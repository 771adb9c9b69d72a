package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gostack/internal/bringup"
)

func (s *settings) bringup() (bringup.Options, error) {
	cfg, err := s.load()
	if err != nil {
		return bringup.Options{}, err
	}
	program, err := os.Executable()
	if err != nil {
		return bringup.Options{}, err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return bringup.Options{}, err
	}
	file, err := filepath.Abs(s.file)
	if err != nil {
		return bringup.Options{}, err
	}
	return bringup.Options{
		Config: cfg, ConfigFile: file, Program: program, Home: home, Out: os.Stderr,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}, nil
}

func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
}

func upCommand(s *settings) *cobra.Command {
	image, bare, masquerade := "", false, false
	cmd := &cobra.Command{
		Use: "up", Short: "Start everything on this machine and boot a first server", Args: cobra.NoArgs,
		Long: `Start the engines that no init system runs (Open vSwitch, OVN, libvirt) and gostack itself in the background, create an administrator,
a demo project with a network and a router, flavors and a small image, and boot a first server with a floating IP.

On a machine that has joined a cloud (gostack join): start the engines and the agents of a host.

It may be run again at any time: what exists stays, what is missing or broken is repaired, and gostack begins anew when its program or its
configuration file has changed; servers do not notice. gostack down stops what it started.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := s.bringup()
			if err != nil {
				return err
			}
			o.Image, o.EnginesAll, o.Masquerade = image, bare, masquerade
			ctx, stop := interruptible(cmd)
			defer stop()
			sum, err := bringup.Up(ctx, o)
			if err != nil {
				return fmt.Errorf("%w\n\nRun gostack up again to go on from here; gostack doctor looks at this machine", err)
			}
			return show(s, sum, func(w io.Writer) { summary(w, sum) })
		},
	}
	cmd.Flags().StringVar(&image, "image", "", "guest image in qcow2 (default: the one scripts/build-image made)")
	cmd.Flags().BoolVar(&bare, "bare", false, "stop when the services answer, without image, network and server")
	cmd.Flags().BoolVar(&masquerade, "masquerade", false, "let guests reach what this machine reaches, by NAT on this machine")
	return cmd
}

func summary(w io.Writer, u *bringup.Summary) {
	if u.Host != "" {
		fmt.Fprintf(w, "\nHost %s is at work (guests run on %s), after %s.\n\n", u.Host, u.VirtType, u.TotalTime.Round(100*time.Millisecond))
		fmt.Fprintf(w, "Look:\tgostack status here; on control: gostack host show %s\nStop:\tgostack down; its servers go on\n", u.Host)
		return
	}
	fmt.Fprintf(w, "\nThe cloud is up at %s (guests run on %s), after %s.\n\n", u.Endpoint, u.VirtType, u.TotalTime.Round(100*time.Millisecond))
	if u.First == nil {
		return
	}
	fmt.Fprintf(w, "Log in:\topenstack --os-cloud %s server list\n", bringup.CloudDemo)
	fmt.Fprintf(w, "\topenstack --os-cloud %s hypervisor list\n", bringup.CloudAdmin)
	fmt.Fprintf(w, "\tor, for clients without clouds.yaml:  . %s\n", u.OpenRC)
	fmt.Fprintf(w, "First server:\t%s (%s), %s, floating IP %s\n", u.First.ServerName, u.First.ServerID, u.First.FixedIP, u.First.FloatingIP)
	fmt.Fprintf(w, "SSH:\tssh -i %s %s@%s\n", u.Key, u.User, u.First.FloatingIP)
	fmt.Fprintf(w, "Look:\tgostack status, gostack why %s\n", u.First.ServerID)
	fmt.Fprintf(w, "Stop:\tgostack down; gostack down --purge removes every trace\n")
}

func downCommand(s *settings) *cobra.Command {
	purge := false
	cmd := &cobra.Command{
		Use: "down", Short: "Stop what gostack up started", Args: cobra.NoArgs,
		Long: "Stop gostack and the engines it started. Servers go on running and are found again by the next up.\n--purge removes servers, networks, databases, files and the entries in clouds.yaml: every trace.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := s.bringup()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			return bringup.Down(ctx, o, purge)
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "remove every trace, servers and data included")
	return cmd
}
