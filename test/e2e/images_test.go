package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// TestImages follows one server through everything that has to do with images: it becomes one while it runs, is built from it, loses and keeps
// what is written in it, is rescued, backed up, shelved, and has its password changed from outside.
func TestImages(t *testing.T) {
	c := newMachine(t)
	var s summary
	if err := json.Unmarshal([]byte(c.gostack("up", "-o", "json", "--image", filepath.Join(root(), "build", "guest.qcow2"))), &s); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.Path(s.Key))
	c.must(err, "read the key")
	key, err := ssh.ParsePrivateKey(b)
	c.must(err, "read the key")
	w := &imageWalk{restClient: &restClient{c: c, http: c.http()}, key: key, id: s.First.ServerID, ip: s.First.FloatingIP}
	w.login()
	for _, step := range []struct {
		name string
		do   func(*imageWalk)
	}{
		{"a running server becomes an image", (*imageWalk).live},
		{"a server built from it has what was written", (*imageWalk).rebuiltFromIt},
		{"a server built anew has not", (*imageWalk).rebuiltAnew},
		{"its password is changed by its agent", (*imageWalk).password},
		{"it is rescued, with its disk beside", (*imageWalk).rescue},
		{"backups rotate", (*imageWalk).backups},
		{"shelved and back, it keeps what was written", (*imageWalk).shelve},
		{"refusals", (*imageWalk).refusals},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			d := *w
			d.restClient = w.on(c.on(t))
			step.do(&d)
			*w = d
			w.restClient = d.on(c)
			d.c.clean()
		}) {
			return // the rest stands on it
		}
	}
}

type imageWalk struct {
	*restClient
	key      ssh.Signer
	id, ip   string
	original string // image
	snapshot string
	boot     string // the guest's boot id
}

// act asks for an action and returns the answer.
func (w *imageWalk) act(body obj) (answer obj) {
	w.c.t.Helper()
	status, text, err := w.try(http.MethodPost, "/compute/v2.1/servers/"+w.id+"/action", nil, body)
	if err != nil || status >= 300 {
		w.c.t.Fatalf("%v: %d, %v: %s", body, status, err, text)
	}
	_ = json.Unmarshal([]byte(text), &answer) // there may be none
	return answer
}

// becomes waits until the server has a status and nothing under way.
func (w *imageWalk) becomes(want string) {
	w.c.t.Helper()
	var s struct {
		Server struct {
			Status string
			Task   *string `json:"OS-EXT-STS:task_state"`
		}
	}
	for end := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
		w.do(http.MethodGet, "/compute/v2.1/servers/"+w.id, nil, &s)
		if s.Server.Status == want && s.Server.Task == nil {
			return
		}
		if s.Server.Task == nil && s.Server.Status == "ERROR" || time.Now().After(end) {
			w.c.t.Fatalf("the server is %s, want %s\n%s", s.Server.Status, want, w.c.gostack("why", w.id))
		}
	}
}

func (w *imageWalk) run(command string) string {
	w.c.t.Helper()
	return w.c.shell(w.key, w.ip, command)
}

// write writes a file into the guest, for good.
func (w *imageWalk) write(text string) { w.run("echo " + text + " >/root/marker && sync") }

// has fails unless the file in the guest is what was written; "" is none.
func (w *imageWalk) has(want string) {
	w.c.t.Helper()
	if got := w.run("cat /root/marker 2>/dev/null || true"); got != want {
		w.c.t.Errorf("the guest's file is %q, want %q", got, want)
	}
}

func (w *imageWalk) image(id string) (i struct {
	Status, Checksum, Base, Type string
	Size                         int64
},
) {
	w.c.t.Helper()
	var all map[string]any
	w.do(http.MethodGet, "/image/v2/images/"+id, nil, &all)
	i.Status, i.Checksum, i.Base, i.Type = str(all, "status"), str(all, "checksum"), str(all, "base_image_ref"), str(all, "image_type")
	return i
}

func (w *imageWalk) live() {
	var s struct {
		Server struct{ Image struct{ ID string } }
	}
	w.do(http.MethodGet, "/compute/v2.1/servers/"+w.id, nil, &s)
	w.original = s.Server.Image.ID
	w.boot = w.run("cat /proc/sys/kernel/random/boot_id")
	w.write("one")
	id, _ := w.act(obj{"createImage": obj{"name": "live", "metadata": obj{"mine": "1"}}})["image_id"].(string)
	w.snapshot = id
	w.becomes("ACTIVE")
	if i := w.image(id); i.Status != "active" || i.Base != w.original || i.Type != "snapshot" || i.Checksum == "" {
		w.c.t.Errorf("image %+v", i)
	}
	if w.run("cat /proc/sys/kernel/random/boot_id") != w.boot {
		w.c.t.Error("the guest was restarted")
	}
	w.write("two") // after the image
}

func (w *imageWalk) rebuiltFromIt() {
	w.act(obj{"rebuild": obj{"imageRef": w.snapshot}})
	w.becomes("ACTIVE")
	w.has("one")
}

func (w *imageWalk) rebuiltAnew() {
	headers := map[string]string{"Content-Type": "application/openstack-images-v2.1-json-patch"}
	status, text, err := w.try(http.MethodPatch, "/image/v2/images/"+w.original, headers,
		`[{"op": "add", "path": "/hw_qemu_guest_agent", "value": "yes"}, {"op": "add", "path": "/os_admin_user", "value": "cirros"}]`)
	if err != nil || status != http.StatusOK {
		w.c.t.Fatalf("describe the image: %d, %v: %s", status, err, text)
	}
	w.act(obj{"rebuild": obj{"imageRef": w.original}})
	w.becomes("ACTIVE")
	w.has("")
	w.write("three")
}

// password logs in by a password that only the guest's agent can have set.
func (w *imageWalk) password() {
	secret := w.c.hide("Changed-by-agent-7")
	w.c.eventually("the guest's agent answers", func() bool {
		status, _, err := w.try(http.MethodPost, "/compute/v2.1/servers/"+w.id+"/action", nil, obj{"changePassword": obj{"adminPass": secret}})
		if err != nil || status != http.StatusAccepted {
			return false
		}
		w.becomes("ACTIVE") // an agent that takes long is not waited for by the answer, only by the operation
		var l struct {
			Actions []struct{ Action, Message string } `json:"instanceActions"`
		}
		w.do(http.MethodGet, "/compute/v2.1/servers/"+w.id+"/os-instance-actions", nil, &l)
		return len(l.Actions) > 0 && l.Actions[0].Action == "changePassword" && l.Actions[0].Message == ""
	})
	conn, err := w.c.dial(context.Background(), "tcp", net.JoinHostPort(w.ip, "22"))
	w.c.must(err, "connect")
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	login, _, _, err := ssh.NewClientConn(conn, w.ip, &ssh.ClientConfig{
		User: "cirros", Auth: []ssh.AuthMethod{ssh.Password(secret)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the guest was made a moment ago
	})
	w.c.must(err, "log in by the new password")
	_ = login.Close()
}

func (w *imageWalk) rescue() {
	w.act(obj{"rescue": obj{"rescue_image_ref": w.original}})
	w.becomes("RESCUE")
	out := w.run(`mkdir -p /tmp/m; for p in /dev/vdb /dev/vdb?*; do mount -o ro $p /tmp/m 2>/dev/null || continue; echo "$p: $(cat /tmp/m/root/marker 2>/dev/null)"; umount /tmp/m; done; cat /root/marker 2>/dev/null || echo fresh`)
	if !strings.Contains(out, ": three") || !strings.HasSuffix(out, "fresh") {
		w.c.t.Errorf("the rescued guest finds:\n%s", out)
	}
	w.act(obj{"unrescue": nil})
	w.becomes("ACTIVE")
	w.has("three")
}

func (w *imageWalk) backups() {
	w.act(obj{"os-stop": nil})
	w.becomes("SHUTOFF")
	var ids []string
	for range 2 {
		id, _ := w.act(obj{"createBackup": obj{"name": "nightly", "backup_type": "daily", "rotation": 1}})["image_id"].(string)
		w.becomes("SHUTOFF")
		ids = append(ids, id)
	}
	if status, _, err := w.try(http.MethodGet, "/image/v2/images/"+ids[0], nil, nil); err != nil || status != http.StatusNotFound {
		w.c.t.Errorf("the older backup: %d, %v", status, err)
	}
	if i := w.image(ids[1]); i.Status != "active" || i.Type != "backup" {
		w.c.t.Errorf("the newer backup: %+v", i)
	}
}

func (w *imageWalk) shelve() {
	w.act(obj{"shelve": nil})
	w.becomes("SHELVED_OFFLOADED")
	if out := w.c.Run(w.c.t, "virsh", "-c", "qemu:///system", "list", "--all", "--name"); strings.Contains(out, w.id) {
		w.c.t.Errorf("the hypervisor still has it:\n%s", out)
	}
	w.c.clean()
	w.act(obj{"unshelve": nil})
	w.becomes("ACTIVE")
	w.has("three")
	var l struct{ Images []struct{ Name string } }
	w.do(http.MethodGet, "/image/v2/images?name=first-shelved", nil, &l)
	if len(l.Images) != 0 {
		w.c.t.Errorf("left: %v", l.Images)
	}
}

func (w *imageWalk) refusals() {
	path := "/compute/v2.1/servers/" + w.id + "/action"
	for _, x := range []struct {
		status int
		says   string
		body   any
	}{
		{400, "Cannot find image for rebuild", obj{"rebuild": obj{"imageRef": w.id}}},
		{400, "name", obj{"createImage": obj{}}},
		{400, "rotation", obj{"createBackup": obj{"name": "b", "backup_type": "daily", "rotation": -1}}},
		{409, "Cannot 'unrescue' instance", obj{"unrescue": nil}},
		{409, "Cannot 'unshelve' instance", obj{"unshelve": nil}},
		{409, "Cannot 'shelveOffload' instance", obj{"shelveOffload": nil}},
		{400, "rescue", obj{"rescue": obj{"rescue_image_ref": w.id}}},
		{400, "", obj{"unshelve": obj{"nonsense": 1}}},
		{409, "Cannot 'restore' instance", obj{"restore": nil}},
	} {
		w.refused(x.status, x.says, http.MethodPost, path, nil, x.body)
	}
}
