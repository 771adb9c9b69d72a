package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"

	"github.com/spf13/cobra"

	"gostack/internal/app"
	"gostack/internal/hosts"
)

func ovnCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "ovn", Short: "What OVN's databases need of this cloud"}
	dir := ""
	certificate := &cobra.Command{
		Use: "certificate --dir DIR", Short: "Make key and certificate for OVN's databases, so that hosts and control reach them by TLS", Args: cobra.NoArgs,
		Long: `Make key and certificate for the machine (or machines) of OVN's databases, and write them with the two authorities that they need into a directory. The southbound
database lets in hosts with the role ovn-controller: each changes its own chassis, none the flows. The northbound one lets in control only.
The key is kept nowhere else. Making another one ends none that was made before.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := filepath.Abs(dir)
			if err != nil {
				return err
			}
			var made hosts.OVNServer
			if err := admin(cmd.Context(), s, http.MethodPost, "/ovn/certificate", &made); err != nil {
				return err
			}
			if err := app.WriteOVNServer(dir, &made); err != nil {
				return err
			}
			f := app.OVNServerFiles
			answer := map[string]any{"dir": dir, "until": made.Until, "files": []string{f.Key, f.Certificate, f.HostsCA, f.ControlCA}}
			return show(s, answer, func(w io.Writer) {
				fmt.Fprintf(w, `Good until %s. On the machine of OVN's databases, with these files in /etc/ovn/gostack, readable for who runs ovsdb-server only:

  cd /etc/ovn/gostack
  ovn-sbctl set-ssl $PWD/%[2]s $PWD/%[3]s $PWD/%[4]s
  ovn-sbctl set-connection role=ovn-controller pssl:6642
  ovn-nbctl set-ssl $PWD/%[2]s $PWD/%[3]s $PWD/%[5]s
  ovn-nbctl set-connection pssl:6641
`, made.Until.Local().Format("2006-01-02"), f.Key, f.Certificate, f.HostsCA, f.ControlCA)
			})
		},
	}
	certificate.Flags().StringVar(&dir, "dir", "", "where the files go; made if it is not there")
	_ = certificate.MarkFlagRequired("dir")
	cmd.AddCommand(certificate)
	return cmd
}
