package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gostack/internal/app"
	"gostack/internal/config"
	"gostack/internal/hosts"
	"gostack/internal/hosts/member"
)

func tokenCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Let machines join this cloud"}
	name, life := "", hosts.TokenLife
	var control []string
	create := &cobra.Command{
		Use: "create --host NAME", Short: "Make a token with which one machine may join, once", Args: cobra.NoArgs,
		Long: `Make a token with which the machine of that name may join this cloud, once: on it, gostack join TOKEN. The token says where control is and how to
be sure that it is control. Only a hash of it is kept; a newer token for the same name replaces it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"host": {name}, "expires": {life.String()}, "control": control}
			var t hosts.NewToken
			if err := admin(cmd.Context(), s, http.MethodPost, "/tokens?"+q.Encode(), &t); err != nil {
				return err
			}
			return show(s, t, func(w io.Writer) {
				fmt.Fprintf(w, "On %s, as root, before %s:\n\n  gostack join %s\n", t.Host, t.ExpiresAt.Local().Format("2006-01-02 15:04 MST"), t.Token)
				if t.Member {
					fmt.Fprintf(w, "\nA host %s has joined already: it loses its access when this token is used.\n", t.Host)
				}
			})
		},
	}
	create.Flags().StringVar(&name, "host", "", "name of the machine, as hostname prints there")
	create.Flags().DurationVar(&life, "expires", life, "how long the token is good")
	create.Flags().StringArrayVar(&control, "control", nil, "address of control's hostlink as the machine reaches it, host:port; may be repeated (default: control in the configuration)")
	_ = create.MarkFlagRequired("host")
	cmd.AddCommand(create)
	return cmd
}

func joinCommand(s *settings) *cobra.Command {
	force, rename, hostIP := false, false, ""
	cmd := &cobra.Command{
		Use: "join TOKEN", Short: "Make this machine a host of a cloud", Args: cobra.ExactArgs(1),
		Long: `Make this machine a host of the cloud that made the token (gostack token create). Its key is made here and stays here; control gives it a certificate and
a user of its own on the message broker, and ` + config.DefaultFile + ` is written. TOKEN may be - to read it from the input.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			text := args[0]
			if text == "-" {
				b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 64<<10))
				if err != nil {
					return err
				}
				text = string(b)
			}
			token, err := hosts.ParseToken(text)
			if err != nil {
				return err
			}
			here, err := os.Hostname()
			if err != nil {
				return err
			}
			if here != token.Host && !rename {
				return fmt.Errorf("the token is for host %s, and this machine is %s; with --rename it takes the token's name in the cloud", token.Host, here)
			}
			// The file that is about to be written need not read; only where state is kept matters.
			stateDir := os.Getenv("GOSTACK_STATE_DIR")
			if stateDir == "" {
				stateDir = config.Default().StateDir
			}
			file, err := filepath.Abs(s.file)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			j, err := member.Join(ctx, member.JoinOptions{
				Token: token, ConfigFile: file, Dir: member.Dir(stateDir), HostIP: hostIP, Force: force,
			})
			if err != nil {
				return err
			}
			return show(s, j, func(w io.Writer) {
				fmt.Fprintf(w, "%s is a host of the cloud at %s now.\n\n", j.Host, j.Control)
				fmt.Fprintf(w, "  address for other machines\t%s\n", j.HostIP)
				fmt.Fprintf(w, "  certificate authority\t%s\n", pairs(j.Fingerprint))
				fmt.Fprintf(w, "  certificate until\t%s (it renews itself)\n", j.Certificate.Local().Format(time.DateTime))
				fmt.Fprintf(w, "  configuration\t%s\n", j.ConfigFile)
				if j.Kept != "" {
					fmt.Fprintf(w, "  the one before\t%s\n", j.Kept)
				}
				if app.AskAdmin(ctx, config.Default().RunDir, http.MethodGet, "/status", &app.StatusReport{}) == nil {
					fmt.Fprintln(w, "\ngostack runs here with what it had before: gostack down, then")
				}
				fmt.Fprintln(w, "\nNext:\n  gostack doctor\twhat this machine lacks\n  gostack up\tstart the engines and the agents\n  gostack status\thow they are")
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a configuration that is there (it is kept beside)")
	cmd.Flags().BoolVar(&rename, "rename", false, "take the token's name although this machine's host name is another")
	cmd.Flags().StringVar(&hostIP, "host-ip", "", "this machine's address for the others (default: the one it reaches control from)")
	return cmd
}

// pairs makes a fingerprint one that people can compare.
func pairs(hex string) string {
	var b strings.Builder
	for i, c := range hex {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}
