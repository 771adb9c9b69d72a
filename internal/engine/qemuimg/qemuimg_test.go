package qemuimg

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gostack/internal/imageformat"
	"gostack/test/machine"
)

const mib = 1 << 20

func needQEMU(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/usr/bin/qemu-img"); err != nil {
		machine.Missing(t, "NOT TESTED: qemu-img is not installed (package qemu-utils)")
	}
}

// privateDir is a directory that only we can enter, as the image and instance directories are.
func privateDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCreateInfoResize(t *testing.T) {
	needQEMU(t)
	ctx, tool, path := t.Context(), &Tool{}, filepath.Join(privateDir(t), "disk.qcow2")
	if err := tool.Create(ctx, path, imageformat.QCOW2, 10*mib); err != nil {
		t.Fatal(err)
	}
	img := Image{Path: path, Format: imageformat.QCOW2}
	info, err := tool.Info(ctx, img)
	if err != nil {
		t.Fatal(err)
	}
	if info.Format != "qcow2" || info.VirtualSize != 10*mib {
		t.Errorf("info %+v", info)
	}
	if err := tool.Resize(ctx, img, 20*mib, false); err != nil {
		t.Fatal(err)
	}
	if info, err = tool.Info(ctx, img); err != nil || info.VirtualSize != 20*mib {
		t.Errorf("after resize: %+v, %v", info, err)
	}
	if err := tool.Resize(ctx, img, mib, false); err == nil {
		t.Error("shrinking without shrink went through")
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if uid := st.Sys().(*syscall.Stat_t).Uid; int(uid) != os.Geteuid() {
		t.Errorf("the file was not given back: owner %d", uid)
	}
	if err := tool.Create(ctx, path, imageformat.QCOW2, mib); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating over a file: %v", err)
	}
}

func TestOverlayAndFlatten(t *testing.T) {
	needQEMU(t)
	ctx, tool, dir := t.Context(), &Tool{}, privateDir(t)
	content := bytes.Repeat([]byte("gostack!"), mib/8)
	base := Image{Path: filepath.Join(dir, "base"), Format: imageformat.Raw}
	write(t, base.Path, content)
	top := Image{Path: filepath.Join(dir, "top"), Format: imageformat.QCOW2, Backing: &base}
	if err := tool.CreateOverlay(ctx, top.Path, base, 4*mib); err != nil {
		t.Fatal(err)
	}
	info, err := tool.Info(ctx, Image{Path: top.Path, Format: imageformat.QCOW2})
	if err != nil {
		t.Fatal(err)
	}
	if info.BackingFile != base.Path || info.BackingFormat != "raw" || info.VirtualSize != 4*mib {
		t.Errorf("overlay: %+v", info)
	}
	flat := filepath.Join(dir, "flat")
	if err := tool.Convert(ctx, top, flat, imageformat.Raw, 4*mib, ConvertOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(flat)
	if err != nil {
		t.Fatal(err)
	}
	if want := append(content, make([]byte, 3*mib)...); !bytes.Equal(got, want) {
		t.Error("the flattened disk differs from base and overlay")
	}
}

// What a header says about another file is not followed: neither a backing file nor a raw disk that looks like a qcow2.
func TestHeaderReferencesAreNotFollowed(t *testing.T) {
	needQEMU(t)
	ctx, tool, dir := t.Context(), &Tool{}, privateDir(t)
	secret := filepath.Join(dir, "secret")
	write(t, secret, bytes.Repeat([]byte("TOPSECRET"), 1000))

	evil := filepath.Join(dir, "evil.qcow2")
	if err := tool.CreateOverlay(ctx, evil, Image{Path: secret, Format: imageformat.Raw}, mib); err != nil {
		t.Fatal(err)
	}
	for _, format := range []imageformat.Format{imageformat.QCOW2, imageformat.Raw} {
		out := filepath.Join(dir, "out-"+string(format))
		if err := tool.Convert(ctx, Image{Path: evil, Format: format}, out, imageformat.Raw, mib, ConvertOptions{}); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(got, []byte("TOPSECRET")) {
			t.Errorf("as %s: the backing file was read", format)
		}
	}

	// An external data file, made by the tool itself without our fence.
	data := filepath.Join(dir, "ext.qcow2")
	cmd := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file="+filepath.Join(dir, "ext.raw")+",data_file_raw=on", data, "1M")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if os.Geteuid() == 0 {
		write(t, filepath.Join(dir, "ext.raw"), bytes.Repeat([]byte("TOPSECRET"), mib/9))
		out := filepath.Join(dir, "out-ext")
		if err := tool.Convert(ctx, Image{Path: data, Format: imageformat.QCOW2}, out, imageformat.Raw, mib, ConvertOptions{}); err == nil {
			t.Error("a qcow2 with an external data file was converted")
		}
		if _, err := os.Stat(out); !os.IsNotExist(err) {
			t.Errorf("the output of a failed conversion is left: %v", err)
		}
	}
	if report, err := imageformat.InspectFile(data); err != nil || report.Check(imageformat.QCOW2) == nil {
		t.Errorf("the inspector accepts an external data file: %+v, %v", report, err)
	}
}

// Every format that qemu-img writes is recognised by the inspector, and those without references are accepted.
func TestInspectorKnowsWhatQEMUWrites(t *testing.T) {
	needQEMU(t)
	for _, s := range []struct {
		args     []string
		declared imageformat.Format
		refused  bool
	}{
		{[]string{"-f", "qcow2"}, imageformat.QCOW2, false},
		{[]string{"-f", "qcow2", "-o", "compat=0.10"}, imageformat.QCOW2, false},
		{[]string{"-f", "qcow2", "-o", "extended_l2=on,cluster_size=128k"}, imageformat.QCOW2, false},
		{[]string{"-f", "qcow2", "-o", "compression_type=zstd"}, imageformat.QCOW2, false},
		{[]string{"-f", "vmdk"}, imageformat.VMDK, false},
		{[]string{"-f", "vmdk", "-o", "subformat=streamOptimized"}, imageformat.VMDK, false},
		{[]string{"-f", "vmdk", "-o", "subformat=monolithicFlat"}, imageformat.VMDK, true},
		{[]string{"-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"}, imageformat.VMDK, true},
		{[]string{"-f", "vdi"}, imageformat.VDI, false},
		{[]string{"-f", "vpc", "-o", "force_size=on"}, imageformat.VHD, false},
		{[]string{"-f", "vpc", "-o", "subformat=fixed,force_size=on"}, imageformat.VHD, false},
		{[]string{"-f", "vhdx"}, imageformat.VHDX, false},
		{[]string{"-f", "parallels"}, imageformat.Ploop, false},
		{[]string{"-f", "raw"}, imageformat.Raw, false},
		{[]string{"-f", "qed"}, imageformat.QED, true},
		{[]string{"-f", "qcow"}, imageformat.QCOW2, true},
	} {
		t.Run(strings.Join(s.args, " "), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			args := append(append([]string{"create", "-q"}, s.args...), path, "64M")
			if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			report, err := imageformat.InspectFile(path)
			if err != nil {
				t.Fatal(err)
			}
			err = report.Check(s.declared)
			if s.refused != (err != nil) {
				t.Fatalf("refused %v: %v (%+v)", s.refused, err, report)
			}
			if !s.refused && report.VirtualSize != 64*mib {
				t.Errorf("virtual size %d", report.VirtualSize)
			}
		})
	}
}

func TestLimitsAndDeadline(t *testing.T) {
	needQEMU(t)
	tool, dir := &Tool{}, privateDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(dir, "a")
	if err := tool.Create(ctx, path, imageformat.QCOW2, mib); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled call: %v", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a failed create left its file: %v", err)
	}

	// A stated size far below the real one: the file size limit stops the copy.
	big := Image{Path: filepath.Join(dir, "big"), Format: imageformat.Raw}
	write(t, big.Path, bytes.Repeat([]byte{1}, 80*mib))
	out := filepath.Join(dir, "out")
	if err := tool.Convert(t.Context(), big, out, imageformat.Raw, mib, ConvertOptions{}); err == nil {
		t.Error("the output outgrew its limit")
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("a failed convert left its file: %v", err)
	}
}

func TestBadPathsAndFormats(t *testing.T) {
	tool, dir := &Tool{}, privateDir(t)
	write(t, filepath.Join(dir, "target"), nil)
	if err := os.Symlink(filepath.Join(dir, "target"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"disk", "-f", "json:{}", "nbd://host", dir + "/../x", dir, filepath.Join(dir, "link"), "/dev/null", "/a\x00b"} {
		if _, err := tool.Info(t.Context(), Image{Path: path, Format: imageformat.Raw}); err == nil {
			t.Errorf("info %q went through", path)
		}
	}
	for _, format := range []imageformat.Format{"", "qed", "file", "-O"} {
		if err := tool.Create(t.Context(), filepath.Join(dir, "new"), format, mib); err == nil {
			t.Errorf("format %q went through", format)
		}
	}
	if left, _ := filepath.Glob(dir + "/new*"); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

// The fence as seen from inside: another user, no capabilities, no network but a dead loopback, limits in place.
func TestInsideTheFence(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can change the user")
	}
	script := filepath.Join(t.TempDir(), "look")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n/usr/bin/cat /proc/self/status /proc/self/limits\n/usr/bin/ls /proc/self/fd\n/usr/bin/cat /proc/net/dev\n/usr/bin/cat /etc/shadow\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	// The child runs the script by a path that it can walk.
	for dir := filepath.Dir(script); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tool := &Tool{Program: script}
	c := tool.call("look")
	out, err := c.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := string(out)
	for _, want := range []string{"Uid:\t65533\t65533", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Max address space         1073741824"} {
		if !strings.Contains(text, want) {
			t.Errorf("inside there is no %q", want)
		}
	}
	if strings.Contains(text, "root:") {
		t.Error("/etc/shadow can be read inside")
	}
	if tool.Sandbox().Namespaces && strings.Contains(text, "eth0") {
		t.Error("the host's network is visible inside")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func BenchmarkInfo(b *testing.B) {
	tool, path := &Tool{}, filepath.Join(b.TempDir(), "d")
	if err := tool.Create(b.Context(), path, imageformat.QCOW2, mib); err != nil {
		b.Skip(err)
	}
	b.Run("fenced", func(b *testing.B) {
		for b.Loop() {
			if _, err := tool.Info(b.Context(), Image{Path: path, Format: imageformat.QCOW2}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("qemu-img", "info", "-f", "qcow2", path).Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
