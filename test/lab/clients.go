package lab

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gostack/internal/firstcloud"
	"gostack/internal/secret"
)

// Cloud is the name of the lab's administrator in clouds.yaml.
const Cloud = "lab"

// Clouds is the lab's clouds.yaml.
func (l *Lab) Clouds() string { return filepath.Join(l.Dir, "clouds.yaml") }

// AdminPassword is the administrator's, the same in all replicas' first-start files.
func (l *Lab) AdminPassword() string { return l.secrets.Admin }

func (l *Lab) writeClouds() error {
	return firstcloud.WriteClouds(l.Clouds(), l.Endpoint(), "RegionOne", "", firstcloud.Login{Cloud: Cloud, User: "admin", Project: "admin", Password: secret.New(l.secrets.Admin)})
}

// Summary tells people how to use the lab.
func (l *Lab) Summary(out io.Writer) {
	name := filepath.Base(filepath.Dir(l.Dir))
	run := "go run ./test/lab/cmd"
	if name != "gostack-lab" {
		run += " --name " + name
	}
	var hosts []string
	for _, m := range l.Hosts {
		hosts = append(hosts, m.Name)
	}
	fmt.Fprintf(out, `
The lab is up: control replicas behind %s, hosts %s.

  Clients run in the fabric, which nothing outside can reach:
    %[3]s shell
    export OS_CLIENT_CONFIG_FILE=%[4]s OS_CLOUD=%[5]s
    openstack hypervisor list
  A machine:          %[3]s shell host1      (fabric, db, mq, ovn, control1, ..., host1, ...)
  What runs:          %[3]s status
  Break something:    %[3]s kill control1 gostack | cut host2 | off host3     and mend it: start, mend, on
  The end:            make lab-down
`, l.Endpoint(), strings.Join(hosts, ", "), run, l.Clouds(), Cloud)
	if _, err := os.Stat(l.Clouds()); err != nil {
		fmt.Fprintln(out, err)
	}
}
