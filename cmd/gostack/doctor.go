package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gostack/internal/engine/host"
)

// engines describes the engines of this machine as the configuration has them.
func (s *settings) engines() (*host.Host, error) {
	cfg, err := s.load()
	if err != nil {
		return nil, err
	}
	options, err := host.FromConfig(cfg)
	if err != nil {
		return nil, err
	}
	return host.New(options), nil
}

func doctorCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Tell what this machine lacks or could do better, and what to do about it", Args: cobra.NoArgs,
		Long: `Look at this machine: processor, memory, disk, kernel, networks and engines. Nothing is changed, and gostack need not run.
"degraded" works, but slower, weaker or not for long; "broken" does not work until it is mended. Exit status 3 when anything is broken.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			machine, err := s.engines()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			findings := machine.Doctor(ctx)
			cfg, err := s.load()
			if err != nil {
				return err
			}
			findings = append(findings, doctorMember(ctx, cfg)...)
			findings = append(findings, doctorOVN(ctx, cfg)...)
			broken := false
			for _, f := range findings {
				broken = broken || f.Level == host.Broken
			}
			err = show(s, findings, func(w io.Writer) {
				for _, f := range findings {
					fmt.Fprintf(w, "%s\t%s\t%s\n", f.Level, f.Name, f.What)
					if f.Do != "" {
						fmt.Fprintf(w, "\t\tdo: %s\n", f.Do)
					}
				}
			})
			if err == nil && broken {
				return exitCode(3)
			}
			return err
		},
	}
}
