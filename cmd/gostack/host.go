package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gostack/internal/app"
)

func hostCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "host", Short: "Look at the cloud's hosts, and take them out of service",
		Long: "Look at the cloud's hosts, and take them out of service. To add one: gostack token create --host NAME, then gostack join there.\nThese commands ask the control process on this machine.",
	}
	cmd.AddCommand(hostListCommand(s), hostShowCommand(s),
		hostActionCommand(s, "disable", "Keep new servers away from a host", "reason"),
		hostActionCommand(s, "enable", "Let a host have new servers again"),
		hostActionCommand(s, "drain", "Move every server away from a host, and keep new ones away", "reason", "cold"),
		hostActionCommand(s, "remove", "Take a host out of the cloud: its access, its capacity, its chassis", "force"))
	return cmd
}

func hostReports(cmd *cobra.Command, s *settings) ([]app.HostReport, error) {
	var list []app.HostReport
	return list, admin(cmd.Context(), s, http.MethodGet, "/hosts", &list)
}

func hostListCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the hosts: up or down, what they have and what is promised", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := hostReports(cmd, s)
			if err != nil {
				return err
			}
			return show(s, list, func(w io.Writer) {
				fmt.Fprintln(w, "HOST\tSTATE\tSTATUS\tSERVERS\tVCPUS\tMEMORY MiB\tDISK GiB\tSEEN\tREASON")
				for _, h := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", h.Name, h.State, h.Status, h.Servers, of(h.VCPUs), of(h.MemoryMB), of(h.DiskGB), ago(h.LastSeen), h.Reason)
				}
			})
		},
	}
}

func of(v [2]int64) string { return fmt.Sprintf("%d of %d", v[0], v[1]) }

func ago(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return time.Since(*t).Round(time.Second).String() + " ago"
}

func hostShowCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one host", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := hostReports(cmd, s)
			if err != nil {
				return err
			}
			for _, h := range list {
				if h.Name == args[0] {
					return show(s, h, func(w io.Writer) { showHost(w, h) })
				}
			}
			return fmt.Errorf("there is no host %q; gostack host list shows those that there are", args[0])
		},
	}
}

func showHost(w io.Writer, h app.HostReport) {
	line := func(name string, v any) { fmt.Fprintf(w, "%s\t%v\n", name, v) }
	line("host", h.Name)
	line("state", h.State)
	line("status", h.Status)
	if h.Reason != "" {
		line("reason", h.Reason)
	}
	line("last seen", ago(h.LastSeen))
	line("address", h.Address)
	line("hypervisor", h.Hypervisor)
	line("servers", h.Servers)
	line("vcpus promised", of(h.VCPUs))
	line("memory promised, MiB", of(h.MemoryMB))
	line("disk promised, GiB", of(h.DiskGB))
	if h.Joined != nil {
		line("joined", h.Joined.Local().Format(time.DateTime))
		line("certificate until", h.Certificate.Local().Format(time.DateTime))
	}
}

// hostActionCommand is a command that tells its progress.
func hostActionCommand(s *settings, action, short string, flags ...string) *cobra.Command {
	reason, force, cold := "", false, false
	cmd := &cobra.Command{
		Use: action + " NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			q := url.Values{"reason": {reason}, "force": {fmt.Sprint(force)}, "cold": {fmt.Sprint(cold)}}
			path := "/hosts/" + url.PathEscape(args[0]) + "/" + action + "?" + q.Encode()
			var steps []app.Step
			err = app.FollowAdmin(ctx, cfg.RunDir, path, func(st app.Step) {
				steps = append(steps, st)
				if s.output != "json" && st.Text != "" {
					fmt.Fprintf(os.Stdout, "%s  %s\n", time.Now().Format(time.TimeOnly), st.Text)
				}
			})
			if s.output == "json" {
				err = orShow(err, show(s, steps, nil))
			}
			return err
		},
	}
	for _, f := range flags {
		switch f {
		case "reason":
			cmd.Flags().StringVar(&reason, "reason", "", "why, for others to read")
		case "cold":
			cmd.Flags().BoolVar(&cold, "cold", false, "move running servers that cannot move live by stopping and starting them")
		case "force":
			cmd.Flags().BoolVar(&force, "force", false, "end its access even though servers are on it (they can be evacuated then)")
		}
	}
	return cmd
}

// orShow is the first error that there is.
func orShow(err, showing error) error {
	if err != nil {
		return err
	}
	return showing
}
