package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
)

// TestResizeOnThisHost resizes a real server where there is no other host, which the operator permits: back, and for good.
func TestResizeOnThisHost(t *testing.T) {
	c := up(t, "--bare")
	c.restart("GOSTACK_NOVA_ALLOW_RESIZE_TO_SAME_HOST=true")
	r := newREST(c)
	var larger struct{ Flavor struct{ ID string } }
	r.do(http.MethodPost, "/compute/v2.1/flavors", map[string]any{"flavor": map[string]any{"name": "larger", "ram": 160, "vcpus": 2, "disk": 2}}, &larger)
	id := r.boot("grower")
	r.await(id, "ACTIVE")
	act := func(body map[string]any) { r.do(http.MethodPost, "/compute/v2.1/servers/"+id+"/action", body, nil) }
	dir := "/var/lib/gostack/instances/" + id
	is := func(gib int64, aside bool) {
		t.Helper()
		var disk struct {
			Size int64 `json:"virtual-size"`
		}
		if err := json.Unmarshal([]byte(c.Run(t, "qemu-img", "info", "-U", "--output=json", dir+"/disk")), &disk); err != nil || disk.Size != gib<<30 {
			t.Errorf("the disk has %d bytes, want %d GiB; %v", disk.Size, gib, err)
		}
		if _, err := os.Stat(c.Path(dir + "_resize")); (err == nil) != aside {
			t.Errorf("something is aside: %v, want %v", err == nil, aside)
		}
	}
	is(1, false)
	act(map[string]any{"resize": map[string]any{"flavorRef": larger.Flavor.ID}})
	r.await(id, "VERIFY_RESIZE")
	is(2, true)
	act(map[string]any{"revertResize": nil})
	r.await(id, "ACTIVE")
	is(1, false)
	act(map[string]any{"resize": map[string]any{"flavorRef": larger.Flavor.ID}})
	r.await(id, "VERIFY_RESIZE")
	act(map[string]any{"confirmResize": nil})
	r.await(id, "ACTIVE")
	is(2, false)
	act(map[string]any{"resize": map[string]any{"flavorRef": r.flavor}})
	c.eventually("a smaller disk is refused", func() bool {
		var l struct {
			Actions []struct{ Action, Message string } `json:"instanceActions"`
		}
		r.do(http.MethodGet, "/compute/v2.1/servers/"+id+"/os-instance-actions", nil, &l)
		return len(l.Actions) > 0 && l.Actions[0].Action == "resize" && l.Actions[0].Message == "Error"
	})
	r.await(id, "ACTIVE")
	act(map[string]any{"os-resetState": map[string]any{"state": "error"}})
	act(map[string]any{"os-resetState": map[string]any{"state": "active"}})
	r.await(id, "ACTIVE")
	r.do(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil)
	r.await(id, "")
	c.clean()
}
