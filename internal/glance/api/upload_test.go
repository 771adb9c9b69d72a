package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gostack/internal/glance"
	"gostack/internal/rest/resttest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// files lists what is in the image directory.
func (c *cloud) files() []string {
	c.T.Helper()
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		c.T.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// queued asserts that a refused upload left the image as it was before, and nothing behind.
func (c *cloud) queued(id string) {
	c.T.Helper()
	c.As("member").Get(images+"/"+id).Want(200).Has("status", "queued").Has("size", nil).Has("checksum", nil)
	if left := c.files(); len(left) > 0 {
		c.T.Errorf("left in the store: %v", left)
	}
	c.clean()
}

// stream sends a body that only a reader knows, of unknown length unless length is given.
func (c *cloud) stream(as, id string, length int64, body io.Reader) *resttest.Answer {
	c.T.Helper()
	r := httptest.NewRequestWithContext(c.T.Context(), "PUT", images+"/"+id+"/file", body)
	r.Header.Set("X-Auth-Token", as)
	r.Header.Set("Content-Type", octets)
	r.ContentLength = length
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, r)
	return &resttest.Answer{T: c.T, What: "stream", Code: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
}

func TestUploadRefusals(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		for given, says := range map[string]string{
			`{}`:                           "Properties disk_format, container_format must be set prior to saving data.",
			`{"container_format": "bare"}`: "Property disk_format must be set prior to saving data.",
			`{"disk_format": "raw"}`:       "Property container_format must be set prior to saving data.",
		} {
			id := c.create("member", given)
			c.upload("member", id, []byte("x")).Want(400).Says(says)
			c.queued(id)
		}
		id := c.create("member", body(""))
		c.As("member").Put(images+"/"+id+"/file", `{}`).Want(415).Says("Invalid content type application/json")
		c.upload("reader", id, []byte("x")).Want(403)
		c.upload("other", id, []byte("x")).Want(404)
		c.upload("none", id, []byte("x")).Want(401)
		c.queued(id)
		c.upload("member", id, nil).Want(204)
		c.As("member").Get(images+"/"+id).Has("size", 0).Has("status", "active")
		c.As("member").Get(images + "/" + id + "/file").Want(200)
	})
}

func TestHostileImagesAreRefused(t *testing.T) {
	qcow2 := make([]byte, 64<<10)
	copy(qcow2, "QFI\xfb\x00\x00\x00\x03")
	qcow2[23] = 16
	qcow2[27] = 1
	qcow2[103] = 104
	with := func(at int, b byte) []byte {
		evil := bytes.Clone(qcow2)
		evil[at] = b
		return evil
	}
	descriptor := []byte("# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"/etc/passwd\" 0\n")
	each(t, func(t *testing.T, c *cloud) {
		for _, s := range []struct {
			name, format string
			data         []byte
			says         string
		}{
			{"backing file", "qcow2", with(15, 1), "backing file"},
			{"data file", "qcow2", with(79, 4), "external data file"},
			{"unknown feature", "qcow2", with(79, 0x80), "not known"},
			{"qcow2 as raw", "raw", qcow2, "declared raw, content is qcow2"},
			{"qcow2 as ami", "ami", qcow2, "content is qcow2"},
			{"text as qcow2", "qcow2", []byte("hello"), "declared qcow2, content is raw"},
			{"flat vmdk", "vmdk", descriptor, "refers to other files"},
			{"large qcow2 as raw", "raw", append(bytes.Clone(qcow2), make([]byte, 5<<20)...), "content is qcow2"},
		} {
			t.Run(s.name, func(t *testing.T) {
				d := *c
				d.API = c.On(t)
				id := d.create("member", fmt.Sprintf(`{"disk_format": %q, "container_format": "bare"}`, s.format))
				d.upload("member", id, s.data).Want(400).Says(s.says)
				d.queued(id)
				d.As("member").Delete(images + "/" + id).Want(204)
			})
		}
		id := c.active("member", `{"disk_format": "qcow2", "container_format": "bare"}`, qcow2)
		c.As("member").Get(images+"/"+id).Has("virtual_size", 1<<32)
		c.active("member", `{"disk_format": "qcow2", "container_format": "ova"}`, []byte("an archive"))
		c.clean()
	})
}

func TestSizeCap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, db, glance.Config{SizeCap: 1000})
		id := c.create("member", body(""))
		c.upload("member", id, make1(1001)).Want(413).Says("The incoming image is too large: The provided image is too large.")
		c.queued(id)
		c.stream("member", id, -1, bytes.NewReader(make1(1001))).Want(413)
		c.queued(id)
		c.stream("member", id, -1, bytes.NewReader(make1(1000))).Want(204)
		c.clean()
	}, glance.Migrations)
}

// broken gives some bytes and then fails as a lost connection does.
type broken struct {
	left int
	err  error
}

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.err
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

func TestInterruptedUpload(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("member", body(""))
		for _, size := range []int{0, 1, 1 << 20, 3<<20 + 5} {
			for _, err := range []error{io.ErrUnexpectedEOF, errors.New("connection reset by peer")} {
				c.stream("member", id, -1, &broken{size, err}).Want(400).Says("interrupted")
				c.queued(id)
			}
		}
		c.stream("member", id, 10, strings.NewReader("short")).Want(400)
		c.queued(id)
		c.upload("member", id, []byte("whole")).Want(204)
		c.As("member").Get(images + "/" + id + "/file").Want(200).Says("whole")
		c.clean()
	})
}

// gate is a body that waits in the middle until the test lets it go on.
type gate struct {
	begun, open chan struct{}
	state       int
}

func newGate() *gate { return &gate{begun: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) Read(p []byte) (int, error) {
	g.state++
	switch g.state {
	case 1:
		return copy(p, "first "), nil
	case 2:
		close(g.begun)
		<-g.open
		return copy(p, "second"), nil
	}
	return 0, io.EOF
}

func TestDeleteDuringUpload(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("member", body(""))
		g, answer := newGate(), make(chan *resttest.Answer)
		go func() { answer <- c.stream("member", id, -1, g) }()
		<-g.begun
		c.As("member").Get(images+"/"+id).Has("status", "saving")
		c.upload("member", id, []byte("x")).Want(409).Says("Image status transition from saving to saving is not allowed")
		c.As("member").Get(images + "/" + id + "/file").Want(204)
		c.clean() // an upload under way is no finding
		c.As("member").Delete(images + "/" + id).Want(204)
		close(g.open)
		(<-answer).Want(410).Says("could not be found after upload")
		if left := c.files(); len(left) > 0 {
			t.Errorf("left in the store: %v", left)
		}
		c.clean()
	})
}

func TestDeleteDuringDownload(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		id := c.active("member", body(""), data)
		f, size, err := c.service.Data(t.Context(), id)
		if err != nil || size != int64(len(data)) {
			t.Fatal(size, err)
		}
		defer f.Close()
		c.As("member").Delete(images + "/" + id).Want(204)
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("the reader got %d bytes, %v", len(got), err)
		}
		if _, _, err := c.service.Data(t.Context(), id); err == nil {
			t.Error("a deleted image has data")
		}
		if left := c.files(); len(left) > 0 {
			t.Errorf("left in the store: %v", left)
		}
	})
}

func TestAuditAndReconcile(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		lost := c.active("member", body(""), []byte("lost"))
		damaged := c.active("member", body(""), []byte("damaged"))
		whole := c.active("member", body(""), []byte("whole"))
		for _, name := range c.files() {
			path := filepath.Join(c.dir, name)
			var err error
			switch {
			case strings.HasPrefix(name, lost):
				err = os.Remove(path)
			case strings.HasPrefix(name, damaged):
				err = os.Truncate(path, 3)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		old := time.Now().Add(-time.Hour)
		for _, name := range []string{"orphan", "left.part", "not ours.txt", "fresh-from-another-host"} {
			path := filepath.Join(c.dir, name)
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(name, "fresh") {
				if err := os.Chtimes(path, old, old); err != nil {
					t.Fatal(err)
				}
			}
		}
		kinds := func(list []glance.Finding, err error) (kinds string) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range list {
				kinds += f.Kind + " "
			}
			return kinds
		}
		if got := kinds(c.service.Audit(t.Context())); got != "damaged lost orphan part " {
			t.Errorf("audit finds %s", got)
		}
		kinds(c.service.Reconcile(t.Context()))
		if got := kinds(c.service.Audit(t.Context())); got != "damaged lost " {
			t.Errorf("after reconciling: %s", got)
		}
		for _, name := range []string{"not ours.txt", "fresh-from-another-host"} {
			if _, err := os.Stat(filepath.Join(c.dir, name)); err != nil {
				t.Errorf("it was touched: %v", err)
			}
		}
		for id, code := range map[string]int{lost: 500, damaged: 500, whole: 200} {
			c.As("member").Get(images + "/" + id + "/file").Want(code)
		}
	})
}

// An upload whose process died is queued again when its lease has run out, not before.
func TestUploadLease(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("member", body(""))
		g, answer := newGate(), make(chan *resttest.Answer)
		go func() { answer <- c.stream("member", id, -1, g) }()
		<-g.begun
		c.clock.Advance(time.Hour) // the lease is over, but the writer still holds its file
		if _, err := c.service.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.As("member").Get(images+"/"+id).Has("status", "saving")
		close(g.open)
		(<-answer).Want(204)
		c.As("member").Get(images + "/" + id + "/file").Want(200).Says("first second")
		c.clean()
	})
}
