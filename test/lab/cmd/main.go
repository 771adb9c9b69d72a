// Command cmd is the lab of several hosts for people: it brings one up that stays, shows it, breaks it and takes it down.
//
//	go run ./test/lab/cmd up [--hosts 3]      as make lab HOSTS=3
//	go run ./test/lab/cmd status              machines and processes
//	go run ./test/lab/cmd shell [MACHINE]     a shell on a machine; without a name in the fabric, where clients are
//	go run ./test/lab/cmd run MACHINE CMD...  a command on a machine
//	go run ./test/lab/cmd kill|stop|start|freeze|thaw MACHINE PROCESS
//	go run ./test/lab/cmd cut|mend|off|on MACHINE
//	go run ./test/lab/cmd down
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gostack/test/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			os.Exit(exit.ExitCode())
		}
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

// outside is the side of the command that people call.
type outside struct {
	fabric string
	script string
}

func command() *cobra.Command {
	o := &outside{}
	options := lab.Options{}
	cmd := &cobra.Command{Use: "lab", Short: "A cloud of several hosts on one machine", SilenceUsage: true, SilenceErrors: true}
	cmd.PersistentFlags().StringVar(&o.fabric, "name", "gostack-lab", "name of the lab: several can run at once")
	cmd.PersistentPreRunE = func(*cobra.Command, []string) (err error) {
		o.script, err = filepath.Abs("scripts/machine")
		if err == nil {
			_, err = os.Stat(o.script)
		}
		return err
	}
	up := &cobra.Command{Use: "up", Args: cobra.NoArgs, Short: "start a lab that stays", RunE: func(cmd *cobra.Command, _ []string) error { return o.up(cmd.Context(), options) }}
	up.Flags().IntVar(&options.Hosts, "hosts", 3, "number of hosts")
	up.Flags().IntVar(&options.Controls, "controls", 2, "number of control replicas")
	up.Flags().StringVar(&options.Program, "program", "bin/gostack", "the gostack binary")
	cmd.AddCommand(
		up,
		&cobra.Command{Use: "down", Args: cobra.NoArgs, Short: "end the lab and everything in it", RunE: func(cmd *cobra.Command, _ []string) error {
			return o.machine(cmd.Context(), "stop", o.fabric)
		}},
		&cobra.Command{Use: "shell [MACHINE]", Args: cobra.MaximumNArgs(1), Short: "a shell on a machine, or in the fabric", RunE: func(cmd *cobra.Command, args []string) error {
			return o.enter(cmd.Context(), args, "bash")
		}},
		&cobra.Command{Use: "run MACHINE CMD...", Args: cobra.MinimumNArgs(2), DisableFlagParsing: true, Short: "a command on a machine", RunE: func(cmd *cobra.Command, args []string) error {
			return o.enter(cmd.Context(), args[:1], args[1:]...)
		}},
		o.forward("status", 0, "machines and processes"),
	)
	for _, verb := range []string{"kill", "stop", "start", "freeze", "thaw"} {
		cmd.AddCommand(o.forward(verb, 2, verb+" a process of a machine"))
	}
	for verb, what := range map[string]string{"cut": "pull the machine's network cable", "mend": "put it back", "off": "cut the machine's power", "on": "give it power"} {
		cmd.AddCommand(o.forward(verb, 1, what))
	}
	cmd.AddCommand(insideCommand())
	return cmd
}

func (o *outside) machine(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, o.script, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// inside runs this program in the fabric.
func (o *outside) inside(ctx context.Context, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return o.machine(ctx, append([]string{"exec", o.fabric, "--", self, "inside", lab.Dir(o.fabric)}, args...)...)
}

func (o *outside) forward(verb string, args int, short string) *cobra.Command {
	use := verb + strings.Join([]string{"", " MACHINE", " MACHINE PROCESS"}[args:args+1], "")
	return &cobra.Command{Use: use, Args: cobra.ExactArgs(args), Short: short, RunE: func(cmd *cobra.Command, args []string) error {
		return o.inside(cmd.Context(), append([]string{verb}, args...)...)
	}}
}

// enter runs a command on a machine of the lab.
func (o *outside) enter(ctx context.Context, machine []string, argv ...string) error {
	if len(machine) == 0 || machine[0] == "fabric" {
		return o.machine(ctx, append([]string{"exec", o.fabric, "--"}, argv...)...)
	}
	return o.machine(ctx, append([]string{"exec", o.fabric, "--", "env", "GOSTACK_MACHINES=" + filepath.Join(lab.Dir(o.fabric), "machines"), o.script, "exec", machine[0], "--"}, argv...)...)
}

func (o *outside) up(ctx context.Context, options lab.Options) (err error) {
	if why := lab.Missing(); why != "" {
		return errors.New(why + "; scripts/install-engines installs what gostack needs")
	}
	if options.Program, err = filepath.Abs(options.Program); err != nil {
		return err
	}
	if _, err := os.Stat(options.Program); err != nil {
		return fmt.Errorf("%w; make build makes it", err)
	}
	options.Dir = lab.Dir(o.fabric)
	if err := o.machine(ctx, "start", o.fabric); err != nil {
		return err
	}
	if err := os.MkdirAll(options.Dir, 0o755); err != nil {
		return err
	}
	b, err := json.Marshal(options)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(options.Dir, "lab.json"), b, 0o600); err != nil {
		return err
	}
	return o.inside(ctx, "up")
}

// insideCommand is the side that runs in the fabric.
func insideCommand() *cobra.Command {
	return &cobra.Command{Use: "inside DIR VERB [MACHINE [PROCESS]]", Hidden: true, Args: cobra.RangeArgs(2, 4), RunE: func(cmd *cobra.Command, args []string) error {
		var options lab.Options
		b, err := os.ReadFile(filepath.Join(args[0], "lab.json"))
		if err != nil {
			return errors.New("there is no lab of this name; make lab starts one")
		}
		if err := json.Unmarshal(b, &options); err != nil {
			return err
		}
		options.Out = os.Stdout
		l, err := lab.New(options)
		if err != nil {
			return err
		}
		return do(cmd.Context(), l, args[1], args[2:], os.Stdout)
	}}
}

func do(ctx context.Context, l *lab.Lab, verb string, args []string, out io.Writer) error {
	switch verb {
	case "up":
		l.Detach, l.BalancerArgs = true, []string{"inside", l.Dir, "balance"}
		if err := l.Up(ctx); err != nil {
			l.Autopsy(out)
			return err
		}
		l.Summary(out)
		return nil
	case "balance":
		return l.Balance(ctx)
	case "status":
		l.Status(out)
		return nil
	}
	m, err := l.Machine(args[0])
	if err != nil {
		return err
	}
	switch verb {
	case "cut":
		return m.Cut()
	case "mend":
		return m.Mend()
	case "off":
		return m.Off(ctx)
	case "on":
		return m.On(ctx)
	}
	p := m.Process(args[1])
	if p == nil {
		return fmt.Errorf("%s has no process %q; status lists them", m.Name, args[1])
	}
	return map[string]func(context.Context) error{"kill": p.Kill, "stop": p.Stop, "start": p.Start, "freeze": p.Freeze, "thaw": p.Thaw}[verb](ctx)
}
