package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gostack/internal/app"
	"gostack/internal/engine/host"
	"gostack/internal/replica"
	"gostack/internal/saga"
)

// admin asks the running gostack on this machine.
func admin(ctx context.Context, s *settings, method, path string, v any) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	return app.AskAdmin(ctx, cfg.RunDir, method, path, v)
}

// show prints v as JSON, or calls table.
func show(s *settings, v any, table func(w io.Writer)) error {
	if s.output == "json" {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(os.Stdout, 2, 8, 2, ' ', 0)
	table(w)
	return w.Flush()
}

func statusCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show what runs on this machine and how it is", Args: cobra.NoArgs,
		Long: "Show the components of the gostack that runs here, whether each does its work, and how many operations are under way.\nExit status 3 when something is degraded.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			machine, err := s.engines()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			var rep struct {
				app.StatusReport
				Engines []host.Status `json:"engines"`
			}
			rep.Engines = machine.Status(ctx)
			failed := admin(ctx, s, http.MethodGet, "/status", &rep.StatusReport)
			err = show(s, rep, func(w io.Writer) {
				if failed == nil {
					fmt.Fprintf(w, "host %s, process %d, up %s, %d operations under way\n\n", rep.Host, rep.PID, time.Since(rep.Since).Round(time.Second), rep.Operations)
					fmt.Fprintln(w, "COMPONENT\tSTATE\tWHY")
					for _, c := range rep.Components {
						fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, c.State, c.Why)
					}
					fmt.Fprintln(w)
					replicas(w, rep.Replicas)
				}
				fmt.Fprintln(w, "ENGINE\tSTATE\tSTARTED BY\tPID\tWHAT IT DOES")
				for _, e := range rep.Engines {
					state := string(e.State)
					if e.Problem != "" {
						state += ", " + e.Problem
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", e.Name, state, e.By, e.PID, e.Why)
				}
			})
			if failed != nil {
				return failed
			}
			degraded := slices.ContainsFunc(rep.Engines, func(e host.Status) bool { return e.State == host.Running && !e.Ready })
			for _, c := range rep.Components {
				degraded = degraded || c.State != "ready"
			}
			if err == nil && degraded {
				return exitCode(3)
			}
			return err
		},
	}
}

// replicas shows the control processes of a cloud on PostgreSQL.
func replicas(w io.Writer, list []replica.Member) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "CONTROL REPLICA\tSTATE\tVERSION\tADDRESS\tLAST SEEN\tLEADS")
	for _, m := range list {
		state := "alive"
		if !m.Alive {
			state = "silent"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, state, m.Version, m.Address, m.SeenAt.Format(time.RFC3339), strings.Join(m.Leads, ", "))
	}
	fmt.Fprintln(w)
}

func whyCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "why ID", Short: "Tell what happened to a resource or in a request, step by step", Args: cobra.ExactArgs(1),
		Long: "Tell the operations on a server (or any resource), or of a request id, or one operation: each step with its host, duration and error.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var stories []saga.Story
			if err := admin(cmd.Context(), s, http.MethodGet, "/why/"+args[0], &stories); err != nil {
				return err
			}
			if len(stories) == 0 {
				return fmt.Errorf("no operation is known for %s: it never had one, or its history has been purged", args[0])
			}
			return show(s, stories, func(w io.Writer) {
				for _, st := range stories {
					tell(w, st)
				}
			})
		},
	}
}

func tell(w io.Writer, st saga.Story) {
	fmt.Fprintf(w, "%s %s: %s\n", st.Kind, st.ResourceID, st.Outcome)
	fmt.Fprintf(w, "operation %s, request %s, project %s, begun %s\n", st.ID, st.RequestID, st.ProjectID, st.CreatedAt.Format(time.RFC3339))
	if st.Cause != "" {
		fmt.Fprintf(w, "cause: %s\n", st.Cause)
	}
	if st.Step != "" {
		fmt.Fprintf(w, "now at: %s\n", st.Step)
	}
	fmt.Fprintln(w, "  AT\tSTEP\tEVENT\tTRY\tHOST\tBY\tTOOK\tDETAIL")
	for _, e := range st.Events {
		fmt.Fprintf(w, "  +%.3fs\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", e.At.Sub(st.CreatedAt).Seconds(), e.Step, e.Event, e.Attempt, e.Host, e.Worker, e.Duration.Round(100*time.Microsecond), e.Detail)
	}
	fmt.Fprintln(w)
}

func auditCommand(s *settings) *cobra.Command {
	repair := false
	cmd := &cobra.Command{
		Use: "audit", Short: "Compare the database with libvirt, OVN and the disks", Args: cobra.NoArgs,
		Long: "Compare what the database says exists with what libvirt, OVN and the disks have. Empty when all is well; exit status 3 otherwise.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var rep app.AuditReport
			if err := admin(cmd.Context(), s, http.MethodPost, fmt.Sprintf("/audit?repair=%t", repair), &rep); err != nil {
				return err
			}
			err := show(s, rep, func(w io.Writer) {
				if len(rep.Findings) == 0 && rep.Error == "" {
					fmt.Fprintln(w, "nothing differs")
					return
				}
				fmt.Fprintln(w, "AREA\tID\tPROBLEM\tREPAIRED")
				for _, f := range rep.Findings {
					fmt.Fprintf(w, "%s\t%s\t%s\t%t\n", f.Area, f.ID, f.Problem, f.Repaired)
				}
			})
			if err == nil && rep.Error != "" {
				err = fmt.Errorf("the audit is not complete: %s", rep.Error)
			}
			if err == nil && len(rep.Findings) > 0 {
				return exitCode(3)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "mend what can be mended")
	return cmd
}

func configCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Explain the configuration"}
	cmd.AddCommand(&cobra.Command{
		Use: "explain [KEY]", Short: "Show every key, its value here, its default and what it means", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			type line struct{ Key, Value, Default, Environment, What string }
			var lines []line
			for _, k := range cfg.Keys() {
				if len(args) == 0 || args[0] == k.Name {
					lines = append(lines, line{k.Name, k.Value(), k.Default, k.Env(), k.Doc})
				}
			}
			if len(lines) == 0 {
				return fmt.Errorf("there is no key %q; gostack config explain lists all", args[0])
			}
			return show(s, lines, func(w io.Writer) {
				fmt.Fprintln(w, "KEY\tVALUE\tDEFAULT\tWHAT")
				for _, l := range lines {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Key, l.Value, l.Default, l.What)
				}
			})
		},
	})
	return cmd
}
