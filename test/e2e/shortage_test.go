package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
)

// TestShortages runs a cloud out of disk, for images, servers and the database, and out of time, for tokens. Each is refused clearly, nothing
// is lost or left behind, and all goes on as soon as there is room again.
func TestShortages(t *testing.T) {
	c := newMachine(t)
	const state, images, instances = "/var/lib/gostack", "/var/lib/gostack/images", "/var/lib/gostack/instances"
	for _, m := range []struct{ dir, size string }{{state, "64m"}, {images, "1100m"}, {instances, "2200m"}} {
		c.Run(t, "mkdir", "-p", m.dir)
		c.Run(t, "mount", "-t", "tmpfs", "-o", "mode=0755,size="+m.size, "gostack-test", m.dir)
	}
	c.gostack("up", "--bare")
	b := &badInput{restClient: newREST(c)}
	// fill leaves so many KiB of a file system free, until the returned function is called.
	fill := func(dir string, leave int) (free func()) {
		ballast := filepath.Join(dir, "ballast")
		left := strings.Fields(c.Run(t, "df", "--output=avail", "-k", dir))
		var have int
		if _, err := fmt.Sscan(left[len(left)-1], &have); err != nil || have <= leave {
			t.Fatalf("%s has %v KiB left, %v", dir, left, err)
		}
		// Who else writes may take some of it in the meantime: then dd finds the disk full, as is wanted.
		if out, err := c.Try(t, "dd", "if=/dev/zero", "of="+ballast, "bs=1K", fmt.Sprint("count=", have-leave), "status=none"); err != nil && !strings.Contains(out, "No space left") {
			t.Fatalf("fill %s: %v %s", dir, err, out)
		}
		return func() { c.Run(t, "rm", "-f", ballast) }
	}
	guest, err := os.ReadFile(filepath.Join(root(), "build", "guest.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	step := func(name string, do func(b *badInput)) {
		t.Run(name, func(t *testing.T) {
			d := *b
			d.restClient = b.on(c.on(t))
			do(&d)
			d.c.clean()
		})
	}

	step("no room for an image", func(b *badInput) {
		free := fill(images, 4096)
		id := b.make("/image/v2/images", "", obj{"name": "large", "disk_format": "qcow2", "container_format": "bare"})
		b.upload(id, guest, http.StatusRequestEntityTooLarge)
		if s := b.imageStatus(id); s != "queued" {
			b.c.t.Errorf("after the refused upload the image is %s", s)
		}
		free()
		b.upload(id, guest, http.StatusNoContent)
		if s := b.imageStatus(id); s != "active" {
			b.c.t.Errorf("after the second upload the image is %s", s)
		}
		b.do(http.MethodDelete, "/image/v2/images/"+id, nil, nil)
	})
	step("no room for a server", func(b *badInput) {
		free := fill(instances, 128)
		id := b.boot("crowded")
		b.c.eventually("the server is in error", func() bool { return strings.HasPrefix(b.status(id), "ERROR") })
		if why := b.c.gostack("why", id); !strings.Contains(why, "no disk space left") {
			b.c.t.Errorf("why does not say that the disk is full:\n%s", why)
		}
		free()
		b.do(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil)
		b.c.eventually("the server in error is gone", func() bool { return b.status(id) == "" })
		id = b.boot("roomy")
		b.await(id, "ACTIVE")
		b.do(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil)
		b.await(id, "")
	})
	step("no room for the database", func(b *badInput) {
		before := b.inventory()
		free := fill(state, 0)
		// What the log of the database has of room already is filled with what no engine is asked about, so that nothing waits for OVN, whose disk is
		// full too; then each service refuses.
		long := strings.Repeat("x", 60000)
		refuses := func(path string, body any) bool {
			b.c.t.Helper()
			status, answer, err := b.try(http.MethodPost, path, nil, body)
			switch {
			case err == nil && status == http.StatusServiceUnavailable && strings.Contains(answer, "no room"):
				return true
			case err != nil || status != http.StatusCreated:
				b.c.t.Fatalf("POST %s with a full disk: %d, %v: %s", path, status, err, answer)
			}
			return false
		}
		refused := false
		for i := 0; i < 300 && !refused; i++ {
			refused = refuses("/v3/projects", obj{"project": obj{"name": fmt.Sprint("full", i), "description": long}})
		}
		if !refused {
			b.c.t.Error("a full disk refused nothing: the test proves nothing")
		}
		// What has no room for much may have some for little.
		refused = false
		for i := 0; i < 300 && !refused; i++ {
			refused = refuses("/network/v2.0/subnetpools", obj{"subnetpool": obj{"name": "full", "description": long[:200], "prefixes": []string{"10.200.0.0/16"}}})
		}
		if !refused {
			b.c.t.Error("Neutron wrote on and on to a disk that had no room for Keystone")
		}
		b.inventory() // reading goes on
		free()
		var pools struct{ Subnetpools []struct{ ID string } }
		b.do(http.MethodGet, "/network/v2.0/subnetpools?name=full", nil, &pools)
		for _, p := range pools.Subnetpools {
			b.do(http.MethodDelete, "/network/v2.0/subnetpools/"+p.ID, nil, nil)
		}
		var list struct{ Projects []struct{ ID, Name string } }
		b.do(http.MethodGet, "/v3/projects", nil, &list)
		for _, p := range list.Projects {
			if strings.HasPrefix(p.Name, "full") {
				b.do(http.MethodDelete, "/v3/projects/"+p.ID, nil, nil)
			}
		}
		b.do(http.MethodDelete, "/network/v2.0/networks/"+b.make("/network/v2.0/networks", "network", obj{"name": "full"}), nil, nil)
		if after := b.inventory(); after != before {
			b.c.t.Errorf("something changed:\n%s\nwas\n%s", after, before)
		}
	})
	step("an expired token", func(b *badInput) {
		b.c.restart("GOSTACK_KEYSTONE_TOKEN_EXPIRATION=6s")
		b.login()
		admin := b.c.administrator()
		list := func() {
			b.c.t.Helper()
			if _, err := servers.List(admin.compute, nil).AllPages(b.c.t.Context()); err != nil {
				b.c.t.Errorf("gophercloud: %v", err)
			}
		}
		list()
		b.c.eventually("a fresh token is good", func() bool { // on a busy box it may have expired before it is used
			b.login()
			status, _, err := b.try(http.MethodGet, "/compute/v2.1/servers", nil, nil)
			return err == nil && status == http.StatusOK
		})
		for _, path := range []string{"/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images", "/placement/resource_providers", "/v3/projects"} {
			b.c.eventually(path+" refuses the expired token", func() bool {
				status, _, err := b.try(http.MethodGet, path, nil, nil)
				return err == nil && status == http.StatusUnauthorized
			})
		}
		list() // it logs in again by itself
		b.c.restart()
		b.login()
	})
}
