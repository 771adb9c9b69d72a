package app

import (
	"bytes"
	"net/http"
	"testing"

	"gostack/internal/config"
)

// TestServerOnATrunk boots a server on a trunk's parent port and moves it: the trunk is active with it, its subports are where it is, and they stay when it goes. In
// the same cloud, what flavors ask for that no host has is answered as upstream does.
func TestServerOnATrunk(t *testing.T) {
	cfg := config.Default()
	cfg.StateDir, cfg.RunDir, cfg.LogDir, cfg.Listen = t.TempDir(), t.TempDir(), t.TempDir(), "127.0.0.1:0"
	cfg.Database = "sqlite:" + cfg.StateDir + "/gostack.db"
	cfg.Keystone.BcryptCost, cfg.Nova.Driver, cfg.Nova.SimulatedHosts = 4, "simulated", 2
	c := startHouse(t, cfg)
	defer c.stop()
	image := c.make("/image/v2/images", "", m{"name": "img", "disk_format": "raw", "container_format": "bare", "hw_firmware_type": "uefi"})
	if code := c.do(http.MethodPut, "/image/v2/images/"+image+"/file", bytes.Repeat([]byte("data"), 4096), nil); code != http.StatusNoContent {
		t.Fatalf("upload: %d", code)
	}
	flavor := func(name string, specs m) string {
		id := c.make("/compute/v2.1/flavors", "flavor", m{"flavor": m{"name": name, "ram": 64, "vcpus": 1, "disk": 1}})
		if specs != nil && c.do(http.MethodPost, "/compute/v2.1/flavors/"+id+"/os-extra_specs", m{"extra_specs": specs}, nil) != http.StatusOK {
			t.Fatalf("extra specs %v", specs)
		}
		return id
	}
	port := func(name, cidr string) string {
		network := c.make("/network/v2.0/networks", "network", m{"network": m{"name": name}})
		c.make("/network/v2.0/subnets", "subnet", m{"subnet": m{"network_id": network, "ip_version": 4, "cidr": cidr}})
		return c.make("/network/v2.0/ports", "port", m{"port": m{"network_id": network}})
	}
	parent, first, second := port("parent", "10.1.0.0/24"), port("first", "10.2.0.0/24"), port("second", "10.3.0.0/24")
	sub := func(port string, tag int) m {
		return m{"port_id": port, "segmentation_type": "vlan", "segmentation_id": tag}
	}
	trunk := c.make("/network/v2.0/trunks", "trunk", m{"trunk": m{"port_id": parent, "sub_ports": []m{sub(first, 100)}}})
	status := func(want string) {
		t.Helper()
		var got struct{ Trunk struct{ Status string } }
		soon(t, "the trunk is "+want, func() bool {
			return c.do(http.MethodGet, "/network/v2.0/trunks/"+trunk, nil, &got) == http.StatusOK && got.Trunk.Status == want
		})
	}
	status("DOWN")
	plain := flavor("plain", nil)
	boot := func(flavor string, network any) string {
		t.Helper()
		return c.make("/compute/v2.1/servers", "server", m{"server": m{"name": "s", "imageRef": image, "flavorRef": flavor, "networks": network}})
	}
	host := func(server string) string {
		t.Helper()
		var got struct {
			Server struct {
				Host string `json:"OS-EXT-SRV-ATTR:host"`
			}
		}
		c.do(http.MethodGet, "/compute/v2.1/servers/"+server, nil, &got)
		return got.Server.Host
	}
	follow := func(where string, ports ...string) {
		t.Helper()
		for _, id := range ports {
			var got struct {
				Port struct {
					Host   string `json:"binding:host_id"`
					Status string
					Owner  string `json:"device_owner"`
				}
			}
			soon(t, "port "+id+" is on "+where, func() bool {
				return c.do(http.MethodGet, "/network/v2.0/ports/"+id, nil, &got) == http.StatusOK && got.Port.Host == where && (got.Port.Status == "ACTIVE") == (where != "")
			})
			if got.Port.Owner != "trunk:subport" && id != parent {
				t.Errorf("port %s belongs to %q", id, got.Port.Owner)
			}
		}
	}
	server := boot(plain, []m{{"port": parent}})
	c.await(server, "ACTIVE")
	status("ACTIVE")
	source := host(server)
	follow(source, parent, first)
	// A subport is nobody's to boot on.
	if code := c.do(http.MethodPost, "/compute/v2.1/servers", m{"server": m{"name": "x", "imageRef": image, "flavorRef": plain, "networks": []m{{"port": first}}}}, nil); code != http.StatusConflict {
		t.Errorf("a server on a subport: %d", code)
	}
	// One that comes while the server runs is plugged at once.
	if code := c.do(http.MethodPut, "/network/v2.0/trunks/"+trunk+"/add_subports", m{"sub_ports": []m{sub(second, 101)}}, nil); code != http.StatusOK {
		t.Fatalf("add: %d", code)
	}
	follow(source, second)
	act := func(body m, then string) {
		t.Helper()
		if code := c.do(http.MethodPost, "/compute/v2.1/servers/"+server+"/action", body, nil); code >= 300 {
			t.Fatalf("%v: %d", body, code)
		}
		c.await(server, then)
	}
	act(m{"migrate": nil}, "VERIFY_RESIZE")
	there := host(server)
	if there == source {
		t.Fatalf("it is still on %s", source)
	}
	follow(there, parent, first, second)
	act(m{"revertResize": nil}, "ACTIVE")
	follow(source, parent, first, second)
	act(m{"os-migrateLive": m{"host": there, "block_migration": "auto"}}, "ACTIVE")
	soon(t, "it has moved", func() bool { return host(server) == there })
	follow(there, parent, first, second)
	status("ACTIVE")
	c.do(http.MethodDelete, "/compute/v2.1/servers/"+server, nil, nil)
	c.await(server, "")
	status("DOWN")
	follow("", parent, first, second)
	for _, path := range []string{"trunks/" + trunk, "ports/" + parent, "ports/" + first, "ports/" + second} {
		if code := c.do(http.MethodDelete, "/network/v2.0/"+path, nil, nil); code != http.StatusNoContent {
			t.Errorf("delete %s: %d", path, code)
		}
	}

	// No host encrypts memory: placement has no candidate with the resource class.
	encrypted := boot(flavor("encrypted", m{"hw:mem_encryption": "true"}), "none")
	c.await(encrypted, "ERROR")
	var got struct {
		Server struct{ Fault struct{ Message string } }
	}
	c.do(http.MethodGet, "/compute/v2.1/servers/"+encrypted, nil, &got)
	if got.Server.Fault.Message != "No valid host was found. There are not enough hosts available." {
		t.Errorf("encrypted memory: %q", got.Server.Fault.Message)
	}
	// A device that has no name is refused at once.
	if code := c.do(http.MethodPost, "/compute/v2.1/servers", m{"server": m{"name": "d", "imageRef": image, "flavorRef": flavor("device", m{"pci_passthrough:alias": "qat:1"}), "networks": "none"}}, nil); code != http.StatusBadRequest {
		t.Errorf("a device without a name: %d", code)
	}
}
