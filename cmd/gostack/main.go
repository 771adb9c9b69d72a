// Command gostack is the whole cloud in one binary: it runs the services, brings a machine up, and tells what is going on.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gostack/internal/app"
	"gostack/internal/config"
)

// version is set by the build.
var version = "dev"

// settings are the flags every command has.
type settings struct {
	file   string
	output string
}

func (s *settings) load() (*config.Config, error) { return config.Load(s.file) }

// exitCode ends the program with a code, after the command has said why itself.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func main() {
	app.Version = version
	if err := root().Execute(); err != nil {
		var code exitCode
		if errors.As(err, &code) {
			os.Exit(int(code))
		}
		fmt.Fprintln(os.Stderr, "gostack:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	s := &settings{}
	cmd := &cobra.Command{
		Use:   "gostack",
		Short: "An OpenStack cloud in one binary",
		Long: `gostack is OpenStack written anew: real servers, networks and images behind the public OpenStack APIs.

On a new machine:
  gostack up        install nothing, start everything, boot a first server, and say how to log in
  gostack status    what runs here and how it is
  gostack doctor    what this machine lacks, and what to do about it
  gostack why ID    what happened to a server, network or request, step by step
  gostack down      stop what up started

Every OpenStack client works against it: see "gostack up" for how to log in.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	cmd.PersistentFlags().StringVar(&s.file, "config", config.DefaultFile, "configuration file; need not exist")
	cmd.PersistentFlags().StringVarP(&s.output, "output", "o", "table", "table or json")
	cmd.AddCommand(upCommand(s), downCommand(s), runCommand(s), statusCommand(s), doctorCommand(s), whyCommand(s), auditCommand(s), configCommand(s), keystoneCommand(s), dbCommand(s), backupCommand(s), restoreCommand(s), tokenCommand(s), joinCommand(s), hostCommand(s), ovnCommand(s))
	return cmd
}
