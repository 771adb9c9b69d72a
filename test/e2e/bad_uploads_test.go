package e2e

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// upload sends an image's data and wants a status.
func (b *badInput) upload(id string, data []byte, want int) {
	b.c.t.Helper()
	status, answer, err := b.try(http.MethodPut, "/image/v2/images/"+id+"/file", map[string]string{"Content-Type": "application/octet-stream"}, string(data))
	if err != nil || status != want {
		b.c.t.Errorf("upload: want %d, got %d, %v: %s", want, status, err, shorten(answer))
	}
}

// imageStatus is an image's.
func (b *badInput) imageStatus(id string) string {
	b.c.t.Helper()
	var im struct{ Status string }
	_, answer, err := b.try(http.MethodGet, "/image/v2/images/"+id, nil, nil)
	if err != nil || json.Unmarshal([]byte(answer), &im) != nil {
		return answer
	}
	return im.Status
}

// qcow2 is the header of a version 2 file, 1 GiB large, with a backing file.
func qcow2(backing string) []byte {
	h := make([]byte, 1<<16)
	copy(h, "QFI\xfb")
	binary.BigEndian.PutUint32(h[4:], 2)
	if backing != "" {
		binary.BigEndian.PutUint64(h[8:], 1024)
		binary.BigEndian.PutUint32(h[16:], uint32(len(backing)))
		copy(h[1024:], backing)
	}
	binary.BigEndian.PutUint32(h[20:], 16)
	binary.BigEndian.PutUint64(h[24:], 1<<30)
	binary.BigEndian.PutUint32(h[36:], 2)
	binary.BigEndian.PutUint64(h[40:], 1<<15)
	return h
}

func (b *badInput) uploads() {
	vmdk := "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/passwd\" 0\n"
	for what, c := range map[string]struct {
		format string
		data   []byte
	}{
		"a backing file":              {"qcow2", qcow2("/etc/passwd")},                // CVE-2015-5163
		"a backing file by JSON":      {"qcow2", qcow2(`json:{"file.driver":"nbd"}`)}, // CVE-2024-32498
		"no qcow2":                    {"qcow2", []byte(strings.Repeat("text ", 1000))},
		"a qcow2 that is said to raw": {"raw", qcow2("/etc/passwd")},                         // CVE-2024-40767
		"a flat VMDK":                 {"vmdk", []byte(vmdk + strings.Repeat("\x00", 4096))}, // CVE-2022-47951
	} {
		id := b.make("/image/v2/images", "", obj{"name": "hostile", "disk_format": c.format, "container_format": "bare"})
		status, answer, err := b.try(http.MethodPut, "/image/v2/images/"+id+"/file", map[string]string{"Content-Type": "application/octet-stream"}, string(c.data))
		if err != nil || status != http.StatusBadRequest || len(answer) < 10 {
			b.c.t.Errorf("%s: %d, %v: %s", what, status, err, shorten(answer))
		}
		if st := b.imageStatus(id); st != "queued" {
			b.c.t.Errorf("%s: the image is %s", what, st)
		}
		b.refused(400, "is not active", http.MethodPost, "/compute/v2.1/servers", nil, b.server(obj{"imageRef": id}))
		b.do(http.MethodDelete, "/image/v2/images/"+id, nil, nil)
	}

	id := b.make("/image/v2/images", "", obj{"name": "interrupted", "disk_format": "raw", "container_format": "bare"})
	conn, err := b.c.dial(context.Background(), "tcp", "127.0.0.1:5000")
	b.c.must(err, "connect")
	_, err = fmt.Fprintf(conn, "PUT /image/v2/images/%s/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: 10000000\r\n\r\n%s",
		id, b.token, strings.Repeat("x", 100_000))
	b.c.must(err, "send the first part")
	b.c.eventually("the upload is under way", func() bool { return b.imageStatus(id) == "saving" })
	_ = conn.Close()
	b.c.eventually("the image is queued again", func() bool { return b.imageStatus(id) == "queued" })
	b.upload(id, make([]byte, 100_000), 204)
	if st := b.imageStatus(id); st != "active" {
		b.c.t.Errorf("after another upload the image is %s", st)
	}
	b.upload(id, make([]byte, 10), 409)
	b.do(http.MethodDelete, "/image/v2/images/"+id, nil, nil)
	b.upload(id, make([]byte, 10), 404)
	files, err := os.ReadDir(b.c.Path("/var/lib/gostack/images"))
	b.c.must(err, "read the image store")
	for _, f := range files {
		if strings.Contains(f.Name(), id) {
			b.c.t.Errorf("%s is left", filepath.Join("images", f.Name()))
		}
	}
}
