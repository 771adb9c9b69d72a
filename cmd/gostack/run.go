package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gostack/internal/app"
)

func runCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "run [role|component...]",
		Short: "Run components in this process until it is told to stop",
		Long: "Run components in this process until SIGINT or SIGTERM. Without arguments: role host on a machine that has joined\na cloud (gostack join), else role all.\n\n" +
			"Roles: all, control (APIs, schedulers, conductors), host (agents next to the hardware).\n\n" + componentHelp(),
		ValidArgs: app.Names(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), s, args)
		},
	}
}

func componentHelp() string {
	var b strings.Builder
	b.WriteString("Components:\n")
	for _, c := range app.Components {
		fmt.Fprintf(&b, "  %-24s %s\n", c.Name, c.What)
	}
	return b.String()
}

// stopTime is how long requests and steps under way may take to end.
const stopTime = 20 * time.Second

func run(ctx context.Context, s *settings, names []string) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = []string{cfg.Role()}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	slog.SetDefault(log)
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for _, dir := range []string{cfg.StateDir, cfg.RunDir, cfg.LogDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	h := app.New(cfg, log)
	if err := h.ServeAdmin(ctx); err != nil {
		return err
	}
	if err := h.Start(ctx, names...); err != nil {
		return err
	}
	<-ctx.Done()
	stop()
	log.Info("stopping")
	end, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	return h.Stop(end)
}
