package e2e

import (
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// given looks in each guest for what the cloud promised it: user data has run, the key is there, the disk has the flavor's size.
func (g *gopherWalk) given() {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(g.key.PublicKey())))
	for name, s := range g.servers {
		g.eventually("user data of "+name, func() bool {
			return g.shell(g.key, s.floating, "cat /root/user-data-ran 2>/dev/null || true") == "dug-here"
		})
		if out := g.shell(g.key, s.floating, "cat /home/cirros/.ssh/authorized_keys"); out != key {
			g.t.Errorf("%s has the keys %q", name, out)
		}
		if out := g.shell(g.key, s.floating, "cat /sys/class/block/vda/size"); out != fmt.Sprint(1<<30/512) {
			g.t.Errorf("the disk of %s has %s sectors", name, out)
		}
		g.eventually("the root file system of "+name+" grows", func() bool {
			var mib int
			_, err := fmt.Sscan(g.shell(g.key, s.floating, "df -m / | tail -1 | awk '{print $2}'"), &mib)
			return err == nil && mib > 700
		})
	}
}

// configDrive reads the drive where server three mounted it, and finds on it what the metadata service says of the same server.
func (g *gopherWalk) configDrive() {
	three := g.servers["three"]
	files := strings.Fields(g.shell(g.key, three.floating, "cd /run/config-drive && find . -type f"))
	for _, want := range []string{
		"./openstack/latest/meta_data.json", "./openstack/latest/user_data", "./openstack/latest/network_data.json", "./openstack/latest/vendor_data.json",
		"./ec2/latest/meta-data.json", "./openstack/2012-08-10/meta_data.json",
	} {
		if !strings.Contains(" "+strings.Join(files, " ")+" ", " "+want+" ") {
			g.t.Errorf("no %s on the config drive, only %v", want, files)
		}
	}
	if out := g.shell(g.key, three.floating, "cat /run/config-drive/openstack/latest/user_data"); out != strings.TrimSpace(gopherData) {
		g.t.Errorf("user data on the drive: %q", out)
	}
	var drive, service struct {
		UUID, Name, Hostname string
		PublicKeys           map[string]string `json:"public_keys"`
		Meta                 map[string]string
	}
	for from, into := range map[string]any{"cat /run/config-drive/openstack/latest/meta_data.json": &drive, "wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json": &service} {
		if err := json.Unmarshal([]byte(g.shell(g.key, three.floating, from)), into); err != nil {
			g.t.Errorf("%s: %v", from, err)
		}
	}
	if drive.UUID != three.id || drive.Name != "three" || fmt.Sprint(drive) != fmt.Sprint(service) {
		g.t.Errorf("the drive says %+v, the service %+v", drive, service)
	}
	if out, err := g.shellOnce(g.key, three.floating, "touch /run/config-drive/x"); err == nil {
		g.t.Errorf("the drive can be written: %s", out)
	}
}

// ownMetadata forges the headers by which a metadata agent tells Nova who asks: they count nothing coming from a guest (CVE-2013-6419's kin).
func (g *gopherWalk) ownMetadata() {
	one, two, three := g.servers["one"], g.servers["two"], g.servers["three"]
	for _, victim := range []*guest{two, three} {
		forged := fmt.Sprintf("--header 'X-Forwarded-For: %s' --header 'X-Instance-ID: %s' --header 'X-Tenant-ID: %s' --header 'X-Instance-ID-Signature: 0' --header 'X-OVN-Network-ID: %s' --header 'X-Metadata-Provider: x'",
			victim.fixed4, victim.id, g.project, g.blue)
		for path, mine := range map[string]string{"openstack/latest/meta_data.json": one.id, "latest/meta-data/local-ipv4": one.fixed4, "latest/meta-data/hostname": "one"} {
			out := g.shell(g.key, one.floating, "wget -q "+forged+" -O - http://169.254.169.254/"+path)
			if !strings.Contains(out, mine) || strings.Contains(out, victim.id) || strings.Contains(out, victim.fixed4) {
				g.t.Errorf("%s answers one, who says it is %s: %s", path, victim.id, out)
			}
		}
	}
	// Nor does an address that the port may not use get an answer.
	out := g.shell(g.key, one.floating, fmt.Sprintf("ip addr replace %s/32 dev lo && (timeout 4 wget -q -O - http://169.254.169.254/latest/meta-data/local-ipv4; true); ip addr del %s/32 dev lo", two.fixed4, two.fixed4))
	if strings.Contains(out, two.fixed4) {
		g.t.Errorf("with a foreign address: %q", out)
	}
}
