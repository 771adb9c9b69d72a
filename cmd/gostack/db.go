package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gostack/internal/app"
	"gostack/internal/dump"
	"gostack/internal/store"
)

func dbCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "db", Short: "Look at the database, bring its tables up to date, move it"}
	cmd.AddCommand(dbStatusCommand(s), dbMigrateCommand(s), dbCopyCommand(s))
	return cmd
}

func dbStatusCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the versions of the tables, and what an upgrade would change", Args: cobra.NoArgs,
		Long: "Show for each service the version of its tables and what this gostack would do to them. Nothing is changed.\nExit status 3 when something is to be done.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.load()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			versions, err := app.DatabaseVersions(ctx, c)
			if err != nil {
				return err
			}
			if err := showVersions(s, versions); err != nil {
				return err
			}
			for _, v := range versions {
				if len(v.Pending) > 0 {
					return exitCode(3)
				}
			}
			return nil
		},
	}
}

func showVersions(s *settings, versions []store.Version) error {
	return show(s, versions, func(w io.Writer) {
		fmt.Fprintln(w, "SERVICE\tVERSION\tTHIS GOSTACK'S\tTO BE DONE")
		for _, v := range versions {
			todo := strings.Join(v.Pending, ", ")
			if v.Have > v.Want {
				todo = "nothing: a newer gostack has been here, whose tables this one can use"
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", v.Service, v.Have, v.Want, todo)
		}
	})
}

func dbMigrateCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the tables up to date", Args: cobra.NoArgs,
		Long: "Bring the tables up to date, as the first control process of a new version does when it starts. Control processes of the version before go on working meanwhile\nand afterwards; see docs/upgrade.md.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.load()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			versions, err := app.MigrateDatabase(ctx, c)
			if err != nil {
				return err
			}
			return showVersions(s, versions)
		},
	}
}

func dbCopyCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "copy FROM TO", Short: "Move the cloud to another database, SQLite or PostgreSQL", Args: cobra.ExactArgs(2),
		Long: `Copy all rows from one database to another and compare what arrived, row for row, before it is kept:

  gostack db copy sqlite:/var/lib/gostack/gostack.db postgres://gostack:PASSWORD@db.example/gostack

gostack must not run meanwhile. TO must be empty. Nothing is kept there unless everything is equal, so an interrupted copy is just run again; FROM is not changed.
Afterwards set database: to TO in the configuration and start gostack.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.load()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			rows := int64(0)
			sums, err := app.CopyDatabase(ctx, c, args[0], args[1], func(table string, sum dump.Sum) {
				rows += sum.Rows
				fmt.Fprintf(os.Stderr, "%-36s %8d rows\n", table, sum.Rows)
			})
			if err != nil {
				return err
			}
			return show(s, sums, func(w io.Writer) {
				fmt.Fprintf(w, "%d rows of %d tables are in %s and equal.\n", rows, len(sums), withoutPassword(args[1]))
			})
		},
	}
}

func withoutPassword(database string) string {
	if u, err := url.Parse(database); err == nil && u.User != nil {
		return u.Redacted()
	}
	return database
}
