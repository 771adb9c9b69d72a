package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gostack/internal/app"
	"gostack/internal/secret"
)

// passphrase is how a backup's passphrase is given.
type passphrase struct {
	file    string
	encrypt bool
}

func (p *passphrase) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.file, "passphrase-file", "", "file whose first line is the passphrase; also GOSTACK_BACKUP_PASSPHRASE")
}

// read takes the file, the environment, or asks when there is somebody to ask.
func (p *passphrase) read(ask, twice bool) (secret.String, error) {
	if p.file != "" {
		b, err := os.ReadFile(p.file)
		line, _, _ := strings.Cut(string(b), "\n")
		if err == nil && strings.TrimSpace(line) == "" {
			err = fmt.Errorf("%s holds no passphrase", p.file)
		}
		return secret.New(strings.TrimSpace(line)), err
	}
	if v := os.Getenv("GOSTACK_BACKUP_PASSPHRASE"); v != "" {
		return secret.New(v), nil
	}
	if !ask {
		return secret.String{}, nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return secret.String{}, errors.New("nobody can be asked for the passphrase here: use --passphrase-file")
	}
	one, err := askFor("Passphrase: ")
	if err != nil || !twice {
		return one, err
	}
	two, err := askFor("Once more: ")
	if err == nil && one.Reveal() != two.Reveal() {
		err = errors.New("the passphrases differ")
	}
	return one, err
}

func askFor(prompt string) (secret.String, error) {
	fmt.Fprint(os.Stderr, prompt)
	b, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return secret.New(string(b)), err
}

func (s *settings) backupOptions(file string) (app.BackupOptions, error) {
	c, err := s.load()
	if err != nil {
		return app.BackupOptions{}, err
	}
	file, err = filepath.Abs(file)
	return app.BackupOptions{
		Config: c, ConfigFile: s.file, File: file,
		Progress: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) },
	}, err
}

func backupCommand(s *settings) *cobra.Command {
	var p passphrase
	images := false
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Save the control plane into one file", Args: cobra.ExactArgs(1),
		Long: `Save the database (as it is at one moment, while the cloud runs on), which holds the keys of tokens and the cloud's own authority, and the configuration with the files that
it names. Not saved: servers' disks, and the data of images unless --images is given.

The file is a compressed tar that only its owner can read. It can be restored into SQLite and PostgreSQL alike, whichever it was taken from. Everything that is needed to act as
the cloud's administrator is in it: keep it like a root password, and use --encrypt when it leaves the machine.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := s.backupOptions(args[0])
			if err != nil {
				return err
			}
			if o.Passphrase, err = p.read(p.encrypt, true); err != nil {
				return err
			}
			o.Images = images
			ctx, stop := interruptible(cmd)
			defer stop()
			m, err := app.Backup(ctx, o)
			if err != nil {
				return err
			}
			return show(s, m, func(w io.Writer) {
				rows := int64(0)
				for _, t := range m.Tables {
					rows += t.Sum.Rows
				}
				fmt.Fprintf(w, "%s: %d rows of %d tables, %d files.\n", args[0], rows, len(m.Tables), len(m.Files))
			})
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&p.encrypt, "encrypt", false, "ask for a passphrase and encrypt the file with it")
	cmd.Flags().BoolVar(&images, "images", false, "save the data of images too")
	return cmd
}

func restoreCommand(s *settings) *cobra.Command {
	var p passphrase
	force := false
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Make the control plane what it was at a backup", Args: cobra.ExactArgs(1),
		Long: `Check a file that gostack backup made, and restore the database that the configuration names from it, and the files that are missing. gostack must not run. A database that holds a
cloud already is left alone unless --force is given.

Afterwards start gostack, look at the differences between the restored database and what hosts and networks really have by gostack audit, and mend them by gostack audit --repair: guests that
were made since the backup are removed by that, as nobody owns them.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := s.backupOptions(args[0])
			if err != nil {
				return err
			}
			if o.Passphrase, err = p.read(false, false); err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			r, err := app.Restore(ctx, app.RestoreOptions{BackupOptions: o, Force: force})
			if err != nil {
				return err
			}
			return show(s, r, func(w io.Writer) {
				fmt.Fprintf(w, "The database is what it was at %s.\n", r.Manifest.CreatedAt.Format("2006-01-02 15:04:05 MST"))
				for _, f := range r.Written {
					fmt.Fprintf(w, "Restored:\t%s\n", f)
				}
				for _, f := range r.Kept {
					fmt.Fprintf(w, "Left as it is:\t%s\n", f)
				}
				fmt.Fprintln(w, "Now start gostack, and look at: gostack audit")
			})
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "replace the cloud that is in the database, and files that differ")
	return cmd
}
