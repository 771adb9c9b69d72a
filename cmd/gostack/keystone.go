package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gostack/internal/app"
	"gostack/internal/keystone/jws"
	"gostack/internal/secret"
)

// keystoneCommand is what keystone-manage is upstream: what an operator does to Identity beside the API.
func keystoneCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keystone",
		Short: "Rotate token keys, or let yourself in again",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "fernet-rotate",
		Short: "Use the next key for new tokens",
		Long: `Make the staged key the one that new tokens are encrypted with, stage another, and remove the oldest key above keystone.max_active_keys.

Tokens of a removed key are no good any more: rotate at most max_active_keys-2 times in the life of a token. The keys are in the database, so
every control replica sees the change, within a second.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.load()
			if err != nil {
				return err
			}
			return app.RotateFernetKeys(cmd.Context(), c)
		},
	})
	cmd.AddCommand(jwsKeypairCommand())
	cmd.AddCommand(&cobra.Command{
		Use:   "credential-rotate",
		Short: "Use the next key for new credentials",
		Long: `Make the staged key the one that credentials (EC2 keys and the like) are encrypted with in the database. Run credential-migrate afterwards: as long
as a credential is encrypted with an older key, the next rotation is refused, because it could lose it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.load()
			if err != nil {
				return err
			}
			return app.RotateCredentialKeys(cmd.Context(), c)
		},
	})
	cmd.AddCommand(&cobra.Command{
		Use:   "credential-migrate",
		Short: "Encrypt all credentials with the present key",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.load()
			if err != nil {
				return err
			}
			n, err := app.MigrateCredentials(cmd.Context(), c)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d credentials were encrypted anew\n", n)
			return nil
		},
	})
	cmd.AddCommand(&cobra.Command{
		Use:   "bootstrap",
		Short: "Create or repair the user admin, and set its password",
		Long: `Make the default domain, the user and project admin, the default roles, the region and the catalogue where they are missing, enable the
user admin and set its password. The password is read from OS_BOOTSTRAP_PASSWORD, or from the first line of the input. It works beside a running
gostack; all tokens of the user admin end.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.load()
			if err != nil {
				return err
			}
			password := os.Getenv("OS_BOOTSTRAP_PASSWORD")
			if password == "" {
				fmt.Fprint(cmd.ErrOrStderr(), "Password of the user admin: ")
				in := bufio.NewScanner(cmd.InOrStdin())
				if !in.Scan() {
					return errors.New("no password was given")
				}
				password = strings.TrimSpace(in.Text())
			}
			return app.ResetAdmin(cmd.Context(), c, secret.New(password))
		},
	})
	return cmd
}

func jwsKeypairCommand() *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "create-jws-keypair DIRECTORY",
		Short: "Make a pair of keys for signed tokens",
		Long: `Write private.pem and public.pem into a directory. For keystone.token_provider: jws:/etc/gostack/jws-keys, a host's private.pem belongs into
/etc/gostack/jws-keys/private of that host, and the public keys of all hosts, each under a name of its own, into /etc/gostack/jws-keys/public of
every host: those first, so that nobody meets a token he cannot read.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jws.CreatePair(args[0], force); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "private.pem and public.pem are in %s\n", args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace keys that are there")
	return cmd
}
