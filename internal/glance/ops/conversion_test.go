package ops_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/imageformat"
	"gostack/internal/store/storetest"
	"gostack/test/machine"
)

func needQEMU(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/usr/bin/qemu-img"); err != nil {
		machine.Missing(t, "NOT TESTED: qemu-img is not installed (package qemu-utils)")
	}
}

// disk is 4 MiB of which some is random and the rest is zeros, and the same in another format.
func disk(t *testing.T, format string, more ...string) (plain, made []byte) {
	t.Helper()
	dir := t.TempDir()
	raw, other := filepath.Join(dir, "raw"), filepath.Join(dir, "other")
	plain = make([]byte, 4*mib)
	random := rand.NewChaCha8([32]byte{1})
	for _, at := range []int{0, 2 * mib} {
		if _, err := random.Read(plain[at : at+100_000]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(raw, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"convert", "-f", "raw", "-O", format}, more...)
	if out, err := exec.CommandContext(t.Context(), "qemu-img", append(args, raw, other)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	return plain, made
}

func converting(t *testing.T, stores []string, options ...string) *world {
	t.Helper()
	needQEMU(t)
	w := newWorldOf(t, storetest.Either(t, migrations...), setup{Tool: &qemuimg.Tool{}, SizeCap: 64 * mib}, stores,
		append([]string{"image_import_plugins=image_conversion"}, options...)...)
	return w.run()
}

// What owners import becomes raw, with qemu-img itself, and is byte for byte what the disk has.
func TestConversionToRaw(t *testing.T) {
	w := converting(t, []string{"fast", "cheap"})
	for _, c := range []struct {
		format string
		make   []string
	}{
		{"qcow2", []string{"qcow2", "-c"}},
		{"vmdk", []string{"vmdk", "-o", "subformat=streamOptimized"}},
		{"vdi", []string{"vdi"}},
		{"vhdx", []string{"vhdx"}},
		{"vhd", []string{"vpc"}},
	} {
		plain, made := disk(t, c.make[0], c.make[1:]...)
		id := w.create(`{"disk_format": "` + c.format + `", "container_format": "bare"}`)
		w.stage(id, string(made)).Want(204)
		w.imports("member", id, `{"method": {"name": "glance-direct"}, "all_stores": true}`).Want(202)
		a := w.succeeds(id).Has("disk_format", "raw").Has("container_format", "bare").Has("stores", "fast,cheap")
		got := w.As("member").Get(images + "/" + id + "/file").Want(200).Body
		if len(got) < len(plain) || !bytes.Equal(got[:len(plain)], plain) || len(bytes.Trim(got[len(plain):], "\x00")) > 0 { // a VHD is rounded up
			t.Errorf("%s: %d bytes came back, which are not those of the disk", c.format, len(got))
		}
		a.Has("size", len(got)).Has("virtual_size", len(got))
	}
	w.clean()
}

// Data that is raw, a CD or a kernel stays as it is; what is not what it says never comes to qemu-img, and what qemu-img cannot read fails.
func TestConversionLeavesAlone(t *testing.T) {
	w := converting(t, nil)
	plain, made := disk(t, "qcow2")
	iso := make([]byte, 40<<10)
	copy(iso[0x8000:], "\x01CD001\x01")
	for _, c := range []struct{ disk, container, data string }{
		{"raw", "bare", string(plain)}, {"iso", "bare", string(iso)}, {"aki", "aki", "kernel"}, {"qcow2", "ova", string(made)},
	} {
		id := w.create(`{"disk_format": "` + c.disk + `", "container_format": "` + c.container + `"}`)
		w.stage(id, c.data).Want(204)
		w.imports("member", id, direct).Want(202)
		w.succeeds(id).Has("disk_format", c.disk).Has("container_format", c.container).Has("size", len(c.data))
	}
	backed := bytes.Clone(made)
	copy(backed[8:], []byte{0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 11}) // a backing file's name at 4096, 11 bytes
	copy(backed[4096:], "/etc/passwd")
	broken := bytes.Clone(made)
	broken[47] = 1 // the table of clusters is where none can begin
	_, huge := disk(t, "qcow2")
	copy(huge[24:], []byte{0, 0, 0, 0x10, 0, 0, 0, 0}) // 64 GiB
	for name, c := range map[string]struct{ disk, data, says string }{
		"another format": {"vmdk", string(made), "does not match disk_format"},
		"a backing file": {"qcow2", string(backed), "backing file"},
		"broken":         {"qcow2", string(broken), "could not be converted from qcow2 to raw"},
		"too large":      {"qcow2", string(huge), "too large"},
	} {
		id := w.create(`{"disk_format": "` + c.disk + `", "container_format": "bare"}`)
		w.stage(id, c.data).Want(204)
		w.imports("member", id, direct).Want(202)
		if status, message := w.ends(id); status != "failure" || !bytes.Contains([]byte(message), []byte(c.says)) {
			t.Errorf("%s: %s %q", name, status, message)
		}
		w.As("member").Get(images+"/"+id).Want(200).Has("status", "queued").Has("disk_format", c.disk)
	}
	w.clean()
}

func TestConversionToOthers(t *testing.T) {
	for _, format := range []string{"qcow2", "vmdk"} {
		w := converting(t, nil, "output_format="+format)
		plain, _ := disk(t, "raw")
		id := w.create(draft)
		w.stage(id, string(plain)).Want(204)
		w.imports("member", id, direct).Want(202)
		w.succeeds(id).Has("disk_format", format).Has("virtual_size", len(plain))
		got := w.As("member").Get(images + "/" + id + "/file").Want(200).Body
		inspector := imageformat.New()
		if _, err := inspector.Write(got); err != nil {
			t.Fatal(err)
		}
		if err := inspector.Report().Check(imageformat.Format(format)); err != nil || len(got) >= len(plain) {
			t.Errorf("%d bytes: %v", len(got), err)
		}
		w.clean()
	}
}
