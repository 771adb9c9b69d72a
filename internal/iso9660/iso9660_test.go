package iso9660_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	reader "github.com/kdomanski/iso9660"

	"gostack/internal/iso9660"
)

var when = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func sample() []iso9660.File {
	files := []iso9660.File{
		{Path: "openstack/2012-08-10/meta_data.json", Data: []byte(`{"uuid": "1"}`)},
		{Path: "openstack/latest/user_data", Data: bytes.Repeat([]byte("x"), 5000)},
		{Path: "openstack/content/0000", Data: nil},
		{Path: "ec2/latest/meta-data.json", Data: []byte("{}")},
	}
	return files
}

// many makes a directory of several sectors.
func many() []iso9660.File {
	files := sample()
	for i := range 60 {
		files = append(files, iso9660.File{Path: fmt.Sprintf("many/with-a-name-%02d.json", i), Data: []byte{byte(i)}})
	}
	return files
}

func write(t *testing.T, files []iso9660.File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := iso9660.Write(&b, "config-2", files, when); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadBack(t *testing.T) {
	image := write(t, sample())
	img, err := reader.OpenImage(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	if label, err := img.Label(); err != nil || strings.TrimRight(label, " ") != "config-2" {
		t.Errorf("label %q, %v", label, err)
	}
	root, err := img.RootDir()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	walk(t, root, "", got)
	for _, f := range sample() {
		data, ok := got[f.Path]
		if !ok || !bytes.Equal(data, f.Data) {
			t.Errorf("%s: there %t, %d bytes, want %d", f.Path, ok, len(data), len(f.Data))
		}
		delete(got, f.Path)
	}
	for extra := range got {
		t.Errorf("unexpected file %s", extra)
	}
}

func walk(t *testing.T, dir *reader.File, prefix string, into map[string][]byte) {
	t.Helper()
	children, err := dir.GetChildren()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range children {
		name := prefix + c.Name()
		if c.IsDir() {
			walk(t, c, name+"/", into)
			continue
		}
		data, err := io.ReadAll(c.Reader())
		if err != nil {
			t.Fatal(err)
		}
		into[name] = data
	}
}

// Another implementation's view of names, where the machine has one.
func TestIsoinfoListsEveryFile(t *testing.T) {
	isoinfo, err := exec.LookPath("isoinfo")
	if err != nil {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatal("isoinfo is not installed and GOSTACK_REQUIRE=all")
		}
		t.Skip("SKIPPED: isoinfo is not installed")
	}
	file := t.TempDir() + "/cd.iso"
	if err := os.WriteFile(file, write(t, many()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), isoinfo, "-R", "-f", "-i", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		listed[strings.TrimSpace(line)] = true
	}
	for _, f := range many() {
		if !listed["/"+f.Path] {
			t.Errorf("%s is not listed", f.Path)
		}
	}
	out, err = exec.CommandContext(t.Context(), isoinfo, "-R", "-x", "/many/with-a-name-59.json", "-i", file).Output()
	if err != nil || !bytes.Equal(out, []byte{59}) {
		t.Errorf("content of the last file: %v, %v", out, err)
	}
}

func TestBlkidSeesLabel(t *testing.T) {
	blkid, err := exec.LookPath("blkid")
	if err != nil {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatal("blkid is not installed and GOSTACK_REQUIRE=all")
		}
		t.Skip("SKIPPED: blkid is not installed")
	}
	file := t.TempDir() + "/cd.iso"
	if err := os.WriteFile(file, write(t, sample()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), blkid, "-p", "-o", "export", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "LABEL=config-2\n") || !strings.Contains(string(out), "TYPE=iso9660\n") {
		t.Errorf("blkid: %v\n%s", err, out)
	}
}

func TestRefuses(t *testing.T) {
	for name, files := range map[string][]iso9660.File{
		"climbing":  {{Path: "../etc/passwd"}},
		"empty":     {{Path: ""}},
		"twice":     {{Path: "a"}, {Path: "a"}},
		"below":     {{Path: "a"}, {Path: "a/b"}},
		"long":      {{Path: strings.Repeat("n", 32)}},
		"semicolon": {{Path: "a;1"}},
	} {
		if err := iso9660.Write(io.Discard, "x", files, when); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Whatever the names, the image is refused or holds just that file.
func FuzzNames(f *testing.F) {
	for _, p := range []string{"a", "openstack/latest/user_data", "a//b", "./a", "a/../b", "\x00", "n.m.o/p", "a\\b"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, name string) {
		var b bytes.Buffer
		if iso9660.Write(&b, "x", []iso9660.File{{Path: name, Data: []byte("data")}}, when) != nil {
			return
		}
		img, err := reader.OpenImage(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		root, err := img.RootDir()
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		got := map[string][]byte{}
		walk(t, root, "", got)
		if len(got) != 1 || string(got[name]) != "data" {
			t.Errorf("%q came back as %q", name, got)
		}
	})
}
