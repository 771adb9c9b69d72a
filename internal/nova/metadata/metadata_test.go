package metadata_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/neutron"
	"gostack/internal/nova/metadata"
	"gostack/internal/secret"
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func server() *metadata.Server {
	return &metadata.Server{
		UUID: "83679162-1378-4288-a2d4-70e13ec132aa", Name: "web", Hostname: "web", Domain: "novalocal",
		ProjectID: "f7ac731cc11f40efbc03a9f9e1d1d21f", AvailabilityZone: "nova",
		Metadata: map[string]string{"role": "front"}, Key: &metadata.Key{Name: "mykey", Type: "ssh", Data: "ssh-ed25519 AAAA me"},
		UserData: []byte("#!/bin/sh\necho hi\n"), AdminPass: secret.New("s3cr3t"),
		SecurityGroups: []string{"default", "web"}, EC2ID: "i-00000007", EC2ImageID: "ami-00000001", ReservationID: "r-abc",
		FlavorName: "m1.tiny", FloatingIP: "172.24.4.9", Random: zeros{},
		NICs: []neutron.VIF{{
			PortID: "da5bb487-5193-4a65-a3df-4a0055a8c0d7", NetworkID: "net-1", MAC: "fa:16:3e:00:00:01", MTU: 1442, Type: "ovs", Tag: "front",
			Subnets: []neutron.VIFSubnet{
				{CIDR: "10.0.0.0/24", Version: 4, Gateway: "10.0.0.1", DHCP: true, DNS: []string{"8.8.8.8"}, Addresses: []string{"10.0.0.5"}},
				{CIDR: "2001:db8::/64", Version: 6, Gateway: "2001:db8::1", DHCP: true, AddressMode: "slaac", Addresses: []string{"2001:db8::5"}},
			},
		}, {
			PortID: "aaaaaaaa-5193-4a65-a3df-4a0055a8c0d7", NetworkID: "net-2", MAC: "fa:16:3e:00:00:02", Type: "ovs",
			Subnets: []neutron.VIFSubnet{{
				CIDR: "192.168.8.0/22", Version: 4, Gateway: "192.168.8.1", Addresses: []string{"192.168.8.77"}, DNS: []string{"8.8.8.8", "1.1.1.1"},
				Routes: []neutron.VIFRoute{{Destination: "10.9.0.0/16", NextHop: "192.168.8.2"}},
			}},
		}},
	}
}

func get(t *testing.T, s *metadata.Server, path string) string {
	t.Helper()
	r, err := s.Lookup(path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(r.Body)
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return m
}

func TestListings(t *testing.T) {
	s := server()
	for path, want := range map[string]string{
		"/openstack":                             "2012-08-10 2013-04-04 2013-10-17 2015-10-15 2016-06-30 2016-10-06 2017-02-22 2018-08-27 2020-10-14 latest",
		"/openstack/":                            "2012-08-10 2013-04-04 2013-10-17 2015-10-15 2016-06-30 2016-10-06 2017-02-22 2018-08-27 2020-10-14 latest",
		"/openstack/2012-08-10":                  "meta_data.json user_data",
		"/openstack/2013-04-04":                  "meta_data.json user_data password",
		"/openstack/2013-10-17/":                 "meta_data.json user_data password vendor_data.json",
		"/openstack/2015-10-15":                  "meta_data.json user_data password vendor_data.json network_data.json",
		"/openstack/latest":                      "meta_data.json user_data password vendor_data.json network_data.json vendor_data2.json",
		"/":                                      "1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01 2009-04-04 latest",
		"/ec2":                                   "1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01 2009-04-04 latest",
		"/latest":                                "meta-data/ user-data",
		"/1.0/meta-data/":                        "ami-id ami-launch-index ami-manifest-path hostname instance-id local-ipv4 public-keys/ reservation-id security-groups",
		"/latest/meta-data/placement":            "availability-zone",
		"/latest/meta-data/public-keys/":         "0=mykey",
		"/latest/meta-data/public-keys/0/":       "openssh-key",
		"/latest/meta-data/security-groups":      "default web",
		"/latest/meta-data/block-device-mapping": "ami root",
	} {
		if got := strings.ReplaceAll(get(t, s, path), "\n", " "); got != want {
			t.Errorf("%s\n got %s\nwant %s", path, got, want)
		}
	}
}

func TestMetaDataByVersion(t *testing.T) {
	s := server()
	always := []string{"availability_zone", "hostname", "keys", "launch_index", "meta", "name", "public_keys", "uuid"}
	for version, more := range map[string][]string{
		"2012-08-10": nil,
		"2013-04-04": {"random_seed"},
		"2015-10-15": {"random_seed", "project_id"},
		"2016-06-30": {"random_seed", "project_id", "devices"},
		"latest":     {"random_seed", "project_id", "devices", "dedicated_cpus"},
	} {
		m := decode(t, get(t, s, "/openstack/"+version+"/meta_data.json"))
		var got []string
		for name := range m {
			got = append(got, name)
		}
		want := append(slices.Clone(always), more...)
		slices.Sort(got)
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", version, d)
		}
	}
	m := decode(t, get(t, s, "/openstack/latest/meta_data.json"))
	if m["hostname"] != "web.novalocal" || m["uuid"] != s.UUID || len(m["random_seed"].(string)) != 684 {
		t.Errorf("meta_data.json %v", m)
	}
	want := []any{map[string]any{"type": "nic", "bus": "none", "address": "none", "mac": "fa:16:3e:00:00:01", "tags": []any{"front"}, "vf_trusted": false}}
	if d := cmp.Diff(want, m["devices"]); d != "" {
		t.Error(d)
	}
}

func TestNetworkData(t *testing.T) {
	got := decode(t, get(t, server(), "/openstack/latest/network_data.json"))
	want := decode(t, `{
	 "links": [
	  {"id": "tapda5bb487-51", "vif_id": "da5bb487-5193-4a65-a3df-4a0055a8c0d7", "type": "ovs", "mtu": 1442, "ethernet_mac_address": "fa:16:3e:00:00:01"},
	  {"id": "tapaaaaaaaa-51", "vif_id": "aaaaaaaa-5193-4a65-a3df-4a0055a8c0d7", "type": "ovs", "mtu": null, "ethernet_mac_address": "fa:16:3e:00:00:02"}],
	 "networks": [
	  {"id": "network0", "type": "ipv4_dhcp", "link": "tapda5bb487-51", "network_id": "net-1"},
	  {"id": "network1", "type": "ipv6_slaac", "link": "tapda5bb487-51", "network_id": "net-1", "ip_address": "2001:db8::5",
	   "netmask": "ffff:ffff:ffff:ffff::", "routes": [{"network": "::", "netmask": "::", "gateway": "2001:db8::1"}], "services": []},
	  {"id": "network2", "type": "ipv4", "link": "tapaaaaaaaa-51", "network_id": "net-2", "ip_address": "192.168.8.77", "netmask": "255.255.252.0",
	   "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.168.8.1"}, {"network": "10.9.0.0", "netmask": "255.255.0.0", "gateway": "192.168.8.2"}],
	   "services": [{"type": "dns", "address": "8.8.8.8"}, {"type": "dns", "address": "1.1.1.1"}]}],
	 "services": [{"type": "dns", "address": "8.8.8.8"}, {"type": "dns", "address": "1.1.1.1"}]}`)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := get(t, &metadata.Server{}, "/openstack/latest/network_data.json"); got != "{}" {
		t.Errorf("without NICs: %s", got)
	}
}

func TestEC2Values(t *testing.T) {
	s := server()
	for path, want := range map[string]string{
		"/2009-04-04/meta-data/instance-id":             "i-00000007",
		"/latest/meta-data/local-ipv4":                  "10.0.0.5",
		"/latest/meta-data/public-ipv4":                 "172.24.4.9",
		"/latest/meta-data/public-keys/0/openssh-key":   "ssh-ed25519 AAAA me",
		"/latest/meta-data/placement/availability-zone": "nova",
		"/latest/meta-data/instance-type":               "m1.tiny",
		"/latest/meta-data/block-device-mapping/root":   "/dev/vda",
		"/latest/user-data":                             "#!/bin/sh\necho hi\n",
		"/ec2/latest/meta-data/ami-launch-index":        "0",
		"/openstack/latest/user_data":                   "#!/bin/sh\necho hi\n",
		"/openstack/latest/vendor_data.json":            "{}",
		"/openstack/latest/../latest/vendor_data2.json": "{}",
		"/openstack/latest/password":                    "",
	} {
		if got := get(t, s, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestNotFound(t *testing.T) {
	s := server()
	for _, path := range []string{
		"/openstack/2011-01-01", "/openstack/latest/nothing", "/openstack/2012-08-10/password", "/openstack/2013-04-04/vendor_data.json",
		"/openstack/2013-10-17/network_data.json", "/openstack/2016-06-30/vendor_data2.json", "/openstack/latest/meta_data.json/x",
		"/openstack/content", "/openstack/content/0000", "/3000-01-01", "/latest/meta-data/nothing", "/latest/meta-data/instance-id/x",
		"/1.0/meta-data/public-ipv4", "/2008-02-01/meta-data/instance-action", "/latest/user-data/x",
	} {
		if r, err := s.Lookup(path); !errors.Is(err, metadata.ErrNotFound) {
			t.Errorf("%s: %q, %v", path, r.Body, err)
		}
	}
	s.UserData = nil
	for _, path := range []string{"/openstack/latest/user_data", "/latest/user-data"} {
		if _, err := s.Lookup(path); !errors.Is(err, metadata.ErrNotFound) {
			t.Errorf("%s without user data: %v", path, err)
		}
	}
}

func TestPasswordPath(t *testing.T) {
	for path, want := range map[string]bool{
		"/openstack/latest/password": true, "/openstack/2013-04-04/password": true, "/openstack/2012-08-10/password": false,
		"/latest/password": false, "/openstack/latest/user_data": false, "/openstack/x/password": false,
	} {
		if got := metadata.IsPassword(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

// Secrets go onto the drive, which only the guest sees, and never over the wire.
func TestConfigDrive(t *testing.T) {
	s := server()
	s.Files = []metadata.File{{Path: "/etc/motd", Data: []byte("welcome\n")}}
	files, err := s.ConfigDrive()
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]string{}
	for _, f := range files {
		byPath[f.Path] = string(f.Data)
	}
	if len(byPath) != len(files) {
		t.Error("a path is there twice")
	}
	m := decode(t, byPath["openstack/latest/meta_data.json"])
	if m["admin_pass"] != "s3cr3t" {
		t.Errorf("admin_pass %v", m["admin_pass"])
	}
	if d := cmp.Diff([]any{map[string]any{"path": "/etc/motd", "content_path": "/content/0000"}}, m["files"]); d != "" {
		t.Error(d)
	}
	if byPath["openstack/content/0000"] != "welcome\n" {
		t.Error("the user's file is not there")
	}
	if strings.Contains(get(t, s, "/openstack/latest/meta_data.json"), "s3cr3t") {
		t.Error("the service tells the password")
	}
	if m := decode(t, byPath["ec2/latest/meta-data.json"]); m["ami-launch-index"] != float64(0) ||
		m["public-keys"].(map[string]any)["0"].(map[string]any)["openssh-key"] != "ssh-ed25519 AAAA me" {
		t.Errorf("ec2 %v", m)
	}
	for path, want := range map[string]bool{
		"openstack/2012-08-10/meta_data.json": true, "openstack/2012-08-10/vendor_data.json": false,
		"openstack/2020-10-14/network_data.json": true, "openstack/latest/vendor_data2.json": true,
		"openstack/latest/password": false, "ec2/2009-04-04/user-data": true, "ec2/1.0/meta-data.json": false,
	} {
		if _, ok := byPath[path]; ok != want {
			t.Errorf("%s: there %t", path, ok)
		}
	}
}

func FuzzLookup(f *testing.F) {
	for _, p := range []string{"/", "/openstack/latest/meta_data.json", "/latest/meta-data/public-keys/0/openssh-key", "//..//ec2/", "/openstack/content/-1"} {
		f.Add(p)
	}
	s := server()
	f.Fuzz(func(t *testing.T, path string) {
		r, err := s.Lookup(path)
		if err != nil && !errors.Is(err, metadata.ErrNotFound) {
			t.Errorf("%q: %v", path, err)
		}
		if err == nil && r.Type == "" {
			t.Errorf("%q has no content type", path)
		}
		if strings.Contains(string(r.Body), "s3cr3t") {
			t.Errorf("%q tells the password", path)
		}
	})
}
